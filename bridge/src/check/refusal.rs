//! What a command is found to be, and why it is refused.

use mina_ledger::types::Slot;

/// What a command does to the rollup account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractRule {
    /// It pays in.
    Deposit,
    /// It settles a batch.
    Commit,
    /// It pays what the L1 owes.
    Payout,
}

impl ContractRule {
    /// The name of the rule.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Commit => "commit",
            Self::Payout => "payout",
        }
    }
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No update of the rollup account by a proof, or something beside it.
    #[error("no settlement: {what}")]
    NotASettlement {
        /// Why.
        what: &'static str,
    },
    /// The update, this node and the L1 do not name one key of the contract.
    #[error("the update is for another verification key than the contract's")]
    Key,
    /// The update is none that the rule makes.
    #[error("not the update of a {rule}: {what} differs", rule = rule.name())]
    Body {
        /// The rule that it is closest to.
        rule: ContractRule,
        /// Where it differs first.
        what: &'static str,
    },
    /// The contract's state is another one.
    #[error("the contract has another {what} than the update asks for")]
    State {
        /// What of it.
        what: &'static str,
    },
    /// The committee has not certified what is settled.
    #[error("batch {batch}: {what}")]
    Certificate {
        /// Which batch.
        batch: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The proof does not show the update.
    #[error("the proof does not verify")]
    Proof,
    /// Deposits are consumed that the L1 does not have, or in another order.
    #[error("unknown deposit: {what} is none of the L1's inbox")]
    UnknownDeposit {
        /// What names them.
        what: &'static str,
    },
    /// What the L1 owes is not what the L2 has.
    #[error("missing withdrawal: {what}")]
    MissingWithdrawal {
        /// Where.
        what: &'static str,
    },
    /// Not in these slots, or not now.
    #[error("slot: expected {first} to {last}, got {what}")]
    Slot {
        /// The first slot in which it may be in a block.
        first: Slot,
        /// The last one.
        last: Slot,
        /// The slot, or what the update says instead.
        what: String,
    },
    /// It has been done.
    #[error("replayed: {what}")]
    Replayed {
        /// What has been done.
        what: String,
    },
    /// Not the batch that the contract waits for, or one that nobody knows here.
    #[error("batch: expected {expected} of this chain, got {got}")]
    UnknownBatch {
        /// The batch that the contract waits for.
        expected: u64,
        /// The one that the update names.
        got: u64,
    },
    /// A deposit behind the batch should have been consumed.
    #[error(
        "a deposit that could be credited until slot {timeout} waits behind a batch that ends in slot {last_slot}"
    )]
    Overdue {
        /// The last slot in which it could be credited.
        timeout: Slot,
        /// The batch's last slot.
        last_slot: Slot,
    },
    /// Nobody can tell now. Try again.
    #[error("not known now: {reason}")]
    NotReady {
        /// Why not.
        reason: String,
    },
}

impl Refusal {
    /// Its number. None is ever given to something else.
    pub const fn code(&self) -> u16 {
        match self {
            Self::NotASettlement { .. } => 1001,
            Self::Key => 1002,
            Self::Body { .. } => 1003,
            Self::State { .. } => 1004,
            Self::Certificate { .. } => 1005,
            Self::Proof => 1006,
            Self::UnknownDeposit { .. } => 1007,
            Self::MissingWithdrawal { .. } => 1008,
            Self::Slot { .. } => 1009,
            Self::Replayed { .. } => 1010,
            Self::UnknownBatch { .. } => 1011,
            Self::NotReady { .. } => 1012,
            Self::Overdue { .. } => 1013,
        }
    }
}
