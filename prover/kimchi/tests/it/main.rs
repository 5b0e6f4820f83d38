//! Integration tests of the proof system.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod builder;
mod circuits;
mod forge;
mod golden;
mod mutations;
mod prover;
mod tamper;
mod vectors;
