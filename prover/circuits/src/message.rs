//! Messages between the layers.

use mina_curves::Fp;
use mina_ledger::{
    hash::{constants::EMPTY_ACTIONS_HASH, salt},
    rollup::DepositAction,
    types::{Amount, Era, PublicKey, Slot},
};

use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells},
    input::{InputVar, hash},
    key::PublicKeyVar,
    number::{AmountVar, NumberValue, U32Var, UIntVar},
};

/// A deposit of nothing, in place of one that is not there.
pub(crate) const NO_DEPOSIT: DepositAction = DepositAction {
    recipient: PublicKey::EMPTY,
    amount: Amount::ZERO,
    timeout: Slot::ZERO,
    refund_to: PublicKey::EMPTY,
};

/// The twin of [`DepositAction`].
#[derive(Clone, Debug)]
pub struct DepositActionVar {
    /// Who is credited on the L2.
    pub recipient: PublicKeyVar,
    /// How much was paid in.
    pub amount: AmountVar,
    /// The last slot in which it may still be credited.
    pub timeout: U32Var,
    /// Who is paid on the L1 if it is not credited.
    pub refund_to: PublicKeyVar,
}

impl Allocate for DepositActionVar {
    type Native = DepositAction;

    fn values(native: &DepositAction, era: Era, out: &mut Vec<Fp>) {
        PublicKeyVar::values(&native.recipient, era, out);
        out.extend([native.amount.value(), native.timeout.value()]);
        PublicKeyVar::values(&native.refund_to, era, out);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            recipient: PublicKeyVar::assign(cs, cells),
            amount: cells.uint(cs),
            timeout: cells.uint(cs),
            refund_to: PublicKeyVar::assign(cs, cells),
        }
    }
}

impl DepositActionVar {
    /// The twin of [`DepositAction::to_fields`].
    pub fn to_fields(&self) -> Vec<Linear> {
        let mut input = InputVar::new();
        input
            .field(&self.recipient.x)
            .field(&self.refund_to.x)
            .add(&self.recipient.is_odd)
            .add(&self.refund_to.is_odd)
            .add(&self.amount)
            .add(&self.timeout);
        input.into_fields()
    }
}

/// The fields of an outbox entry, of which `kind` is a byte: the twin of
/// [`OutboxEntry::to_fields`](mina_ledger::rollup::OutboxEntry::to_fields).
pub(crate) fn entry_fields(
    kind: impl Into<Linear>,
    x: &Linear,
    is_odd: &Boolean,
    amount: &AmountVar,
) -> Vec<Linear> {
    let mut input = InputVar::new();
    input.field(x).field(Fp::default()).add(&UIntVar::<8>::assume(kind)).add(is_odd).add(amount);
    input.into_fields()
}

/// The hash of one action by itself; 36 rows for three fields.
pub(crate) fn one_action<I>(cs: &mut Cs<I>, fields: &[Linear]) -> Linear {
    let action = hash(cs, salt::EVENT.state(), fields).into();
    hash(cs, salt::ACTIONS.state(), &[EMPTY_ACTIONS_HASH.into(), action]).into()
}

/// The action state behind a list of actions with this hash, the twin of
/// [`push_actions`](mina_ledger::hash::push_actions); 12 rows.
pub(crate) fn push<I>(cs: &mut Cs<I>, state: &Linear, actions: &Linear) -> Linear {
    hash(cs, salt::ACTIONS.state(), &[state.clone(), actions.clone()]).into()
}
