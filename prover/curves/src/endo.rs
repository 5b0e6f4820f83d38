//! 128-bit scalar challenges and their effective scalars.

use crate::fields::PastaField;

/// A 128-bit challenge whose effective scalar is `a·λ + b` for short `a` and `b`, so that
/// multiplying a point by it costs half the doublings (Halo, <https://eprint.iacr.org/2019/1021>,
/// section 6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScalarChallenge(pub [u64; 2]);

impl ScalarChallenge {
    /// The low 128 bits of `x`.
    pub fn from_low_bits<F: PastaField>(x: F) -> Self {
        let limbs = x.to_limbs();
        Self([limbs[0], limbs[1]])
    }

    /// The 128 bits read as a field element, as they stand in transcripts and statements.
    pub fn raw<F: PastaField>(self) -> F {
        F::from_u128_limbs(self.0)
    }

    /// The effective scalar `a·endo + b`: from `a = b = 2`, each pair of bits from the top doubles
    /// both and adds `±1` (sign from the even bit) to `b` or `a` (chosen by the odd bit).
    pub fn to_field<F: PastaField>(self, endo: F) -> F {
        let (a, b) = self.parts();
        F::from(a) * endo + F::from(b)
    }

    /// The integers `a` and `b` of the effective scalar `a·endo + b`.
    pub(crate) fn parts(self) -> (i128, i128) {
        let bits = (u128::from(self.0[1]) << 64) | u128::from(self.0[0]);
        // |a|, |b| < 2^66 + 2^65, so they fit an i128.
        let (mut a, mut b) = (2i128, 2i128);
        for i in (0..64).rev() {
            a *= 2;
            b *= 2;
            let sign = if (bits >> (2 * i)) & 1 == 1 { 1 } else { -1 };
            if (bits >> (2 * i + 1)) & 1 == 1 {
                a += sign;
            } else {
                b += sign;
            }
        }
        (a, b)
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field};

    use super::*;
    use crate::{Fp, PastaCurve, VestaConfig};

    /// The same fold with field elements instead of integers.
    fn reference(challenge: ScalarChallenge, endo: Fp) -> Fp {
        let bits = (u128::from(challenge.0[1]) << 64) | u128::from(challenge.0[0]);
        let (mut a, mut b) = (Fp::from(2u64), Fp::from(2u64));
        for i in (0..64).rev() {
            a.double_in_place();
            b.double_in_place();
            let sign = if (bits >> (2 * i)) & 1 == 1 { Fp::ONE } else { -Fp::ONE };
            if (bits >> (2 * i + 1)) & 1 == 1 { a += sign } else { b += sign }
        }
        a * endo + b
    }

    #[test]
    fn integers_and_field_elements_agree() {
        let endo = VestaConfig::ENDO_SCALAR;
        for limbs in [[0, 0], [u64::MAX, u64::MAX], [1, 0], [0, 1 << 63], [0x1234_5678, 0x9abc]] {
            let challenge = ScalarChallenge(limbs);
            assert_eq!(challenge.to_field(endo), reference(challenge, endo));
        }
    }
}
