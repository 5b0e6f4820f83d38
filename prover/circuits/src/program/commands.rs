//! Account updates, one after another.

use ark_ff::AdditiveGroup;
use kimchi::builder::Boolean;
use mina_curves::Fp;
use mina_ledger::{
    rollup::ChainId,
    types::{Length, Slot},
};
use pickles::{KeyError, ProofError, Rule, RuleStatement, StepBuilder, StepInput, StepKey};

use super::{PointVar, SegmentVar};
use crate::{
    Cs,
    alloc::witness,
    number::{NumberValue, U32Var},
    update::{BlockVar, RecordedUpdate, Rules, State, StateVar, UpdateWitness, Updated, constrain},
};

/// Up to so many account updates of one block, none of them authorised by a proof.
#[derive(Clone, Debug)]
pub struct Commands {
    rules: Rules,
    updates: usize,
}

/// Why updates or messages cannot be proved, or not together.
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
    /// For [`Proved`](super::Proved), not one update with a proof.
    #[error("expected 1 account update with a proof, got {got}")]
    Proofs {
        /// How many have one.
        got: usize,
    },
    /// An update with a proof, of an account without a key.
    #[error("the account of an update with a proof has no verification key")]
    NoKey,
    /// A key that is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A proof that is none.
    #[error(transparent)]
    Proof(#[from] ProofError),
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
    ///
    /// # Errors
    /// [`CommandsError::Count`].
    pub fn new(
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

/// Account updates of a block that have been added one after another.
#[derive(Clone, Debug)]
pub struct UpdatesVar {
    /// From where they lead where.
    pub segment: SegmentVar,
    /// Each with whether it is there at all.
    pub updates: Vec<(Boolean<Fp>, Updated)>,
}

impl UpdatesVar {
    /// Adds `room` updates, any of which may be left out. What their proofs show, whoever calls this
    /// must see to. `input` must be one for as many updates.
    pub fn constrain<I>(
        cs: &mut Cs<I>,
        rules: &Rules,
        room: usize,
        input: impl Fn(&I) -> &CommandsInput + Clone + Send + Sync + 'static,
    ) -> Self {
        let era = rules.domain.era();
        let given = input.clone();
        let [chain, height, slot] = cs.witnesses(move |v| {
            let CommandsInput { chain, height, slot, .. } = given(v.input());
            [chain.field(), height.value(), slot.value()]
        });
        let [height, slot] = [height, slot].map(|x| U32Var::assert(cs, x));
        let block = BlockVar::new(cs, &height, &slot, era);

        let given = input.clone();
        let before: StateVar =
            witness(cs, era, &State::default(), move |input| &given(input).before);
        let source = PointVar::of_state(cs, &before, &height, &slot);
        let mut state = before;
        let mut updates = Vec::with_capacity(room);
        for index in 0..room {
            let input = input.clone();
            cs.region("update", |cs| {
                let given = input.clone();
                let is_active = Boolean::witness(cs, move |v| given(v.input()).updates[index].0);
                let after = constrain(cs, rules, &block, &state, &is_active, move |i| {
                    &input(i).updates[index].1
                });
                state = StateVar::select(cs, &is_active, &after.state, &state);
                updates.push((is_active, after));
            });
        }
        let target = PointVar::of_state(cs, &state, &height, &slot);
        Self { segment: SegmentVar { chain: chain.into(), source, target }, updates }
    }
}

impl Rule for Commands {
    type Input = CommandsInput;

    fn name(&self) -> &'static str {
        "commands"
    }

    fn constrain(&self, cs: &mut StepBuilder<CommandsInput>, _: &[StepKey]) -> RuleStatement {
        let UpdatesVar { segment, updates } =
            UpdatesVar::constrain(cs, &self.rules, self.updates, StepInput::rule);
        cs.region("no proof", |cs| {
            for (is_active, update) in &updates {
                cs.assert_mul(is_active, &update.is_proved, Fp::ZERO);
            }
        });
        RuleStatement { app_state: vec![segment.digest(cs)], previous: vec![] }
    }
}
