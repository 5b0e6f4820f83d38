//! Tests of the builder: what it builds is satisfied by honest witnesses and by no others.

mod arithmetic;
mod forge;
mod gadgets;
mod gates;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{BuiltCircuit, CircuitBuilder, CircuitField, WitnessGenerator, check, violations};
use crate::gate::Witness;

/// A finished circuit under test.
struct Lab<F: CircuitField, I> {
    circuit: BuiltCircuit<F>,
    generator: WitnessGenerator<F, I>,
}

impl<F: CircuitField, I> Lab<F, I> {
    fn new(build: impl FnOnce(&mut CircuitBuilder<F, I>)) -> Self {
        let mut cs = CircuitBuilder::new();
        build(&mut cs);
        let (circuit, generator) = cs.finish().unwrap();
        Self { circuit, generator }
    }

    fn witness(&self, input: &I) -> Witness<F> {
        self.generator.witness(input).unwrap()
    }

    /// The witness of an input, which must be valid.
    fn accepts(&self, input: &I) -> Witness<F> {
        let witness = self.witness(input);
        if let Err(error) = check(&self.circuit, &witness) {
            panic!("{error}");
        }
        witness
    }

    /// The regions of everything that the witness of an input violates, at least something.
    fn rejects(&self, input: &I) -> Vec<String> {
        let witness = match self.generator.witness(input) {
            Err(super::WitnessError::Unequal { region }) => return vec![region],
            other => other.unwrap(),
        };
        let found = violations(&self.circuit, &witness);
        assert!(!found.is_empty(), "accepted");
        let region = |error: &_| match error {
            super::CheckError::Constraint { region, .. } => region.clone(),
            super::CheckError::Wire { region, .. } => region.clone(),
            super::CheckError::Shape { .. } => panic!("shape"),
        };
        found.iter().map(region).collect()
    }

    fn digest(&self) -> String {
        self.circuit.digest().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
