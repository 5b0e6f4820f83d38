//! From certified batches to the L1 and back: proofs, commits and payouts; deposits; and what the L1's
//! rollbacks undo on the L2.
//!
//! The sequencer, the DA layer, the worker and the bridge do not know each other. This is where they
//! meet: [`Settlement`] runs worker and bridge, connects the bridge to the sequencer, and notes in the
//! sequencer's store how far batches have come.

mod balance;
mod bridge;
mod error;
mod follow;
mod inbox;
mod outbox;
mod settings;
mod settled;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mina_ledger::{
    rollup::{BatchStatement, Committee, OutboxEntry},
    types::{PublicKey, Signature, SlotSpan},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use zeko_bridge::{
    Beginning, CertifiedBatch, ContractProver, Deposits, DepositsConfig, L1Client, L1Config,
    L1Watcher, Settler, SettlerConfig, SettlerHandle, WatcherConfig,
};
use zeko_circuits::program::{Rollup, Sizes};
use zeko_derive::Certificate;
use zeko_sequencer::{BatchRecord, GenesisConfig, SequencerHandle};
use zeko_worker::{
    Backend, BatchHandle, Embedded, EmbeddedConfig, Plan, SubmitError, UnsafeNoProofs, Worker,
    WorkerConfig, WorkerHandle,
};

pub use error::SettlementError;
pub use inbox::{InboxError, L1Settings, WatchedInbox};
pub use settings::{SettlementSettings, configuration, genesis_funds, genesis_root};

use self::{bridge::L1Bridge, follow::Follow, settled::Settled};
use crate::{
    local_da::DaLinks,
    pool::{PoolConfig, Relay, RequestPool},
    publisher::is_there,
};

/// How long before a batch's window closes nothing is sent for it any more.
pub const SETTLER_MARGIN: SlotSpan = SlotSpan::new(1);

/// Deposits that are prepared at a time.
const DEPOSITS: usize = 8;

/// How a rollup is settled.
#[derive(Clone, Debug)]
pub struct SettlementConfig {
    /// The L1.
    pub l1: L1Config,
    /// The DA layer, which deposits are relayed to.
    pub da: DaLinks,
    /// Who settles and pays, and how. Proofs and the worker's store are in its folder, too.
    pub settler: SettlerConfig,
    /// The height on the L1 below which nothing happened to the rollup account.
    pub first_block: u32,
    /// Blocks on top of a deposit's before it is consumed.
    pub depth: u32,
    /// Batches that may be closed and not settled, before the next one waits.
    pub ahead: u64,
    /// How much of the machine proving may have.
    pub proving: EmbeddedConfig,
}

/// The programs that a rollup is settled with, compiled.
#[derive(Clone, Debug)]
pub struct Programs {
    /// What proves batches; `None` with [`SettlementSettings::unsafe_no_proofs`].
    pub rollup: Option<Arc<Rollup>>,
    /// How much a proof of each of its rules has room for.
    pub sizes: Sizes,
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
        let sizes = settings.sizes();
        if settings.unsafe_no_proofs {
            if genesis.l1_network_id != "testnet" {
                return Err(SettlementError::NoProofs(genesis.l1_network_id.clone()));
            }
            tracing::warn!("unsafe_no_proofs: a contract that takes placeholders for proofs");
            let contract = ContractProver::unsafe_no_proofs(settings.parameters(genesis)?);
            return Ok(Self { rollup: None, sizes, contract });
        }
        let rollup = settings.rollup(genesis)?;
        let contract = settings.contract(genesis, &rollup)?;
        Ok(Self { rollup: Some(rollup.into()), sizes, contract })
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
    record: BatchRecord,
    proof: Option<BatchHandle>,
}

/// Where certified batches are handed in.
#[derive(Clone, Debug)]
pub(crate) struct SettlementHandle {
    sequencer: SequencerHandle,
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

    /// Says from where on batches will come: also after every restart and rollback.
    pub(crate) async fn begin(&self, beginning: Beginning) -> Result<(), SettlementError> {
        Ok(self.settler.begin(beginning).await?)
    }

    /// Takes a batch: in order, from where they begin.
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
            Some(plan) => self.submit(&record, plan).await?,
            None => None,
        };
        if let Some(proof) = &proof {
            // If nobody listens, everything is about to end.
            let _ = self.proofs.send((record.clone(), proof.clone()));
        }
        self.note(record.clone(), proof);
        // If its blocks went away meanwhile, nobody else would notice.
        match is_there(&self.sequencer, &record) {
            true => Ok(()),
            false => withdraw(&self.batches, &self.settler, record.number).await,
        }
    }
}

impl SettlementHandle {
    /// Notes a batch as under way. Those that it replaces are not to be proved any more.
    fn note(&self, record: BatchRecord, proof: Option<BatchHandle>) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let old = batches.get(&record.number).map(|one| one.record.generation);
        if old != Some(record.generation) {
            let replaced = batches.split_off(&record.number).into_values();
            replaced.filter_map(|batch| batch.proof).for_each(|proof| proof.cancel());
        }
        batches.insert(record.number, UnderWay { record, proof });
    }
}

/// Takes back a batch and all behind it: their proofs are not made any more.
async fn withdraw(
    batches: &Mutex<BTreeMap<u64, UnderWay>>,
    settler: &SettlerHandle,
    first: u64,
) -> Result<(), SettlementError> {
    let gone = batches.lock().unwrap_or_else(PoisonError::into_inner).split_off(&first);
    for proof in gone.into_values().filter_map(|batch| batch.proof) {
        proof.cancel();
    }
    tracing::warn!(batch = first, "withdrawn, with all behind it");
    Ok(settler.withdraw(first).await?)
}

/// How long to wait before a batch is offered again to a worker that has too many.
const FULL: Duration = Duration::from_secs(5);

impl SettlementHandle {
    /// Hands a batch to the worker, as soon as there is room: until then, no further batches come, which
    /// bounds what is kept of them. `None` if its blocks have been rolled back meanwhile.
    async fn submit(
        &self,
        record: &BatchRecord,
        plan: Plan,
    ) -> Result<Option<BatchHandle>, SettlementError> {
        while is_there(&self.sequencer, record) {
            match self.worker.submit(plan.clone()).await {
                Err(SubmitError::Full { .. }) => tokio::time::sleep(FULL).await,
                submitted => return Ok(Some(submitted?)),
            }
        }
        Ok(None)
    }
}

/// Settlement, running.
#[derive(Debug)]
pub struct Settlement {
    handle: SettlementHandle,
    watcher: L1Watcher,
    settler: Settler,
    worker: Worker,
    reasons: watch::Receiver<Vec<String>>,
    follow: JoinHandle<Result<(), SettlementError>>,
    cancel: CancellationToken,
    /// Relays for as long as this is there.
    _pool: RequestPool,
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
        let backend: Arc<dyn Backend> = match &programs.rollup {
            Some(rollup) => Arc::new(Embedded::new(Arc::clone(rollup), config.proving)?),
            None => {
                tracing::warn!(
                    "unsafe_no_proofs: batches and commits are NOT proved; never do this with real \
                     funds"
                );
                Arc::new(UnsafeNoProofs)
            }
        };
        Self::start_with(config, programs, backend, sequencer, parent).await
    }

    /// The same, with batches that another back end proves.
    ///
    /// # Errors
    /// [`SettlementError`].
    pub async fn start_with(
        config: SettlementConfig,
        programs: Programs,
        backend: Arc<dyn Backend>,
        sequencer: SequencerHandle,
        parent: &CancellationToken,
    ) -> Result<Self, SettlementError> {
        let cancel = parent.child_token();
        let stop_all = cancel.clone().drop_guard();
        let client = L1Client::new(config.l1.clone())?;
        let SettlerConfig { account, finality, retry, .. } = config.settler;
        Settled { sequencer: &sequencer, client: &client, account, finality }
            .compare(config.first_block)
            .await?;
        let (data_dir, committee) =
            (config.settler.data_dir.clone(), config.settler.committee.clone());
        let (relayed, requests) = RequestPool::channel(account);
        let watched = WatcherConfig {
            requests: Some(requests),
            poll: retry,
            blocks: finality.saturating_add(10).max(40),
            first_block: config.first_block,
            ..WatcherConfig::new(account)
        };
        let watcher = L1Watcher::start(client.clone(), watched, &cancel);
        let view = watcher.view();
        let Programs { sizes, contract, .. } = programs;
        let pool = PoolConfig {
            da: config.da.chain,
            urls: config.da.urls,
            chain: contract.parameters().chain,
            account,
            sequencer: config.settler.sequencer.to_public_key(),
        };
        let relay = Relay { key: config.settler.sequencer.clone(), view: view.clone() };
        let pool = RequestPool::start(pool, relayed, Some(relay), &cancel);
        let settler =
            Settler::start(config.settler, client.clone(), view.clone(), contract.clone(), &cancel)
                .await?;
        let worker = WorkerConfig::new(data_dir.join("prover"));
        let worker = Worker::start(worker, backend, &cancel).await?;
        let longest = contract.parameters().deposit_timeout;
        let deposits = DepositsConfig { account, at_once: DEPOSITS, longest };
        let deposits = Deposits::new(deposits, client, contract);
        let bridge = L1Bridge {
            view: view.clone(),
            depth: config.depth,
            deposits,
            settler: settler.handle().clone(),
            longest,
        };
        sequencer.connect(Arc::new(bridge));
        sequencer.limit_uncommitted(config.ahead.max(1));
        let (proofs, under_way) = mpsc::unbounded_channel();
        let handle = SettlementHandle {
            sequencer: sequencer.clone(),
            committee,
            sizes,
            worker: worker.handle().clone(),
            settler: settler.handle().clone(),
            batches: Arc::default(),
            proofs,
        };
        let first = settler.handle().reasons();
        let (told, reasons) = watch::channel(first);
        let follow = Follow {
            told,
            balance: None,
            sequencer,
            settler: settler.handle().clone(),
            worker: worker.handle().clone(),
            view: view.clone(),
            batches: Arc::clone(&handle.batches),
            looked_for: None,
        };
        let stop = cancel.clone();
        let follow = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                ended = follow.run(under_way) => ended,
            }
        });
        stop_all.disarm();
        Ok(Self { handle, watcher, settler, worker, reasons, follow, cancel, _pool: pool })
    }

    pub(crate) fn handle(&self) -> SettlementHandle {
        self.handle.clone()
    }

    /// Why it does not go on, and what the contract lacks; empty if all is well.
    pub fn reasons(&self) -> watch::Receiver<Vec<String>> {
        self.reasons.clone()
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
