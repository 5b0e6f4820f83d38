//! Batches, certificates, execution, derivation.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod certificate;
mod codec;
mod execute;
mod kit;
mod mutations;
mod pipeline;
