//! Integration tests of the proof system.

mod circuits;
mod forge;
mod mutations;
mod prover;
mod tamper;
mod vectors;
