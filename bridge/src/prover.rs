//! Proofs of the contract's updates, made one after another on a thread of their own: commits and
//! payouts before deposits.

mod line;
mod unproved;

use std::sync::{Arc, Mutex, PoisonError};

use mina_curves::Fp;
use mina_ledger::{
    rollup::{
        Commit, Committee, Configuration, Deposit, DepositAction, Hashed, Payout, RollupAccount,
        SettlementParameters, Waiting,
    },
    types::{AccountUpdate, CallForest, PublicKey, Signature, VerificationKey},
};
use pickles::{KeyCache, ProvedStatement};
use rand::rngs::OsRng;
use zeko_circuits::{
    contract::{Contract, ContractError, ContractKeys},
    fold::{CertifiedInbox, FoldError, FoldProgram},
};

use self::{
    line::{Line, Priority},
    unproved::Unproved,
};
pub use zeko_circuits::fold::FoldSizes;

use crate::check::Checker;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProverError {
    /// Of the contract.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// Of a fold or a certificate.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The prover died.
    #[error("proving died: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The process is ending.
    #[error("proving has ended")]
    Stopped,
}

enum Programs {
    Compiled {
        contract: Box<Contract>,
        folds: Box<FoldProgram>,
        /// The last proof of what waits: a commit that is made again continues it, so that deposits which
        /// come faster than they are proved do not keep one from landing.
        waiting: Box<Mutex<Option<(Waiting, ProvedStatement)>>>,
    },
    Unproved(Box<Unproved>),
}

/// The contract of a rollup with its fold program. Clones share one line of proofs.
#[derive(Clone)]
pub struct ContractProver {
    programs: Arc<Programs>,
    line: Line,
}

impl std::fmt::Debug for ContractProver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContractProver").field("parameters", self.parameters()).finish()
    }
}

impl ContractProver {
    /// Compiles contract and fold program. `batch` is the key of the program that proves batches. With
    /// a cache, this takes seconds from the second time on.
    ///
    /// # Errors
    /// [`ProverError::Contract`], [`ProverError::Fold`].
    pub fn compile(
        parameters: SettlementParameters,
        batch: pickles::VerificationKey,
        sizes: FoldSizes,
        cache: Option<KeyCache>,
    ) -> Result<Self, ProverError> {
        let quota = parameters.message_quota as usize;
        let folds = FoldProgram::compile(sizes, quota, cache.clone())?;
        let keys = ContractKeys { batch, fold: folds.program().verification_key().clone() };
        let contract = Contract::compile(parameters, &keys, cache)?;
        let (contract, folds) = (contract.into(), folds.into());
        Ok(Self::of(Programs::Compiled { contract, folds, waiting: Box::default() }))
    }

    /// Proves nothing: placeholders stand where proofs do, which an L1 takes only if it does not look at
    /// them. **Never for real funds.**
    pub fn unsafe_no_proofs(parameters: SettlementParameters) -> Self {
        Self::of(Programs::Unproved(Unproved(parameters).into()))
    }

    fn of(programs: Programs) -> Self {
        Self { programs: Arc::new(programs), line: Line::default() }
    }

    /// The key that the rollup account has.
    pub fn verification_key(&self) -> VerificationKey {
        match &*self.programs {
            Programs::Compiled { contract, .. } => contract.verification_key(),
            Programs::Unproved(_) => Unproved::verification_key(),
        }
    }

    /// What it was compiled for.
    pub fn parameters(&self) -> &SettlementParameters {
        match &*self.programs {
            Programs::Compiled { contract, .. } => contract.parameters(),
            Programs::Unproved(unproved) => &unproved.0,
        }
    }

    /// What checks commands for the contract of an account; without proofs, it does not look at them.
    pub fn checker(
        &self,
        account: PublicKey,
        committee: Committee,
        configuration: Configuration,
    ) -> Checker {
        let account =
            RollupAccount { public_key: account, key_hash: self.verification_key().hash() };
        let key = match &*self.programs {
            Programs::Compiled { contract, .. } => {
                Some(contract.program().verification_key().clone())
            }
            Programs::Unproved(_) => None,
        };
        Checker::new(account, key, self.parameters().clone(), committee, configuration)
    }

    /// The update that makes a deposit.
    ///
    /// # Errors
    /// [`ProverError`].
    pub async fn deposit(
        &self,
        account: PublicKey,
        deposit: Deposit,
    ) -> Result<AccountUpdate, ProverError> {
        self.run("deposit", Priority::Deposit, move |programs| match programs {
            Programs::Compiled { contract, .. } => {
                Ok(contract.deposit(account, &deposit, &mut OsRng)?)
            }
            Programs::Unproved(unproved) => Ok(unproved.deposit(account, &deposit)?),
        })
        .await
    }

    /// The update that settles a batch: `certificate` has the committee's signatures in its order, and
    /// `messages` the hashes of those that the batch has consumed, and the deposits behind them, up to
    /// the commit's action state.
    ///
    /// # Errors
    /// [`ProverError`].
    pub async fn commit(
        &self,
        account: PublicKey,
        commit: Commit,
        batch: ProvedStatement,
        certificate: (Committee, Vec<Option<Signature>>),
        messages: (Vec<Fp>, Vec<DepositAction>),
    ) -> Result<AccountUpdate, ProverError> {
        self.run("commit", Priority::Settlement, move |programs| {
            let (contract, folds, last) = match programs {
                Programs::Compiled { contract, folds, waiting } => (contract, folds, waiting),
                Programs::Unproved(unproved) => return Ok(unproved.commit(account, &commit)?),
            };
            let (committee, signatures) = certificate;
            let (consumed, deposits) = messages;
            let inbox = commit.batch.target.inbox;
            let known = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (waiting, proof) = folds.waiting(inbox, &deposits, known, &mut OsRng)?;
            let known = proof.clone().map(|proof| (waiting, proof));
            *last.lock().unwrap_or_else(PoisonError::into_inner) = known;
            let inbox = CertifiedInbox { before: commit.batch.source.inbox, consumed, waiting };
            let attestation = commit.attestation.digest();
            let certified =
                folds.attest(&committee, &signatures, attestation, &inbox, proof, &mut OsRng)?;
            Ok(contract.commit(account, &commit, [batch, certified], &mut OsRng)?)
        })
        .await
    }

    /// The update that pays entries of the outbox, with its children: `left` has the hashes of what is
    /// left of the snapshot behind them.
    ///
    /// # Errors
    /// [`ProverError`].
    pub async fn payout(
        &self,
        account: PublicKey,
        payout: Payout,
        left: Vec<Fp>,
    ) -> Result<CallForest, ProverError> {
        self.run("payout", Priority::Settlement, move |programs| {
            let (contract, folds) = match programs {
                Programs::Compiled { contract, folds, .. } => (contract, folds),
                Programs::Unproved(unproved) => return Ok(unproved.payout(account, &payout)?),
            };
            let fold = folds.fold(payout.fold().from, &left, &mut OsRng)?;
            Ok(contract.payout(account, &payout, fold, &mut OsRng)?)
        })
        .await
    }

    /// Runs one piece of work when it is its turn.
    async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        priority: Priority,
        work: impl FnOnce(&Programs) -> Result<T, ProverError> + Send + 'static,
    ) -> Result<T, ProverError> {
        let turn = self.line.turn(priority).await.ok_or(ProverError::Stopped)?;
        let programs = Arc::clone(&self.programs);
        let proved = tokio::task::spawn_blocking(move || {
            let started = std::time::Instant::now();
            let proved = work(&programs);
            // Until here, also where nobody waits for it any more.
            drop(turn);
            let seconds = started.elapsed().as_secs_f64();
            metrics::histogram!("zeko_bridge_proof_seconds", "rule" => what).record(seconds);
            proved
        });
        proved.await?
    }
}
