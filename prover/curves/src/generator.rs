//! Secret multiples of Pallas' generator: public keys and nonces of signatures.
//!
//! What is computed does not depend on the scalar. With its 64 digits `d` of four bits, the multiple is
//! the sum of the points `(d + 1)·16^i·G`, none of which is infinity, less that of all `16^i·G`. Of a
//! digit's sixteen points all are read, and masks keep one. What is left are conditional subtractions of
//! arkworks' field arithmetic, and the inversion at the end.

use alloc::{boxed::Box, vec::Vec};
use core::{array, hint::black_box};

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInteger256, PrimeField};
use once_cell::race::OnceBox;

use crate::{
    curves::{Pallas, PallasConfig, ProjectivePoint},
    fields::{Fp, Fq, PastaField},
};

/// Bits of a digit.
const BITS: usize = 4;
const DIGITS: usize = 256 / BITS;
/// Points of a digit, and words of a point.
const POINTS: usize = 1 << BITS;
const WORDS: usize = 8;

struct Table {
    /// `(d + 1)·16^i·G` at `16·i + d`: the Montgomery forms of both coordinates.
    points: Vec<[u64; WORDS]>,
    /// `−∑ 16^i·G`.
    start: ProjectivePoint<PallasConfig>,
}

impl Table {
    fn new() -> Self {
        let mut base = Pallas::generator().into_group();
        let mut start = ProjectivePoint::<PallasConfig>::ZERO;
        let mut points = Vec::with_capacity(DIGITS * POINTS);
        for _ in 0..DIGITS {
            start -= base;
            let mut multiple = base;
            for _ in 0..POINTS {
                points.push(multiple);
                multiple += base;
            }
            // It is the multiple 17 now.
            base = multiple - base;
        }
        let points = ProjectivePoint::<PallasConfig>::normalize_batch(&points);
        let words = |point: &Pallas| {
            let [x, y] = [point.x, point.y].map(|coordinate| coordinate.montgomery().0);
            array::from_fn(|i| if i < 4 { x[i] } else { y[i - 4] })
        };
        Self { points: points.iter().map(words).collect(), start }
    }

    /// The point of a digit at a place.
    fn select(&self, place: usize, digit: u64) -> Pallas {
        let mut found = [0u64; WORDS];
        for (candidate, words) in (0..).zip(self.points.iter().skip(POINTS * place).take(POINTS)) {
            let difference: u64 = candidate ^ digit;
            // All ones for a difference of zero.
            let mask = black_box((difference.wrapping_sub(1) >> 63).wrapping_neg());
            for (kept, word) in found.iter_mut().zip(words) {
                *kept |= word & mask;
            }
        }
        let [x0, x1, x2, x3, y0, y1, y2, y3] = found;
        let coordinate = |words| Fp::from_montgomery(BigInteger256::new(words));
        Pallas::new_unchecked(coordinate([x0, x1, x2, x3]), coordinate([y0, y1, y2, y3]))
    }
}

/// `scalar·G` for Pallas' generator `G`, for a scalar that nobody may learn.
pub fn generator_multiple(scalar: Fq) -> Pallas {
    static TABLE: OnceBox<Table> = OnceBox::new();
    let table = TABLE.get_or_init(|| Box::new(Table::new()));
    let limbs = scalar.into_bigint().0;
    let mut sum = table.start;
    for place in 0..DIGITS {
        let limb = limbs[place * BITS / 64];
        sum += table.select(place, limb >> (place * BITS % 64) & (POINTS as u64 - 1));
    }
    sum.into_affine()
}

#[cfg(test)]
mod tests {
    use ark_ff::{Field, One, UniformRand};
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    #[test]
    fn it_is_the_multiple() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let mut scalars = alloc::vec![Fq::ZERO, Fq::one(), -Fq::one(), Fq::from(16u64)];
        scalars.extend((0..255u64).map(|bit| Fq::from(2u64).pow([bit])));
        scalars.extend((0..50).map(|_| Fq::rand(&mut rng)));
        for scalar in scalars {
            let expected = (Pallas::generator() * scalar).into_affine();
            assert_eq!(generator_multiple(scalar), expected);
        }
    }
}
