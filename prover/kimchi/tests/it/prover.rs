//! Proofs of ours, verified by us.

use ark_ff::{AdditiveGroup, UniformRand};
use kimchi::{
    Circuit, CircuitCurve, ProverError, ProverIndex, RecursionChallenge, Witness, verify,
};
use mina_curves::{PallasConfig, VestaConfig};
use poly_commitment::{Srs, b_poly_coefficients};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::circuits;

const SRS_SIZE: usize = 1 << 9;

fn prove_and_verify<C: CircuitCurve>(
    circuit: Circuit<C::ScalarField>,
    witness: &Witness<C::ScalarField>,
    previous: &[RecursionChallenge<C>],
) {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let public: Vec<_> = witness[0][..circuit.public].to_vec();
    let index = ProverIndex::<C>::new(circuit, Srs::shared(SRS_SIZE)).unwrap();
    let proof = index.prove(witness, previous, &mut rng).unwrap();
    verify(index.verifier_index(), &proof, &public, &mut rng).unwrap();

    // The evaluation of the public input may be left out: the verifier computes it.
    let mut without = proof.clone();
    without.evaluations.public = None;
    verify(index.verifier_index(), &without, &public, &mut rng).unwrap();

    let again = index.prove(witness, previous, &mut rng).unwrap();
    assert_ne!(proof, again, "blinders must differ");
    // They come from the caller's generator, and from nowhere else.
    let same = index.prove(witness, previous, &mut ChaCha20Rng::seed_from_u64(7)).unwrap();
    assert_eq!(proof, same);
    verify(index.verifier_index(), &again, &public, &mut rng).unwrap();
}

fn previous<C: CircuitCurve>(srs: &Srs<C>) -> RecursionChallenge<C> {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let challenges: Vec<_> =
        (0..srs.size().ilog2()).map(|_| C::ScalarField::rand(&mut rng)).collect();
    let commitment = srs.commit(&b_poly_coefficients(&challenges), 1);
    RecursionChallenge { challenges, commitment }
}

fn all_kinds<C: CircuitCurve>() {
    let (circuit, witness) = circuits::generic(0, 20);
    prove_and_verify::<C>(circuit, &witness, &[]);
    let (circuit, witness) = circuits::generic(5, 300);
    prove_and_verify::<C>(circuit, &witness, &[]);
    let (circuit, witness) = circuits::poseidon(10);
    prove_and_verify::<C>(circuit, &witness, &[]);
    let (mut circuit, witness) = circuits::poseidon(1);
    circuit.previous = 2;
    let previous = previous(&Srs::shared(SRS_SIZE));
    prove_and_verify::<C>(circuit, &witness, &[previous.clone(), previous]);
}

#[test]
fn proofs_verify_on_vesta() {
    all_kinds::<VestaConfig>();
}

#[test]
fn proofs_verify_on_pallas() {
    all_kinds::<PallasConfig>();
}

#[test]
fn a_wrong_witness_has_no_proof() {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let (circuit, witness) = circuits::generic(2, 20);
    let index = ProverIndex::<VestaConfig>::new(circuit, Srs::shared(SRS_SIZE)).unwrap();

    let mut broken = witness.clone();
    broken[1][5] += mina_curves::Fp::from(1u64);
    assert_eq!(index.prove(&broken, &[], &mut rng).err().unwrap(), ProverError::Constraint);

    // A wire from one row's product to the next row's factor.
    let mut broken = witness.clone();
    broken[0][6] = mina_curves::Fp::ZERO;
    broken[2][6] = mina_curves::Fp::ZERO;
    assert_eq!(index.prove(&broken, &[], &mut rng).err().unwrap(), ProverError::Permutation);

    let mut short = witness;
    short[3].pop();
    let error = index.prove(&short, &[], &mut rng).err();
    assert_eq!(error.unwrap(), ProverError::WitnessLength { column: 3, expected: 22, got: 21 });
}

#[test]
fn earlier_accumulators_of_another_srs_are_refused() {
    let (mut circuit, witness) = circuits::poseidon(1);
    circuit.previous = 1;
    let srs = Srs::<VestaConfig>::shared(SRS_SIZE);
    let good = previous(&srs);
    let index = ProverIndex::new(circuit, srs).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let mut longer = good.clone();
    longer.challenges.push(longer.challenges[0]);
    let mut chunked = good;
    chunked.commitment.chunks.clear();
    for bad in [longer, chunked] {
        let result = index.prove(&witness, &[bad], &mut rng);
        assert!(
            matches!(result, Err(ProverError::PreviousChallengeShape { index: 0, .. })),
            "{result:?}"
        );
    }
}
