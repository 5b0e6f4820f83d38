//! Programs: rules with one verification key.

mod compile;
mod erased;
mod many;
mod previous;
#[cfg(test)]
mod tests;

use std::{any::Any, marker::PhantomData, sync::Arc};

use kimchi::{ProverIndex, RecursionChallenge, builder::WitnessGenerator};
use mina_curves::{Fp, Fq, PallasConfig, PastaField, VestaConfig};
use poly_commitment::Commitment;
use rand::{CryptoRng, RngCore};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use thiserror::Error;

use crate::{
    derived::Derived,
    key::VerificationKey,
    proof::{
        BranchData, Plonk, Proof, ProofState, ProofsVerified, StepEvaluations, StepFlags,
        StepMessages, WrapMessages,
    },
    rule::{Rule, Slot},
    verify::verify,
    wrap::WrapInput,
};

pub use compile::{CompileError, ProgramBuilder};
pub use many::Job;

use erased::AnyRule;
use previous::Earlier;

/// A generator of our own, seeded by another: so that what draws from it is compiled once, and not for
/// every type of whoever asks.
pub(crate) fn seeded(rng: &mut (impl RngCore + CryptoRng)) -> ChaCha20Rng {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    ChaCha20Rng::from_seed(seed)
}

/// A compiled program.
#[derive(Debug)]
pub struct Program {
    /// A number that no other program of the process has.
    number: u64,
    width: ProofsVerified,
    rules: Vec<Arc<dyn AnyRule>>,
    wrap_index: ProverIndex<PallasConfig>,
    wrap_generator: WitnessGenerator<Fq, WrapInput>,
    key: VerificationKey,
}

/// A rule of a program.
#[derive(Debug)]
pub struct RuleHandle<R> {
    /// The program's number in this process.
    program: u64,
    index: usize,
    rule: PhantomData<fn() -> R>,
}

impl<R> Clone for RuleHandle<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for RuleHandle<R> {}

/// A proof with what it proves, and the key it is under if that is not known otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedStatement {
    /// The statement.
    pub app_state: Vec<Fp>,
    /// The proof.
    pub proof: Proof,
    /// The key of a proof for [`Slot::SideLoaded`].
    pub key: Option<Box<VerificationKey>>,
}

/// Why no proof was made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The wrong number of earlier proofs.
    #[error("rule {rule}: expected {expected} earlier proofs, got {got}")]
    Previous {
        /// The rule.
        rule: &'static str,
        /// What the rule rests on.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// The handle is of another program's rule.
    #[error("the program has no such rule with such an input")]
    UnknownRule,
    /// A proof for a slot that leaves the key open came without one.
    #[error("earlier proof {index}: its key is missing")]
    MissingKey {
        /// Which.
        index: usize,
    },
    /// An earlier proof is of a shape that circuits do not verify.
    #[error("earlier proof {index}: {reason}")]
    Unsupported {
        /// Which.
        index: usize,
        /// What they do not verify.
        reason: &'static str,
    },
    /// An earlier proof does not verify.
    #[error("earlier proof {index}: {error}")]
    Earlier {
        /// Which.
        index: usize,
        /// What is wrong.
        #[source]
        error: crate::VerifyError,
    },
    /// The rule's closures could not compute a witness.
    #[error("rule {rule}: {error}")]
    Witness {
        /// The rule.
        rule: &'static str,
        /// What is wrong.
        #[source]
        error: kimchi::builder::WitnessError,
    },
    /// The statement is not true of the input.
    #[error("rule {rule}: the statement does not hold: {reason}")]
    Unsatisfied {
        /// The rule.
        rule: &'static str,
        /// The first violated constraint.
        reason: String,
    },
    /// The prover of one of the two circuits failed.
    #[error("{circuit} proof: {error}")]
    Kimchi {
        /// `"step"` or `"wrap"`.
        circuit: &'static str,
        /// What is wrong.
        #[source]
        error: kimchi::ProverError,
    },
    /// The step proof that was just made could not be read: a mistake of this crate.
    #[error("the new step proof does not verify: {0}")]
    OwnStep(#[source] kimchi::VerifyError),
}

impl Program {
    /// A program whose rules rest on up to `width` proofs, without rules so far.
    pub fn builder(width: ProofsVerified) -> ProgramBuilder {
        ProgramBuilder::new(width)
    }

    /// The key that its proofs verify under.
    pub fn verification_key(&self) -> &VerificationKey {
        &self.key
    }

    /// How many proofs its widest rules rest on.
    pub fn width(&self) -> ProofsVerified {
        self.width
    }

    /// Rows of the wrap circuit, and of each rule's step circuit with its name.
    pub fn rows(&self) -> (usize, Vec<(&'static str, usize)>) {
        let steps = self.rules.iter().map(|rule| (rule.name(), rule.index().circuit().gates.len()));
        (self.wrap_index.circuit().gates.len(), steps.collect())
    }

    /// Proves a rule for an input, resting on earlier proofs in the order of [`Rule::previous`];
    /// `None` stands where the rule says that none need be.
    ///
    /// # Errors
    ///
    /// [`ProveError`], also if an earlier proof does not verify.
    pub fn prove<R: Rule>(
        &self,
        rule: RuleHandle<R>,
        input: R::Input,
        previous: &[Option<ProvedStatement>],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<ProvedStatement, ProveError> {
        let (known, mut rng) = (self.rule(rule)?, seeded(rng));
        self.verify_earlier(known.slots(), previous, &mut rng)?;
        self.prove_any(rule.index, known, Box::new(input), previous, &mut rng)
    }

    /// [`prove`](Self::prove) without verifying the earlier proofs, for whoever made them. What the
    /// circuits can see is checked nevertheless; but if an accumulator of an earlier proof is wrong,
    /// the proof that comes out is one that no verifier accepts.
    ///
    /// # Errors
    ///
    /// [`ProveError`].
    pub fn prove_trusting<R: Rule>(
        &self,
        rule: RuleHandle<R>,
        input: R::Input,
        previous: &[Option<ProvedStatement>],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<ProvedStatement, ProveError> {
        let known = self.rule(rule)?;
        self.prove_any(rule.index, known, Box::new(input), previous, &mut seeded(rng))
    }

    fn verify_earlier(
        &self,
        slots: &[Slot],
        previous: &[Option<ProvedStatement>],
        rng: &mut ChaCha20Rng,
    ) -> Result<(), ProveError> {
        for (index, (slot, previous)) in slots.iter().zip(previous).enumerate() {
            if let Some(previous) = previous {
                let key = self.key_of(index, slot, previous)?;
                verify(key, &previous.app_state, &previous.proof, rng)
                    .map_err(|error| ProveError::Earlier { index, error })?;
            }
        }
        Ok(())
    }

    /// Proves a rule, whatever its input is: nothing here depends on types of whoever asks, so that
    /// Kimchi's prover is compiled once.
    fn prove_any(
        &self,
        branch: usize,
        rule: &Arc<dyn AnyRule>,
        input: Box<dyn Any>,
        previous: &[Option<ProvedStatement>],
        rng: &mut ChaCha20Rng,
    ) -> Result<ProvedStatement, ProveError> {
        let (expected, got) = (rule.slots().len(), previous.len());
        if expected != got {
            return Err(ProveError::Previous { rule: rule.name(), expected, got });
        }
        let earlier = previous
            .iter()
            .zip(rule.slots())
            .enumerate()
            .map(|(index, (previous, slot))| self.earlier(index, slot, previous.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        // Dummies stand in front.
        let missing = self.width.count().saturating_sub(earlier.len());
        let mut carried: Vec<Earlier> = (0..missing).map(|_| Earlier::dummy()).collect();
        let inputs = earlier.iter().map(|earlier| earlier.step.clone()).collect();
        carried.extend(earlier);

        let own_key = self.key.points().copied().collect();
        let (witness, app_state) = rule.witness(input, own_key, inputs)?;
        let index = rule.index();
        let public: Vec<Fp> = witness[0].iter().take(index.circuit().public).copied().collect();
        let accumulators: Vec<_> = carried.iter().map(Earlier::step_accumulator).collect();
        let step = index.prove(&witness, &accumulators, rng).map_err(|error| {
            rule.explain(&witness).unwrap_or(ProveError::Kimchi { circuit: "step", error })
        })?;
        drop(witness);

        let derived =
            Derived::new(index.verifier_index(), &step, &public).map_err(ProveError::OwnStep)?;
        let proof = self.wrap(branch, &step, public, &derived, &carried, rng)?;
        Ok(ProvedStatement { app_state, proof, key: None })
    }

    fn rule<R>(&self, handle: RuleHandle<R>) -> Result<&Arc<dyn AnyRule>, ProveError> {
        let own = handle.program == self.number;
        self.rules.get(handle.index).filter(|_| own).ok_or(ProveError::UnknownRule)
    }

    /// The key of an earlier proof.
    fn key_of<'a>(
        &'a self,
        index: usize,
        slot: &'a Slot,
        previous: &'a ProvedStatement,
    ) -> Result<&'a VerificationKey, ProveError> {
        match slot {
            Slot::Own => Ok(&self.key),
            Slot::Program(key) => Ok(key),
            Slot::SideLoaded => previous.key.as_deref().ok_or(ProveError::MissingKey { index }),
        }
    }

    fn earlier(
        &self,
        index: usize,
        slot: &Slot,
        previous: Option<&ProvedStatement>,
    ) -> Result<Earlier, ProveError> {
        let Some(previous) = previous else { return Ok(Earlier::dummy_for(slot, &self.key)) };
        let key = self.key_of(index, slot, previous)?;
        Earlier::new(index, slot, key, previous)
    }

    /// Wraps a step proof.
    fn wrap(
        &self,
        branch: usize,
        step: &kimchi::Proof<VestaConfig>,
        public: Vec<Fp>,
        derived: &Derived<VestaConfig>,
        carried: &[Earlier],
        rng: &mut ChaCha20Rng,
    ) -> Result<Proof, ProveError> {
        let input = WrapInput {
            branch,
            proof: step.clone(),
            public,
            deferred: derived.deferred,
            xi: derived.xi.raw(),
            slots: carried.iter().map(|earlier| earlier.wrap.clone()).collect(),
        };
        let witness = self
            .wrap_generator
            .witness(&input)
            .map_err(|error| ProveError::Witness { rule: "wrap", error })?;
        let missing = crate::MAX_PROOFS_VERIFIED.saturating_sub(carried.len());
        let dummies = (0..missing).map(|_| Earlier::dummy());
        let accumulators: Vec<RecursionChallenge<PallasConfig>> = dummies
            .map(|dummy| dummy.wrap_accumulator())
            .chain(carried.iter().map(Earlier::wrap_accumulator))
            .collect();
        let mut wrap = self
            .wrap_index
            .prove(&witness, &accumulators, rng)
            .map_err(|error| ProveError::Kimchi { circuit: "wrap", error })?;
        wrap.previous = Vec::new();
        wrap.evaluations.public = None;

        let mut columns = step.evaluations.clone();
        columns.public = None;
        let challenges = &derived.prechallenges;
        let domain_log2 = self
            .rules
            .get(branch)
            .map_or(0, |rule| rule.index().verifier_index().domain.log_size() as u8);
        Ok(Proof {
            state: ProofState {
                plonk: Plonk {
                    alpha: challenges.alpha,
                    beta: challenges.beta,
                    gamma: challenges.gamma,
                    zeta: challenges.zeta,
                    joint_combiner: None,
                    flags: StepFlags::default(),
                },
                bulletproof_challenges: previous::array(&derived.rounds),
                branch_data: BranchData { proofs_verified: self.width, domain_log2 },
                sponge_digest: derived.digest,
                wrap_messages: WrapMessages {
                    challenge_polynomial_commitment: step.opening.sg,
                    old_bulletproof_challenges: carried.iter().map(|e| e.wrap_rounds).collect(),
                },
            },
            step_messages: StepMessages {
                challenge_polynomial_commitments: carried.iter().map(|e| e.wrap_sg).collect(),
                old_bulletproof_challenges: carried.iter().map(|e| e.step_rounds).collect(),
            },
            step_evaluations: StepEvaluations {
                public: derived.public,
                columns,
                ft_zeta_omega: step.ft_zeta_omega,
            },
            wrap,
        })
    }
}

/// The element of the smaller field with the same number, if there is one.
fn lower(x: Fq) -> Option<Fp> {
    Fp::from_limbs(x.to_limbs())
}

/// An accumulator as Kimchi carries it.
fn accumulator<C: kimchi::CircuitCurve>(
    challenges: Vec<C::ScalarField>,
    sg: mina_curves::Point<C>,
) -> RecursionChallenge<C> {
    RecursionChallenge { challenges, commitment: Commitment { chunks: vec![sg] } }
}
