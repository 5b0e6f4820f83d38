//! [`msm`] against arkworks, on inputs chosen to break the batched additions.

use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{AdditiveGroup, Field, UniformRand};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{PallasConfig, VestaConfig};

const BACKENDS: [LaneBackend; 3] =
    [LaneBackend::Scalar, LaneBackend::Avx2, LaneBackend::Avx512Ifma];

fn compare<C: PastaCurve>(bases: &[Point<C>], scalars: &[C::ScalarField]) {
    let expected = ProjectivePoint::<C>::msm_unchecked(bases, scalars);
    for backend in BACKENDS {
        assert_eq!(msm_with(backend, bases, scalars), expected, "{backend:?}");
    }
}

fn points<C: PastaCurve>(rng: &mut ChaCha20Rng, n: usize) -> Vec<Point<C>> {
    let points: Vec<_> = (0..n).map(|_| ProjectivePoint::<C>::rand(rng)).collect();
    ProjectivePoint::<C>::normalize_batch(&points)
}

fn random_scalars<C: PastaCurve>() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let bases = points::<C>(&mut rng, 3000);
    let scalars: Vec<_> = (0..3000).map(|_| C::ScalarField::rand(&mut rng)).collect();
    for n in [0, 1, 2, 3, 7, 8, 9, 31, 64, 100, 257, 1000, 3000] {
        compare::<C>(&bases[..n], &scalars[..n]);
    }
    // More scalars than bases, and the reverse.
    assert_eq!(msm::<C>(&bases[..5], &scalars), msm::<C>(&bases, &scalars[..5]));
    let vectors = [&scalars[..10], &scalars[..0], &scalars[100..200]];
    let expected = vectors.map(|scalars| msm::<C>(&bases, scalars));
    assert_eq!(msm_many::<C>(&bases, &vectors), expected);
}

#[test]
fn random() {
    random_scalars::<PallasConfig>();
    random_scalars::<VestaConfig>();
}

fn degenerate_bases<C: PastaCurve>() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let n = 300;
    let p = points::<C>(&mut rng, 2);
    let endo = Point::<C>::new_unchecked(p[0].x * C::ENDO_BASE, p[0].y);
    let scalars: Vec<_> = (0..n).map(|_| C::ScalarField::rand(&mut rng)).collect();
    let constant = vec![scalars[0]; n];
    for pattern in [
        vec![p[0]],
        vec![p[0], -p[0]],
        vec![p[0], Point::<C>::zero()],
        vec![Point::<C>::zero()],
        vec![p[0], p[0], -p[0], p[1], endo, -endo],
    ] {
        let bases: Vec<_> = pattern.iter().copied().cycle().take(n).collect();
        for scalars in [&scalars, &constant] {
            compare::<C>(&bases, scalars);
        }
    }
    // Multiples of one point: partial sums meet each other.
    let multiples: Vec<_> =
        (0..n as u64).map(|i| (p[0] * C::ScalarField::from(i / 2)).into_affine()).collect();
    compare::<C>(&multiples, &scalars);
    compare::<C>(&multiples, &constant);
    compare::<C>(&multiples, &vec![C::ScalarField::ONE; n]);
}

#[test]
fn repeated_opposite_and_infinite_bases() {
    degenerate_bases::<PallasConfig>();
    degenerate_bases::<VestaConfig>();
}

fn special_scalars<C: PastaCurve>() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let n = 520;
    let bases = points::<C>(&mut rng, n);
    let two = C::ScalarField::from(2u64);
    let repeat = |x: C::ScalarField| vec![x; n];
    let powers: Vec<_> = (0..n as u64).map(|i| two.pow([i / 2]) * sign::<C>(i)).collect();
    let below: Vec<_> = powers.iter().map(|x| *x - C::ScalarField::ONE).collect();
    let small: Vec<_> = (0..n).map(|_| C::ScalarField::from(rng.gen_range(0..4u64))).collect();
    let sparse: Vec<_> = (0..n as u64)
        .map(|i| if i % 37 == 0 { C::ScalarField::rand(&mut rng) } else { C::ScalarField::ZERO })
        .collect();
    for scalars in [
        repeat(C::ScalarField::ZERO),
        repeat(C::ScalarField::ONE),
        repeat(-C::ScalarField::ONE),
        repeat(C::ENDO_SCALAR),
        repeat(-two),
        powers,
        below,
        small,
        sparse,
    ] {
        compare::<C>(&bases, &scalars);
    }
}

fn sign<C: PastaCurve>(i: u64) -> C::ScalarField {
    if i.is_multiple_of(2) { C::ScalarField::ONE } else { -C::ScalarField::ONE }
}

#[test]
fn zero_one_and_power_of_two_scalars() {
    special_scalars::<PallasConfig>();
    special_scalars::<VestaConfig>();
}

/// A group larger than a segment, and one that is cut.
#[test]
fn crowded_buckets() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let few = points::<VestaConfig>(&mut rng, 64);
    let n = 40_000;
    // Distinct points, cheaply: sums of a fixed point and multiples of another.
    let mut bases = Vec::with_capacity(n);
    let mut sum: ProjectivePoint<VestaConfig> = few[0].into();
    for _ in 0..n {
        sum += few[1];
        bases.push(sum);
    }
    let bases = ProjectivePoint::<VestaConfig>::normalize_batch(&bases);
    let ones = vec![crate::Fp::ONE; n];
    compare::<VestaConfig>(&bases, &ones);
    let constant = vec![crate::Fp::rand(&mut rng); n];
    compare::<VestaConfig>(&bases, &constant);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mixed_inputs(seed: u64, picks in proptest::collection::vec((0..8usize, 0..9usize), 1..120)) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let p = points::<PallasConfig>(&mut rng, 3);
        let pool = [p[0], -p[0], p[1], p[2], Point::<PallasConfig>::zero(), -p[1],
            (p[0] + p[1]).into_affine(), (p[0] + p[0]).into_affine()];
        let random = crate::Fq::rand(&mut rng);
        let two = crate::Fq::from(2u64);
        let (bases, scalars): (Vec<_>, Vec<_>) = picks.into_iter().map(|(base, scalar)| {
            let base = if base < 5 { pool[base] } else { points::<PallasConfig>(&mut rng, 1)[0] };
            let scalar = match scalar {
                0 => crate::Fq::ZERO,
                1 => crate::Fq::ONE,
                2 => -crate::Fq::ONE,
                3 => random,
                4 => -random,
                5 => two.pow([rng.gen_range(0..255u64)]),
                6 => crate::Fq::from(rng.r#gen::<u64>()),
                _ => crate::Fq::rand(&mut rng),
            };
            (base, scalar)
        }).unzip();
        compare::<PallasConfig>(&bases, &scalars);
    }
}
