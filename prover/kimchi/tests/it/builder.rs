//! Built circuits, proved and verified.
#![allow(clippy::unwrap_used)] // Clippy knows `#[test]` functions, but not their helpers.

use ark_ec::{AffineRepr, CurveConfig, CurveGroup};
use ark_ff::{Field, UniformRand};
use kimchi::{
    CircuitCurve, GateKind, ProverError, ProverIndex, Revision, VerifyError,
    builder::{Boolean, CircuitBuilder, CircuitField, PointVar, Values, check},
    verify,
};
use mina_curves::{PallasConfig, Point, VestaConfig};
use poly_commitment::Srs;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// A point, a number and a challenge.
struct Input<F: CircuitField> {
    point: Point<F::Curve>,
    number: F,
    challenge: F,
}

/// A statement that needs every gate.
fn constrain<F: CircuitField>(cs: &mut CircuitBuilder<F, Input<F>>) {
    let point = PointVar::witness(cs, |v: &Values<'_, F, Input<F>>| v.input().point);
    let number = cs.witness(|v| v.input().number);
    let challenge = cs.witness(|v| v.input().challenge);

    let digest = cs.region("hash", |cs| cs.poseidon_hash(&[number, point.x(), point.y()]));
    let scalar = cs.region("effective scalar", |cs| cs.endo_scalar(challenge));
    let product = cs.region("number·point", |cs| point.scale_shifted(cs, number, 255));
    let other = cs.region("challenge·point", |cs| point.scale_endo(cs, challenge));
    let sum = cs.region("sum", |cs| product.add(cs, &other));
    let small = Boolean::witness(cs, |v| v.input().number == F::ONE);
    let chosen = small.select(cs, number, digest);
    for output in [digest, scalar, sum.x(), sum.y(), chosen] {
        cs.expose(output);
    }
}

fn input<F: CircuitField>(rng: &mut ChaCha20Rng) -> Input<F> {
    let scalar = <F::Curve as CurveConfig>::ScalarField::rand(rng);
    Input {
        point: (Point::<F::Curve>::generator() * scalar).into_affine(),
        number: F::rand(rng),
        challenge: F::from(u128::rand(rng)),
    }
}

fn prove_and_verify<C: CircuitCurve<ScalarField: CircuitField>>() {
    let mut rng = ChaCha20Rng::seed_from_u64(71);
    let mut cs = CircuitBuilder::new();
    constrain::<C::ScalarField>(&mut cs);
    let (circuit, generator) = cs.finish().unwrap();
    let witness = generator.witness(&input(&mut rng)).unwrap();
    check(&circuit, &witness).unwrap();

    let srs = Srs::shared(1 << 9);
    let revised =
        ProverIndex::<C>::with_revision(circuit.circuit().clone(), srs.clone(), Revision::Distinct);
    let revised = revised.unwrap();
    let proof = revised.prove(&witness, &[], &mut rng).unwrap();
    let public = &witness[0][..circuit.public_inputs()];
    verify(revised.verifier_index(), &proof, public, &mut rng).unwrap();

    let index = ProverIndex::<C>::new(circuit.circuit().clone(), srs).unwrap();
    let refused = verify(index.verifier_index(), &proof, public, &mut rng);
    assert!(matches!(refused, Err(VerifyError::Opening(_))), "the revisions differ: {refused:?}");
    let proof = index.prove(&witness, &[], &mut rng).unwrap();
    let mut public = witness[0][..circuit.public_inputs()].to_vec();
    verify(index.verifier_index(), &proof, &public, &mut rng).unwrap();
    public[1] += C::ScalarField::ONE;
    let refused = verify(index.verifier_index(), &proof, &public, &mut rng);
    assert!(matches!(refused, Err(VerifyError::Opening(_))), "{refused:?}");

    // Checker and prover agree about what is no witness: a wired cell, and an unwired one.
    let poseidon = circuit.gates().iter().position(|gate| gate.kind == GateKind::Poseidon);
    let cases =
        [(0, 0, ProverError::Permutation), (poseidon.unwrap(), 14, ProverError::Constraint)];
    for (row, column, expected) in cases {
        let mut forged = witness.clone();
        forged[column][row] += C::ScalarField::ONE;
        assert!(check(&circuit, &forged).is_err());
        assert_eq!(index.prove(&forged, &[], &mut rng).err(), Some(expected));
    }
}

#[test]
fn built_circuits_prove_on_vesta() {
    prove_and_verify::<VestaConfig>();
}

#[test]
fn built_circuits_prove_on_pallas() {
    prove_and_verify::<PallasConfig>();
}
