//! The fold program: what the contract's proofs rest on besides the proof of a batch.
//!
//! | rule | shows | rests on |
//! |---|---|---|
//! | [`FoldRule`] | [`Fold`]: an action state leads on to another | one of these, if there are more actions than fit |
//! | [`WaitingRule`] | [`Waiting`]: an inbox leads on to another by deposits with a known earliest timeout | one of these, if there are more deposits than fit |
//! | [`AttestRule`] | [`Certified`](mina_ledger::rollup::Certified): a committee has signed an attestation, what waits behind it, and whether its batch has consumed a full quota | what waits, unless nothing does |
//!
//! The program has a key of its own, for the statement of a contract's proof is an account update and
//! nothing else. An outbox is folded without being opened; of the inbox, a commit has to know the
//! timeouts.

mod actions;
mod attest;
mod waiting;

use mina_curves::Fp;
use mina_ledger::{
    rollup::{Committee, DepositAction, Fold, Hashed, Waiting, is_full_quota},
    types::{Signature, TypeError},
};
use pickles::{
    CompileError, KeyCache, Program, ProofsVerified, ProveError, ProvedStatement, RuleHandle,
};
use rand::{CryptoRng, RngCore};

pub use actions::{FoldInput, FoldRule, FoldVar};
pub use attest::{AttestInput, AttestRule, CertifiedVar};
pub use waiting::{WaitingInput, WaitingRule, WaitingVar};

/// The most messages that a batch may consume at most.
pub const MAX_QUOTA: usize = 256;

/// Sizes of the fold program. The contract's verification key depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldSizes {
    /// Actions of a proof.
    pub actions: usize,
    /// Deposits of a proof, opened.
    pub waiting: usize,
    /// Places in the committee.
    pub members: usize,
}

impl Default for FoldSizes {
    /// As many actions and deposits as fit into 2^14 rows, and a committee of the largest size.
    fn default() -> Self {
        Self { actions: 256, waiting: 64, members: Committee::MAX_MEMBERS }
    }
}

/// What a certificate is to say of the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedInbox {
    /// The inbox before the batch.
    pub before: Fp,
    /// The hashes of the messages that the batch has consumed. Only those of a full quota are needed.
    pub consumed: Vec<Fp>,
    /// What waits behind the batch.
    pub waiting: Waiting,
}

impl CertifiedInbox {
    /// Whether the batch has consumed a full quota.
    pub fn is_full(&self, quota: usize) -> bool {
        is_full_quota(self.before, &self.consumed, self.waiting.from, quota)
    }
}

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
    /// The proof of what waits is of something else, or missing.
    #[error("the proof of what waits is of something else")]
    Statement,
    /// A quota that is none, or has no place in a circuit.
    #[error("expected a quota of 1 to {expected} messages, got {got}")]
    Quota {
        /// The most.
        expected: usize,
        /// What was given.
        got: usize,
    },
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
    waiting: RuleHandle<WaitingRule>,
    attest: (RuleHandle<AttestRule>, AttestRule),
    sizes: FoldSizes,
}

impl FoldProgram {
    /// Compiles the program for batches of up to `quota` messages, with keys from `cache` if there is
    /// one. The contract's key depends on sizes and quota.
    ///
    /// # Errors
    /// [`FoldError::Compile`], for example if so many do not fit a circuit; [`FoldError::Members`];
    /// [`FoldError::Quota`].
    pub fn compile(
        sizes: FoldSizes,
        quota: usize,
        cache: Option<KeyCache>,
    ) -> Result<Self, FoldError> {
        let (actions, waiting) = (sizes.actions.max(1), sizes.waiting.max(1));
        let sizes = FoldSizes { actions, waiting, ..sizes };
        let mut builder = Program::builder(ProofsVerified::N1);
        if let Some(cache) = cache {
            builder.cache(cache);
        }
        let fold = builder.rule(FoldRule { actions: sizes.actions });
        let waiting = builder.rule(WaitingRule { messages: sizes.waiting });
        let rule = AttestRule::new(sizes.members, quota)?;
        let attest = (builder.rule(rule.clone()), rule);
        Ok(Self { program: builder.compile()?, fold, waiting, attest, sizes })
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
        for actions in actions.chunks(self.sizes.actions) {
            let input = FoldInput::new(Fold { from, to: middle }, actions, self.sizes.actions);
            middle = input.fold().to;
            last = Some(self.program.prove(self.fold, input, &[last], rng)?);
        }
        Ok(last)
    }

    /// Proves what deposits lead on to from an inbox, and their earliest timeout; nothing if there are
    /// none. If `known` is a proof of the first of them, it is continued.
    ///
    /// # Errors
    /// [`FoldError::Prove`].
    pub fn waiting(
        &self,
        inbox: Fp,
        deposits: &[DepositAction],
        known: Option<(Waiting, ProvedStatement)>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Waiting, Option<ProvedStatement>), FoldError> {
        let (mut waiting, mut last, mut deposits) = (Waiting::none(inbox), None, deposits);
        if let Some((known, proof)) = known {
            let mut states = deposits.iter().scan(waiting, |state, deposit| {
                *state = state.with(deposit);
                Some(*state)
            });
            if let Some(place) = states.position(|state| state == known) {
                (waiting, last, deposits) = (known, Some(proof), &deposits[place + 1..]);
            }
        }
        for deposits in deposits.chunks(self.sizes.waiting) {
            let input = WaitingInput::new(waiting, deposits, self.sizes.waiting);
            waiting = input.waiting();
            last = Some(self.program.prove(self.waiting, input, &[last], rng)?);
        }
        Ok((waiting, last))
    }

    /// Proves that more than two thirds of `committee` have signed the attestation with this hash,
    /// and what is to be said of its inbox; `waiting` is the proof of what waits, `None` if nothing
    /// does. Signatures stand in the order of the members.
    ///
    /// # Errors
    /// [`FoldError`].
    pub fn attest(
        &self,
        committee: &Committee,
        signatures: &[Option<Signature>],
        attestation: Fp,
        inbox: &CertifiedInbox,
        waiting: Option<ProvedStatement>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<ProvedStatement, FoldError> {
        let (handle, rule) = &self.attest;
        let input = AttestInput::new(rule, committee, signatures, attestation, inbox)?;
        let fits = match &waiting {
            Some(waiting) => waiting.app_state == [inbox.waiting.digest()],
            None => inbox.waiting == Waiting::none(inbox.waiting.from),
        };
        if !fits {
            return Err(FoldError::Statement);
        }
        Ok(self.program.prove(*handle, input, &[waiting], rng)?)
    }
}
