//! Tests of the sequencer through its public interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod clients;
mod embedded;
mod fixture;
mod flow;
mod kit;
mod messages;
mod process;
mod proving;
mod rebuild;
mod server;
