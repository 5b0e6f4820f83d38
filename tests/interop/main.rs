//! Our proofs in o1-labs' verifiers, and theirs in ours.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod gates;
mod pickles;
mod settlement;

use ark_ff::{Field, UniformRand};
use kimchi::{
    Circuit, CircuitCurve, Gate, GateKind, ProverIndex, RecursionChallenge, Witness,
    builder::CircuitField,
};
use mina_curves::{PallasConfig, VestaConfig};
use poly_commitment::{Srs, b_poly_coefficients};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use zeko_tests::o1js;

const SRS_SIZE: usize = 1 << 9;

fn generic<F: mina_poseidon::PoseidonField>(public: usize) -> (Circuit<F>, Witness<F>) {
    let mut gates = Vec::new();
    let mut witness: Witness<F> = std::array::from_fn(|_| vec![F::ZERO; public + 10]);
    witness[0].fill(F::from(3u64));
    for row in 0..public + 10 {
        let mut coefficients = vec![F::ZERO; 10];
        coefficients[0] = F::ONE;
        if row >= public {
            coefficients[4] = -F::from(3u64);
        }
        gates.push(Gate::new(GateKind::Generic, row, coefficients));
    }
    (Circuit { gates, public, previous: 0 }, witness)
}

fn accepted<C: CircuitCurve>(
    circuit: Circuit<C::ScalarField>,
    witness: &Witness<C::ScalarField>,
    previous: &[RecursionChallenge<C>],
) {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let public: Vec<_> = witness[0][..circuit.public].to_vec();
    let index = ProverIndex::<C>::new(circuit, Srs::shared(SRS_SIZE)).unwrap();
    let mut proof = index.prove(witness, previous, &mut rng).unwrap();
    assert_eq!(o1js::verify_kimchi(index.verifier_index(), &proof, &public), Ok(true));

    proof.evaluations.permutation.zeta[0] += C::ScalarField::ONE;
    assert_eq!(o1js::verify_kimchi(index.verifier_index(), &proof, &public), Ok(false));
}

fn all<C: CircuitCurve<ScalarField: CircuitField>>() {
    let (circuit, witness) = generic(0);
    accepted::<C>(circuit, &witness, &[]);
    let (circuit, witness) = generic(4);
    accepted::<C>(circuit, &witness, &[]);

    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let srs = Srs::<C>::shared(SRS_SIZE);
    let challenges: Vec<_> =
        (0..srs.size().ilog2()).map(|_| C::ScalarField::rand(&mut rng)).collect();
    let commitment = srs.commit(&b_poly_coefficients(&challenges), 1);
    let previous = RecursionChallenge { challenges, commitment };
    let (mut circuit, witness) = generic(1);
    circuit.previous = 2;
    let previous = [previous.clone(), previous];
    accepted::<C>(circuit, &witness, &previous);

    for previous in [&[], &previous[..]] {
        for (name, circuit, witness) in gates::families(previous.len()) {
            eprintln!("{name}, {} previous", previous.len());
            accepted::<C>(circuit, &witness, previous);
        }
    }
}

#[test]
fn kimchi_on_vesta() {
    all::<VestaConfig>();
}

#[test]
fn kimchi_on_pallas() {
    all::<PallasConfig>();
}
