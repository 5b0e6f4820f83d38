//! The sequencer of the rollup: it takes commands in, executes them in blocks of a second, and
//! signs for where they are.
//!
//! - [`Sequencer`], [`SequencerConfig`]: the service;
//! - [`SequencerHandle`]: asking it and sending to it from the same process;
//! - [`graphql`]: the API of a Mina node, over any node that implements [`graphql::MinaNode`];
//! - [`PicklesVerifier`]: checking zkApp proofs.
//!
//! # How a command travels
//!
//! `admission` checks it, `pool` gives it a place, `log` makes it safe, and only then is it
//! acknowledged. `builder` takes it out of the pool and has `engine` execute it; what has been
//! executed is in the log before anybody is told. A block goes to `store` when it is closed. After
//! a crash, `replay` runs the log with the same `engine` on top of what the store has.

mod admission;
mod bridge;
mod builder;
mod command;
mod config;
mod crash;
mod engine;
mod fees;
pub mod graphql;
mod handle;
mod health;
mod log;
mod pool;
mod proofs;
mod rebuild;
mod replay;
mod rpc;
mod service;
mod shared;
mod store;
mod view;
mod work;

pub use bridge::{Bridge, Consumed, DepositRequest, SettlementRefused};
pub use command::Command;
pub use config::{
    AdminConfig, BatchConfig, GenesisAccount, GenesisConfig, RpcConfig, SequencerConfig,
};
#[cfg(feature = "crash-points")]
pub use crash::POINTS as CRASH_POINTS;
pub use engine::EngineError;
pub use fees::{FeeConfig, command_weight};
pub use handle::{
    CommandStatus, Confirmations, DepositStatus, SequencerHandle, SignedConfirmation,
};
pub use log::LogError;
pub use pool::PoolConfig;
pub use proofs::PicklesVerifier;
pub use rebuild::{PublishedBatch, PublishedBlock, Rebuild, Rebuilt};
pub use service::{Addresses, Sequencer, SequencerError};
pub use store::{BatchRecord, Stage, StoreError};
pub use work::{ProofSizes, ProvingConfig};
