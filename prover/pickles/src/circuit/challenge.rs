//! Challenges of transcripts.

use kimchi::builder::{ChallengeVar, CircuitBuilder, Linear, SpongeVar};
use mina_curves::ScalarChallenge;

use super::CycleField;

/// Squeezes a challenge: the low 128 bits of an element.
///
/// The rest must have 126 bits, so that no second split of the same element, which would be one of
/// the element plus the modulus `2^254 + e`, passes. An honest prover fails to split the elements
/// from `2^254`, which are one in about `2^128`.
pub(crate) fn squeeze_challenge<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    sponge: &mut SpongeVar<F>,
) -> ChallengeVar<F> {
    let element = sponge.squeeze(cs);
    let [low, high] = cs.witnesses(move |v| {
        let [l0, l1, h0, h1] = v[element].to_limbs();
        [[l0, l1], [h0, h1]].map(F::from_u128_limbs)
    });
    cs.assert_bits(high, 126);
    let power = F::from_u128_limbs([0, 1]) * F::from_u128_limbs([0, 1]);
    cs.assert_equal(high * power + low, element);
    ChallengeVar::new(cs, low)
}

/// The value of a challenge that has 128 bits.
pub(crate) fn challenge_of<F: CycleField>(raw: F) -> ScalarChallenge {
    ScalarChallenge::from_low_bits(raw)
}

/// `∏ (1 + cᵢ·x^(2^(k-1-i)))` where `powers[j]` is `x^(2^j)`; two halves per challenge.
///
/// The twin of [`poly_commitment::b_poly`].
pub(crate) fn challenge_polynomial<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    challenges: &[Linear<F>],
    powers: &[Linear<F>],
) -> Linear<F> {
    let mut product = Linear::from(F::ONE);
    for (challenge, power) in challenges.iter().rev().zip(powers) {
        let factor = cs.mul(challenge.clone(), power.clone()) + F::ONE;
        product = Linear::from(cs.mul(product, factor));
    }
    product
}
