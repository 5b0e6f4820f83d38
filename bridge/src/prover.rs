//! Proofs of the contract's updates, made one after another on a thread of their own.

use std::sync::Arc;

use mina_curves::Fp;
use mina_ledger::{
    rollup::{Commit, Committee, Deposit, Hashed, Payout, SettlementParameters},
    types::{AccountUpdate, CallForest, PublicKey, Signature},
};
use pickles::{KeyCache, ProvedStatement};
use rand::rngs::OsRng;
use tokio::sync::Semaphore;
use zeko_circuits::{
    contract::{Contract, ContractError, ContractKeys},
    fold::{FoldError, FoldProgram, MAX_ACTIONS},
};

/// Sizes of the fold program. The contract's verification key depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldSizes {
    /// Actions of a proof.
    pub actions: usize,
    /// Places in the committee.
    pub members: usize,
}

impl Default for FoldSizes {
    fn default() -> Self {
        Self { actions: MAX_ACTIONS, members: Committee::MAX_MEMBERS }
    }
}

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

struct Programs {
    contract: Contract,
    folds: FoldProgram,
}

/// The contract of a rollup with its fold program. Clones share one line of proofs.
#[derive(Clone)]
pub struct ContractProver {
    programs: Arc<Programs>,
    line: Arc<Semaphore>,
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
        let folds = FoldProgram::compile(sizes.actions, sizes.members, cache.clone())?;
        let keys = ContractKeys { batch, fold: folds.program().verification_key().clone() };
        let contract = Contract::compile(parameters, &keys, cache)?;
        let programs = Arc::new(Programs { contract, folds });
        Ok(Self { programs, line: Arc::new(Semaphore::new(1)) })
    }

    /// The contract.
    pub fn contract(&self) -> &Contract {
        &self.programs.contract
    }

    /// What it was compiled for.
    pub fn parameters(&self) -> &SettlementParameters {
        self.programs.contract.parameters()
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
        self.run("deposit", move |programs| {
            Ok(programs.contract.deposit(account, &deposit, &mut OsRng)?)
        })
        .await
    }

    /// The update that settles a batch: `certificate` has the committee's signatures in its order, and
    /// `waiting` the hashes of the messages between the batch's inbox and the commit's action state.
    ///
    /// # Errors
    /// [`ProverError`].
    pub async fn commit(
        &self,
        account: PublicKey,
        commit: Commit,
        batch: ProvedStatement,
        certificate: (Committee, Vec<Option<Signature>>),
        waiting: Vec<Fp>,
    ) -> Result<AccountUpdate, ProverError> {
        self.run("commit", move |Programs { contract, folds }| {
            let (committee, signatures) = certificate;
            let inbox = (commit.batch.target.inbox, commit.action_state);
            let fold = folds.fold(inbox.0, &waiting, &mut OsRng)?;
            let attestation = commit.attestation.digest();
            let certified =
                folds.attest(&committee, &signatures, attestation, inbox, fold, &mut OsRng)?;
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
        self.run("payout", move |Programs { contract, folds }| {
            let fold = folds.fold(payout.fold().from, &left, &mut OsRng)?;
            Ok(contract.payout(account, &payout, fold, &mut OsRng)?)
        })
        .await
    }

    /// Runs one piece of work after all that came before it.
    async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Programs) -> Result<T, ProverError> + Send + 'static,
    ) -> Result<T, ProverError> {
        let turn = Arc::clone(&self.line).acquire_owned().await;
        let turn = turn.map_err(|_| ProverError::Stopped)?;
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
