//! The public input of a wrap proof, and the hashes in it.

use std::sync::OnceLock;

use ark_ff::{AdditiveGroup, Field, MontFp};
use mina_curves::{Fp, Fq, PallasConfig, PastaCurve, PastaField, ScalarChallenge};
use mina_poseidon::{Kimchi, hash};

use crate::{
    constants::{MAX_PROOFS_VERIFIED, WRAP_PUBLIC_INPUTS, WRAP_ROUNDS, dummy},
    deferred::{DeferredValues, effective},
    key::VerificationKey,
    proof::{ProofState, StepMessages, WrapMessages},
};

/// `1/2`.
const HALF: Fp =
    MontFp!("14474011154664524427946373126085988481681528240970780357977338382174983815169");

/// Type 1 of Pickles' shifted values: `(s - 2^255 - 1)/2`, so that scaling a point by doubling and
/// adding, which computes `2·t + 1 + 2^255`, multiplies it by `s`.
pub(crate) fn shift_type1(s: Fp) -> Fp {
    let two_to_255 = Fp::from(2u64).pow([255u64]);
    (s - two_to_255 - Fp::ONE) * HALF
}

/// The hash of what the next step proof is about: the key, the application's state, and for each
/// proof that was verified its accumulators. In Poseidon over [`Fp`].
pub(crate) fn step_messages_hash(
    key: &VerificationKey,
    app_state: &[Fp],
    messages: &StepMessages,
) -> Fp {
    let mut input = key.coordinates();
    input.extend_from_slice(app_state);
    let commitments = &messages.challenge_polynomial_commitments;
    for (sg, challenges) in commitments.iter().zip(&messages.old_bulletproof_challenges) {
        input.extend([sg.x, sg.y]);
        input.extend(effective(challenges));
    }
    hash::<Fp, Kimchi>(&input)
}

/// The wrap challenges of the proofs that were verified, padded in front to two.
pub(crate) fn padded_wrap_challenges(
    old: &[[ScalarChallenge; WRAP_ROUNDS]],
) -> Vec<[ScalarChallenge; WRAP_ROUNDS]> {
    let missing = MAX_PROOFS_VERIFIED.saturating_sub(old.len());
    let mut padded = vec![*dummy::wrap_challenges(); missing];
    padded.extend_from_slice(old);
    padded
}

/// The hash of what the next wrap proof is about. In Poseidon over [`Fq`].
pub(crate) fn wrap_messages_hash(messages: &WrapMessages) -> Fq {
    let mut input: Vec<Fq> = Vec::new();
    for challenges in padded_wrap_challenges(&messages.old_bulletproof_challenges) {
        input.extend(challenges.map(wrap_scalar));
    }
    let sg = &messages.challenge_polynomial_commitment;
    input.extend([sg.x, sg.y]);
    hash::<Fq, Kimchi>(&input)
}

/// [`wrap_messages_hash`] of a proof that is not there. It is below both moduli.
pub(crate) fn dummy_wrap_messages_hash() -> Fp {
    static HASH: OnceLock<Fp> = OnceLock::new();
    *HASH.get_or_init(|| {
        let messages = WrapMessages {
            challenge_polynomial_commitment: dummy::STEP_SG,
            old_bulletproof_challenges: Vec::new(),
        };
        Fp::from_limbs(wrap_messages_hash(&messages).to_limbs()).unwrap_or(Fp::ZERO)
    })
}

/// The effective scalar of a wrap proof's challenge.
pub(crate) fn wrap_scalar(challenge: ScalarChallenge) -> Fq {
    challenge.to_field(PallasConfig::ENDO_SCALAR)
}

/// The 40 elements, in upstream's order (mina `composition_types.ml`).
pub(crate) fn public_input(
    state: &ProofState,
    deferred: &DeferredValues,
    step_messages: Fp,
) -> Vec<Fq> {
    // |Fp| < |Fq|, so every value fits.
    let lift = |x: Fp| Fq::from_limbs(x.to_limbs()).unwrap_or(Fq::ZERO);
    let raw = |challenge: ScalarChallenge| challenge.raw::<Fq>();
    let plonk = &state.plonk;

    let mut input = Vec::with_capacity(WRAP_PUBLIC_INPUTS);
    for value in [
        deferred.combined_inner_product,
        deferred.b,
        deferred.zeta_to_srs_length,
        deferred.zeta_to_domain_size,
        deferred.perm,
    ] {
        input.push(lift(shift_type1(value)));
    }
    input.extend([plonk.beta, plonk.gamma].map(raw));
    input.extend([plonk.alpha, plonk.zeta, deferred.xi].map(raw));
    input.push(lift(state.sponge_digest));
    input.push(wrap_messages_hash(&state.wrap_messages));
    input.push(lift(step_messages));
    input.extend(state.bulletproof_challenges.map(raw));
    let branch = &state.branch_data;
    input.push(Fq::from(4 * u64::from(branch.domain_log2) + branch.proofs_verified.mask()));
    input.extend(plonk.flags.to_array().map(Fq::from));
    input.push(Fq::from(plonk.flags.uses_lookups()));
    let combiner = plonk.joint_combiner.filter(|_| plonk.flags.uses_lookups());
    input.push(combiner.map_or(Fq::ZERO, raw));
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_the_shift() {
        assert_eq!(HALF + HALF, Fp::ONE);
        let s = Fp::from(12345u64);
        let t = shift_type1(s);
        assert_eq!(t.double() + Fp::ONE + Fp::from(2u64).pow([255u64]), s);
    }
}
