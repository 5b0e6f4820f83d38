//! The worker: plans, the service with a back end that counts, and one batch proved for real.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod crash;
mod failures;
mod kit;
mod plan;
mod real;
mod restart;
mod service;
