//! What commands do to a ledger.
//!
//! | transaction | function |
//! |---|---|
//! | zkApp command | [`apply_zkapp_command`], or [`apply_fee_payer`] and [`apply_account_updates`] |
//! | payment, delegation | [`apply_signed_command`] |
//! | fee transfer | [`apply_fee_transfer`] |
//! | coinbase | [`apply_coinbase`] |
//!
//! Each leaves the ledger as it was if it returns an error. Signatures and proofs are checked
//! before, by [`check_authorizations`] and [`check_signature`]; what nodes ask of commands by
//! themselves, by [`check_zkapp_command`] and [`check_signed_command`].

mod authorization;
mod context;
mod failure;
mod internal;
mod local_state;
mod preconditions;
mod signed;
mod update;
mod well_formed;
mod zkapp;

pub use authorization::{
    AuthorizationError, NoProofs, ProofClaim, ProofVerifier, ZkappStatement, check_authorizations,
    check_proofs, check_signature,
};
pub use context::{AccountRule, Context};
pub use failure::{FailureTable, TransactionFailure};
pub use internal::{InternalApplied, apply_coinbase, apply_fee_transfer};
pub use local_state::{Frame, LocalState};
pub use signed::{SignedCommandApplied, apply_signed_command};
pub use update::GlobalState;
pub use well_formed::{
    MINIMUM_FEE, Malformed, WellFormednessError, check_signed_command, check_signed_command_with,
    check_structure, check_zkapp_command, check_zkapp_command_with, segments,
};
pub use zkapp::{
    Observer, PartiallyApplied, UpdateRecord, ZkappApplied, apply_account_updates, apply_fee_payer,
    apply_unauthorized_update, apply_zkapp_command,
};

use crate::{ledger::LedgerError, types::Nonce};

/// Why a transaction has no place in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectReason {
    /// The slot is past `validUntil`.
    #[error("the command has expired")]
    Expired,
    /// The fee payer has no account.
    #[error("the fee payer has no account")]
    NoFeePayer,
    /// The fee payer has another nonce.
    #[error("Invalid_nonce: expected {expected}, got {got}")]
    Nonce {
        /// The nonce of the account.
        expected: Nonce,
        /// The nonce of the command.
        got: Nonce,
    },
    /// A balance, or the amount paid to a new account, does not cover what is taken out of it.
    #[error("insufficient funds")]
    InsufficientFunds,
    /// A balance does not cover what is taken out of it and what has not vested.
    #[error("{0}")]
    Timing(TransactionFailure),
    /// The permissions of the fee payer do not allow it.
    #[error("{0}")]
    Permission(TransactionFailure),
    /// A balance would leave its range.
    #[error("overflow")]
    Overflow,
    /// A coinbase pays a fee to its own receiver.
    #[error("the fee of a coinbase goes to its own receiver")]
    SameReceiver,
    /// An account is reserved by the layer above.
    #[error("the account is reserved")]
    Reserved,
    /// A proof is under another key than the account has by now.
    #[error("the account has another verification key than the one that the proof is under")]
    VerificationKey,
}

/// Why a transaction was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// It has no place in a block.
    #[error(transparent)]
    Rejected(#[from] RejectReason),
    /// The fee payer of a zkApp command fails.
    #[error("the fee payer fails: {failures:?}")]
    Failed {
        /// Why.
        failures: FailureTable,
    },
    /// No node lets it through.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The ledger cannot tell.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}
