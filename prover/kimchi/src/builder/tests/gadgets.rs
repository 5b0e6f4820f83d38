//! Every gadget against its native twin, its forged witnesses, its rows and its digest.

use ark_ec::{AffineRepr, CurveGroup, short_weierstrass::SWCurveConfig};
use ark_ff::{BigInteger, Field, UniformRand};
use mina_curves::{Fp, Fq, PastaCurve, Point, ScalarChallenge};
use mina_poseidon::{Kimchi, Permutation, Sponge, hash};

use super::{Lab, rng};
use crate::builder::{
    ChallengeVar, CircuitField, PointVar, SpongeVar, Values, scale_endo, scale_shifted,
};

fn elements<F: CircuitField, const N: usize>(seed: u64) -> [F; N] {
    let mut rng = rng(seed);
    core::array::from_fn(|_| F::rand(&mut rng))
}

fn point<F: CircuitField>(seed: u64) -> Point<F::Curve> {
    let scalar = <F::Curve as ark_ec::CurveConfig>::ScalarField::rand(&mut rng(seed));
    (Point::<F::Curve>::generator() * scalar).into_affine()
}

/// The public input of a witness.
fn public<F: CircuitField, I>(lab: &Lab<F, I>, input: &I) -> Vec<F> {
    lab.accepts(input)[0][..lab.circuit.public_inputs()].to_vec()
}

fn expose_point<F: CircuitField, I>(
    cs: &mut crate::builder::CircuitBuilder<F, I>,
    point: &PointVar<F>,
) {
    cs.expose(point.x());
    cs.expose(point.y());
}

fn coordinates<C: PastaCurve>(point: &Point<C>) -> Vec<C::BaseField> {
    let (x, y) = point.xy().unwrap();
    vec![x, y]
}

fn permutation_lab<F: CircuitField>() -> Lab<F, [F; 3]> {
    Lab::new(|cs| {
        let state = cs.witnesses(|v: &Values<'_, F, [F; 3]>| *v.input());
        for out in cs.region("permutation", |cs| cs.poseidon_permutation(state)) {
            cs.expose(out);
        }
    })
}

fn permutation<F: CircuitField>(digest: &str) {
    let lab = permutation_lab::<F>();
    for input in [[F::ZERO; 3], elements(41), elements(42)] {
        let mut expected = input;
        Kimchi::permute(&mut expected);
        assert_eq!(public(&lab, &input), expected);
    }
    lab.forge(&elements(43), 3, &[]);
    assert_eq!(lab.circuit.rows_in("permutation"), 12);
    assert_eq!(lab.circuit.rows(), 3 + 12);
    assert_eq!(lab.digest(), digest);
}

#[test]
fn poseidon_permutation() {
    permutation::<Fp>("280d2d11ea5e5cf63520584607ea24ce2fa3e38efc2eb2decbe0cd8ff0c6e7bd");
    permutation::<Fq>("c7b7e8d22ee641a8eab1a5195963d5ae8faa0fb1d268afd4e93289a498e330b6");
}

#[test]
fn poseidon_hash() {
    let lab = Lab::<Fp, [Fp; 5]>::new(|cs| {
        let inputs = cs.witnesses(|v: &Values<'_, Fp, [Fp; 5]>| *v.input());
        let digest = cs.region("hash", |cs| cs.poseidon_hash(&inputs));
        cs.expose(digest);
    });
    let input = elements(44);
    assert_eq!(public(&lab, &input), [hash::<Fp, Kimchi>(&input)]);
    lab.forge(&input, 5, &[]);
    // Three permutations; a zero and three additions of later inputs, in halves.
    assert_eq!(lab.circuit.rows_in("hash"), 3 * 12 + 2);
    assert_eq!(lab.digest(), "aa7ab6800b44a7511b02a4d61824863a87bf146a4775f79356a7a53b10aaaa03");
}

#[test]
fn sponges_agree_in_every_order() {
    // Absorbs (a digit) so many elements, or squeezes (s) one.
    for script in ["s", "ss", "sss", "1s1s", "2s", "3ss2s", "5s1sss1s", "s2ss3s"] {
        let count: u32 = script.chars().filter_map(|c| c.to_digit(10)).sum();
        let inputs: Vec<Fq> = elements::<Fq, 16>(45)[..count as usize].to_vec();
        let salt = elements::<Fq, 3>(46);

        let mut native = Sponge::<Fq>::from_state(salt);
        let mut expected = vec![];
        let mut next = inputs.iter();
        for step in script.chars() {
            match step.to_digit(10) {
                Some(n) => next.by_ref().take(n as usize).for_each(|x| native.absorb(*x)),
                None => expected.push(native.squeeze()),
            }
        }
        let lab = Lab::<Fq, Vec<Fq>>::new(|cs| {
            let inputs = cs.try_witnesses(count as usize, |v| Ok(v.input().clone()));
            let mut sponge = SpongeVar::from_state(salt);
            let mut next = inputs.into_iter();
            for step in script.chars() {
                match step.to_digit(10) {
                    Some(n) => {
                        next.by_ref().take(n as usize).for_each(|x| sponge.absorb(cs, x));
                    }
                    None => {
                        let out = sponge.squeeze(cs);
                        cs.expose(out);
                    }
                }
            }
        });
        assert_eq!(public(&lab, &inputs), expected, "{script}");
    }
}

fn points_lab<F: CircuitField>() -> Lab<F, [Point<F::Curve>; 2]> {
    Lab::new(|cs| {
        let p = PointVar::witness(cs, |v: &Values<'_, F, [Point<F::Curve>; 2]>| v.input()[0]);
        let q = PointVar::witness(cs, |v: &Values<'_, F, [Point<F::Curve>; 2]>| v.input()[1]);
        let sum = cs.region("add", |cs| p.add(cs, &q));
        expose_point(cs, &sum);
    })
}

fn addition<F: CircuitField>(digest: &str) {
    let lab = points_lab::<F>();
    let [p, q] = [point::<F>(47), point::<F>(48)];
    let sum = |p: Point<F::Curve>, q: Point<F::Curve>| (p + q).into_affine();
    assert_eq!(public(&lab, &[p, q]), coordinates(&sum(p, q)));
    assert_eq!(public(&lab, &[p, p]), coordinates(&sum(p, p)));
    assert!(lab.rejects(&[p, -p]).iter().any(|region| region == "add"));
    let infinity = Point::<F::Curve>::zero();
    assert!(!lab.rejects(&[infinity, q]).is_empty());
    let off_curve = Point::<F::Curve>::new_unchecked(F::ONE, F::ONE);
    assert!(!lab.rejects(&[off_curve, q]).is_empty());

    lab.forge(&[p, q], 2, &[]);
    // Of equal points, inf_z and x21_inv are free: they are multiplied by zero. The points can only
    // be moved together.
    let row = lab.circuit.gates().iter().position(|g| g.kind == crate::GateKind::CompleteAdd);
    let row = row.unwrap();
    lab.forge(&[p, p], 1, &[(row, 9), (row, 10)]);
    assert_eq!(lab.circuit.rows_in("add"), 1 + 1); // and the constant zero
    assert_eq!(lab.digest(), digest);
}

#[test]
fn complete_addition() {
    addition::<Fp>("e8d70416aa7db5163e378206875b98ff6e491ebd3982770bf8ed6b82821e5a9d");
    addition::<Fq>("717cc047aac98563c330853713d8c8baeeaa4262956dba362949344a9f76e1c9");
}

#[test]
fn complete_addition_of_opposite_points() {
    type Input = [Point<mina_curves::PallasConfig>; 2];
    let lab = Lab::<Fp, Input>::new(|cs| {
        let p = PointVar::witness(cs, |v: &Values<'_, Fp, Input>| v.input()[0]);
        let q = PointVar::witness(cs, |v: &Values<'_, Fp, Input>| v.input()[1]);
        let (_, infinite) = p.add_complete(cs, &q);
        cs.expose(infinite);
    });
    let [p, q] = [point::<Fp>(49), point::<Fp>(50)];
    assert_eq!(public(&lab, &[p, q]), [Fp::from(0u64)]);
    assert_eq!(public(&lab, &[p, p]), [Fp::from(0u64)]);
    assert_eq!(public(&lab, &[p, -p]), [Fp::from(1u64)]);
    let row = lab.circuit.gates().iter().position(|g| g.kind == crate::GateKind::CompleteAdd);
    lab.forge(&[p, -p], 1, &[(row.unwrap(), 10)]);
}

#[test]
fn point_helpers() {
    type C = mina_curves::VestaConfig;
    let lab = Lab::<Fq, (Point<C>, bool)>::new(|cs| {
        let p = PointVar::witness(cs, |v: &Values<'_, Fq, (Point<C>, bool)>| v.input().0);
        let bit = crate::builder::Boolean::witness(cs, |v| v.input().1);
        let negated = p.negate(cs);
        let image = p.endomorphism(cs);
        let generator = PointVar::constant(cs, &C::GENERATOR);
        let chosen = PointVar::select(cs, &bit, &p, &generator);
        for point in [negated, image, chosen] {
            expose_point(cs, &point);
        }
        p.assert_equal(cs, &p);
    });
    for bit in [false, true] {
        let p = point::<Fq>(51);
        let image = (p * C::ENDO_SCALAR).into_affine();
        let chosen = if bit { p } else { C::GENERATOR };
        let expected = [-p, image, chosen].iter().flat_map(coordinates).collect::<Vec<_>>();
        assert_eq!(public(&lab, &(p, bit)), expected);
        lab.forge(&(p, bit), 1, &[]);
    }
}

/// `scale_shifted` of the input's point by the input's number.
fn scale_lab<F: CircuitField>(bits: usize) -> Lab<F, (Point<F::Curve>, F)> {
    Lab::new(|cs| {
        let p = PointVar::witness(cs, |v: &Values<'_, F, (Point<F::Curve>, F)>| v.input().0);
        let k = cs.witness(|v| v.input().1);
        let product = cs.region("scale", |cs| p.scale_shifted(cs, k, bits));
        expose_point(cs, &product);
    })
}

fn scale<F: CircuitField>(digest: &str) {
    let p = point::<F>(52);
    let lab = scale_lab::<F>(255);
    let top = F::from(2u64).pow([254]);
    let [k] = elements(53);
    for k in [F::ZERO, F::ONE, -F::ONE, top, top - F::ONE, top + F::ONE, k] {
        let expected = scale_shifted::<F::Curve>(&p, k, 255);
        assert_eq!(public(&lab, &(p, k)), coordinates(&expected), "{k}");
    }
    // 2T, two rows per five bits (the constant zero shares a row with the point); range check and
    // five halves.
    assert_eq!(lab.circuit.rows_in("scale"), 1 + 102 + 8 + 3);
    assert_eq!(lab.circuit.rows_in("scale/canonical"), 8 + 3);
    assert_eq!(lab.digest(), digest);
    let k = top + F::from(5u64);
    lab.forge(&(p, k), 1, &doubling_cells(&lab));
}

/// `inf_z` and `x21_inv` of every doubling: multiplied by zero, they are free.
fn doubling_cells<F: CircuitField, I>(lab: &Lab<F, I>) -> Vec<(usize, usize)> {
    let doubling = |row: &usize| {
        let cells = &lab.generator.cells[*row];
        lab.circuit.gates()[*row].kind == crate::GateKind::CompleteAdd && cells[..2] == cells[2..4]
    };
    (0..lab.circuit.rows()).filter(doubling).flat_map(|row| [(row, 9), (row, 10)]).collect()
}

#[test]
fn scaling_by_any_number_over_fp() {
    scale::<Fp>("6d9893ef13e6073900886b4aff13290f1a1ba94e0cec35089c447d029cd51f81");
}

#[test]
fn scaling_by_any_number_over_fq() {
    scale::<Fq>("c455740fe1dd3783d8241d7894c84b55fe076c02077d9b06669c73ebccd6a265");
}

#[test]
fn scaling_by_short_numbers() {
    let p = point::<Fp>(54);
    for bits in [5, 20, 250] {
        let lab = scale_lab::<Fp>(bits);
        let bound = Fp::from(2u64).pow([bits as u64]);
        for k in [Fp::from(0u64), Fp::from(19u64), bound - Fp::from(1u64)] {
            let expected = scale_shifted(&p, k, bits);
            assert_eq!(public(&lab, &(p, k)), coordinates(&expected), "{k} of {bits} bits");
        }
        assert!(!lab.rejects(&(p, bound)).is_empty());
        assert!(!lab.rejects(&(p, -Fp::from(1u64))).is_empty());
        // 2T and two rows per five bits; the constant zero shares a row with the point.
        assert_eq!(lab.circuit.rows_in("scale"), 1 + 2 * bits / 5);
        if bits == 20 {
            lab.forge(&(p, Fp::from(0x5a5a5u64)), 1, &doubling_cells(&lab));
        }
    }
}

/// `k` plus the modulus has 255 bits too, gives the same `k`, but another product.
fn non_canonical<F: CircuitField>() {
    let lab = Lab::<F, (Point<F::Curve>, F)>::new(|cs| {
        let p = PointVar::witness(cs, |v: &Values<'_, F, (Point<F::Curve>, F)>| v.input().0);
        let k = cs.witness(|v| v.input().1);
        p.scale_by_digits(cs, k.into(), 255, |k| {
            let mut digits = k.into_bigint();
            digits.add_with_carry(&F::MODULUS);
            digits
        });
    });
    let p = point::<F>(55);
    let one = F::ONE;
    let largest = F::from(2u64).pow([255]) - one; // 2^255 - 1 - p
    for k in [F::ZERO, one, F::from(u64::MAX), F::from(2u64).pow([200]), largest] {
        let regions = lab.rejects(&(p, k));
        assert!(regions.iter().all(|region| region == "canonical"), "{regions:?}");
    }
}

#[test]
fn digits_of_numbers_above_the_modulus_are_rejected() {
    non_canonical::<Fp>();
    non_canonical::<Fq>();
}

#[test]
fn products_at_infinity_have_no_witness() {
    // (2k + 1 + 2^255)·P = 0 for the k that is this modulo the order.
    let order_minus = -(Fq::from(2u64).pow([255]) + Fq::from(1u64)) / Fq::from(2u64);
    let k =
        <Fp as mina_curves::PastaField>::from_limbs(mina_curves::PastaField::to_limbs(order_minus))
            .unwrap();
    let p = point::<Fp>(56);
    assert!(scale_shifted(&p, k, 255).is_zero());
    assert!(!scale_lab::<Fp>(255).rejects(&(p, k)).is_empty());
}

fn challenges() -> Vec<ScalarChallenge> {
    let mut rng = rng(57);
    let random = ScalarChallenge([rand::Rng::r#gen(&mut rng), rand::Rng::r#gen(&mut rng)]);
    vec![
        ScalarChallenge([0, 0]),
        ScalarChallenge([u64::MAX; 2]),
        ScalarChallenge([1, 1 << 63]),
        random,
    ]
}

fn endo_scale<F: CircuitField>(digest: &str) {
    let lab = Lab::<F, (Point<F::Curve>, F)>::new(|cs| {
        let p = PointVar::witness(cs, |v: &Values<'_, F, (Point<F::Curve>, F)>| v.input().0);
        let challenge = cs.witness(|v| v.input().1);
        let product = cs.region("scale", |cs| p.scale_endo(cs, challenge));
        expose_point(cs, &product);
    });
    let p = point::<F>(58);
    for challenge in challenges() {
        let expected = scale_endo::<F::Curve>(&p, challenge);
        assert_eq!(public(&lab, &(p, challenge.raw())), coordinates(&expected));
    }
    let too_long = F::from(2u64).pow([128]);
    assert!(!lab.rejects(&(p, too_long)).is_empty());
    // T and φ(T) have the same ordinate: inf_z of their sum is free too.
    let sum = lab.circuit.gates().iter().position(|g| g.kind == crate::GateKind::CompleteAdd);
    let free = [&[(sum.unwrap(), 9)], &doubling_cells(&lab)[..]].concat();
    lab.forge(&(p, challenges()[3].raw()), 1, &free);
    // Two additions, 32 rows and the result's; φ(T) and zero in halves, one in the point's last row.
    assert_eq!(lab.circuit.rows_in("scale"), 2 + 33 + 1);
    assert_eq!(lab.digest(), digest);
}

#[test]
fn scaling_by_challenges() {
    endo_scale::<Fp>("375efeead82b05ce3c2a662b89a90892cc3f7f59ab2559e90f72a8fe945996ef");
    endo_scale::<Fq>("9787d2cdf4c323dcf1c5cdb60505c3fc1dee322d7effa91a60c355ef762c18c6");
}

/// `scale_challenge` rests on no gate but `VarBaseMul` and `CompleteAdd`.
fn scale_by_challenge<F: CircuitField>(digest: &str) {
    let lab = Lab::<F, (Point<F::Curve>, F)>::new(|cs| {
        let p = PointVar::witness(cs, |v: &Values<'_, F, (Point<F::Curve>, F)>| v.input().0);
        let raw = cs.witness(|v| v.input().1);
        let challenge = ChallengeVar::new(cs, raw);
        let product = cs.region("scale", |cs| p.scale_challenge(cs, &challenge));
        expose_point(cs, &product);
    });
    let p = point::<F>(59);
    for challenge in challenges() {
        let expected = scale_endo::<F::Curve>(&p, challenge);
        assert_eq!(public(&lab, &(p, challenge.raw())), coordinates(&expected));
    }
    lab.forge(&(p, challenges()[3].raw()), 1, &doubling_cells(&lab));
    assert!(lab.circuit.gates().iter().all(|g| g.kind != crate::GateKind::EndoMul));
    // A doubling, twice 26 rows, two additions; two offsets and three images in halves, of which one
    // shares a row with the point.
    assert_eq!(lab.circuit.rows_in("scale"), 1 + 2 * 26 + 2 + 2);
    assert_eq!(lab.digest(), digest);
}

#[test]
fn scaling_by_challenges_without_endo_mul() {
    scale_by_challenge::<Fp>("08e1cf215e598f7b1e92ceed0f354c3f1a5ba293413f588b3dca4ea2d1b92f3c");
    scale_by_challenge::<Fq>("5a85c32b4f2cbaf7e83c0b89da3dc3d158d1f77de1d3b5406829bed51e5ea9a3");
}

/// Scaling by numbers of 254 bits, and by numbers below both moduli.
fn scale_bounded<F: CircuitField>() {
    let lab = |common: bool| {
        Lab::<F, (Point<F::Curve>, F)>::new(move |cs| {
            let p = PointVar::witness(cs, |v: &Values<'_, F, (Point<F::Curve>, F)>| v.input().0);
            let k = cs.witness(|v| v.input().1);
            let product = match common {
                true => p.scale_shifted_common(cs, k),
                false => p.scale_shifted_254(cs, k),
            };
            expose_point(cs, &product);
        })
    };
    let p = point::<F>(60);
    let top = F::from(2u64).pow([254]);
    let other = <<F::Curve as ark_ec::CurveConfig>::ScalarField as ark_ff::PrimeField>::MODULUS;
    // The largest number below both moduli.
    let largest = F::from_bigint(other).map_or(-F::ONE, |modulus| modulus - F::ONE);
    let [k] = elements(61);
    for (common, k) in [
        (false, F::ZERO),
        (false, top - F::ONE),
        (true, F::ZERO),
        (true, top),
        (true, largest),
        (true, k),
    ] {
        let expected = scale_shifted::<F::Curve>(&p, k, 255);
        assert_eq!(public(&lab(common), &(p, k)), coordinates(&expected), "{k}");
    }
    for k in [top, top + F::ONE, -F::ONE] {
        assert!(!lab(false).rejects(&(p, k)).is_empty(), "{k} has 255 bits");
    }
    if largest != -F::ONE {
        for k in [largest + F::ONE, -F::ONE] {
            assert!(!lab(true).rejects(&(p, k)).is_empty(), "{k} is above the other modulus");
        }
    }
    for common in [false, true] {
        let lab = lab(common);
        lab.forge(&(p, top - F::from(5u64)), 1, &doubling_cells(&lab));
    }
}

#[test]
fn scaling_by_bounded_numbers() {
    scale_bounded::<Fp>();
    scale_bounded::<Fq>();
}

#[test]
fn ranges_two_bits_short_of_a_row() {
    for bits in [14, 126] {
        let lab = Lab::<Fp, Fp>::new(|cs| {
            let x = cs.witness(|v| *v.input());
            cs.region("range", |cs| cs.assert_bits(x, bits));
            cs.expose(x);
        });
        let bound = Fp::from(2u64).pow([bits as u64]);
        assert_eq!(public(&lab, &(bound - Fp::from(1u64))), [bound - Fp::from(1u64)]);
        assert!(!lab.rejects(&bound).is_empty());
        assert!(!lab.rejects(&(bound * Fp::from(4u64) - Fp::from(1u64))).is_empty());
        lab.forge(&(bound - Fp::from(7u64)), 0, &[]);
        assert!(lab.circuit.rows_in("range") <= bits.div_ceil(16) + 1);
    }
}

fn endo_scalar<F: CircuitField>(digest: &str) {
    let lab = Lab::<F, F>::new(|cs| {
        let challenge = cs.witness(|v| *v.input());
        let scalar = cs.region("scalar", |cs| cs.endo_scalar(challenge));
        cs.expose(scalar);
    });
    for challenge in challenges() {
        let expected = challenge.to_field(F::endo_scalar());
        assert_eq!(public(&lab, &challenge.raw()), [expected]);
    }
    assert!(!lab.rejects(&F::from(2u64).pow([128])).is_empty());
    assert!(!lab.rejects(&-F::ONE).is_empty());
    lab.forge(&challenges()[3].raw(), 0, &[]);
    // Two constants and the result in halves.
    assert_eq!(lab.circuit.rows_in("scalar"), 8 + 2);
    assert_eq!(lab.digest(), digest);
}

#[test]
fn effective_scalars() {
    endo_scalar::<Fp>("e0399df5dbacba623be9e3caf7f72076efc9d2ffd9dfb3b5631721d6d18afa4e");
    endo_scalar::<Fq>("b60d9ff06dfefae75eae2be5c234ee5d5406fb9fb83f7b1e7f41c84d1c307ac1");
}
