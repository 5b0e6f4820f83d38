//! What the rollup's contract on the L1 does: the native twins of its rules.
//!
//! Each rule proves one account update of the rollup account, all of it: what is not a variable of
//! the rule is a constant. [`RollupAccount`] begins every such update.

mod commit;
mod deploy;
mod deposit;
mod payout;

use alloc::vec::Vec;

use ark_ff::AdditiveGroup;
use mina_curves::Fp;

use super::{ChainId, Configuration, DataCommitment, Hashed, PayoutState, Progress, Root};
use crate::{
    Domain,
    hash::constants::EMPTY_ACTION_STATE,
    types::{AccountId, Amount, AuthorizationKind, Body, Era, PublicKey, Slot, SlotSpan},
};

pub use commit::{Commit, CommitOrder, Sequencer};
pub use deploy::{ContractEvent, DeployFunds, contract_permissions, deploy_updates};
pub use deposit::Deposit;
pub use payout::{MAX_PAYOUTS, Payment, Payout};

/// The version of the protocol that attestations name.
pub const SETTLEMENT_VERSION: u32 = 1;

/// Constants of a rollup's settlement. The contract's verification key depends on all of them.
#[derive(Clone, Debug)]
pub struct SettlementParameters {
    /// The L1: what account updates and signatures there are hashed with.
    pub domain: Domain,
    /// The L1's name in attestations.
    pub l1_network: ChainId,
    /// The rollup's name.
    pub chain: ChainId,
    /// The smallest deposit.
    pub minimum_deposit: Amount,
    /// How long behind the last slot in which it could be made a deposit may still be credited.
    pub deposit_timeout: SlotSpan,
    /// How long behind its last slot a batch may still be committed.
    pub window: SlotSpan,
    /// The most messages of a batch: behind one with as many, others may wait beyond their timeouts.
    pub message_quota: u32,
}

/// Why an update of the rollup account cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettlementError {
    /// Too little to deposit.
    #[error("a deposit of {got}, expected at least {expected}")]
    TooSmall {
        /// The smallest.
        expected: Amount,
        /// What was given.
        got: Amount,
    },
    /// A slot or a number of batches, blocks or coins that does not fit.
    #[error("{what} does not fit its type")]
    Overflow {
        /// Which.
        what: &'static str,
    },
    /// Something that is said in two places is not the same.
    #[error("{what} differs")]
    Differs {
        /// What.
        what: &'static str,
    },
    /// A batch that goes back in time.
    #[error("slot: expected {expected} or later, got {got}")]
    Slot {
        /// The earliest.
        expected: Slot,
        /// What was given.
        got: Slot,
    },
    /// A batch that does not follow the last one: it has been committed, or one is missing.
    #[error("batch: expected {expected}, got {got}")]
    Batch {
        /// The next.
        expected: u64,
        /// What was given.
        got: u64,
    },
    /// Not the sequencer's signature.
    #[error("the order to commit is not signed by the sequencer")]
    Unsigned,
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
    /// More entries than an update pays.
    #[error("expected at most {expected} entries, got {got}")]
    Entries {
        /// The most.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// An entry that nobody can be paid for.
    #[error("entry {index} names no recipient")]
    Unopened {
        /// Which.
        index: usize,
    },
}

/// The rollup account on the L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupAccount {
    /// Its key.
    pub public_key: PublicKey,
    /// The hash of its verification key. A circuit cannot contain its own key's, so proofs show
    /// updates with any; Mina compares it with the account's.
    pub key_hash: Fp,
}

impl RollupAccount {
    /// An update that is authorised by a proof, asks that the rollup runs, and does nothing.
    pub fn body(&self, era: Era) -> Body {
        let mut body = Body::new(AccountId::of(self.public_key), era);
        body.authorization_kind = AuthorizationKind::Proof(self.key_hash);
        require(&mut body, Field::Status, ContractState::RUNNING);
        body
    }
}

/// The fields of the rollup account, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // named as in `ContractState`
pub enum Field {
    Root,
    Inbox,
    Outbox,
    Payout,
    Configuration,
    Status,
    Progress,
    Data,
}

impl Field {
    /// Its place in the state.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Asks that a field has a value.
fn require(body: &mut Body, field: Field, value: Fp) {
    set(&mut body.preconditions.account.state, field, value);
}

/// Writes a field.
fn write(body: &mut Body, field: Field, value: Fp) {
    set(&mut body.update.app_state, field, value);
}

fn set(fields: &mut [Option<Fp>], field: Field, value: Fp) {
    // Every era has eight fields.
    if let Some(slot) = fields.get_mut(field.index()) {
        *slot = Some(value);
    }
}

/// The state of the rollup account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractState {
    /// The L2's ledger.
    pub root: Root,
    /// The prefix of the inbox that has been consumed.
    pub inbox: Fp,
    /// The outbox.
    pub outbox: Fp,
    /// How far the outbox has been paid.
    pub payout: PayoutState,
    /// Who may do what.
    pub configuration: Configuration,
    /// Whether the contract does anything.
    pub status: Fp,
    /// How far the chain has been settled.
    pub progress: Progress,
    /// The data of the last batch.
    pub data: DataCommitment,
}

impl ContractState {
    /// The status of a contract that works. Not zero, so that an account which was never set up does
    /// nothing.
    pub const RUNNING: Fp = ark_ff::MontFp!("1");

    /// The state that a rollup begins with: `root` is that of its genesis ledger, `slot` the earliest
    /// that its first batch may begin in.
    pub fn genesis(root: Root, configuration: Configuration, slot: Slot) -> Self {
        Self {
            root,
            inbox: EMPTY_ACTION_STATE,
            outbox: EMPTY_ACTION_STATE,
            payout: PayoutState {
                snapshot: EMPTY_ACTION_STATE,
                paid: EMPTY_ACTION_STATE,
                parked: Fp::ZERO,
            },
            configuration,
            status: Self::RUNNING,
            progress: Progress { batch: 0, height: 0.into(), last_slot: slot },
            data: DataCommitment::default(),
        }
    }

    /// The eight fields, in the order of [`Field`].
    pub fn to_fields(&self) -> [Fp; 8] {
        [
            self.root.digest(),
            self.inbox,
            self.outbox,
            self.payout.digest(),
            self.configuration.digest(),
            self.status,
            self.progress.to_field(),
            self.data.field(),
        ]
    }

    /// The fields as an update sets them.
    fn to_update(self, era: Era) -> Vec<Option<Fp>> {
        let fields = self.to_fields().into_iter().map(Some);
        // Eras with more fields: zero, as in a new account.
        fields.chain(core::iter::repeat(None)).take(era.app_state_len()).collect()
    }
}
