//! Proving as a service: what a batch did becomes jobs, and the jobs one proof.
//!
//! - [`Trace::record`] executes a batch and records what it did: the sequencer's own, or one of a lost
//!   sequencer, from the DA layer.
//! - [`Plan::new`] says which proofs the batch needs: a graph of [`Job`]s, each known by the hash of the
//!   statement that it will prove.
//! - [`Worker`] proves the plans that it is given, on a [`Backend`]: as many proofs at once as fit the
//!   memory. [`Embedded`] proves in this process.
//!
//! **What survives**: proofs, each on disk before anything rests on it. The graph is not kept, since it
//! follows from the batch: after a crash the same batch is handed in again, leads to the same
//! statements, and what is there for them is not proved again.

mod backend;
mod crash;
mod plan;
mod progress;
mod schedule;
mod service;
mod store;
mod trace;

pub use backend::{
    Backend, BackendError, Embedded, EmbeddedConfig, EmbeddedError, Limits, UnsafeNoProofs,
};
pub use crash::CRASH_POINTS;
pub use plan::{Job, JobInput, Plan, PlanError, Rule, StatementHash};
pub use progress::{BatchError, BatchHandle, Progress, Stage};
pub use service::{SubmitError, Worker, WorkerConfig, WorkerError, WorkerHandle, WorkerStatus};
pub use store::StoreError;
pub use trace::{Trace, TraceError, TracedBlock, TracedPart};
