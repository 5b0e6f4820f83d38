//! The indexer against scripted chains.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod api;
mod chain;
mod follow;
mod node;
mod postgres;
