//! The challenge polynomial of the inner-product argument.

use ark_ff::Field;

/// `b(x) = Π (1 + cᵢ·x^(2^(k−1−i)))` for the `k` folding challenges `c₀ … cₖ₋₁`, the first of
/// which folds the halves of the longest vector. It costs `2k` multiplications.
pub fn b_poly<F: Field>(challenges: &[F], x: F) -> F {
    let mut power = x;
    let mut product = F::ONE;
    for challenge in challenges.iter().rev() {
        product *= F::ONE + power * challenge;
        power.square_in_place();
    }
    product
}

/// The `2^k` coefficients of the polynomial that [`b_poly`] evaluates, lowest degree first.
pub fn b_poly_coefficients<F: Field>(challenges: &[F]) -> Vec<F> {
    let mut coefficients = Vec::with_capacity(1 << challenges.len());
    coefficients.push(F::ONE);
    for challenge in challenges.iter().rev() {
        for i in 0..coefficients.len() {
            let scaled = coefficients[i] * challenge;
            coefficients.push(scaled);
        }
    }
    coefficients
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, UniformRand};
    use mina_curves::Fp;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    #[test]
    fn coefficients_and_product_agree() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for rounds in 0..7 {
            let challenges: Vec<Fp> = (0..rounds).map(|_| Fp::rand(&mut rng)).collect();
            let coefficients = b_poly_coefficients(&challenges);
            assert_eq!(coefficients.len(), 1 << rounds);
            let x = Fp::rand(&mut rng);
            let horner = coefficients.iter().rev().fold(Fp::ZERO, |acc, c| acc * x + c);
            assert_eq!(horner, b_poly(&challenges, x));
        }
    }

    #[test]
    fn the_first_challenge_multiplies_the_upper_half() {
        let challenges = [Fp::from(2u64), Fp::from(3u64)];
        let expected = [1u64, 3, 2, 6].map(Fp::from);
        assert_eq!(b_poly_coefficients(&challenges), expected);
    }
}
