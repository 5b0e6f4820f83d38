//! Messages between the layers, and receipts for them.

use alloc::{vec, vec::Vec};

use ark_ff::AdditiveGroup;
use mina_curves::{Fp, PastaField};

use super::Hashed;
use crate::{
    hash::{Input, TransactionHash, actions_hash, push_actions},
    types::{Amount, PublicKey, Slot},
};

/// Field elements of a message, of either kind.
pub const MAX_MESSAGE_FIELDS: usize = 3;

/// The action state after an action of one list of fields.
pub fn append_action(state: Fp, fields: &[Fp]) -> Fp {
    push_actions(state, actions_hash(&[fields.to_vec()]))
}

/// A deposit: one action of the rollup account on the L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DepositAction {
    /// Who is credited on the L2.
    pub recipient: PublicKey,
    /// How much was paid in.
    pub amount: Amount,
    /// The last slot in which it may still be credited.
    pub timeout: Slot,
    /// Who is paid on the L1 if it is not credited.
    pub refund_to: PublicKey,
}

impl DepositAction {
    /// The fields of the action: two coordinates, then the rest in one element.
    pub fn to_fields(&self) -> Vec<Fp> {
        let mut input = Input::new();
        input
            .field(self.recipient.x)
            .field(self.refund_to.x)
            .add(&self.recipient.is_odd)
            .add(&self.refund_to.is_odd)
            .add(&self.amount)
            .add(&self.timeout);
        input.into_fields()
    }

    /// The deposit with these fields; `None` if they are not those of one.
    pub fn from_fields(fields: &[Fp]) -> Option<Self> {
        let [recipient, refund_to, packed] = fields else { return None };
        let [low, high, 0, 0] = packed.to_limbs() else { return None };
        let value = (u128::from(high) << 64) | u128::from(low);
        if value >> 98 != 0 {
            return None;
        }
        let deposit = Self {
            recipient: PublicKey { x: *recipient, is_odd: value >> 97 & 1 == 1 },
            refund_to: PublicKey { x: *refund_to, is_odd: value >> 96 & 1 == 1 },
            amount: Amount::new((value >> 32) as u64),
            timeout: Slot::new(value as u32),
        };
        Some(deposit)
    }

    /// The hash of the action by itself: what is known of a message that nobody has opened.
    pub fn action_hash(&self) -> Fp {
        actions_hash(&[self.to_fields()])
    }
}

/// A message of the L1, as far as whoever consumes it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// A deposit.
    Deposit(DepositAction),
    /// A message that nobody has opened: the hash of its action.
    Unopened(Fp),
}

impl Message {
    /// The hash of the action.
    pub fn action_hash(&self) -> Fp {
        match self {
            Self::Deposit(deposit) => deposit.action_hash(),
            Self::Unopened(hash) => *hash,
        }
    }

    /// What stands for the message among the hashes of a block's commands: the bytes of the action's
    /// hash, little-endian.
    pub fn block_entry(&self) -> TransactionHash {
        let mut entry = [0; 32];
        let limbs = self.action_hash().to_limbs().into_iter().flat_map(u64::to_le_bytes);
        entry.iter_mut().zip(limbs).for_each(|(byte, value)| *byte = value);
        TransactionHash(entry)
    }

    /// The inbox after this message.
    pub fn append_to(&self, inbox: Fp) -> Fp {
        push_actions(inbox, self.action_hash())
    }
}

/// Something that the L1 owes: one action of the bridge account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboxEntry {
    /// A withdrawal by a user.
    Withdrawal {
        /// Who is paid on the L1.
        recipient: PublicKey,
        /// How much.
        amount: Amount,
    },
    /// A deposit that was not credited.
    Refund {
        /// Who is paid on the L1.
        recipient: PublicKey,
        /// How much.
        amount: Amount,
    },
    /// A message that nobody had opened: whoever opens it claims the refund.
    Unopened {
        /// The hash of the action.
        action_hash: Fp,
    },
}

impl OutboxEntry {
    /// The number that a withdrawal's third field begins with.
    pub const WITHDRAWAL: u64 = 1;
    /// The number that a refund's third field begins with.
    pub const REFUND: u64 = 2;
    /// The number that the third field of a message that nobody had opened begins with.
    pub const UNOPENED: u64 = 3;

    /// The fields of the action: always three, a field element, zero, and kind, parity and amount
    /// in one element.
    pub fn to_fields(&self) -> Vec<Fp> {
        let (kind, x, is_odd, amount) = match self {
            Self::Withdrawal { recipient, amount } => {
                (Self::WITHDRAWAL, recipient.x, recipient.is_odd, *amount)
            }
            Self::Refund { recipient, amount } => {
                (Self::REFUND, recipient.x, recipient.is_odd, *amount)
            }
            Self::Unopened { action_hash } => (Self::UNOPENED, *action_hash, false, Amount::ZERO),
        };
        let mut input = Input::new();
        input.field(x).field(Fp::ZERO).bits(kind, 8).add(&is_odd).add(&amount);
        input.into_fields()
    }

    /// The entry with these fields; `None` if they are not those of one.
    pub fn from_fields(fields: &[Fp]) -> Option<Self> {
        let [x, zero, packed] = fields else { return None };
        let [low, high, 0, 0] = packed.to_limbs() else { return None };
        if *zero != Fp::ZERO {
            return None;
        }
        let amount = Amount::new(low);
        let recipient = PublicKey { x: *x, is_odd: high & 1 == 1 };
        match (high >> 1, recipient.is_odd, amount) {
            (Self::WITHDRAWAL, ..) => Some(Self::Withdrawal { recipient, amount }),
            (Self::REFUND, ..) => Some(Self::Refund { recipient, amount }),
            (Self::UNOPENED, false, Amount::ZERO) => Some(Self::Unopened { action_hash: *x }),
            _ => None,
        }
    }

    /// The outbox after this entry.
    pub fn append_to(&self, outbox: Fp) -> Fp {
        append_action(outbox, &self.to_fields())
    }

    /// The actions of the account update that makes a withdrawal.
    pub fn to_actions(&self) -> Vec<Vec<Fp>> {
        vec![self.to_fields()]
    }
}

/// Why a deposit was not credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundReason {
    /// Its timeout had passed.
    TimedOut,
    /// The recipient is the bridge account.
    BridgeAccount,
    /// The recipient could not be credited.
    NotCreditable,
}

/// What became of a message from the L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageReceipt {
    /// The recipient was credited.
    Fulfilled,
    /// An entry went to the outbox.
    Refunded(RefundReason),
    /// The hash of the action went to the outbox.
    Unopened,
}

impl Hashed for MessageReceipt {
    const PREFIX: &'static str = "ZekoMessageReceipt";

    fn append(&self, input: &mut Input) {
        let (kind, reason) = match self {
            Self::Fulfilled => (1, 0),
            Self::Refunded(RefundReason::TimedOut) => (2, 1),
            Self::Refunded(RefundReason::BridgeAccount) => (2, 2),
            Self::Refunded(RefundReason::NotCreditable) => (2, 3),
            Self::Unopened => (3, 0),
        };
        input.bits(kind, 8).bits(reason, 8);
    }
}

/// What became of a withdrawal: its place in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WithdrawalReceipt {
    /// The number of entries before it.
    pub index: u64,
    /// The outbox after it.
    pub outbox: Fp,
}

impl Hashed for WithdrawalReceipt {
    const PREFIX: &'static str = "ZekoWithdrawReceipt";

    fn append(&self, input: &mut Input) {
        input.bits(self.index, 64).field(self.outbox);
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandReceipt {
    /// Whether it was applied in full; else only its fee was paid.
    pub applied: bool,
    /// The outbox after it: for a withdrawal, what its place in the outbox is shown with.
    pub outbox: Fp,
}

impl Hashed for CommandReceipt {
    const PREFIX: &'static str = "ZekoCommandReceipt";

    fn append(&self, input: &mut Input) {
        input.add(&self.applied).field(self.outbox);
    }
}
