//! Integration tests of the proof system.

mod builder;
mod circuits;
mod forge;
mod mutations;
mod prover;
mod tamper;
mod vectors;
