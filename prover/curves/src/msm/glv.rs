//! Splitting a scalar along the endomorphism: `k = k1 + k2·λ` with halves below `2^127`.
//!
//! Gallant, Lambert, Vanstone, "Faster point multiplication on elliptic curves with efficient
//! endomorphisms". The lattice of pairs with `x + y·λ ≡ 0` has the basis `(A, −B)`, `(A + B, A)`
//! with `A² + A·B + B² = r`, because `λ` is a cube root of unity. Rounding `k·A/r` and `k·B/r`, for
//! `k < r/2` and with reciprocals good to `2^-257`, leaves `|k1| ≤ 0.55·(2A + B) < 2^127` and
//! `|k2| ≤ 0.55·(A + B) < 2^127`.

use crate::{curves::PastaCurve, fields::PastaField};

/// The short lattice basis of a curve, with reciprocals `round(2^256·A/r)`, `round(2^256·B/r)`.
#[derive(Clone, Copy, Debug)]
pub struct EndoLattice {
    pub(crate) a: u128,
    pub(crate) b: u128,
    pub(crate) a_over_r: [u64; 3],
    pub(crate) b_over_r: [u64; 3],
}

/// A signed integer of at most 127 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Half {
    pub(crate) magnitude: u128,
    pub(crate) negative: bool,
}

/// `round(k·reciprocal / 2^256)`, below `2^127`.
fn scaled(k: &[u64; 4], reciprocal: &[u64; 3]) -> u128 {
    let mut product = [0u64; 7];
    for (i, x) in k.iter().enumerate() {
        let mut carry = 0u128;
        for (j, y) in reciprocal.iter().enumerate() {
            carry += u128::from(product[i + j]) + u128::from(*x) * u128::from(*y);
            product[i + j] = carry as u64;
            carry >>= 64;
        }
        product[i + 3] = carry as u64;
    }
    let floor = (u128::from(product[5]) << 64) | u128::from(product[4]);
    floor + u128::from(product[3] >> 63)
}

/// The halves of `scalar`. Small scalars, and negated small ones, have a zero second half.
pub(crate) fn split<C: PastaCurve>(scalar: C::ScalarField) -> [Half; 2] {
    let negated = -scalar;
    let (mut k, other) = (scalar.to_limbs(), negated.to_limbs());
    // Of ±k take the smaller, which is below r/2.
    let negate = k.iter().rev().gt(other.iter().rev());
    if negate {
        k = other;
    }
    let lattice = C::ENDO_LATTICE;
    let c1 = scaled(&k, &lattice.a_over_r);
    let c2 = scaled(&k, &lattice.b_over_r);
    let low = (u128::from(k[1]) << 64) | u128::from(k[0]);
    // Both results fit an i128, so arithmetic modulo 2^128 gives them exactly.
    let k1 = low
        .wrapping_sub(c1.wrapping_mul(lattice.a))
        .wrapping_sub(c2.wrapping_mul(lattice.a.wrapping_add(lattice.b)));
    let k2 = c1.wrapping_mul(lattice.b).wrapping_sub(c2.wrapping_mul(lattice.a));
    [k1, k2].map(|half| {
        let half = half as i128;
        Half { magnitude: half.unsigned_abs(), negative: (half < 0) != negate }
    })
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{PallasConfig, VestaConfig};

    fn value<F: PastaField>(half: Half) -> F {
        let x = F::from(half.magnitude);
        if half.negative { -x } else { x }
    }

    fn check<C: PastaCurve>() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut scalars = vec![C::ScalarField::ZERO, C::ENDO_SCALAR, -C::ENDO_SCALAR];
        let half = C::ScalarField::from(2u64).inverse().unwrap();
        scalars.extend([half, -half, C::ENDO_SCALAR * half, C::ENDO_SCALAR.square() * half]);
        for bits in 0..254u64 {
            let power = C::ScalarField::from(2u64).pow([bits]);
            scalars.extend([power, -power, power - C::ScalarField::ONE]);
        }
        scalars.extend((0..2000).map(|_| C::ScalarField::rand(&mut rng)));
        for scalar in scalars {
            let [k1, k2] = split::<C>(scalar);
            assert!(k1.magnitude < 1 << 127 && k2.magnitude < 1 << 127);
            assert_eq!(
                value::<C::ScalarField>(k1) + value::<C::ScalarField>(k2) * C::ENDO_SCALAR,
                scalar
            );
        }
        for small in [0u64, 1, 255, u64::MAX] {
            let positive = C::ScalarField::from(small);
            for (scalar, negative) in [(positive, false), (-positive, small != 0)] {
                let [k1, k2] = split::<C>(scalar);
                assert_eq!((k1.magnitude, k2.magnitude), (u128::from(small), 0));
                assert!(k1.negative == negative || small == 0);
            }
        }
    }

    #[test]
    fn halves_are_short_and_recombine() {
        check::<PallasConfig>();
        check::<VestaConfig>();
    }
}
