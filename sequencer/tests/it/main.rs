//! Tests of the sequencer through its public interface.

mod clients;
mod fixture;
mod server;
