//! `payout`: pays the next entries of the outbox.

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_ledger::{
    rollup::{
        ContractEvent, Field, Hashed, MAX_PAYOUTS, OutboxEntry, Payment, Payout, PayoutState,
        RollupAccount, SettlementError, SettlementParameters,
    },
    types::{AccountId, Amount, Body, Era, PublicKey},
};
use pickles::{
    PreviousStatement, Rule, RuleStatement, Slot, StepBuilder, StepInput, StepKey, VerificationKey,
};

use super::account::{ANY_ACCOUNT, RollupAccountVar, body_hash, cons, one_event, require, write};
use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells, constant, witness},
    body::BodyVar,
    fold::FoldVar,
    input::{hash, salted},
    key::PublicKeyVar,
    message::{entry_fields, one_action, push},
    number::{AmountVar, NumberValue},
};

/// The twin of [`PayoutState`].
#[derive(Clone, Debug)]
#[allow(missing_docs)] // named as in `PayoutState`
pub struct PayoutStateVar {
    pub snapshot: Linear,
    pub paid: Linear,
    pub parked: Linear,
}

impl PayoutStateVar {
    fn to_fields(&self) -> [Linear; 3] {
        [&self.snapshot, &self.paid, &self.parked].map(Linear::from)
    }

    /// The hash; 24 rows.
    fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        hash(cs, &salted(PayoutState::PREFIX), &self.to_fields()).into()
    }
}

impl Allocate for PayoutStateVar {
    type Native = PayoutState;

    fn values(native: &PayoutState, _: Era, out: &mut Vec<Fp>) {
        out.extend([native.snapshot, native.paid, native.parked]);
    }

    fn assign<I>(_: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { snapshot: cells.field(), paid: cells.field(), parked: cells.field() }
    }
}

/// A withdrawal or a refund, or a place without one.
#[derive(Clone, Debug)]
struct EntryVar {
    is_there: Boolean,
    is_refund: Boolean,
    recipient: PublicKeyVar,
    amount: AmountVar,
}

/// A payment, if there is one in its place.
type Place = Option<Payment>;

impl Allocate for EntryVar {
    type Native = Place;

    fn values(native: &Place, era: Era, out: &mut Vec<Fp>) {
        let none = Payment { recipient: PublicKey::EMPTY, amount: Amount::ZERO, is_refund: false };
        let Payment { recipient, amount, is_refund } = native.as_ref().unwrap_or(&none);
        out.extend([Fp::from(native.is_some()), Fp::from(*is_refund)]);
        PublicKeyVar::values(recipient, era, out);
        out.push(amount.value());
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            is_there: cells.bit(cs),
            is_refund: cells.bit(cs),
            recipient: PublicKeyVar::assign(cs, cells),
            amount: cells.uint(cs),
        }
    }
}

impl EntryVar {
    /// The fields of the action, the twin of [`OutboxEntry::to_fields`].
    fn action(&self) -> Vec<Linear> {
        // A refund's kind is one more than a withdrawal's.
        let kind = Linear::from(&self.is_refund) + Fp::from(OutboxEntry::WITHDRAWAL);
        entry_fields(kind, &self.recipient.x, &self.recipient.is_odd, &self.amount)
    }
}

/// An update of the rollup account that takes the next entries off the outbox's snapshot, and whose
/// children pay each its recipient; nothing else is changed. Rows: about 500 for each entry, and those
/// of a proof that the rest of the snapshot leads on from there.
#[derive(Clone, Debug)]
pub struct PayoutRule {
    parameters: SettlementParameters,
    fold: VerificationKey,
}

/// What a proof of [`PayoutRule`] is made from.
#[derive(Clone, Debug)]
pub struct PayoutInput {
    account: RollupAccount,
    before: PayoutState,
    outbox: Fp,
    entries: [Place; MAX_PAYOUTS],
}

impl PayoutInput {
    /// The input for an account and a payout.
    ///
    /// # Errors
    /// [`SettlementError::Entries`], [`SettlementError::Unopened`].
    pub fn new(account: RollupAccount, payout: &Payout) -> Result<Self, SettlementError> {
        let Payout { before, outbox, .. } = payout;
        let payments = payout.payments()?;
        let entries = core::array::from_fn(|index| payments.get(index).copied());
        Ok(Self { account, before: *before, outbox: *outbox, entries })
    }
}

/// An update of the rollup account, and what it rests on.
#[derive(Clone, Debug)]
pub struct PayoutVar {
    /// The hash of the update and that of its calls.
    pub update: [Linear; 2],
    /// What is left of the snapshot.
    pub fold: FoldVar,
}

impl PayoutRule {
    /// The rule of a rollup, with the key of the fold program.
    pub fn new(parameters: SettlementParameters, fold: VerificationKey) -> Self {
        Self { parameters, fold }
    }

    /// The constraints.
    pub fn update<I>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &PayoutInput + Clone + Send + Sync + 'static,
    ) -> PayoutVar {
        let era = self.parameters.domain.era();
        let given = source.clone();
        let account: RollupAccountVar =
            witness(cs, era, &ANY_ACCOUNT, move |input| &given(input).account);
        let given = source.clone();
        let before: PayoutStateVar =
            witness(cs, era, &ANY_STATE, move |input| &given(input).before);
        let given = source.clone();
        let outbox = cs.witness(move |v| given(v.input()).outbox);

        let takes_snapshot = cs.is_equal(before.paid.clone(), &before.snapshot);
        let snapshot = takes_snapshot.select(cs, outbox, &before.snapshot).into();
        let mut paid = before.paid.clone();
        let mut sum = Linear::from(Fp::ZERO);
        let mut payments = Vec::new();
        for index in 0..MAX_PAYOUTS {
            cs.region("entry", |cs| {
                let given = source.clone();
                let entry: EntryVar =
                    witness(cs, era, &None, move |input| &given(input).entries[index]);
                let action = one_action(cs, &entry.action());
                let pushed = push(cs, &paid, &action);
                paid = entry.is_there.select(cs, pushed, &paid).into();
                let amount = cs.mul(&entry.is_there, entry.amount.linear());
                sum = core::mem::replace(&mut sum, Fp::ZERO.into()) + amount;
                payments.push((entry.is_there.clone(), self.payment(cs, &entry)));
            });
        }
        let calls = cs.region("calls", |cs| {
            // The first entry's payment comes first.
            payments.into_iter().rev().fold(Linear::from(Fp::ZERO), |calls, (is_there, body)| {
                let with = cons(cs, body, calls.clone());
                is_there.select(cs, with, calls).into()
            })
        });
        let after = PayoutStateVar { snapshot, paid, parked: before.parked.clone() };

        let sample = self.sample();
        let mut body = account.body(cs, &sample, era);
        body.balance_change.magnitude = cs.region("sum", |cs| AmountVar::assert(cs, sum));
        let body = cs.region("body", |cs| {
            require(&mut body, Field::Payout, before.digest(cs));
            body.account.state[Field::Outbox.index()].is_some = takes_snapshot.clone();
            let asked = cs.mul(&takes_snapshot, outbox);
            require(&mut body, Field::Outbox, asked);
            write(&mut body, Field::Payout, after.digest(cs));
            let mut event = vec![Linear::from(Fp::from(ContractEvent::PAYOUT))];
            event.extend(after.to_fields());
            body.events = one_event(cs, &event);
            body_hash(cs, &body, &self.parameters.domain)
        });
        let fold = FoldVar { from: after.paid, to: after.snapshot };
        PayoutVar { update: [body, calls], fold }
    }

    /// The hash of the update that pays an entry.
    fn payment<I>(&self, cs: &mut Cs<I>, entry: &EntryVar) -> Linear {
        let era = self.parameters.domain.era();
        let sample =
            Payment { recipient: PublicKey::EMPTY, amount: Amount::ZERO, is_refund: false };
        let mut body: BodyVar = constant(cs, era, &sample.body(era));
        body.id.public_key = entry.recipient.clone();
        body.balance_change.magnitude = entry.amount.clone();
        body_hash(cs, &body, &self.parameters.domain)
    }

    /// A payout, of which only the shape counts.
    fn sample(&self) -> Body {
        let era = self.parameters.domain.era();
        let payout = Payout { before: ANY_STATE, outbox: ANY_STATE.paid, entries: Vec::new() };
        // A payout of nothing can always be made.
        payout
            .body(&ANY_ACCOUNT, era)
            .unwrap_or_else(|_| Body::new(AccountId::of(PublicKey::EMPTY), era))
    }
}

/// Only its shape counts.
const ANY_STATE: PayoutState = PayoutState { snapshot: Fp::ZERO, paid: Fp::ZERO, parked: Fp::ZERO };

impl Rule for PayoutRule {
    type Input = PayoutInput;

    fn name(&self) -> &'static str {
        "payout"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Program(Box::new(self.fold.clone()))]
    }

    fn constrain(&self, cs: &mut StepBuilder<PayoutInput>, _: &[StepKey]) -> RuleStatement {
        let PayoutVar { update, fold } = self.update(cs, StepInput::<PayoutInput>::rule);
        let previous: Vec<PreviousStatement> = vec![fold.to_previous(cs)];
        RuleStatement { app_state: update.to_vec(), previous }
    }
}
