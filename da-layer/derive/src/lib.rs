//! What the DA layer carries, and how the L2 follows from it and the L1.
//!
//! - [`Envelope`]: a signed entry of the DA chain; [`Batch`], [`BridgeRequest`], blobs: what is in it;
//! - [`Certificate`]: the committee's word on a batch or a blob, and every rule it must keep;
//! - [`execute_batch`]: re-executes a batch on a full ledger, or on a sparse one that a witness
//!   shows, and compares everything that it claims;
//! - [`Pipeline`]: L1 inbox and DA entries in, L2 blocks and state out.
//!
//! Everything is synchronous and pure: inputs come through provider traits, no clock is read and
//! nothing is drawn at random. All of it works without `std`.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod batch;
mod builder;
mod certificate;
mod codec;
mod entry;
mod execute;
mod observe;
mod pipeline;
mod proof;

pub use batch::{Batch, BatchError, BatchHeader, Block, Command, Item, MAX_BATCH_BYTES};
pub use builder::{BatchBuilder, BlockBuilder};
pub use certificate::{Certificate, CertificateError, CertificateStatement, Expectation};
pub use codec::{DecodeError, Reader, Wire, Writer};
pub use entry::{
    BridgeRequest, ENTRY_VERSION, EntryError, EntryKind, EntryStatement, Envelope, MAX_DATA_BYTES,
};
pub use execute::{
    BlockContext, BlockOutcome, ChainParameters, ChainState, ExecuteError, InboxView,
    apply_command, apply_message, batch_accounts, close_batch, execute_batch,
    execute_batch_observed,
};
pub use observe::BatchObserver;
pub use pipeline::{
    BatchQueue, DaProvider, Derived, L1Provider, Pipeline, PipelineError, Positioned, Refusal,
    StepOutcome,
};
pub use proof::PackedProofs;
