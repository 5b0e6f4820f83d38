//! Every transaction vector through the circuits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod program;
mod update;
