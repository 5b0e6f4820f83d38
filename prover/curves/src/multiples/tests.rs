//! Multiples and folds against arkworks.

use ark_ff::{AdditiveGroup, Field, UniformRand};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{PallasConfig, VestaConfig};

const BACKENDS: [LaneBackend; 3] =
    [LaneBackend::Scalar, LaneBackend::Avx2, LaneBackend::Avx512Ifma];

fn points<C: PastaCurve>(rng: &mut ChaCha20Rng, n: usize) -> Vec<Point<C>> {
    let points: Vec<_> = (0..n).map(|_| ProjectivePoint::<C>::rand(rng)).collect();
    ProjectivePoint::<C>::normalize_batch(&points)
}

fn compare<C: PastaCurve>(points: &[Point<C>], scalars: &[C::ScalarField]) {
    let expected: Vec<Point<C>> =
        points.iter().zip(scalars).map(|(point, scalar)| (*point * scalar).into_affine()).collect();
    for backend in BACKENDS {
        assert_eq!(mul_each_with::<C>(backend, points, scalars), expected, "{backend:?}");
    }
}

fn each<C: PastaCurve>() {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let bases = points::<C>(&mut rng, 700);
    let scalars: Vec<_> = (0..700).map(|_| C::ScalarField::rand(&mut rng)).collect();
    for n in [0, 1, 7, 8, 9, 511, 512, 513, 700] {
        compare::<C>(&bases[..n], &scalars[..n]);
    }
    let two = C::ScalarField::from(2u64);
    let special: Vec<_> = (0..254u64)
        .flat_map(|i| [two.pow([i]), -two.pow([i]), two.pow([i]) - C::ScalarField::ONE])
        .take(700)
        .collect();
    compare::<C>(&bases, &special);
    // Blocks with zero and small scalars, with λ and its neighbours.
    for unit in [C::ScalarField::ONE, C::ENDO_SCALAR, C::ENDO_SCALAR.square()] {
        for small in 0..20u64 {
            let scalar = unit * C::ScalarField::from(small);
            compare::<C>(&bases[..9], &[scalar; 9]);
            compare::<C>(&bases[..9], &[-scalar; 9]);
            compare::<C>(&bases[..9], &[scalar + C::ScalarField::ONE; 9]);
        }
    }
    // One scalar for each vector, and the same with a lane that differs.
    let mut runs: Vec<_> = (0..700).map(|i| scalars[i / LaneBackend::LANES]).collect();
    compare::<C>(&bases, &runs);
    compare::<C>(&bases[..61], &runs);
    runs[13] = scalars[0];
    compare::<C>(&bases[..61], &runs);
    let mut holes = bases[..20].to_vec();
    holes[3] = Point::<C>::zero();
    holes[19] = Point::<C>::zero();
    compare::<C>(&holes, &scalars);
}

#[test]
fn each_point_by_its_scalar() {
    each::<PallasConfig>();
    each::<VestaConfig>();
}

fn folds<C: PastaCurve>() {
    let mut rng = ChaCha20Rng::seed_from_u64(12);
    let (low, high) = (points::<C>(&mut rng, 600), points::<C>(&mut rng, 600));
    let challenges =
        [[0, 0], [u64::MAX; 2], [1, 0], [0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321]];
    for challenge in challenges.map(ScalarChallenge) {
        let u = challenge.to_field(C::ENDO_SCALAR);
        let check = |low: &[Point<C>], high: &[Point<C>]| {
            let expected: Vec<Point<C>> =
                low.iter().zip(high).map(|(low, high)| (*high * u + low).into_affine()).collect();
            for backend in BACKENDS {
                assert_eq!(fold_bases_with::<C>(backend, low, high, challenge), expected);
            }
        };
        check(&low[..1], &high[..1]);
        check(&low[..0], &high[..0]);
        check(&low, &high);
        // Infinity on either side, equal sides, and sums that are infinity.
        let cancelled = (-(high[2] * u)).into_affine();
        let zero = Point::<C>::zero();
        check(&[low[0], zero, cancelled, zero], &[zero, high[1], high[2], zero]);
        check(&low[..50], &low[..50]);
    }
    assert_eq!(fold_bases::<C>(&low[..3], &high, ScalarChallenge([5, 6])).len(), 3);
    assert!(C::ScalarField::ZERO != C::ENDO_SCALAR);
}

#[test]
fn folds_with_a_shared_challenge() {
    folds::<PallasConfig>();
    folds::<VestaConfig>();
}
