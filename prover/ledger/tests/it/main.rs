//! Tests against data that this project did not make, and of the rules that such data cannot show.
//! The vectors and where they come from: `tests/vectors/README.md` at the root.

mod archive;
mod hashing;
mod mutations;
mod properties;
mod rollup;
mod rules;
mod signatures;
mod support;
mod transactions;
