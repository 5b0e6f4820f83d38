//! Validators as processes on loopback.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod batches;
mod blobs;
mod crashes;
mod faults;
mod kit;
mod light;
mod network;
mod partition;
