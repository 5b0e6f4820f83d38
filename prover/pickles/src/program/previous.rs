//! Earlier proofs, as the two circuits are given them.

use ark_ff::{AdditiveGroup, UniformRand};
use kimchi::{AtPoints, Commitments, Evaluations, FeatureFlags, RecursionChallenge};
use mina_curves::{Fp, Fq, Pallas, PallasConfig, ScalarChallenge, VestaConfig};
use poly_commitment::{Commitment, OpeningProof};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::{ProveError, ProvedStatement, accumulator, lower};
use crate::{
    circuit::evaluations::{absorbed, count},
    constants::{MAX_PROOFS_VERIFIED, STEP_ROUNDS, WRAP_PUBLIC_INPUTS, WRAP_ROUNDS, dummy},
    deferred::effective,
    derived::Derived,
    key::VerificationKey,
    proof::StepFlags,
    public_input::{dummy_wrap_messages_hash, padded_wrap_challenges, wrap_scalar},
    rule::{DeferredScalars, Slot, SlotInput},
    step::layout,
    verify::{Instance, Wrap, prepare},
    wrap::WrapSlotInput,
};

/// An earlier proof.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    pub(super) step: SlotInput,
    pub(super) wrap: WrapSlotInput,
    /// `sg` of the wrap proof.
    pub(super) wrap_sg: Pallas,
    /// The challenges of its opening.
    pub(super) wrap_rounds: [ScalarChallenge; WRAP_ROUNDS],
    /// The challenges of the step proof that it wraps.
    pub(super) step_rounds: [ScalarChallenge; STEP_ROUNDS],
}

/// A list whose length is known, filled up with zero challenges.
pub(super) fn array<const N: usize>(challenges: &[ScalarChallenge]) -> [ScalarChallenge; N] {
    core::array::from_fn(|i| challenges.get(i).copied().unwrap_or_default())
}

impl Earlier {
    pub(super) fn new(
        index: usize,
        slot: &Slot,
        key: &VerificationKey,
        previous: &ProvedStatement,
    ) -> Result<Self, ProveError> {
        let ProvedStatement { app_state, proof, .. } = previous;
        let unsupported = |reason| ProveError::Unsupported { index, reason };
        let is_side_loaded = matches!(slot, Slot::SideLoaded);
        if !is_side_loaded && proof.state.plonk.flags != StepFlags::default() {
            return Err(unsupported("only side-loaded programs may have optional gates"));
        }
        let earlier = |error| ProveError::Earlier { index, error };
        let Wrap { index: verifier, proof: wrap, public_input } =
            prepare(&Instance { key, app_state, proof }).map_err(earlier)?;
        let derived =
            Derived::new(&verifier, &wrap, &public_input).map_err(|error| earlier(error.into()))?;
        let public = public_input.iter().map(|x| lower(*x)).collect::<Option<Vec<Fp>>>();
        let public = public.ok_or(unsupported("a hash is not below both moduli"))?;
        let step = &proof.step_evaluations;
        let chunked = || unsupported("circuits verify evaluations in one chunk");
        let step_evaluations =
            absorbed(&layout(slot), step.ft_zeta_omega, step.public, &step.columns)
                .ok_or_else(chunked)?;
        let none = FeatureFlags::default();
        let wrap_evaluations =
            absorbed(&none, wrap.ft_zeta_omega, derived.public, &wrap.evaluations)
                .ok_or_else(chunked)?;

        let messages = &proof.step_messages;
        let missing =
            MAX_PROOFS_VERIFIED.saturating_sub(messages.challenge_polynomial_commitments.len());
        let mut commitments = [dummy::WRAP_SG; MAX_PROOFS_VERIFIED];
        let mut challenges = [dummy_step_challenges(); MAX_PROOFS_VERIFIED];
        let pairs = messages
            .challenge_polynomial_commitments
            .iter()
            .zip(&messages.old_bulletproof_challenges);
        for (i, (commitment, old)) in pairs.enumerate() {
            commitments[missing + i] = *commitment;
            challenges[missing + i] = effective_array(old);
        }
        let padded = padded_wrap_challenges(&proof.state.wrap_messages.old_bulletproof_challenges);
        Ok(Self {
            wrap_sg: wrap.opening.sg,
            wrap_rounds: array(&derived.rounds),
            step_rounds: proof.state.bulletproof_challenges,
            step: SlotInput {
                app_state: app_state.clone(),
                key: key.clone(),
                public,
                domain_log2: proof.state.branch_data.domain_log2,
                proofs_verified: proof.state.branch_data.proofs_verified.count(),
                evaluations: step_evaluations,
                commitments,
                challenges,
                deferred: derived.deferred,
                xi: derived.xi.raw(),
                wrap,
            },
            wrap: WrapSlotInput {
                evaluations: wrap_evaluations,
                challenges: core::array::from_fn(|i| padded[i].map(wrap_scalar)),
                commitment: proof.state.wrap_messages.challenge_polynomial_commitment,
            },
        })
    }

    /// What stands for a proof that need not be there, for a step circuit that has gates for it.
    pub(super) fn dummy_for(slot: &Slot, own: &VerificationKey) -> Self {
        let mut dummy = Self::dummy();
        dummy.step.evaluations = vec![Fp::ZERO; count(&layout(slot))];
        if let Slot::Program(key) = slot {
            dummy.step.key = (**key).clone();
        } else {
            dummy.step.key = own.clone();
        }
        dummy
    }

    /// What stands for a proof that is not there.
    pub(super) fn dummy() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        let mut public = vec![Fp::ZERO; WRAP_PUBLIC_INPUTS];
        // Challenges must have 128 bits, and no division may be by zero.
        let raw = dummy::wrap_challenges().iter().chain(dummy::step_challenges());
        for (place, challenge) in (5..10).chain(13..29).zip(raw) {
            public[place] = challenge.raw();
        }
        public[11] = dummy_wrap_messages_hash();
        let scalar = Fq::rand(&mut rng);
        Self {
            step: SlotInput {
                app_state: Vec::new(),
                key: placeholder_key(&mut rng),
                wrap: dummy_wrap_proof(&mut rng),
                public,
                domain_log2: STEP_ROUNDS as u8,
                proofs_verified: MAX_PROOFS_VERIFIED,
                evaluations: vec![Fp::ZERO; count(&FeatureFlags::default())],
                commitments: [dummy::WRAP_SG; MAX_PROOFS_VERIFIED],
                challenges: [dummy_step_challenges(); MAX_PROOFS_VERIFIED],
                deferred: DeferredScalars {
                    combined_inner_product: scalar,
                    b: scalar,
                    zeta_to_srs_length: scalar,
                    zeta_to_domain_size: scalar,
                    perm: scalar,
                },
                xi: dummy::wrap_challenges()[0].raw(),
            },
            wrap: WrapSlotInput {
                evaluations: vec![Fq::ZERO; count(&FeatureFlags::default())],
                challenges: [dummy::wrap_challenges().map(wrap_scalar); MAX_PROOFS_VERIFIED],
                commitment: dummy::STEP_SG,
            },
            wrap_sg: dummy::WRAP_SG,
            wrap_rounds: *dummy::wrap_challenges(),
            step_rounds: *dummy::step_challenges(),
        }
    }

    /// The accumulator of the step proof that the earlier proof wraps, for the new step proof to
    /// carry on.
    pub(super) fn step_accumulator(&self) -> RecursionChallenge<VestaConfig> {
        accumulator(effective(&self.step_rounds), self.wrap.commitment)
    }

    /// The accumulator of the earlier wrap proof, for the new wrap proof to carry on.
    pub(super) fn wrap_accumulator(&self) -> RecursionChallenge<PallasConfig> {
        accumulator(self.wrap_rounds.map(wrap_scalar).to_vec(), self.wrap_sg)
    }
}

fn effective_array(raw: &[ScalarChallenge; STEP_ROUNDS]) -> [Fp; STEP_ROUNDS] {
    raw.map(crate::deferred::scalar)
}

fn dummy_step_challenges() -> [Fp; STEP_ROUNDS] {
    effective_array(dummy::step_challenges())
}

/// A key of points that nobody knows the logarithms of.
fn placeholder_key(rng: &mut ChaCha20Rng) -> VerificationKey {
    VerificationKey {
        max_proofs_verified: crate::ProofsVerified::N2,
        wrap_domain: crate::ProofsVerified::N2,
        sigma: core::array::from_fn(|_| Pallas::rand(rng)),
        coefficients: core::array::from_fn(|_| Pallas::rand(rng)),
        selectors: core::array::from_fn(|_| Pallas::rand(rng)),
    }
}

/// A proof of nothing that a circuit can compute with.
fn dummy_wrap_proof(rng: &mut ChaCha20Rng) -> kimchi::Proof<PallasConfig> {
    let mut point = || Pallas::rand(rng);
    let mut commitment =
        |chunks: usize| Commitment { chunks: (0..chunks).map(|_| point()).collect() };
    let commitments = Commitments {
        witness: core::array::from_fn(|_| commitment(1)),
        permutation: commitment(1),
        quotient: commitment(7),
        lookup: None,
    };
    let lr = (0..WRAP_ROUNDS).map(|_| (point_of(rng), point_of(rng))).collect();
    let zero = || AtPoints { zeta: vec![Fq::ZERO], zeta_omega: vec![Fq::ZERO] };
    kimchi::Proof {
        commitments,
        opening: OpeningProof {
            lr,
            delta: point_of(rng),
            z1: Fq::rand(rng),
            z2: Fq::rand(rng),
            sg: point_of(rng),
        },
        evaluations: Evaluations {
            public: None,
            witness: core::array::from_fn(|_| zero()),
            permutation: zero(),
            sigma: core::array::from_fn(|_| zero()),
            coefficients: core::array::from_fn(|_| zero()),
            selectors: core::array::from_fn(|_| zero()),
            optional_selectors: [const { None }; 6],
            lookup_aggregation: None,
            lookup_table: None,
            lookup_sorted: [const { None }; kimchi::MAX_SORTED],
            runtime_table: None,
            runtime_table_selector: None,
            lookup_selectors: [const { None }; 4],
        },
        ft_zeta_omega: Fq::ZERO,
        previous: Vec::new(),
    }
}

fn point_of(rng: &mut ChaCha20Rng) -> Pallas {
    Pallas::rand(rng)
}
