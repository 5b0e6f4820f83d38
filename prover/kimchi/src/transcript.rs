//! The Fiat–Shamir transcript: one description for prover and verifier.
#![deny(clippy::indexing_slicing)]

use mina_curves::{PastaField, ScalarChallenge};
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

    /// Draws a challenge.
    pub fn challenge(&mut self) -> ScalarChallenge {
        self.sponge.challenge()
    }

    /// What the evaluations' sponge starts from: a squeeze of a copy of this one.
    pub fn digest(&self) -> C::ScalarField {
        self.sponge.clone().digest()
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
    /// `ξ` as it was drawn.
    pub xi: ScalarChallenge,
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
    sponge.absorb(transcript.digest());
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
    let xi = sponge.challenge();
    let polyscale = xi.to_field(C::ENDO_SCALAR);
    let evalscale = sponge.challenge().to_field(C::ENDO_SCALAR);
    OpeningChallenges { polyscale, evalscale, xi }
}

/// The challenges before the evaluations, as they are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prechallenges {
    /// Joins the values of one lookup; zero unless some lookup has several.
    pub joint_combiner: ScalarChallenge,
    /// First challenge of the permutation argument.
    pub beta: ScalarChallenge,
    /// Second challenge of the permutation argument.
    pub gamma: ScalarChallenge,
    /// Combines constraints.
    pub alpha: ScalarChallenge,
    /// Where polynomials are evaluated.
    pub zeta: ScalarChallenge,
}

impl Prechallenges {
    /// The challenges as they are used: `β` and `γ` as they are, the others through the
    /// endomorphism with the coefficient `endo`.
    pub fn effective<F: PastaField>(&self, endo: F) -> Challenges<F> {
        Challenges {
            joint_combiner: self.joint_combiner.to_field(endo),
            beta: self.beta.raw(),
            gamma: self.gamma.raw(),
            alpha: self.alpha.to_field(endo),
            zeta: self.zeta.to_field(endo),
        }
    }
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
