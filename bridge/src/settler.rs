//! The committer: settles batches and pays what the L1 owes.
//!
//! What has been settled and paid is what the contract's state on the L1 says, at every look anew: a
//! restart, a rollback of the L1 or somebody else's payout is nothing special. On disk are only the
//! updates that were proved and the commands that may have been sent.

mod decide;
mod run;
mod store;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use mina_curves::Fp;
use mina_ledger::{
    hash::TransactionHash,
    rollup::{
        Attestation, BatchStatement, Committee, Configuration, DataCommitment, Hashed, OutboxEntry,
        Sequencer, Side,
    },
    signature::SignatureError,
    types::{Length, PrivateKey, PublicKey, Signature, SlotSpan, ZkappCommand, to_decimal},
};
use pickles::ProvedStatement;
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    check::{ContractRule, Refusal},
    client::L1Client,
    prover::ContractProver,
    view::L1View,
};

pub use decide::Fees;

use run::Run;
use store::Store;

/// Requests that wait.
const REQUESTS: usize = 256;

/// Commands that are checked for somebody at a time.
const CHECKS: usize = 2;

/// How a settler works.
#[derive(Clone, Debug)]
pub struct SettlerConfig {
    /// Where it keeps proofs and commands.
    pub data_dir: PathBuf,
    /// The rollup account.
    pub account: PublicKey,
    /// The sequencer's key, which orders commits.
    pub sequencer: PrivateKey,
    /// The key of an account on the L1 that pays, and that nobody else uses.
    pub payer: PrivateKey,
    /// The DA committee.
    pub committee: Committee,
    /// What field 4 of the contract is the hash of.
    pub configuration: Configuration,
    /// What commands cost.
    pub fees: Fees,
    /// Blocks on top of a settlement that make it final.
    pub finality: u32,
    /// How long before a batch's window closes nothing is sent for it any more.
    pub margin: SlotSpan,
    /// How often to look at the L1 when nothing is heard of it, and to try again.
    pub retry: Duration,
}

/// Why a settler did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettlerError {
    /// The store, in most cases the disk below it.
    #[error("store of settlements: {0}")]
    Store(#[from] sled::Error),
    /// The store is another rollup's, or another payer's.
    #[error("the store of settlements is that of {got}, expected {expected}")]
    Owner {
        /// Whose it should be.
        expected: String,
        /// Whose it is.
        got: String,
    },
    /// The store does not hold what was written.
    #[error("the store of settlements is damaged: {what}")]
    Damaged {
        /// Where.
        what: String,
    },
    /// A setting.
    #[error("configuration: {what}")]
    Config {
        /// What is wrong.
        what: &'static str,
    },
    /// Signing.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It died.
    #[error("the settler died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A batch that the DA layer has certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedBatch {
    /// What the committee has signed.
    pub attestation: Attestation,
    /// The committee's signatures, in its order.
    pub signatures: Vec<Option<Signature>>,
    /// What the proof of the batch shows, or will show.
    pub statement: BatchStatement,
    /// What the batch appends to the outbox.
    pub outbox: Vec<OutboxEntry>,
}

/// Where the batches begin that a settler is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The number of the first.
    pub batch: u64,
    /// The state before it.
    pub state: Side,
    /// The data of the batch before it; zero at genesis.
    pub data: DataCommitment,
}

/// Entries of the outbox that a settler needs to pay what comes behind them, and has not been handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingOutbox {
    /// How far the outbox has been paid.
    pub from: Fp,
    /// Where the entries begin that are there.
    pub to: Fp,
    /// The number of the first batch that was handed in: they are of batches before it.
    pub batch: u64,
}

/// Why a batch or a proof was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandInError {
    /// Batches come in order, from where they were said to begin.
    #[error("batch: expected at most {expected}, got {got}")]
    Order {
        /// The next.
        expected: u64,
        /// Which came.
        got: u64,
    },
    /// There is a batch with this number of the same generation or a later one.
    #[error("batch {batch}: expected a generation after {expected}, got {got}")]
    Generation {
        /// Which batch.
        batch: u64,
        /// The one that is there.
        expected: u32,
        /// The one that came.
        got: u32,
    },
    /// Entries of the outbox that do not lead to those that are there.
    #[error("entries of the outbox do not lead to those that are there")]
    Outbox,
    /// What is said in two places is not the same.
    #[error("batch {batch}: {what} differs")]
    Differs {
        /// Which batch.
        batch: u64,
        /// What.
        what: &'static str,
    },
    /// Too few signatures, or one of somebody else.
    #[error("batch {batch}: no certificate of the committee")]
    Certificate {
        /// Which batch.
        batch: u64,
    },
    /// A proof of no batch that is there.
    #[error("the proof is of no batch that was handed in")]
    Unknown,
    /// The settler has ended.
    #[error("the settler has ended")]
    Stopped,
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// For its proof, the batches before it, or its slots.
    Waiting,
    /// The proof of its commit is being made.
    Proving,
    /// Its commit was sent.
    Submitted {
        /// The command.
        hash: TransactionHash,
    },
    /// It is settled.
    Included {
        /// The height of the L1's block.
        height: Length,
    },
    /// It is settled, as deep as it must be.
    Final,
    /// It can be committed no more: to be built again under a new generation.
    Missed,
}

/// A batch and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchStatus {
    /// The generation that was handed in.
    pub generation: u32,
    /// Where it stands.
    pub stage: Stage,
}

/// What a settler is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettlerStatus {
    /// Batches that the L1 has settled; `None` before the first look.
    pub settled: Option<u64>,
    /// Batches by number. Of those that are final, the last hundred.
    pub batches: BTreeMap<u64, BatchStatus>,
    /// Entries of the outbox that are settled and not paid.
    pub unpaid: usize,
    /// Entries without which nothing more can be paid.
    pub missing: Option<MissingOutbox>,
    /// Why settlement does not go on; empty if it does.
    pub reasons: Vec<String>,
}

/// What a settler is asked for.
#[derive(Debug)]
enum Request {
    Begin { beginning: Box<Beginning>, reply: oneshot::Sender<Result<(), HandInError>> },
    Withdraw { batch: u64, reply: oneshot::Sender<Result<(), HandInError>> },
    Earlier { from: Fp, entries: Vec<OutboxEntry>, reply: oneshot::Sender<Result<(), HandInError>> },
    Certified { batch: Box<CertifiedBatch>, reply: oneshot::Sender<Result<(), HandInError>> },
    Proved { proof: Box<ProvedStatement>, reply: oneshot::Sender<Result<(), HandInError>> },
    Check { command: Box<ZkappCommand>, reply: oneshot::Sender<Result<ContractRule, Refusal>> },
}

/// Where batches and proofs are handed in. As many as one likes.
#[derive(Clone, Debug)]
pub struct SettlerHandle {
    requests: mpsc::Sender<Request>,
    checks: Arc<Semaphore>,
    status: watch::Receiver<Arc<SettlerStatus>>,
    stop: CancellationToken,
    fatal: Arc<OnceLock<String>>,
}

impl SettlerHandle {
    /// Says which batches will be handed in: those from `beginning` on, that of genesis if nothing is
    /// said. Whatever was handed in before and does not fit is forgotten. Batches before it must be final.
    ///
    /// # Errors
    /// [`HandInError::Stopped`].
    pub async fn begin(&self, beginning: Beginning) -> Result<(), HandInError> {
        let beginning = Box::new(beginning);
        self.ask(|reply| Request::Begin { beginning, reply }).await
    }

    /// Forgets a batch and all behind it, and what is being proved for them: they are no more.
    ///
    /// # Errors
    /// [`HandInError::Stopped`].
    pub async fn withdraw(&self, batch: u64) -> Result<(), HandInError> {
        self.ask(|reply| Request::Withdraw { batch, reply }).await
    }

    /// Hands in entries of the outbox of batches before the first: those behind the outbox `from`, up to
    /// those that are there. See [`SettlerStatus::missing`].
    ///
    /// # Errors
    /// [`HandInError::Outbox`], [`HandInError::Stopped`].
    pub async fn earlier(&self, from: Fp, entries: Vec<OutboxEntry>) -> Result<(), HandInError> {
        self.ask(|reply| Request::Earlier { from, entries, reply }).await
    }

    /// Hands in a batch: in order, also after every restart. A batch that is there already is taken
    /// again; one of a later generation replaces it and all behind it.
    ///
    /// # Errors
    /// [`HandInError`].
    pub async fn certified(&self, batch: CertifiedBatch) -> Result<(), HandInError> {
        let batch = Box::new(batch);
        self.ask(|reply| Request::Certified { batch, reply }).await
    }

    /// Hands in the proof of a batch that was handed in. Those of settled batches are not needed.
    ///
    /// # Errors
    /// [`HandInError::Unknown`], [`HandInError::Stopped`].
    pub async fn proved(&self, proof: ProvedStatement) -> Result<(), HandInError> {
        let proof = Box::new(proof);
        self.ask(|reply| Request::Proved { proof, reply }).await
    }

    /// What a command does to the rollup account, if the contract takes it in the next block, as of the
    /// last look at the L1.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn check(&self, command: ZkappCommand) -> Result<ContractRule, Refusal> {
        let not_now = |reason: &str| Refusal::NotReady { reason: reason.into() };
        let others = |_| not_now("other commands are being checked");
        let _place = self.checks.try_acquire().map_err(others)?;
        let stopped = || not_now("the settler has ended");
        let (reply, answer) = oneshot::channel();
        let request = Request::Check { command: Box::new(command), reply };
        self.requests.send(request).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<(), HandInError>>) -> Request,
    ) -> Result<(), HandInError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| HandInError::Stopped)?;
        answer.await.unwrap_or(Err(HandInError::Stopped))
    }

    /// What it is doing, always as of its last look.
    pub fn status(&self) -> watch::Receiver<Arc<SettlerStatus>> {
        self.status.clone()
    }

    /// Why settlement does not go on; empty if it does.
    pub fn reasons(&self) -> Vec<String> {
        if let Some(reason) = self.fatal.get() {
            return vec![reason.clone()];
        }
        if self.stop.is_cancelled() || self.requests.is_closed() {
            return vec!["the settler is stopping".into()];
        }
        self.status.borrow().reasons.clone()
    }
}

/// A running settler.
#[derive(Debug)]
pub struct Settler {
    handle: SettlerHandle,
    task: JoinHandle<Result<(), SettlerError>>,
}

impl Settler {
    /// Opens the store and starts.
    ///
    /// # Errors
    /// [`SettlerError`].
    pub async fn start(
        config: SettlerConfig,
        client: L1Client,
        view: watch::Receiver<Arc<L1View>>,
        prover: ContractProver,
        parent: &CancellationToken,
    ) -> Result<Self, SettlerError> {
        check(&config)?;
        let key_hash = prover.verification_key().hash();
        let owner = format!(
            "{} {} {}",
            config.account.to_base58(),
            to_decimal(key_hash),
            config.payer.to_public_key().to_base58()
        );
        let path = config.data_dir.join("settlements");
        let opened = tokio::task::spawn_blocking(move || Store::open(&path, &owner)).await;
        let store = opened??;
        let stop = parent.child_token();
        let (requests, received) = mpsc::channel(REQUESTS);
        let first = SettlerStatus {
            reasons: vec!["the L1 has not been looked at yet".into()],
            ..SettlerStatus::default()
        };
        let (told, status) = watch::channel(Arc::new(first));
        let fatal = Arc::new(OnceLock::new());
        let run = Run::new(config, client, view, prover, store, told)?;
        let checks = Arc::new(Semaphore::new(CHECKS));
        let (stopped, reason) = (stop.clone(), fatal.clone());
        let handle = SettlerHandle { requests, checks, status, stop: stopped, fatal: reason };
        let task = tokio::spawn(async move {
            let ended = run.run(received, stop).await;
            if let Err(error) = &ended {
                tracing::error!(%error, "settlement has ended");
                // There is one reason only.
                let _ = fatal.set(error.to_string());
            }
            ended
        });
        Ok(Self { handle, task })
    }

    /// Where batches are handed in.
    pub fn handle(&self) -> &SettlerHandle {
        &self.handle
    }

    /// Asks it to end. A proof under way is lost.
    pub fn stop(&self) {
        self.handle.stop.cancel();
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`SettlerError`] if it ended by itself.
    pub async fn join(self) -> Result<(), SettlerError> {
        let ended = self.task.await;
        // Until then, it does not end for want of somebody who could hand in anything.
        drop(self.handle);
        ended?
    }
}

/// Settings that contradict each other would only be noticed by the first commit.
fn check(config: &SettlerConfig) -> Result<(), SettlerError> {
    let sequencer = Sequencer { key: config.sequencer.to_public_key() };
    let wrong = [
        (config.fees.first > config.fees.most, "the first fee is above the highest"),
        (config.fees.patience == 0, "a command must wait for at least one block"),
        (
            config.configuration.sequencer != sequencer.digest(),
            "the contract's configuration names another sequencer than the key's",
        ),
        (
            config.configuration.committee != config.committee.digest(),
            "the contract's configuration names another committee",
        ),
    ];
    match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, what)) => Err(SettlerError::Config { what }),
        None => Ok(()),
    }
}
