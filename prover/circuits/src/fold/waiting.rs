//! Deposits that wait, opened.

use mina_curves::Fp;
use mina_ledger::{
    rollup::{DepositAction, Hashed, Waiting},
    types::{Era, Slot},
};
use pickles::{
    PreviousStatement, Rule, RuleStatement, Slot as ProofSlot, StepBuilder, StepInput, StepKey,
};

use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells, witness},
    input::{InputVar, hash, salted},
    message::{DepositActionVar, NO_DEPOSIT, one_action, push},
    number::{NumberValue, U32Var},
};

/// The twin of [`Waiting`].
#[derive(Clone, Debug)]
pub struct WaitingVar {
    /// The prefix.
    pub from: Linear,
    /// What it leads on to.
    pub to: Linear,
    /// The earliest timeout.
    pub earliest: U32Var,
}

impl Allocate for WaitingVar {
    type Native = Waiting;

    fn values(native: &Waiting, _: Era, out: &mut Vec<Fp>) {
        out.extend([native.from, native.to, native.earliest.value()]);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { from: cells.field(), to: cells.field(), earliest: cells.uint(cs) }
    }
}

impl WaitingVar {
    /// The hash; 24 rows.
    pub fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        let mut input = InputVar::new();
        input.field(&self.from).field(&self.to).add(&self.earliest);
        hash(cs, &salted(Waiting::PREFIX), &input.into_fields()).into()
    }

    /// As a statement of an earlier proof, which there must be unless nothing waits: then the timeout
    /// is the largest slot. 26 rows.
    pub fn to_previous<I>(&self, cs: &mut Cs<I>) -> PreviousStatement {
        let is_empty = cs.is_equal(self.from.clone(), &self.to);
        let none = Fp::from(Slot::MAX.get());
        cs.assert_mul(&is_empty, self.earliest.linear().clone() - none, Fp::default());
        PreviousStatement { app_state: vec![self.digest(cs)], must_verify: is_empty.not() }
    }
}

/// Up to so many deposits lead on from where an earlier proof ends, or from the beginning, and none of
/// them all has an earlier timeout than the one that is stated. What is not opened cannot be passed.
/// Rows: 67 for each, and those of a proof.
#[derive(Clone, Copy, Debug)]
pub struct WaitingRule {
    /// How many.
    pub messages: usize,
}

/// What a proof of [`WaitingRule`] is made from.
#[derive(Clone, Debug)]
pub struct WaitingInput {
    /// What the earlier proof shows; [`Waiting::none`] if there is none.
    pub earlier: Waiting,
    /// As many deposits as the circuit has room for, each with whether it counts.
    pub messages: Vec<(bool, DepositAction)>,
}

impl WaitingInput {
    /// Up to `places` deposits.
    pub fn new(earlier: Waiting, messages: &[DepositAction], places: usize) -> Self {
        let mut messages: Vec<_> = messages.iter().map(|deposit| (true, *deposit)).collect();
        messages.resize(places, (false, NO_DEPOSIT));
        Self { earlier, messages }
    }

    /// What is shown.
    pub fn waiting(&self) -> Waiting {
        let counted = self.messages.iter().filter(|(counts, _)| *counts);
        counted.fold(self.earlier, |waiting, (_, deposit)| waiting.with(deposit))
    }
}

impl WaitingRule {
    /// The constraints: what the earlier proof shows, and what this one does.
    pub fn waits<I>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &WaitingInput + Clone + Send + Sync + 'static,
    ) -> [WaitingVar; 2] {
        let given = source.clone();
        let none = Waiting::none(Fp::default());
        let earlier: WaitingVar =
            witness(cs, Era::default(), &none, move |input| &given(input).earlier);
        let WaitingVar { from, to: mut state, mut earliest } = earlier.clone();
        for index in 0..self.messages {
            cs.region("message", |cs| {
                let given = source.clone();
                let counts = Boolean::witness(cs, move |v| given(v.input()).messages[index].0);
                let given = source.clone();
                let deposit: DepositActionVar =
                    witness(cs, Era::default(), &NO_DEPOSIT, move |input| {
                        &given(input).messages[index].1
                    });
                let action = one_action(cs, &deposit.to_fields());
                let pushed = push(cs, &state, &action);
                state = counts.select(cs, pushed, &state).into();
                let is_earlier = deposit.timeout.at_most(cs, &earliest);
                let takes = counts.and(cs, &is_earlier);
                earliest = U32Var::select(cs, &takes, &deposit.timeout, &earliest);
            });
        }
        [earlier, WaitingVar { from, to: state, earliest }]
    }
}

impl Rule for WaitingRule {
    type Input = WaitingInput;

    fn name(&self) -> &'static str {
        "waiting"
    }

    fn previous(&self) -> Vec<ProofSlot> {
        vec![ProofSlot::Own]
    }

    fn constrain(&self, cs: &mut StepBuilder<WaitingInput>, _: &[StepKey]) -> RuleStatement {
        let [earlier, waiting] = self.waits(cs, StepInput::<WaitingInput>::rule);
        let previous = vec![earlier.to_previous(cs)];
        RuleStatement { app_state: vec![waiting.digest(cs)], previous }
    }
}
