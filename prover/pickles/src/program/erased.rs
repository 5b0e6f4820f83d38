//! Rules of one program have inputs of different types.

use std::{any::Any, fmt::Debug};

use kimchi::{ProverIndex, Witness, builder::check};
use mina_curves::{Fp, Pallas, VestaConfig};

use super::ProveError;
use crate::{
    rule::{Slot, SlotInput, StepInput},
    step::StepCircuit,
};

/// A rule whose input's type is known to whoever holds its handle.
pub(super) trait AnyRule: Debug + Send + Sync {
    fn name(&self) -> &'static str;

    fn slots(&self) -> &[Slot];

    fn index(&self) -> &ProverIndex<VestaConfig>;

    /// Elements of what it proves.
    fn statement_length(&self) -> usize;

    /// The witness, and the statement.
    fn witness(
        &self,
        input: Box<dyn Any>,
        own_key: Vec<Pallas>,
        slots: Vec<SlotInput>,
    ) -> Result<(Witness<Fp>, Vec<Fp>), ProveError>;

    /// What a witness violates.
    fn explain(&self, witness: &Witness<Fp>) -> Option<ProveError>;
}

/// A rule with its step circuit.
#[derive(Debug)]
pub(super) struct CompiledRule<I> {
    pub(super) name: &'static str,
    pub(super) slots: Vec<Slot>,
    pub(super) step: StepCircuit<I>,
    pub(super) index: ProverIndex<VestaConfig>,
}

impl<I: Debug + Send + Sync + 'static> AnyRule for CompiledRule<I> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn index(&self) -> &ProverIndex<VestaConfig> {
        &self.index
    }

    fn statement_length(&self) -> usize {
        self.step.app_state.len()
    }

    fn witness(
        &self,
        input: Box<dyn Any>,
        own_key: Vec<Pallas>,
        slots: Vec<SlotInput>,
    ) -> Result<(Witness<Fp>, Vec<Fp>), ProveError> {
        let rule = *input.downcast::<I>().map_err(|_| ProveError::UnknownRule)?;
        let input = StepInput { rule, own_key, slots };
        self.step
            .generator
            .witness_with(&input, &self.step.app_state)
            .map_err(|error| ProveError::Witness { rule: self.name, error })
    }

    fn explain(&self, witness: &Witness<Fp>) -> Option<ProveError> {
        let violated = check(&self.step.circuit, witness).err()?;
        Some(ProveError::Unsatisfied { rule: self.name, reason: violated.to_string() })
    }
}
