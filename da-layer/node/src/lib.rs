//! The DA layer: a Tendermint chain of validators that store entries, re-execute batches and attest
//! them with Mina keys, and clients for it.
//!
//! - [`DaNode`]: a validator, or a node that follows, from a [`DaConfig`] and [`DaParts`];
//! - [`DaClient`]: submits and reads; [`LightClient`]: believes nothing but certificates;
//! - [`verify_evidence`]: what a validator that contradicts itself is convicted by.
//!
//! `docs/src/da-layer.md` says how it is run and used.

pub mod api;
mod app;
mod assembly;
mod attest;
mod block;
mod client;
mod codec;
mod config;
mod context;
mod crash;
mod error;
mod events;
mod evidence;
mod executor;
mod http;
mod keys;
mod mempool;
mod metrics;
#[cfg(test)]
mod mutations;
mod node;
mod rpc;
mod signing;
mod store;

pub use client::{ClientError, DaClient, LightClient};
pub use config::{DaConfig, Genesis, GenesisValidator, Limits, RollupConfig, Storage, Timeouts};
pub use crash::CRASH_POINTS;
pub use error::DaError;
pub use evidence::{Culprit, EvidenceError, verify_evidence};
pub use executor::{FileInbox, InboxSource};
pub use keys::{ConsensusKey, ConsensusSignature, ValidatorKeys};
#[cfg(feature = "byzantine")]
pub use malachite_byzantine::{ByzantineConfig, Trigger};
pub use node::{DaNode, DaParts};

/// Most bytes of a block: one fits into an answer of the synchronisation protocol, of 10 MiB.
pub const MAX_BLOCK_BYTES: usize = 8 << 20;

/// Bytes of a proposal part: far below the 4 MiB of a gossip message.
pub(crate) const PART_BYTES: usize = 512 << 10;

/// Most bytes of a vote extension.
pub(crate) const MAX_EXTENSION_BYTES: usize = 64 << 10;

/// Bytes of a stored block that have a hash of their own.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;
