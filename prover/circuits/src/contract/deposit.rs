//! `deposit`: pays in, and appends to the inbox.

use mina_curves::Fp;
use mina_ledger::{
    rollup::{Deposit, DepositAction, RollupAccount, SettlementParameters},
    types::{Amount, Era, PublicKey, Slot},
};
use pickles::{Rule, RuleStatement, StepBuilder, StepInput, StepKey};

use super::account::{ANY_ACCOUNT, RollupAccountVar, body_hash};
use crate::{
    Cs, Linear,
    alloc::{Allocate, Cells, witness},
    key::PublicKeyVar,
    message::{DepositActionVar, one_action},
    number::{AmountVar, NumberValue, U32Var},
};

/// The twin of [`Deposit`].
#[derive(Clone, Debug)]
struct DepositVar {
    recipient: PublicKeyVar,
    amount: AmountVar,
    refund_to: PublicKeyVar,
    valid_until: U32Var,
}

impl Allocate for DepositVar {
    type Native = Deposit;

    fn values(native: &Deposit, era: Era, out: &mut Vec<Fp>) {
        PublicKeyVar::values(&native.recipient, era, out);
        out.push(native.amount.value());
        PublicKeyVar::values(&native.refund_to, era, out);
        out.push(native.valid_until.value());
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            recipient: PublicKeyVar::assign(cs, cells),
            amount: cells.uint(cs),
            refund_to: PublicKeyVar::assign(cs, cells),
            valid_until: cells.uint(cs),
        }
    }
}

/// An update of the rollup account that pays in at least the minimum, dispatches one action with the
/// same amount, and asks of the account only that the rollup runs. It has no children.
#[derive(Clone, Debug)]
pub struct DepositRule {
    pub(super) parameters: SettlementParameters,
}

/// What a proof of [`DepositRule`] is made from.
#[derive(Clone, Copy, Debug)]
pub struct DepositInput {
    /// The rollup account.
    pub account: RollupAccount,
    /// The deposit.
    pub deposit: Deposit,
}

impl DepositRule {
    /// The rule of a rollup.
    pub fn new(parameters: SettlementParameters) -> Self {
        Self { parameters }
    }

    /// The constraints; the hash of the update and that of its calls.
    pub fn update<I>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &DepositInput + Clone + Send + Sync + 'static,
    ) -> [Linear; 2] {
        let era = self.parameters.domain.era();
        let given = source.clone();
        let account: RollupAccountVar =
            witness(cs, era, &ANY_ACCOUNT, move |input| &given(input).account);
        let deposit: DepositVar =
            witness(cs, era, &ANY_DEPOSIT, move |input| &source(input).deposit);
        let timeout = cs.region("amount and timeout", |cs| {
            let minimum = AmountVar::constant(self.parameters.minimum_deposit.get());
            minimum.at_most(cs, &deposit.amount).assert_true(cs);
            let span = self.parameters.deposit_timeout.value();
            U32Var::assert(cs, deposit.valid_until.linear().clone() + span)
        });
        let mut body = {
            let sample = Deposit::body_of(&ANY_ACTION, Slot::ZERO, &ANY_ACCOUNT, era);
            account.body(cs, &sample, era)
        };
        body.balance_change.magnitude = deposit.amount.clone();
        let DepositVar { recipient, amount, refund_to, valid_until } = deposit;
        let action = DepositActionVar { recipient, amount, timeout, refund_to };
        body.actions = cs.region("action", |cs| one_action(cs, &action.to_fields()));
        body.valid_while.value.upper = valid_until;
        let hash = cs.region("body", |cs| body_hash(cs, &body, &self.parameters.domain));
        [hash, Fp::default().into()]
    }
}

/// Only its shape counts.
const ANY_DEPOSIT: Deposit = Deposit {
    recipient: PublicKey::EMPTY,
    amount: Amount::ZERO,
    refund_to: PublicKey::EMPTY,
    valid_until: Slot::ZERO,
};

/// Only its shape counts.
const ANY_ACTION: DepositAction = DepositAction {
    recipient: PublicKey::EMPTY,
    amount: Amount::ZERO,
    timeout: Slot::ZERO,
    refund_to: PublicKey::EMPTY,
};

impl Rule for DepositRule {
    type Input = DepositInput;

    fn name(&self) -> &'static str {
        "deposit"
    }

    fn constrain(&self, cs: &mut StepBuilder<DepositInput>, _: &[StepKey]) -> RuleStatement {
        let update = self.update(cs, StepInput::<DepositInput>::rule);
        RuleStatement { app_state: update.to_vec(), previous: Vec::new() }
    }
}
