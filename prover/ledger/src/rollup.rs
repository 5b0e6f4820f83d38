//! What the rollup adds to Mina: the bridge account's rule, messages between the layers, and every
//! protocol type that is hashed or signed.
//!
//! | type | prefix | where it is hashed |
//! |---|---|---|
//! | [`DepositAction`] | Mina's actions | inbox: the action state of the rollup account on the L1 |
//! | [`OutboxEntry`] | Mina's actions | outbox: the action state of the bridge account |
//! | [`BatchStatement`] | `ZekoBatch` | the public input of batch proofs |
//! | [`BlockHeader`] | `ZekoBlock` | the chain of blocks |
//! | [`Attestation`] | `ZekoAttestation` | signed by the DA committee |
//! | [`BlobStatement`] | `ZekoBlob` | signed by the DA committee |
//! | [`PreConfirmation`] | `ZekoPreConfirmation` | signed by the sequencer |
//! | [`MessageReceipt`], [`WithdrawalReceipt`] | `ZekoMessageReceipt`, `ZekoWithdrawReceipt` | batch data |
//! | [`CommandReceipt`] | `ZekoCommandReceipt` | the body of blocks |
//! | [`Committee`] | `ZekoCommittee` | the configuration of the rollup account |
//! | [`PayoutState`], [`Configuration`] | `ZekoPayout`, `ZekoConfiguration` | fields of the rollup account |
//! | [`Sequencer`] | `ZekoSequencer` | the configuration of the rollup account |
//! | [`CommitOrder`] | `ZekoCommitOrder` | signed by the sequencer |
//! | [`Fold`], [`Waiting`], [`Certified`] | `ZekoFold`, `ZekoWaiting`, `ZekoCertified` | the public input of the fold program's proofs |
//!
//! Order of fields and prefixes are fixed: `tests/vectors/protocol` pins a hash of each.

mod bridge;
mod contract;
mod da;
mod fold;
mod hashed;
mod message;
mod settlement;
mod statement;

pub use bridge::{
    BRIDGE_SUPPLY, BridgeParameters, BridgeRule, MessageOutcome, apply_deposit, apply_message,
    apply_unopened, bridge_account, bridge_id, bridge_public_key, credit_fees,
};
pub use contract::{Committee, CommitteeMember, Configuration, PayoutState, Progress};
pub use da::{Attestation, BlobStatement, DataCommitment, PreConfirmation, SignedStatement};
pub use fold::{Certified, Fold, Waiting, is_full_quota};
pub use hashed::Hashed;
pub use message::{
    CommandReceipt, DepositAction, MAX_MESSAGE_FIELDS, Message, MessageReceipt, OutboxEntry,
    RefundReason, WithdrawalReceipt, append_action,
};
pub use settlement::{
    Commit, CommitOrder, ContractEvent, ContractState, DeployFunds, Deposit, Field, MAX_PAYOUTS,
    Payment, Payout, RollupAccount, SETTLEMENT_VERSION, Sequencer, SettlementError,
    SettlementParameters, contract_permissions, deploy_updates,
};
pub use statement::{BatchStatement, BlockHeader, ChainId, Root, Side};
