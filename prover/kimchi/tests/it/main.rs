//! Integration tests of the proof system.

mod circuits;
mod prover;
mod vectors;
