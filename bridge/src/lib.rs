//! Settlement on Mina.
//!
//! The L1 is known by two URLs only: Mina's GraphQL and the archive API.
//!
//! - [`L1Client`] asks them; [`L1Watcher`] follows the chain, the contract's state and the inbox;
//! - [`ContractProver`] makes the proofs of the contract's updates, one after another;
//! - [`deploy()`] and [`verify_deployment`] set up the rollup account and look at one;
//! - [`Checker`] says whether the contract takes a command, and why not;
//! - [`Deposits`] prepares deposits that a wallet only signs;
//! - [`Settler`] commits batches and pays what the L1 owes.

mod check;
mod client;
mod command;
mod deploy;
mod deposit;
mod inbox;
mod pool;
mod prover;
mod settler;
mod view;
mod watcher;

pub use check::{Checker, ContractRule, Refusal, Standing};
pub use client::{
    ArchivedActions, ArchivedEvent, L1Account, L1Block, L1Client, L1Command, L1Config, L1Error,
    L1Snapshot, L1Zkapp,
};
pub use command::{Payer, paying, sign, unsigned};
pub use deploy::{
    DeployError, Deployed, Deployment, Difference, ExpectedDeployment, deploy, first_root,
    last_root, verify_deployment,
};
pub use deposit::{DepositError, DepositRequest, Deposits, DepositsConfig};
pub use pool::{MAX_REQUESTS, Requests};
pub use prover::{ContractProver, FoldSizes, ProverError};
pub use settler::{
    BatchStatus, Beginning, CertifiedBatch, Fees, HandInError, MissingOutbox, Settler,
    SettlerConfig, SettlerError, SettlerHandle, SettlerStatus, Stage,
};
pub use view::{ConfirmedInbox, L1View, Message, behind};
pub use watcher::{L1Watcher, WatcherConfig, WatcherError};
