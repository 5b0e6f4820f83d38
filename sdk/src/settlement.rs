//! From certified batches to the L1 and back: proofs, commits and payouts; deposits; and what the L1's
//! rollbacks undo on the L2.
//!
//! The sequencer, the DA layer, the worker and the bridge do not know each other. This is where they
//! meet: [`Settlement`] runs worker and bridge, connects the bridge to the sequencer, and notes in the
//! sequencer's store how far batches have come.

mod bridge;
mod follow;
mod inbox;
mod settings;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mina_ledger::{
    rollup::{BatchStatement, Committee, Configuration, OutboxEntry},
    types::{PrivateKey, PublicKey, Signature, SlotSpan, TypeError},
};
use pickles::CompileError;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use zeko_bridge::{
    CertifiedBatch, ContractProver, Deposits, DepositsConfig, Fees, HandInError, L1Client,
    L1Config, L1Error, L1View, L1Watcher, ProverError, Settler, SettlerConfig, SettlerError,
    SettlerHandle, WatcherConfig, WatcherError,
};
use zeko_circuits::{
    accounts::AccountSetError,
    program::{Rollup, Sizes},
};
use zeko_derive::Certificate;
use zeko_sequencer::{BatchRecord, GenesisConfig, SequencerError, SequencerHandle, StoreError};
use zeko_worker::{
    BatchError, BatchHandle, Embedded, EmbeddedConfig, EmbeddedError, Plan, SubmitError, Worker,
    WorkerConfig, WorkerError, WorkerHandle,
};

pub use inbox::{L1Settings, WatchedInbox};
pub use settings::{SettlementSettings, configuration, genesis_funds, genesis_root};

use self::{bridge::L1Bridge, follow::Follow};

/// Deposits that are prepared at a time.
const DEPOSITS: usize = 8;

/// How a rollup is settled.
#[derive(Clone, Debug)]
pub struct SettlementConfig {
    /// The L1.
    pub l1: L1Config,
    /// The rollup account there.
    pub account: PublicKey,
    /// The sequencer's key.
    pub sequencer: PrivateKey,
    /// The key of an account on the L1 that pays for commits and payouts.
    pub payer: PrivateKey,
    /// The DA committee.
    pub committee: Committee,
    /// What field 4 of the contract is the hash of.
    pub configuration: Configuration,
    /// What commands on the L1 cost.
    pub fees: Fees,
    /// Blocks on top of a deposit's before it is consumed.
    pub depth: u32,
    /// Blocks on top of a settlement that make it final.
    pub finality: u32,
    /// How often to look at the L1.
    pub poll: Duration,
    /// Batches that may be closed and not settled, before the next one waits.
    pub ahead: u64,
    /// Where proofs and commands are kept.
    pub data_dir: PathBuf,
    /// How much of the machine proving may have.
    pub proving: EmbeddedConfig,
}

/// Why settlement did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettlementError {
    /// A name that is none.
    #[error("configuration: {0}")]
    Config(#[from] TypeError),
    /// The DA layer certifies something else than a batch.
    #[error("batch {batch}: a certificate of something else")]
    Certificate {
        /// The batch.
        batch: u64,
    },
    /// The genesis of the sequencer.
    #[error(transparent)]
    Genesis(#[from] SequencerError),
    /// Its accounts.
    #[error(transparent)]
    Accounts(#[from] AccountSetError),
    /// The ledger of genesis.
    #[error(transparent)]
    Ledger(#[from] mina_ledger::ledger::LedgerError),
    /// Compiling the rollup program.
    #[error("rollup program: {0}")]
    Compile(#[from] CompileError),
    /// The contract.
    #[error("contract: {0}")]
    Contract(#[from] ProverError),
    /// The L1.
    #[error("L1: {0}")]
    L1(#[from] L1Error),
    /// Watching the L1.
    #[error(transparent)]
    Watcher(#[from] WatcherError),
    /// Proving here.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The worker does not take a batch.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A batch cannot be proved.
    #[error("batch {batch}: {error}")]
    Proof {
        /// The batch.
        batch: u64,
        /// Why.
        error: BatchError,
    },
    /// The settler.
    #[error(transparent)]
    Settler(#[from] SettlerError),
    /// The settler does not take a batch.
    #[error(transparent)]
    HandIn(#[from] HandInError),
    /// The sequencer's store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sequencer does not undo blocks that the L1 has undone, or can no longer commit.
    #[error("rolling back to {height}: {reason}")]
    RollBack {
        /// Blocks to keep.
        height: u32,
        /// Why not.
        reason: String,
    },
    /// There is a bridge already.
    #[error("the sequencer is connected to another bridge")]
    Connected,
    /// One of its services ended.
    #[error("the {service} has ended")]
    Ended {
        /// Which.
        service: &'static str,
    },
    /// A task died.
    #[error("a task died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// The programs that a rollup is settled with, compiled.
#[derive(Clone, Debug)]
pub struct Programs {
    /// What proves batches.
    pub rollup: Arc<Rollup>,
    /// What proves the contract's updates.
    pub contract: ContractProver,
}

impl Programs {
    /// Compiles them: minutes, or seconds with keys that were kept.
    ///
    /// # Errors
    /// [`SettlementError`].
    pub fn compile(
        genesis: &GenesisConfig,
        settings: &SettlementSettings,
    ) -> Result<Self, SettlementError> {
        let rollup = settings.rollup(genesis)?;
        let contract = settings.contract(genesis, &rollup)?;
        Ok(Self { rollup: rollup.into(), contract })
    }
}

/// A batch with its certificate.
#[derive(Debug)]
pub(crate) struct Certified {
    /// As the sequencer knows it.
    pub(crate) record: BatchRecord,
    /// The committee's word.
    pub(crate) certificate: Certificate,
    /// What its proof shows, or will show.
    pub(crate) statement: BatchStatement,
    /// What it appends to the outbox.
    pub(crate) outbox: Vec<OutboxEntry>,
    /// What its proof is made from; `None` if nothing can undo it any more.
    pub(crate) plan: Option<Plan>,
}

/// A batch under way.
#[derive(Debug)]
struct UnderWay {
    generation: u32,
    proof: Option<BatchHandle>,
}

/// Where certified batches are handed in.
#[derive(Clone, Debug)]
pub(crate) struct SettlementHandle {
    committee: Committee,
    sizes: Sizes,
    worker: WorkerHandle,
    settler: SettlerHandle,
    batches: Arc<Mutex<BTreeMap<u64, UnderWay>>>,
    /// Batches of which there may be a proof by now.
    proofs: mpsc::UnboundedSender<(BatchRecord, BatchHandle)>,
}

impl SettlementHandle {
    /// How much a proof of each rule has room for.
    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Takes a batch: in order, from the first on, also after every restart and rollback.
    pub(crate) async fn take(&self, certified: Certified) -> Result<(), SettlementError> {
        let Certified { record, certificate, statement, outbox, plan } = certified;
        let zeko_derive::CertificateStatement::Batch(attestation) = certificate.statement else {
            return Err(SettlementError::Certificate { batch: record.number });
        };
        let signature = |key: PublicKey| -> Option<Signature> {
            let found = certificate.signatures.iter().find(|(signer, _)| *signer == key);
            found.map(|(_, signature)| *signature)
        };
        let signatures =
            self.committee.members().iter().map(|member| signature(member.key)).collect();
        self.settler
            .certified(CertifiedBatch { attestation, signatures, statement, outbox })
            .await?;
        let proof = match plan {
            Some(plan) => Some(self.submit(plan).await?),
            None => None,
        };
        if let Some(proof) = &proof {
            // If nobody listens, everything is about to end.
            let _ = self.proofs.send((record.clone(), proof.clone()));
        }
        let generation = record.generation;
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = batches.get(&record.number).is_some_and(|one| one.generation == generation);
        if !is_same {
            // Those that it replaces are not to be proved any more.
            for replaced in batches.split_off(&record.number).into_values() {
                if let Some(proof) = replaced.proof {
                    proof.cancel();
                }
            }
        }
        batches.insert(record.number, UnderWay { generation, proof });
        Ok(())
    }
}

/// How long to wait before a batch is offered again to a worker that has too many.
const FULL: Duration = Duration::from_secs(5);

impl SettlementHandle {
    /// Hands a batch to the worker, as soon as there is room.
    async fn submit(&self, plan: Plan) -> Result<BatchHandle, SettlementError> {
        loop {
            match self.worker.submit(plan.clone()).await {
                Err(SubmitError::Full { .. }) => tokio::time::sleep(FULL).await,
                submitted => return Ok(submitted?),
            }
        }
    }
}

/// Settlement, running.
#[derive(Debug)]
pub struct Settlement {
    handle: SettlementHandle,
    view: watch::Receiver<Arc<L1View>>,
    watcher: L1Watcher,
    settler: Settler,
    worker: Worker,
    follow: JoinHandle<Result<(), SettlementError>>,
    cancel: CancellationToken,
}

impl Settlement {
    /// Starts to settle the chain of a sequencer, and connects the sequencer to the bridge.
    ///
    /// # Errors
    /// [`SettlementError`].
    pub async fn start(
        config: SettlementConfig,
        programs: Programs,
        sequencer: SequencerHandle,
        parent: &CancellationToken,
    ) -> Result<Self, SettlementError> {
        let cancel = parent.child_token();
        let stop_all = cancel.clone().drop_guard();
        let client = L1Client::new(config.l1.clone())?;
        let watched = WatcherConfig {
            poll: config.poll,
            blocks: config.finality.saturating_add(10).max(40),
            ..WatcherConfig::new(config.account)
        };
        let watcher = L1Watcher::start(client.clone(), watched, &cancel);
        let view = watcher.view();
        let settler = SettlerConfig {
            data_dir: config.data_dir.clone(),
            account: config.account,
            sequencer: config.sequencer.clone(),
            payer: config.payer.clone(),
            committee: config.committee.clone(),
            configuration: config.configuration,
            fees: config.fees,
            finality: config.finality,
            margin: SlotSpan::new(1),
            retry: config.poll,
        };
        let Programs { rollup, contract } = programs;
        let sizes = rollup.sizes();
        let settler =
            Settler::start(settler, client.clone(), view.clone(), contract.clone(), &cancel)
                .await?;
        let worker = worker(&config.data_dir, rollup, config.proving, &cancel).await?;
        let longest = contract.parameters().deposit_timeout;
        let deposits = DepositsConfig { account: config.account, at_once: DEPOSITS, longest };
        let deposits = Deposits::new(deposits, client, contract);
        let bridge = L1Bridge { view: view.clone(), depth: config.depth, deposits, longest };
        if !sequencer.connect(Arc::new(bridge)) {
            return Err(SettlementError::Connected);
        }
        sequencer.limit_uncommitted(config.ahead.max(1));
        let (proofs, under_way) = mpsc::unbounded_channel();
        let handle = SettlementHandle {
            committee: config.committee,
            sizes,
            worker: worker.handle().clone(),
            settler: settler.handle().clone(),
            batches: Arc::default(),
            proofs,
        };
        let follow = Follow {
            sequencer,
            settler: settler.handle().clone(),
            worker: worker.handle().clone(),
            view: view.clone(),
            batches: Arc::clone(&handle.batches),
        };
        let stop = cancel.clone();
        let follow = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                ended = follow.run(under_way) => ended,
            }
        });
        stop_all.disarm();
        Ok(Self { handle, view, watcher, settler, worker, follow, cancel })
    }

    pub(crate) fn handle(&self) -> SettlementHandle {
        self.handle.clone()
    }

    /// The L1, as it was seen last.
    pub fn view(&self) -> watch::Receiver<Arc<L1View>> {
        self.view.clone()
    }

    /// Where batches stand on the L1.
    pub fn settler(&self) -> &SettlerHandle {
        &self.handle.settler
    }

    /// Asks it to end.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// Waits until it has ended: the first of its services that does ends the others.
    ///
    /// # Errors
    /// [`SettlementError`] if it ended by itself.
    pub async fn join(self) -> Result<(), SettlementError> {
        let Self { handle, watcher, settler, worker, follow, cancel, .. } = self;
        drop(handle);
        let ended = |service, ended: Result<(), SettlementError>| {
            let asked = cancel.is_cancelled();
            cancel.cancel();
            match ended {
                Ok(()) if !asked => Err(SettlementError::Ended { service }),
                ended => ended,
            }
        };
        let (watcher, settler, worker, follow) = tokio::join!(
            async { ended("L1 watcher", watcher.join().await.map_err(SettlementError::from)) },
            async { ended("settler", settler.join().await.map_err(SettlementError::from)) },
            async { ended("worker", worker.join().await.map_err(SettlementError::from)) },
            async { ended("settlement", follow.await.unwrap_or_else(|error| Err(error.into()))) },
        );
        follow.and(settler).and(worker).and(watcher)
    }
}

async fn worker(
    data_dir: &Path,
    rollup: Arc<Rollup>,
    proving: EmbeddedConfig,
    cancel: &CancellationToken,
) -> Result<Worker, SettlementError> {
    let backend = Arc::new(Embedded::new(rollup, proving)?);
    Ok(Worker::start(WorkerConfig::new(data_dir.join("prover")), backend, cancel).await?)
}
