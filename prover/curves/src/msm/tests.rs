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
        if bases.len() <= 600 {
            let fixed = FixedBases::with_backend(backend, bases);
            for count in [2, 8, 13] {
                let fixed = fixed.with_multiples(count).unwrap();
                assert_eq!(fixed.msm(scalars), expected, "{backend:?}, {fixed:?}");
            }
        }
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

/// All numbers of multiples, bases at infinity among others, parts of the bases, and scalars at the
/// borders of pieces and of the group's order.
fn multiples<C: PastaCurve>() {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let n = 150;
    let mut bases = points::<C>(&mut rng, n);
    for i in [0, 7, 64, n - 1] {
        bases[i] = Point::<C>::zero();
    }
    // Buckets in which a base meets a multiple of another, or its opposite.
    let two = C::ScalarField::from(2u64);
    for (i, power) in [(20, 8u64), (21, 16), (22, 64)] {
        bases[i] = (bases[10] * two.pow([power])).into_affine();
        bases[i + 10] = -bases[i];
    }
    let mut scalars: Vec<_> = (0..n).map(|_| C::ScalarField::rand(&mut rng)).collect();
    let half = two.inverse().unwrap();
    for (i, scalar) in [half, -half, -C::ScalarField::ONE, C::ENDO_SCALAR, -two].iter().enumerate()
    {
        scalars[1 + i] = *scalar;
        scalars[70 + i] = *scalar - C::ScalarField::ONE;
    }
    let equal = vec![scalars[100]; n];
    let bits: Vec<_> = (0..n as u64).map(|i| two.pow([i]) - C::ScalarField::from(i % 2)).collect();
    for backend in BACKENDS {
        let plain = FixedBases::with_backend(backend, &bases);
        assert_eq!((plain.multiples(), plain.bytes()), (1, 64 * n));
        for count in 1..=16 {
            let fixed = plain.with_multiples(count).unwrap();
            assert!(fixed.multiples() <= count && 2 * fixed.multiples() > count);
            assert_eq!((fixed.len(), fixed.bytes()), (n, 64 * n * fixed.multiples() as usize));
            for scalars in [&scalars, &equal, &bits] {
                for (first, len) in [(0, n), (0, 40), (0, 0), (75, 75), (60, 20), (5, 1)] {
                    let scalars = &scalars[..len];
                    let expected =
                        ProjectivePoint::<C>::msm_unchecked(&bases[first..first + len], scalars);
                    let sum = fixed.msm_from(first, scalars);
                    assert_eq!(sum, expected, "{backend:?}, {fixed:?}, {len} from {first}");
                }
            }
            // More scalars than bases, and none.
            assert_eq!(fixed.msm_from(100, &scalars), plain.msm_from(100, &scalars[..50]));
            assert_eq!(fixed.msm_from(n + 1, &scalars), ProjectivePoint::<C>::ZERO);
            let many = fixed.msm_many(&[&scalars, &equal[..3]]);
            assert_eq!(many, [plain.msm(&scalars), plain.msm(&equal[..3])]);
        }
    }
}

#[test]
fn all_numbers_of_multiples() {
    multiples::<PallasConfig>();
    multiples::<VestaConfig>();
}

/// More multiples than there are digits, and more bases than one task converts, doubles or sorts.
#[test]
fn many_multiples_and_many_bases() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut bases = points::<VestaConfig>(&mut rng, 2600);
    for i in [5, 1500, 2599] {
        bases[i] = Point::<VestaConfig>::zero();
    }
    let scalars: Vec<_> = (0..bases.len()).map(|_| crate::Fp::rand(&mut rng)).collect();
    for backend in BACKENDS {
        let one = FixedBases::with_backend(backend, &bases[..1]);
        for count in [63, 64, 65, 127, 128, 129, u32::MAX] {
            for scalar in [-crate::Fp::ONE, scalars[0], VestaConfig::ENDO_SCALAR] {
                let sum = one.with_multiples(count).unwrap().msm(&[scalar]);
                assert_eq!(sum, bases[0] * scalar, "{backend:?}, {count}");
            }
        }
        let plain = FixedBases::with_backend(backend, &bases);
        for count in [2, 13] {
            let fixed = plain.with_multiples(count).unwrap();
            for first in [0, 1025] {
                let expected = ProjectivePoint::<VestaConfig>::msm_unchecked(
                    &bases[first..],
                    &scalars[..bases.len() - first],
                );
                assert_eq!(fixed.msm_from(first, &scalars), expected, "{backend:?}, {fixed:?}");
            }
        }
    }
}

/// A point of order two, which the curve does not have.
#[test]
fn bases_off_the_curve_get_no_multiples() {
    let good = points::<VestaConfig>(&mut ChaCha20Rng::seed_from_u64(7), 1)[0];
    let bad = Point::<VestaConfig>::new_unchecked(good.x, crate::Fq::ZERO);
    for backend in BACKENDS {
        assert!(FixedBases::with_backend(backend, &[good, bad]).with_multiples(2).is_none());
        assert!(FixedBases::with_backend(backend, &[good]).with_multiples(2).is_some());
    }
}

/// Sums that make a table worth its time, what fits a budget, and what a table saves.
#[test]
fn multiples_that_pay() {
    type Bases = FixedBases<VestaConfig>;
    assert_eq!(Bases::best_multiples(1 << 16, 0), 1);
    assert_eq!(Bases::best_multiples(0, 1 << 30), 1);
    for log in 8..=20 {
        let len = 1 << log;
        let best = Bases::best_multiples(len, usize::MAX);
        let expected = match log {
            ..=13 => 8..=16,
            14 => 4..=6,
            15 => 2..=3,
            _ => 1..=1,
        };
        assert!(expected.contains(&best), "{best} of 2^{log}");
        let fewer = Bases::best_multiples(len, 2 * 64 * len);
        assert!(fewer == best || (2..=3).contains(&fewer), "{fewer} of 2^{log}");
    }
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let fixed = Bases::new(&points(&mut rng, 64));
    let scalars: Vec<_> = (0..64).map(|_| crate::Fp::rand(&mut rng)).collect();
    let ones = vec![crate::Fp::ONE; 64];
    let sums_until_worth = |scalars: &[crate::Fp]| {
        let fixed = Bases::new(&points(&mut ChaCha20Rng::seed_from_u64(8), 64));
        (0..10_000).find(|_| {
            let worth = fixed.worth(8);
            let _ = fixed.msm(scalars);
            worth
        })
    };
    assert!(!fixed.worth(8) && fixed.worth(1));
    let (random, small) = (sums_until_worth(&scalars), sums_until_worth(&ones));
    assert!(random.is_some_and(|sums| sums > 10), "{random:?}");
    assert!(small.is_none_or(|sums| sums > 10 * random.unwrap()), "{small:?} against {random:?}");
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
