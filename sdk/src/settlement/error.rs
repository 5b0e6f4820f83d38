//! Why there is no settlement.

use mina_ledger::types::TypeError;
use pickles::CompileError;
use zeko_bridge::{HandInError, L1Error, ProverError, SettlerError, WatcherError};
use zeko_circuits::accounts::AccountSetError;
use zeko_sequencer::{SequencerError, StoreError};
use zeko_worker::{BatchError, EmbeddedError, SubmitError, WorkerError};

/// Why settlement did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettlementError {
    /// Without proofs, on a network where MINA is worth something.
    #[error("unsafe_no_proofs is for development, not for an L1 with the network id {0}")]
    NoProofs(String),
    /// A name that is none.
    #[error("configuration: {0}")]
    Config(#[from] TypeError),
    /// The DA layer certifies something else than a batch.
    #[error("batch {batch}: a certificate of something else")]
    Certificate {
        /// The batch.
        batch: u64,
    },
    /// The genesis of the sequencer.
    #[error(transparent)]
    Genesis(#[from] SequencerError),
    /// Its accounts.
    #[error(transparent)]
    Accounts(#[from] AccountSetError),
    /// The ledger of genesis.
    #[error(transparent)]
    Ledger(#[from] mina_ledger::ledger::LedgerError),
    /// The L1 has settled more batches than there are: of another chain, or this one is not complete.
    #[error("the L1 has settled {settled} batches, and this chain has {got}")]
    Missing {
        /// Batches that are settled.
        settled: u64,
        /// Batches that are closed.
        got: u64,
    },
    /// The L1 has settled another chain.
    #[error(
        "batch {batch} is settled as another: {what}: the L1 has {expected}, this chain has {got}"
    )]
    Settled {
        /// The last batch that is settled.
        batch: u64,
        /// What differs.
        what: &'static str,
        /// The contract's.
        expected: String,
        /// The sequencer's.
        got: String,
    },
    /// The rollup account is no contract of a rollup.
    #[error("the rollup account on the L1 is no rollup's")]
    NoContract,
    /// Compiling the rollup program.
    #[error("rollup program: {0}")]
    Compile(#[from] CompileError),
    /// The contract.
    #[error("contract: {0}")]
    Contract(#[from] ProverError),
    /// The L1.
    #[error("L1: {0}")]
    L1(#[from] L1Error),
    /// Watching the L1.
    #[error(transparent)]
    Watcher(#[from] WatcherError),
    /// Proving here.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The worker does not take a batch.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A batch cannot be proved.
    #[error("batch {batch}: {error}")]
    Proof {
        /// The batch.
        batch: u64,
        /// Why.
        error: BatchError,
    },
    /// The settler.
    #[error(transparent)]
    Settler(#[from] SettlerError),
    /// The settler does not take a batch.
    #[error(transparent)]
    HandIn(#[from] HandInError),
    /// The sequencer's store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sequencer does not undo blocks that the L1 has undone, or can no longer commit.
    #[error("rolling back to {height}: {reason}")]
    RollBack {
        /// Blocks to keep.
        height: u32,
        /// Why not.
        reason: String,
    },
    /// One of its services ended.
    #[error("the {service} has ended")]
    Ended {
        /// Which.
        service: &'static str,
    },
    /// A task died.
    #[error("a task died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl SettlementError {
    /// Whether it is the sequencer's own data that is not what it was, so that it has to stop.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}
