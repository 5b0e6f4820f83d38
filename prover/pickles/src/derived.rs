//! What follows from a proof: everything that the circuits recompute, derived outside of them.

use ark_ff::Field;
use kimchi::{AtPoints, CircuitCurve, PartialVerification, Proof, VerifierIndex};
use mina_curves::ScalarChallenge;

use crate::rule::DeferredScalars;

/// The challenges of a proof and the values that are arithmetic in its scalar field.
#[derive(Clone, Debug)]
pub(crate) struct Derived<C: CircuitCurve> {
    pub(crate) prechallenges: kimchi::Prechallenges,
    pub(crate) digest: C::ScalarField,
    pub(crate) xi: ScalarChallenge,
    /// The challenges of the opening.
    pub(crate) rounds: Vec<ScalarChallenge>,
    pub(crate) deferred: DeferredScalars<C::ScalarField>,
    /// The negated public input.
    pub(crate) public: AtPoints<C::ScalarField>,
}

impl<C: CircuitCurve> Derived<C> {
    /// Runs the verifier up to the opening.
    pub(crate) fn new(
        index: &VerifierIndex<C>,
        proof: &Proof<C>,
        public_input: &[C::ScalarField],
    ) -> Result<Self, kimchi::VerifyError> {
        let partial = PartialVerification::run(&kimchi::Instance { index, proof, public_input })?;
        let claim = &partial.claim;
        let rounds = claim.prechallenges();
        let effective: Vec<C::ScalarField> =
            rounds.iter().map(|round| round.to_field(C::ENDO_SCALAR)).collect();
        let zeta = partial.challenges.zeta;
        let value = |point: usize| {
            let public = claim.evaluations.get(index.previous);
            let chunks = public.and_then(|public| public.evaluations.get(point));
            chunks.and_then(|chunks| chunks.first()).copied().unwrap_or_default()
        };
        Ok(Self {
            prechallenges: partial.prechallenges,
            digest: partial.digest,
            xi: partial.xi,
            deferred: DeferredScalars {
                combined_inner_product: claim.combined_inner_product,
                b: claim.challenge_polynomial_value(&effective),
                zeta_to_srs_length: zeta.pow([index.max_poly_size as u64]),
                zeta_to_domain_size: zeta.pow([index.domain.size() as u64]),
                perm: partial.permutation_scalar,
            },
            rounds,
            public: AtPoints { zeta: value(0), zeta_omega: value(1) },
        })
    }
}
