//! The worker: plans, the service with a back end that counts, and one batch proved for real.

mod crash;
mod failures;
mod kit;
mod plan;
mod real;
mod restart;
mod service;
