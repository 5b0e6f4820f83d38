//! The Fiat–Shamir transcript: one description for prover and verifier.
#![deny(clippy::indexing_slicing)]

use ark_ff::AdditiveGroup;
use mina_curves::ScalarChallenge;
use mina_poseidon::{FqSponge, FrSponge, KimchiCurve};
use poly_commitment::Commitment;

use crate::{
    features::FeatureFlags,
    proof::{AtPoints, Evaluations, RecursionChallenge, absorbed_columns},
};

/// The transcript up to the evaluations: absorbs commitments in the order in which they are made.
#[derive(Clone, Debug)]
pub struct Transcript<C: KimchiCurve> {
    sponge: FqSponge<C>,
}

impl<C: KimchiCurve> Transcript<C> {
    /// Absorbs what is fixed before the witness: index digest, earlier accumulators, public input.
    pub fn new(
        index_digest: C::BaseField,
        previous: &[RecursionChallenge<C>],
        public: &Commitment<C>,
    ) -> Self {
        let mut sponge = FqSponge::new();
        sponge.absorb_base(index_digest);
        for challenge in previous {
            sponge.absorb_points(&challenge.commitment.chunks);
        }
        sponge.absorb_points(&public.chunks);
        Self { sponge }
    }

    /// Absorbs commitments.
    pub fn absorb<'a>(&mut self, commitments: impl IntoIterator<Item = &'a Commitment<C>>)
    where
        C: 'a,
    {
        for commitment in commitments {
            self.sponge.absorb_points(&commitment.chunks);
        }
    }

    /// Draws the joint combiner.
    pub fn joint_combiner(&mut self, joint_lookup_used: bool) -> C::ScalarField {
        let challenge =
            if joint_lookup_used { self.sponge.challenge() } else { ScalarChallenge([0, 0]) };
        challenge.to_field(C::ENDO_SCALAR)
    }

    /// Draws a challenge that is used as it is: `β` and `γ`.
    pub fn raw_challenge(&mut self) -> C::ScalarField {
        self.sponge.challenge().raw()
    }

    /// Draws a challenge that is used through the endomorphism: `α` and `ζ`.
    pub fn endo_challenge(&mut self) -> C::ScalarField {
        self.sponge.challenge().to_field(C::ENDO_SCALAR)
    }

    /// The sponge, as the opening argument takes it over.
    pub fn into_sponge(self) -> FqSponge<C> {
        self.sponge
    }
}

/// The challenges that combine the openings.
#[derive(Clone, Copy, Debug)]
pub struct OpeningChallenges<F> {
    /// `ξ` (upstream's `v`): combines polynomials.
    pub polyscale: F,
    /// `r` (upstream's `u`): combines points.
    pub evalscale: F,
}

/// Draws the challenges of the opening from the Fr-sponge, which absorbs the digest of
/// `transcript`, the earlier challenges, and all evaluations.
pub fn opening_challenges<C: KimchiCurve>(
    transcript: &Transcript<C>,
    previous: &[RecursionChallenge<C>],
    features: &FeatureFlags,
    public: &AtPoints<Vec<C::ScalarField>>,
    evaluations: &Evaluations<Vec<C::ScalarField>>,
    ft_zeta_omega: C::ScalarField,
) -> OpeningChallenges<C::ScalarField> {
    let mut previous_digest = FrSponge::new();
    for challenge in previous {
        previous_digest.absorb_all(&challenge.challenges);
    }

    let mut sponge = FrSponge::new();
    sponge.absorb(transcript.sponge.clone().digest());
    sponge.absorb(previous_digest.digest());
    sponge.absorb(ft_zeta_omega);
    sponge.absorb_all(&public.zeta);
    sponge.absorb_all(&public.zeta_omega);
    for column in absorbed_columns(features) {
        if let Some(evaluation) = evaluations.get(column) {
            sponge.absorb_all(&evaluation.zeta);
            sponge.absorb_all(&evaluation.zeta_omega);
        }
    }
    let polyscale = sponge.challenge().to_field(C::ENDO_SCALAR);
    let evalscale = sponge.challenge().to_field(C::ENDO_SCALAR);
    OpeningChallenges { polyscale, evalscale }
}

/// The challenges drawn before the evaluations.
#[derive(Clone, Copy, Debug)]
pub struct Challenges<F> {
    /// Joins the values of one lookup.
    pub joint_combiner: F,
    /// First challenge of the permutation argument.
    pub beta: F,
    /// Second challenge of the permutation argument.
    pub gamma: F,
    /// Combines constraints.
    pub alpha: F,
    /// Where polynomials are evaluated.
    pub zeta: F,
}

impl<F: AdditiveGroup> Default for Challenges<F> {
    fn default() -> Self {
        let zero = F::ZERO;
        Self { joint_combiner: zero, beta: zero, gamma: zero, alpha: zero, zeta: zero }
    }
}
