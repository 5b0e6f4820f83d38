//! Integration tests of the proof system.

mod builder;
mod circuits;
mod prover;
mod vectors;
