//! Actions, one after another.

use kimchi::builder::Boolean;
use mina_curves::Fp;
use mina_ledger::{
    hash::push_actions,
    rollup::{Fold, Hashed},
};
use pickles::{PreviousStatement, Rule, RuleStatement, Slot, StepBuilder, StepKey};

use crate::{
    Cs, Linear,
    input::{hash, salted},
    message::push,
};

/// The twin of [`Fold`].
#[derive(Clone, Debug)]
pub struct FoldVar {
    /// The prefix.
    pub from: Linear,
    /// What it leads on to.
    pub to: Linear,
}

impl FoldVar {
    /// The hash; 12 rows.
    pub fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        hash(cs, &salted(Fold::PREFIX), &[self.from.clone(), self.to.clone()]).into()
    }

    /// As a statement of an earlier proof, which there must be unless there is nothing to show; 13
    /// rows.
    pub fn to_previous<I>(&self, cs: &mut Cs<I>) -> PreviousStatement {
        let is_empty = cs.is_equal(self.from.clone(), &self.to);
        PreviousStatement { app_state: vec![self.digest(cs)], must_verify: is_empty.not() }
    }
}

/// Up to so many lists of actions lead on from where an earlier proof ends, or from the beginning.
/// Rows: 14 for each, and those of a proof.
#[derive(Clone, Copy, Debug)]
pub struct FoldRule {
    /// How many.
    pub actions: usize,
}

/// What a proof of [`FoldRule`] is made from.
#[derive(Clone, Debug)]
pub struct FoldInput {
    /// What the earlier proof shows; from a state to itself if there is none.
    pub earlier: Fold,
    /// As many hashes as the circuit has room for, each with whether it counts.
    pub actions: Vec<(bool, Fp)>,
}

impl FoldInput {
    /// The hashes of up to `places` lists of actions.
    pub fn new(earlier: Fold, actions: &[Fp], places: usize) -> Self {
        let mut actions: Vec<_> = actions.iter().map(|hash| (true, *hash)).collect();
        actions.resize(places, (false, Fp::default()));
        Self { earlier, actions }
    }

    /// What is shown.
    pub fn fold(&self) -> Fold {
        let counted = self.actions.iter().filter(|(counts, _)| *counts);
        let to = counted.fold(self.earlier.to, |state, (_, hash)| push_actions(state, *hash));
        Fold { to, ..self.earlier }
    }
}

impl FoldRule {
    /// The constraints: what the earlier proof shows, and what this one does.
    pub fn folds<I>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &FoldInput + Clone + Send + Sync + 'static,
    ) -> [FoldVar; 2] {
        let given = source.clone();
        let [from, middle] = cs.witnesses(move |v| {
            let Fold { from, to } = given(v.input()).earlier;
            [from, to]
        });
        let mut state = Linear::from(middle);
        for index in 0..self.actions {
            let given = source.clone();
            let counts = Boolean::witness(cs, move |v| given(v.input()).actions[index].0);
            let given = source.clone();
            let actions = cs.witness(move |v| given(v.input()).actions[index].1);
            let pushed = push(cs, &state, &actions.into());
            state = counts.select(cs, pushed, &state).into();
        }
        let from = Linear::from(from);
        [FoldVar { from: from.clone(), to: middle.into() }, FoldVar { from, to: state }]
    }
}

impl Rule for FoldRule {
    type Input = FoldInput;

    fn name(&self) -> &'static str {
        "fold"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Own]
    }

    fn constrain(&self, cs: &mut StepBuilder<FoldInput>, _: &[StepKey]) -> RuleStatement {
        let [earlier, fold] = self.folds(cs, |input| input.rule());
        let previous = vec![earlier.to_previous(cs)];
        RuleStatement { app_state: vec![fold.digest(cs)], previous }
    }
}
