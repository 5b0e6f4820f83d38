//! Account updates, one after another.

use ark_ff::AdditiveGroup;
use kimchi::builder::Boolean;
use mina_curves::Fp;
use mina_ledger::{
    rollup::ChainId,
    types::{Length, Slot},
};
use pickles::{Rule, RuleStatement, StepBuilder, StepInput, StepKey};

use super::{PointVar, SegmentVar};
use crate::{
    alloc::witness,
    number::{NumberValue, U32Var},
    update::{BlockVar, RecordedUpdate, Rules, State, StateVar, UpdateWitness, constrain},
};

/// Up to so many account updates of one block, none of them authorised by a proof.
#[derive(Clone, Debug)]
pub struct Commands {
    rules: Rules,
    updates: usize,
}

/// Why updates or messages cannot be proved together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandsError {
    /// The wrong number of them.
    #[error("expected 1 to {expected} {what}, got {got}")]
    Count {
        /// Of what.
        what: &'static str,
        /// What the circuit has room for.
        expected: usize,
        /// What was given.
        got: usize,
    },
}

/// What a proof of [`Commands`] is made from.
#[derive(Clone, Debug)]
pub struct CommandsInput {
    chain: ChainId,
    height: Length,
    slot: Slot,
    before: State,
    /// As many as the circuit has room for.
    updates: Vec<(bool, UpdateWitness)>,
}

impl Commands {
    /// The rule for up to `updates` updates.
    pub(super) fn new(rules: Rules, updates: usize) -> Self {
        Self { rules, updates }
    }
}

impl CommandsInput {
    /// The input of a circuit with room for `room` updates.
    pub(super) fn new(
        chain: ChainId,
        height: Length,
        slot: Slot,
        updates: Vec<RecordedUpdate>,
        room: usize,
    ) -> Result<Self, CommandsError> {
        let error =
            CommandsError::Count { what: "account updates", expected: room, got: updates.len() };
        let Some(first) = updates.first().filter(|_| updates.len() <= room) else {
            return Err(error);
        };
        let before = first.before;
        // What stands in a place that is left out satisfies the circuit if it does elsewhere.
        let spare = first.witness.clone();
        let mut updates: Vec<_> =
            updates.into_iter().map(|update| (true, update.witness)).collect();
        updates.resize(room, (false, spare));
        Ok(Self { chain, height, slot, before, updates })
    }
}

impl Rule for Commands {
    type Input = CommandsInput;

    fn name(&self) -> &'static str {
        "commands"
    }

    fn constrain(&self, cs: &mut StepBuilder<CommandsInput>, _: &[StepKey]) -> RuleStatement {
        let era = self.rules.domain.era();
        let [chain, height, slot] = cs.witnesses(|v| {
            let CommandsInput { chain, height, slot, .. } = v.input().rule();
            [chain.field(), height.value(), slot.value()]
        });
        let [height, slot] = [height, slot].map(|x| U32Var::assert(cs, x));
        let block = BlockVar::new(cs, &height, &slot, era);

        let before: StateVar =
            witness(cs, era, &State::default(), |input: &StepInput<CommandsInput>| {
                &input.rule().before
            });
        let source = PointVar::of_state(cs, &before, &height, &slot);
        let mut state = before;
        for index in 0..self.updates {
            state = cs.region("update", |cs| {
                let is_active = Boolean::witness(cs, move |v| v.input().rule().updates[index].0);
                let after = constrain(
                    cs,
                    &self.rules,
                    &block,
                    &state,
                    &is_active,
                    move |input: &StepInput<CommandsInput>| &input.rule().updates[index].1,
                );
                cs.region("no proof", |cs| {
                    cs.assert_mul(&is_active, &after.is_proved, Fp::ZERO);
                });
                StateVar::select(cs, &is_active, &after.state, &state)
            });
        }
        let target = PointVar::of_state(cs, &state, &height, &slot);
        let segment = SegmentVar { chain: chain.into(), source, target };
        RuleStatement { app_state: vec![segment.digest(cs)], previous: vec![] }
    }
}
