//! The prover, one file per round in the order of the transcript.
//!
//! | round | makes |
//! |---|---|
//! | [`r1_witness`] | commitments of the witness columns |
//! | [`r2_permutation`] | the permutation accumulator, after `β` and `γ` |
//! | [`r3_quotient`] | the quotient of all constraints, after `α` |
//! | [`r4_evaluations`] | evaluations of everything, after `ζ` |
//! | [`r5_opening`] | the proof that the evaluations are right |
//!
//! The prover's time depends on the witness; where an observer may time it, nothing is promised.

mod error;
mod expression;
mod index;
mod polynomial;
mod r1_witness;
mod r2_permutation;
mod r3_quotient;
mod r4_evaluations;
mod r5_opening;
mod trace;

use rand::{CryptoRng, RngCore};

use crate::{
    gate::Witness,
    index::CircuitCurve,
    proof::{Commitments, Proof, RecursionChallenge},
    transcript::{Prechallenges, Transcript, opening_challenges},
};

pub use error::ProverError;
pub use index::ProverIndex;
pub use trace::{NoTrace, Trace};

/// The number of rows at the end of the domain that hide the witness.
pub const ZK_ROWS: usize = 3;

impl<C: CircuitCurve> ProverIndex<C> {
    /// Proves that `witness` satisfies the circuit. Its columns may be shorter than the domain, of
    /// one length; the public input is the start of column 0. `previous` are the accumulators to
    /// carry on, taken on trust; `rng` draws all blinders, so two proofs differ.
    ///
    /// # Errors
    ///
    /// [`ProverError`] if the witness has the wrong shape or does not satisfy the circuit; which
    /// constraint fails is for [`crate::builder::check`] to say.
    pub fn prove(
        &self,
        witness: &Witness<C::ScalarField>,
        previous: &[RecursionChallenge<C>],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Proof<C>, ProverError> {
        self.prove_traced(witness, previous, rng, &mut NoTrace)
    }

    /// [`Self::prove`], telling `trace` when each round begins.
    ///
    /// # Errors
    ///
    /// As [`Self::prove`].
    pub fn prove_traced(
        &self,
        witness: &Witness<C::ScalarField>,
        previous: &[RecursionChallenge<C>],
        rng: &mut (impl RngCore + CryptoRng),
        trace: &mut impl Trace,
    ) -> Result<Proof<C>, ProverError> {
        let verifier = self.verifier_index();
        if previous.len() != verifier.previous {
            let (expected, got) = (verifier.previous, previous.len());
            return Err(ProverError::PreviousChallenges { expected, got });
        }
        let expected = self.srs().rounds();
        for (index, previous) in previous.iter().enumerate() {
            let (got, chunks) = (previous.challenges.len(), previous.commitment.len());
            if (got, chunks) != (expected, 1) {
                return Err(ProverError::PreviousChallengeShape { index, expected, got, chunks });
            }
        }
        let mut prechallenges = Prechallenges::default();
        let effective = |drawn: &Prechallenges| drawn.effective(C::ENDO_SCALAR);

        trace.round("witness");
        let witness = r1_witness::commit(self, witness, rng)?;
        let mut transcript = Transcript::new(self.digest(), previous, &witness.public_commitment);
        transcript.absorb(&witness.commitments);
        prechallenges.beta = transcript.challenge();
        prechallenges.gamma = transcript.challenge();

        trace.round("permutation");
        let permutation =
            r2_permutation::accumulate(self, &witness, &effective(&prechallenges), rng)?;
        transcript.absorb([&permutation.commitment]);
        prechallenges.alpha = transcript.challenge();

        trace.round("quotient");
        let quotient =
            r3_quotient::divide(self, &witness, &permutation, &effective(&prechallenges));
        trace.round("quotient commitment");
        let quotient = r3_quotient::commit(self, quotient, rng);
        transcript.absorb([&quotient.commitment]);
        prechallenges.zeta = transcript.challenge();
        let challenges = effective(&prechallenges);

        trace.round("evaluations");
        let evaluated = r4_evaluations::evaluate(self, &witness, &permutation, &challenges);
        let linearized = r4_evaluations::linearize(self, &evaluated, &quotient, &challenges)?;
        let opening = opening_challenges(
            &transcript,
            previous,
            self.features(),
            &evaluated.public,
            &evaluated.evaluations,
            linearized.ft_zeta_omega,
        );

        trace.round("opening");
        let parts = r5_opening::Parts {
            previous,
            witness: &witness,
            permutation: &permutation,
            linearized: &linearized,
        };
        let opening_proof =
            r5_opening::open(self, &parts, challenges.zeta, &opening, transcript, rng);
        Ok(Proof {
            commitments: Commitments {
                witness: witness.commitments,
                permutation: permutation.commitment,
                quotient: quotient.commitment,
                lookup: None,
            },
            opening: opening_proof,
            evaluations: evaluated.evaluations,
            ft_zeta_omega: linearized.ft_zeta_omega,
            previous: previous.to_vec(),
        })
    }
}
