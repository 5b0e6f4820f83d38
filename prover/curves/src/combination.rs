//! `a·P + b·Q`: what verifying one signature costs.
//!
//! Both scalars are split along the endomorphism, and the four halves, in signed odd digits of five
//! bits, share 127 doublings (Straus). Points may be any.
//!
//! The time depends on the scalars: not for secrets that an observer may time.

use alloc::vec::Vec;

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::AdditiveGroup;

use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    msm::glv::{self, Half},
};

/// Bits of a digit, with its sign.
const WINDOW: u32 = 5;

/// Odd multiples of each point.
const MULTIPLES: usize = 1 << (WINDOW - 2);

/// `scalars[0]·points[0] + scalars[1]·points[1]`.
pub fn combine_two<C: PastaCurve>(
    scalars: [C::ScalarField; 2],
    points: [Point<C>; 2],
) -> ProjectivePoint<C> {
    let mut multiples = Vec::with_capacity(2 * MULTIPLES);
    for point in points {
        let twice = point.into_group().double();
        let mut multiple = point.into_group();
        for _ in 0..MULTIPLES {
            multiples.push(multiple);
            multiple += twice;
        }
    }
    let multiples = ProjectivePoint::<C>::normalize_batch(&multiples);
    let images: Vec<Point<C>> = multiples
        .iter()
        .map(|point| Point::<C>::new_unchecked(point.x * C::ENDO_BASE, point.y))
        .collect();
    // The halves of each scalar, with the multiples that they select from.
    let mut terms = Vec::with_capacity(4);
    for (i, scalar) in scalars.into_iter().enumerate() {
        let [low, high] = glv::split::<C>(scalar).map(digits);
        let range = i * MULTIPLES..(i + 1) * MULTIPLES;
        terms.push((low, &multiples[range.clone()]));
        terms.push((high, &images[range]));
    }
    let places = terms.iter().map(|(digits, _)| digits.len()).max().unwrap_or(0);
    let mut sum = ProjectivePoint::<C>::ZERO;
    for place in (0..places).rev() {
        sum.double_in_place();
        for (digits, multiples) in &terms {
            match digits.get(place) {
                None | Some(0) => {}
                Some(digit) => {
                    let multiple = multiples[usize::from(digit.unsigned_abs() / 2)];
                    if *digit > 0 { sum += multiple } else { sum -= multiple }
                }
            }
        }
    }
    sum
}

/// Signed digits, lowest first: zero, or odd and followed by at least four zeros.
fn digits(half: Half) -> Vec<i8> {
    const MODULUS: i8 = 1 << WINDOW;
    // Below 2^127, so that the carry of a negative digit fits.
    let mut rest = half.magnitude;
    let mut digits = Vec::with_capacity(128);
    while rest > 0 {
        let mut digit = 0;
        if rest & 1 == 1 {
            digit = (rest % MODULUS as u128) as i8;
            rest -= digit as u128;
            if digit > MODULUS / 2 {
                digit -= MODULUS;
                rest += MODULUS as u128;
            }
        }
        digits.push(if half.negative { -digit } else { digit });
        rest >>= 1;
    }
    digits
}

#[cfg(test)]
mod tests {
    use ark_ff::{Field, UniformRand};
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{PallasConfig, VestaConfig};

    fn agrees<C: PastaCurve>() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let one = C::ScalarField::ONE;
        let half = C::ScalarField::from(2u64).inverse().unwrap();
        let mut scalars = vec![C::ScalarField::ZERO, one, -one, half, -half, C::ENDO_SCALAR];
        scalars.extend((0..12).map(|_| C::ScalarField::rand(&mut rng)));
        let g = C::GENERATOR;
        let other = (g * C::ScalarField::rand(&mut rng)).into_affine();
        let image = Point::<C>::new_unchecked(g.x * C::ENDO_BASE, g.y);
        // Equal, opposite and otherwise related points meet every exception of the formulas.
        let points = [g, -g, other, image, Point::<C>::zero(), (g + g).into_affine()];
        for (i, a) in scalars.iter().enumerate() {
            for b in scalars.iter().skip(i % 3).step_by(3) {
                for (p, q) in points.iter().flat_map(|p| points.iter().map(move |q| (p, q))) {
                    assert_eq!(combine_two::<C>([*a, *b], [*p, *q]), *p * *a + *q * *b);
                }
            }
        }
    }

    #[test]
    fn combinations_are_sums_of_products() {
        agrees::<PallasConfig>();
        agrees::<VestaConfig>();
    }
}
