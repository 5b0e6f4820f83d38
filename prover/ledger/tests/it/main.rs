//! Tests against data that this project did not make, and of the rules that such data cannot show.
//! The vectors and where they come from: `tests/vectors/README.md` at the root.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod archive;
mod authorization;
mod hashing;
mod mutations;
mod poseidon;
mod properties;
mod rollup;
mod rules;
mod signatures;
mod support;
mod transactions;
