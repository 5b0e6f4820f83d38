//! A circuit for each provable gate family, from the circuit builder.
#![allow(clippy::unwrap_used)] // Clippy knows `#[test]` functions, but not their helpers.

use ark_ec::{AffineRepr, CurveConfig, CurveGroup};
use ark_ff::UniformRand;
use kimchi::{
    Circuit, Witness,
    builder::{CircuitBuilder, CircuitField, PointVar, Values, check},
};
use mina_curves::Point;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// What the circuits are about.
pub(crate) struct Input<F: CircuitField> {
    point: Point<F::Curve>,
    number: F,
    challenge: F,
}

type Builder<F> = CircuitBuilder<F, Input<F>>;

/// A name, and what builds the circuit.
type Family<F> = (&'static str, fn(&mut Builder<F>));

fn point<F: CircuitField>(cs: &mut Builder<F>) -> PointVar<F> {
    PointVar::witness(cs, |v: &Values<'_, F, Input<F>>| v.input().point)
}

fn number<F: CircuitField>(cs: &mut Builder<F>) -> kimchi::builder::Var<F> {
    cs.witness(|v| v.input().number)
}

fn challenge<F: CircuitField>(cs: &mut Builder<F>) -> kimchi::builder::Var<F> {
    cs.witness(|v| v.input().challenge)
}

fn expose<F: CircuitField>(cs: &mut Builder<F>, point: PointVar<F>) {
    cs.expose(point.x());
    cs.expose(point.y());
}

/// Double generic gates with every coefficient.
fn generic<F: CircuitField>(cs: &mut Builder<F>) {
    let x = number(cs);
    let y = challenge(cs);
    let product = cs.mul(x * F::from(3u64) + F::ONE, y - F::from(5u64));
    let quotient = cs.div(product, x);
    cs.assert_zero(product + x - x - product);
    cs.expose(quotient + y);
}

fn poseidon<F: CircuitField>(cs: &mut Builder<F>) {
    let inputs = [number(cs), challenge(cs), number(cs)];
    let digest = cs.poseidon_hash(&inputs);
    cs.expose(digest);
}

fn complete_add<F: CircuitField>(cs: &mut Builder<F>) {
    let p = point(cs);
    let twice = p.double(cs);
    let thrice = twice.add(cs, &p);
    let negated = thrice.negate(cs);
    let (_, infinite) = thrice.add_complete(cs, &negated);
    expose(cs, thrice);
    cs.expose(infinite);
}

fn var_base_mul<F: CircuitField>(cs: &mut Builder<F>) {
    let (p, k) = (point(cs), number(cs));
    let product = p.scale_shifted(cs, k, 255);
    expose(cs, product);
}

fn endo_mul<F: CircuitField>(cs: &mut Builder<F>) {
    let (p, c) = (point(cs), challenge(cs));
    let product = p.scale_endo(cs, c);
    expose(cs, product);
}

fn endo_mul_scalar<F: CircuitField>(cs: &mut Builder<F>) {
    let c = challenge(cs);
    let scalar = cs.endo_scalar(c);
    cs.expose(scalar);
}

/// Name, circuit and valid witness of each family, carrying on `previous` accumulators.
pub(crate) fn families<F: CircuitField>(
    previous: usize,
) -> Vec<(&'static str, Circuit<F>, Witness<F>)> {
    let families: [Family<F>; 6] = [
        ("generic", generic),
        ("poseidon", poseidon),
        ("complete add", complete_add),
        ("variable-base multiplication", var_base_mul),
        ("endomorphism multiplication", endo_mul),
        ("endomorphism scalar", endo_mul_scalar),
    ];
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let scalar = <F::Curve as CurveConfig>::ScalarField::rand(&mut rng);
    let input = Input {
        point: (Point::<F::Curve>::generator() * scalar).into_affine(),
        number: F::rand(&mut rng),
        challenge: F::from(u128::rand(&mut rng)),
    };
    let build = |(name, constrain): Family<F>| {
        let mut cs = Builder::new();
        cs.carry_previous(previous);
        constrain(&mut cs);
        let (built, generator) = cs.finish().unwrap();
        let witness = generator.witness(&input).unwrap();
        check(&built, &witness).unwrap();
        (name, built.circuit().clone(), witness)
    };
    families.map(build).into()
}
