//! Integration tests of Pickles.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod program;
mod tamper;
mod vectors;
