//! Verification of proofs under keys that come with them.
//!
//! Source: mina `pickles/verify.ml`. What upstream's in-circuit verifier could not handle is refused
//! here too, so that what is accepted can also be proved to have been verified.

use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, Field, UniformRand};
use kimchi::{AtPoints, Column, Domain, RecursionChallenge, opened_columns};
use mina_curves::{Fp, Fq, PallasConfig, ProjectivePoint, VestaConfig};
use poly_commitment::{Commitment, Srs, b_poly_coefficients};
use rand::{CryptoRng, RngCore};
use rand_chacha::ChaCha20Rng;
use thiserror::Error;

use crate::{
    constants::{MAX_PROOFS_VERIFIED, STEP_ROUNDS, dummy},
    deferred::{DeferredValues, effective},
    key::VerificationKey,
    program::seeded,
    proof::{Proof, StepFlags},
    public_input::{
        padded_wrap_challenges, public_input, shift_type1, step_messages_hash, wrap_scalar,
    },
};

/// Why a proof is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The step domain is larger than the SRS of step proofs, or smaller than its hiding rows.
    #[error("step domain: 2^{got} is not between 2^2 and 2^{STEP_ROUNDS}")]
    StepDomain {
        /// The logarithm that the proof claims.
        got: u8,
    },
    /// The statement says that a number of proofs was verified, and carries on another.
    #[error("branch data: {expected} proofs verified, but the messages carry on {got}")]
    ProofsVerified {
        /// What the branch data say.
        expected: usize,
        /// What the messages have.
        got: usize,
    },
    /// Lists of the messages have lengths that contradict each other or exceed the widest proof's.
    #[error("messages: {what}: expected {expected}, got {got}")]
    Messages {
        /// Which list.
        what: &'static str,
        /// Its length, or the greatest.
        expected: usize,
        /// What it has.
        got: usize,
    },
    /// The evaluations do not fit the feature flags.
    #[error("feature flags: evaluation of {column:?}: expected {expected}, got {got}")]
    FeatureFlags {
        /// Of which column.
        column: Column,
        /// Whether the flags ask for it.
        expected: bool,
        /// Whether it is there.
        got: bool,
    },
    /// An evaluation of a step proof in other than one chunk.
    #[error("evaluation of {column:?}: expected one chunk, got {got}")]
    Chunks {
        /// Of which column.
        column: Column,
        /// Chunks at a point.
        got: usize,
    },
    /// A joint combiner without lookups, or lookups without one.
    #[error("joint combiner: expected {expected}, got {got}")]
    JointCombiner {
        /// Whether the flags ask for it.
        expected: bool,
        /// Whether it is there.
        got: bool,
    },
    /// A value that scaling by doubling and adding cannot handle.
    #[error("deferred value {name} is one that no circuit can scale by")]
    ForbiddenShift {
        /// Which.
        name: &'static str,
    },
    /// An element of the public input that scaling by doubling and adding cannot handle.
    #[error("element {index} of the public input is one that no circuit can scale by")]
    ForbiddenScalar {
        /// Which.
        index: usize,
    },
    /// The accumulator of the step proof is no commitment to its challenge polynomial.
    #[error("the step proof's accumulator does not hold")]
    Accumulator,
    /// The wrap proof does not verify.
    #[error("wrap proof: {0}")]
    Wrap(#[from] kimchi::VerifyError),
}

/// A proof with what it is to be verified against.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    /// The program's key.
    pub key: &'a VerificationKey,
    /// What the proof is about: for a program, its public input and then its output; for an account
    /// update, its hash and that of its calls.
    pub app_state: &'a [Fp],
    /// The proof.
    pub proof: &'a Proof,
}

/// Verifies one proof. `rng` must be unpredictable to whoever made the proof.
///
/// # Errors
///
/// [`VerifyError`] says which check failed.
pub fn verify(
    key: &VerificationKey,
    app_state: &[Fp],
    proof: &Proof,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), VerifyError> {
    verify_batch(&[Instance { key, app_state, proof }], rng)
}

/// Verifies many proofs with two multi-scalar multiplications.
///
/// # Errors
///
/// The first failed check of the first proof that fails one before the accumulators; failed
/// accumulators or openings do not say whose they are.
pub fn verify_batch(
    instances: &[Instance<'_>],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), VerifyError> {
    verify_seeded(instances, &mut seeded(rng))
}

fn verify_seeded(instances: &[Instance<'_>], rng: &mut ChaCha20Rng) -> Result<(), VerifyError> {
    let wraps = instances.iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
    check_accumulators(instances, rng)?;
    let instances: Vec<_> = wraps
        .iter()
        .map(|wrap| kimchi::Instance {
            index: &wrap.index,
            proof: &wrap.proof,
            public_input: &wrap.public_input,
        })
        .collect();
    kimchi::verify_batch(&instances, rng)?;
    Ok(())
}

/// A wrap proof as Kimchi verifies it.
pub(crate) struct Wrap {
    pub(crate) index: kimchi::VerifierIndex<PallasConfig>,
    pub(crate) proof: kimchi::Proof<PallasConfig>,
    pub(crate) public_input: Vec<Fq>,
}

pub(crate) fn prepare(instance: &Instance<'_>) -> Result<Wrap, VerifyError> {
    let Instance { key, app_state, proof } = *instance;
    let domain = check_statement(proof)?;
    let messages = &proof.step_messages;
    let deferred = DeferredValues::derive(
        &proof.state,
        &domain,
        &messages.old_bulletproof_challenges,
        &proof.step_evaluations,
    );
    check_shifts(&deferred)?;
    let step_messages = step_messages_hash(key, app_state, messages);
    let public_input = public_input(&proof.state, &deferred, step_messages);
    check_scalars(&public_input)?;

    // Both lists are padded in front, with dummies that belong to each other.
    let old = &proof.state.wrap_messages.old_bulletproof_challenges;
    let verified = &messages.challenge_polynomial_commitments;
    let mut commitments = vec![dummy::WRAP_SG; MAX_PROOFS_VERIFIED.saturating_sub(verified.len())];
    commitments.extend_from_slice(verified);
    let mut wrap = proof.wrap.clone();
    wrap.previous = padded_wrap_challenges(old)
        .into_iter()
        .zip(commitments)
        .map(|(challenges, commitment)| RecursionChallenge {
            challenges: challenges.map(wrap_scalar).to_vec(),
            commitment: Commitment { chunks: vec![commitment] },
        })
        .collect();
    Ok(Wrap { index: key.verifier_index(), proof: wrap, public_input })
}

/// Checks that the parts of the statement fit each other.
fn check_statement(proof: &Proof) -> Result<Domain<Fp>, VerifyError> {
    let got = proof.state.branch_data.domain_log2;
    if !(2..=STEP_ROUNDS as u8).contains(&got) {
        return Err(VerifyError::StepDomain { got });
    }
    let domain = Domain::new(1 << got).ok_or(VerifyError::StepDomain { got })?;
    let expected = proof.state.branch_data.proofs_verified.count();
    let got = proof.step_messages.challenge_polynomial_commitments.len();
    if expected != got {
        return Err(VerifyError::ProofsVerified { expected, got });
    }
    // What the hash of the messages and the batch pair up must be all there is: an accumulator
    // beyond the shorter list would take part in one and be left out of the other.
    let got = proof.step_messages.old_bulletproof_challenges.len();
    if expected != got {
        let what = "challenges of step proofs";
        return Err(VerifyError::Messages { what, expected, got });
    }
    let (expected, got) =
        (MAX_PROOFS_VERIFIED, proof.state.wrap_messages.old_bulletproof_challenges.len());
    if got > expected {
        let what = "challenges of wrap proofs";
        return Err(VerifyError::Messages { what, expected, got });
    }
    check_features(proof)?;
    Ok(domain)
}

fn check_features(proof: &Proof) -> Result<(), VerifyError> {
    let flags = &proof.state.plonk.flags;
    let wanted = opened_columns(&flags.features());
    let every = StepFlags::from_array([true; 8]).features();
    for column in opened_columns(&every) {
        let at = proof.step_evaluations.columns.get(column);
        if let Some(AtPoints { zeta, zeta_omega }) = at
            && let Some(got) = [zeta, zeta_omega].map(Vec::len).into_iter().find(|got| *got != 1)
        {
            return Err(VerifyError::Chunks { column, got });
        }
        let (expected, got) = (wanted.contains(&column), at.is_some());
        if expected != got {
            return Err(VerifyError::FeatureFlags { column, expected, got });
        }
    }
    let (expected, got) = (flags.uses_lookups(), proof.state.plonk.joint_combiner.is_some());
    if expected != got {
        return Err(VerifyError::JointCombiner { expected, got });
    }
    Ok(())
}

/// Scaling by doubling and adding meets a degenerate addition for these shifted values: `-2^255` and
/// `-2^255 - 1`, modulo either field's order (mina `pickles/impls.ml`).
fn check_shifts(deferred: &DeferredValues) -> Result<(), VerifyError> {
    let two_to_255 = Fp::from(2u64).pow([255u64]);
    for (name, value) in [
        ("combined_inner_product", deferred.combined_inner_product),
        ("b", deferred.b),
        ("zeta_to_srs_length", deferred.zeta_to_srs_length),
        ("zeta_to_domain_size", deferred.zeta_to_domain_size),
        ("perm", deferred.perm),
    ] {
        let shifted = shift_type1(value);
        if shifted == -two_to_255 || shifted == -two_to_255 - Fp::ONE {
            return Err(VerifyError::ForbiddenShift { name });
        }
    }
    Ok(())
}

/// Scaling by 255 digits, as circuits that verify proofs do, goes through `2^j + 2k_j + 1` times the
/// point, for the leading digits `k_j` of the scalar. For these scalars, that is infinity on the way or in
/// the end, which has no coordinates: such a proof could be verified here and nowhere in a circuit.
fn check_scalars(public_input: &[Fq]) -> Result<(), VerifyError> {
    let two_to_254 = Fq::from(2u64).pow([254u64]);
    let half = Fq::from(2u64).inverse().unwrap_or_default();
    let forbidden = [-two_to_254 - Fq::ONE, -two_to_254, -two_to_254 - half];
    match public_input.iter().position(|element| forbidden.contains(element)) {
        Some(index) => Err(VerifyError::ForbiddenScalar { index }),
        None => Ok(()),
    }
}

/// Checks that every step proof's `sg` commits to its challenge polynomial, all at once.
fn check_accumulators(
    instances: &[Instance<'_>],
    rng: &mut ChaCha20Rng,
) -> Result<(), VerifyError> {
    let srs = Srs::<VestaConfig>::shared(1 << STEP_ROUNDS);
    let mut scalars = vec![Fp::ZERO; srs.size()];
    let mut sum = ProjectivePoint::<VestaConfig>::default();
    for instance in instances {
        let state = &instance.proof.state;
        let weight = Fp::rand(rng);
        let coefficients = b_poly_coefficients(&effective(&state.bulletproof_challenges));
        for (scalar, coefficient) in scalars.iter_mut().zip(coefficients) {
            *scalar += weight * coefficient;
        }
        sum += state.wrap_messages.challenge_polynomial_commitment * weight;
    }
    match srs.commit(&scalars, 1).chunks == [sum.into_affine()] {
        true => Ok(()),
        false => Err(VerifyError::Accumulator),
    }
}
