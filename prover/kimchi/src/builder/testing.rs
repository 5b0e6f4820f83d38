//! Attacks on circuits, for tests: witnesses that no generator made. With the feature `test-utils`.
//!
//! Three attacks on a valid witness, none of which knows how it was generated:
//!
//! 1. each cell alone is changed;
//! 2. all cells of a class of wired cells are changed together, so that no wire notices;
//! 3. all classes are changed at once in any direction: the Jacobian matrix of all constraints by all
//!    classes is computed exactly, with dual numbers, and the dimension of its kernel is the number
//!    of independent ways in which the witness can be deformed. It must be that of the statement's
//!    own freedom: the private inputs, the points on the curve, and cells listed as free.
//!
//! Everything here panics where a test is to fail.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod forge;
mod kernel;

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{
    BuiltCircuit, CheckError, CircuitBuilder, CircuitField, WitnessError, WitnessGenerator, check,
    violations,
};
use crate::gate::Witness;

/// A cell: row and column.
pub type Cell = (usize, usize);

/// A finished circuit under test.
#[derive(Debug)]
pub struct Lab<F: CircuitField, I> {
    /// The circuit.
    pub circuit: BuiltCircuit<F>,
    /// What makes its witnesses.
    pub generator: WitnessGenerator<F, I>,
}

impl<F: CircuitField, I> Lab<F, I> {
    /// The circuit that `build` adds to an empty one.
    pub fn new(build: impl FnOnce(&mut CircuitBuilder<F, I>)) -> Self {
        let mut cs = CircuitBuilder::new();
        build(&mut cs);
        let (circuit, generator) = cs.finish().unwrap();
        Self { circuit, generator }
    }

    /// The witness of an input, which need not be valid.
    pub fn witness(&self, input: &I) -> Witness<F> {
        self.generator.witness(input).unwrap()
    }

    /// The witness of an input, which must be valid.
    pub fn accepts(&self, input: &I) -> Witness<F> {
        let witness = self.witness(input);
        if let Err(error) = check(&self.circuit, &witness) {
            panic!("{error}");
        }
        witness
    }

    /// The public input of an input whose witness must be valid.
    pub fn public(&self, input: &I) -> Vec<F> {
        self.accepts(input)[0][..self.circuit.public_inputs()].to_vec()
    }

    /// The regions of everything that the witness of an input violates, at least something.
    pub fn rejects(&self, input: &I) -> Vec<String> {
        let witness = match self.generator.witness(input) {
            Err(WitnessError::Unequal { region }) => return vec![region],
            other => other.unwrap(),
        };
        let found = self.violated(&witness);
        assert!(!found.is_empty(), "accepted");
        found
    }

    /// The regions of everything that a witness violates.
    pub fn violated(&self, witness: &Witness<F>) -> Vec<String> {
        let region = |error: &_| match error {
            CheckError::Constraint { region, .. } => region.clone(),
            CheckError::Wire { region, .. } => region.clone(),
            CheckError::Shape { .. } => panic!("shape"),
        };
        violations(&self.circuit, witness).iter().map(region).collect()
    }

    /// The values of all variables in order of allocation.
    pub fn values(&self, input: &I) -> Vec<F> {
        self.generator.values(input, |_, _| {}).unwrap()
    }

    /// A prover who lies about one variable, by its number in order of allocation, and computes
    /// everything after it as told: the regions that notice. None do if the lie is accepted.
    pub fn noticed_lie(&self, input: &I, variable: usize, lie: F) -> BTreeSet<String> {
        let values = self.generator.values(input, |before, values| {
            let place = variable.checked_sub(before).and_then(|i| values.get_mut(i));
            if let Some(value) = place {
                *value = lie;
            }
        });
        match values {
            Err(WitnessError::Unequal { region }) => BTreeSet::from([region]),
            other => self.violated(&self.generator.place(&other.unwrap())).into_iter().collect(),
        }
    }

    /// The fingerprint of the circuit in hexadecimal.
    pub fn digest(&self) -> String {
        self.circuit.digest().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A generator of random numbers.
pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
