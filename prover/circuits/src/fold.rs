//! The fold program: what the contract's proofs rest on besides the proof of a batch.
//!
//! | rule | shows | rests on |
//! |---|---|---|
//! | [`FoldRule`] | [`Fold`]: an action state leads on to another | one of these, if there are more actions than fit |
//! | [`AttestRule`] | [`Certified`](mina_ledger::rollup::Certified): a committee has signed an attestation, and the inbox behind it leads on to an action state | a fold, unless the two are the same |
//!
//! Inbox and outbox are action states alike, so one rule folds both. It has a key of its own, for the
//! statement of a contract's proof is an account update and nothing else.

mod actions;
mod attest;

use mina_curves::Fp;
use mina_ledger::{
    rollup::{Committee, Fold, Hashed},
    types::{Signature, TypeError},
};
use pickles::{
    CompileError, KeyCache, Program, ProofsVerified, ProveError, ProvedStatement, RuleHandle,
};
use rand::{CryptoRng, RngCore};

pub use actions::{FoldInput, FoldRule, FoldVar};
pub use attest::{AttestInput, AttestRule, CertifiedVar};

/// Actions that a proof of the fold rule has room for within 2^14 rows.
pub const MAX_ACTIONS: usize = 256;

/// Why there is no fold program, or no proof of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// Compiling.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The domain of attestations.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// Proving.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The fold's proof is of other action states.
    #[error("the proof of the fold is of something else")]
    Statement,
    /// More members than the circuit has room for.
    #[error("expected at most {expected} members, got {got}")]
    Members {
        /// The most.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// A signature of nobody in the committee, or a key that is not on the curve.
    #[error("member {index}: there is no such key")]
    Key {
        /// Which.
        index: usize,
    },
}

/// The compiled program.
#[derive(Debug)]
pub struct FoldProgram {
    program: Program,
    fold: RuleHandle<FoldRule>,
    attest: RuleHandle<AttestRule>,
    actions: usize,
    members: usize,
}

impl FoldProgram {
    /// Compiles the program for `actions` actions a proof and committees of up to `members`, with
    /// keys from `cache` if there is one. The contract's key depends on both.
    ///
    /// # Errors
    /// [`FoldError::Compile`], for example if so many do not fit a circuit; [`FoldError::Members`].
    pub fn compile(
        actions: usize,
        members: usize,
        cache: Option<KeyCache>,
    ) -> Result<Self, FoldError> {
        let mut builder = Program::builder(ProofsVerified::N1);
        if let Some(cache) = cache {
            builder.cache(cache);
        }
        let fold = builder.rule(FoldRule { actions });
        let attest = builder.rule(AttestRule::new(members)?);
        Ok(Self { program: builder.compile()?, fold, attest, actions, members })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Proves that the hashes of lists of actions lead on from `from`; nothing if there are none.
    ///
    /// # Errors
    /// [`FoldError::Prove`].
    pub fn fold(
        &self,
        from: Fp,
        actions: &[Fp],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Option<ProvedStatement>, FoldError> {
        let mut last = None;
        let mut middle = from;
        for actions in actions.chunks(self.actions.max(1)) {
            let input = FoldInput::new(Fold { from, to: middle }, actions, self.actions);
            middle = input.fold().to;
            last = Some(self.program.prove(self.fold, input, &[last], rng)?);
        }
        Ok(last)
    }

    /// Proves that more than two thirds of `committee` have signed the attestation with this hash,
    /// and that the inbox behind it leads on to an action state; `fold` is the proof of that, `None`
    /// if the two are the same. Signatures stand in the order of the members.
    ///
    /// # Errors
    /// [`FoldError`].
    pub fn attest(
        &self,
        committee: &Committee,
        signatures: &[Option<Signature>],
        attestation: Fp,
        inbox: (Fp, Fp),
        fold: Option<ProvedStatement>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<ProvedStatement, FoldError> {
        let input = AttestInput::new(committee, signatures, attestation, inbox, self.members)?;
        let shown = Fold { from: inbox.0, to: inbox.1 }.digest();
        if fold.as_ref().is_some_and(|fold| fold.app_state != [shown]) {
            return Err(FoldError::Statement);
        }
        Ok(self.program.prove(self.attest, input, &[fold], rng)?)
    }
}
