//! The node: starts everything, and stops when anything ends.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use axum::Router;
use base64::{Engine, prelude::BASE64_STANDARD};
use jsonrpsee::http_client::HttpClientBuilder;
use malachite::{
    Channels, ConsensusContext, EngineBuilder, EngineHandle, NetworkContext, NetworkIdentity,
    RequestContext, Signer, SyncContext, WalContext,
    app::{
        config::{ConsensusConfig, NodeConfig, ValueSyncConfig},
        types::{Keypair, codec::Codec, core::LinearTimeouts},
    },
};
use mina_ledger::{
    logic::ProofVerifier,
    rollup::{ChainId, Committee, DataCommitment},
};
use tokio::{
    sync::Notify,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use zeko_derive::{Envelope, Wire};
use zeko_http::{HttpLimits, HttpServer};

use crate::{
    api::{DaApiClient, EntryStatus, Status},
    app::App,
    attest::{AttestJob, Attestor, Pending, certificate},
    codec::DaCodec,
    config::{DaConfig, Genesis, Storage},
    context::{Address, DaContext, Height},
    error::DaError,
    events::{DaEvent, Events},
    evidence::chain_bytes,
    executor::{Executor, InboxSource, Look, Rollup},
    http,
    keys::{ValidatorKeys, hex},
    mempool::{Entry, Mempool, SubmitError},
    metrics::Metrics,
    rpc,
    signing::{ChainSigner, ChainVerifier},
    store::Store,
};

/// What the parts of a node share.
pub(crate) struct Shared {
    pub(crate) moniker: String,
    pub(crate) genesis: Genesis,
    pub(crate) committee: Committee,
    pub(crate) chain: ChainId,
    pub(crate) chain_bytes: [u8; 32],
    pub(crate) keys: Option<ValidatorKeys>,
    pub(crate) peer_id: Vec<u8>,
    pub(crate) store: Store,
    mempool: Mutex<Mempool>,
    pub(crate) pending: Pending,
    pub(crate) events: Events,
    pub(crate) wake: Arc<Notify>,
    pub(crate) attestor: mpsc::Sender<AttestJob>,
    pub(crate) executor: mpsc::Sender<Look>,
    pub(crate) repair: tokio::sync::mpsc::UnboundedSender<(Height, u32)>,
    pub(crate) metrics: Metrics,
    pub(crate) timeouts: LinearTimeouts,
    pub(crate) announce_ms: u64,
    pub(crate) storage: Storage,
    pub(crate) connections: u32,
    peers: Vec<String>,
    /// Whether consensus has started a round.
    pub(crate) started: AtomicBool,
}

impl Shared {
    pub(crate) fn mempool(&self) -> MutexGuard<'_, Mempool> {
        self.mempool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the node is not ready, if it is not.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        if !self.started.load(Ordering::Relaxed) {
            return Err("consensus has not started".into());
        }
        match self.store.bytes() {
            bytes if bytes > self.storage.max_bytes => {
                Err(format!("{bytes} bytes of blocks are more than {}", self.storage.max_bytes))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn status(&self) -> Result<Status, DaError> {
        let (pending_entries, validator) = (self.mempool().len(), self.is_validator());
        Ok(Status {
            chain: self.genesis.chain.clone(),
            moniker: self.moniker.clone(),
            height: self.store.tip()?.0,
            base: self.store.base()?.0,
            pending_entries,
            pending_attestations: self.pending.len(),
            validator,
            not_ready: self.readiness().err(),
        })
    }

    fn is_validator(&self) -> bool {
        let key = self.keys.as_ref().map(ValidatorKeys::public);
        self.genesis.validators.iter().any(|validator| Some(validator.key) == key)
    }

    pub(crate) fn entry_status(&self, commitment: &DataCommitment) -> Result<EntryStatus, DaError> {
        let places = self.store.places(commitment)?;
        let Some((height, index)) = places.first().map(|(height, index)| (height.0, *index)) else {
            let waits = self.mempool().contains(commitment);
            return Ok(if waits { EntryStatus::Pending } else { EntryStatus::Unknown });
        };
        let epoch = self.genesis.committee_epoch;
        if certificate(&self.store, &self.committee, epoch, commitment)?.is_some() {
            return Ok(EntryStatus::Certified { height, index });
        }
        let mut refused = None;
        for place in places {
            let (height, index) = (place.0.0, place.1);
            match self.store.refusal(commitment, place)? {
                Some(reason) => refused = Some(EntryStatus::Refused { height, index, reason }),
                None => {
                    let waits_for = self.store.waiting(commitment)?;
                    return Ok(EntryStatus::Decided { height, index, waits_for });
                }
            }
        }
        // The same data of another sender may be on the way.
        let waits = self.mempool().contains(commitment);
        Ok(refused.filter(|_| !waits).unwrap_or(EntryStatus::Pending))
    }

    /// Takes an entry in; on return it is on disk. The commitment to its data.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub(crate) async fn submit(
        self: Arc<Self>,
        envelope: Envelope,
        limited: bool,
    ) -> Result<DataCommitment, SubmitError> {
        let shared = self.clone();
        let work = move || {
            let entry = Entry::verify(envelope, shared.chain)?;
            let commitment = entry.commitment;
            if shared.store.contains(&entry.key)? {
                return Ok((commitment, false));
            }
            if shared.store.bytes() > shared.storage.max_bytes {
                return Err(SubmitError::Full("the storage is full"));
            }
            if !shared.mempool().admit(&entry, limited)? {
                return Ok((commitment, false));
            }
            let path = shared.mempool().path(&entry.key);
            // Many write at once: the pool is not locked meanwhile.
            Mempool::persist(&path, &entry.envelope)?;
            Ok((commitment, shared.mempool().add(entry, &shared.store)?))
        };
        let failed = |cause: tokio::task::JoinError| {
            SubmitError::Node(DaError::Task { task: "submission", reason: cause.to_string() })
        };
        let (commitment, new) = tokio::task::spawn_blocking(work).await.map_err(failed)??;
        if new {
            self.metrics.submitted.inc();
            let next = Height(self.store.tip()?.0 + 1);
            self.forward_pending(next);
        }
        Ok(commitment)
    }

    /// Hands entries that wait to the validator whose turn is at `height`, so that the next block is
    /// not an empty one, and then wakes the chain.
    pub(crate) fn forward_pending(self: &Arc<Self>, height: Height) {
        if self.mempool().is_empty() {
            return;
        }
        let validators = self.genesis.validator_set();
        let round = malachite::app::types::core::Round::new(0);
        let turn = validators.proposer(height, round);
        let address: Address = *malachite::app::types::core::Validator::address(turn);
        let own = self.keys.as_ref().is_some_and(|k| k.consensus().to_bytes() == address.0);
        let url = self.genesis.by_address(&address).and_then(|validator| validator.rpc.clone());
        let client =
            url.filter(|_| !own).and_then(|url| HttpClientBuilder::default().build(url).ok());
        let Some(client) = client else {
            self.wake.notify_one();
            return;
        };
        let entries = self.mempool().take_unsent();
        if entries.is_empty() {
            // Another task sends them, and wakes the chain.
            return;
        }
        let shared = self.clone();
        tokio::spawn(async move {
            for entry in entries {
                let text = BASE64_STANDARD.encode(entry.envelope.to_bytes());
                if client.forward(text).await.is_err() {
                    shared.mempool().not_forwarded(&entry.key);
                }
            }
            shared.wake.notify_one();
        });
    }

    /// Fetches a chunk from a peer; whether one had it.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) async fn mend(&self, height: Height, chunk: u32) -> Result<bool, DaError> {
        for url in &self.peers {
            let Ok(client) = HttpClientBuilder::default().build(url) else { continue };
            let Ok(text) = client.block_chunk(height.0, chunk).await else { continue };
            let Ok(bytes) = BASE64_STANDARD.decode(text) else { continue };
            let store = self.store.clone();
            let mend = move || store.mend(height, chunk, &bytes);
            let mended = tokio::task::spawn_blocking(mend)
                .await
                .map_err(|error| DaError::Task { task: "storage", reason: error.to_string() })??;
            if mended {
                tracing::warn!(%height, chunk, peer = %url, "chunk mended");
                self.metrics.mended.inc();
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a node needs besides its configuration.
#[derive(Default)]
pub struct DaParts {
    /// The validator's keys; a node without any follows the chain.
    pub keys: Option<ValidatorKeys>,
    /// How the L1's inbox of each rollup is known, by the rollup's chain id; by a file if it is not
    /// given here.
    pub inboxes: Vec<(String, Box<dyn InboxSource>)>,
    /// How proofs of zkApps are verified; without it, batches with proofs are refused.
    pub proofs: Option<Box<dyn ProofVerifier + Send>>,
    /// How the validator misbehaves.
    #[cfg(feature = "byzantine")]
    pub byzantine: malachite_byzantine::ByzantineConfig,
}

impl std::fmt::Debug for DaParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DaParts").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// A running node of the DA chain.
#[derive(Debug)]
pub struct DaNode {
    cancel: CancellationToken,
    tasks: JoinSet<Result<(), DaError>>,
    consensus: JoinHandle<Result<(), DaError>>,
}

struct EngineConfig {
    moniker: String,
    consensus: ConsensusConfig,
    sync: ValueSyncConfig,
}

impl NodeConfig for EngineConfig {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

fn engine_config(config: &DaConfig) -> Result<EngineConfig, DaError> {
    let address = |what, text: &String| text.parse().map_err(|error| DaError::config(what, error));
    let mut consensus = ConsensusConfig::default();
    consensus.p2p.listen_addr = address("p2p_listen", &config.p2p_listen)?;
    consensus.p2p.persistent_peers =
        config.p2p_peers.iter().map(|peer| address("p2p_peers", peer)).collect::<Result<_, _>>()?;
    // Validators of a small committee often share an address, on one machine or behind one gateway.
    consensus.p2p.discovery.max_connections_per_ip = 64;
    consensus.p2p.discovery.ip_throttle_duration = std::time::Duration::ZERO;
    let sync = ValueSyncConfig {
        status_update_interval: std::time::Duration::from_secs(1),
        // An answer holds at least one block.
        max_response_size: bytesize::ByteSize::mib(10),
        ..ValueSyncConfig::default()
    };
    Ok(EngineConfig { moniker: config.moniker.clone(), consensus, sync })
}

async fn start_engine(
    config: &DaConfig,
    parts: &DaParts,
    keypair: Keypair,
    chain: [u8; 32],
) -> Result<(Channels<DaContext>, EngineHandle), DaError> {
    let failed = |error: &dyn std::fmt::Display| DaError::Consensus(error.to_string());
    let wal = config.data_dir.join("wal").join("consensus.wal");
    let verifier = Box::new(ChainVerifier { chain });
    let (identity, consensus) = match &parts.keys {
        Some(keys) => {
            let signer = ChainSigner { chain, keys: keys.clone() };
            let public = keys.consensus().to_bytes();
            let address = Address(public);
            let peer = keypair.public().to_peer_id().to_bytes();
            let proof = signer.sign_validator_proof(public.to_vec(), peer).await;
            let proof = proof.map_err(|error| failed(&error))?;
            let proof = DaCodec.encode(&proof).map_err(|error| failed(&error))?;
            let moniker = config.moniker.clone();
            let identity =
                NetworkIdentity::new_validator(moniker, keypair, address.to_string(), proof);
            let signer = Box::new(signer);
            (identity, ConsensusContext::new_validator(address, verifier, signer))
        }
        None => {
            let identity = NetworkIdentity::new(config.moniker.clone(), keypair, None);
            (identity, ConsensusContext::new_full_node(Address([0; 32]), verifier))
        }
    };
    let builder = EngineBuilder::new(DaContext, engine_config(config)?)
        .with_default_wal(WalContext::new(wal, DaCodec))
        .with_default_sync(SyncContext::new(DaCodec))
        .with_default_consensus(consensus)
        .with_default_request(RequestContext::new(100));
    #[cfg(feature = "byzantine")]
    if let (true, Some(keys)) = (parts.byzantine.is_active(), &parts.keys) {
        let byzantine = malachite::ByzantineContext {
            identity,
            codec: DaCodec,
            config: parts.byzantine.clone(),
            signer: Box::new(ChainSigner { chain, keys: keys.clone() }),
            address: Address(keys.consensus().to_bytes()),
            conflicting_value_fn: None,
            conflicting_vote_value_fn: None,
        };
        let builder = builder.with_byzantine_network(byzantine).await;
        let builder = builder.map_err(|error| failed(&error))?;
        return builder.build().await.map_err(|error| failed(&error));
    }
    let builder = builder.with_default_network(NetworkContext::new(identity, DaCodec));
    builder.build().await.map_err(|error| failed(&error))
}

/// A key for the network only, kept so that peers know the node again.
fn follower_keypair(dir: &std::path::Path) -> Result<Keypair, DaError> {
    let path = dir.join("network.key");
    if let Ok(bytes) = std::fs::read(&path) {
        return Keypair::from_protobuf_encoding(&bytes)
            .map_err(|error| DaError::damaged("network.key", error));
    }
    let keypair = Keypair::generate_ed25519();
    let bytes =
        keypair.to_protobuf_encoding().map_err(|error| DaError::damaged("network.key", error))?;
    crate::store::write_synced(&path, &bytes)?;
    Ok(keypair)
}

impl DaNode {
    /// Starts a node. It runs until [`Self::stop`], or until one of its tasks ends.
    ///
    /// # Errors
    /// [`DaError`].
    pub async fn start(config: DaConfig, mut parts: DaParts) -> Result<Self, DaError> {
        let dir: &PathBuf = &config.data_dir;
        std::fs::create_dir_all(dir).map_err(DaError::io(dir))?;
        let chain = config.genesis.chain_id()?;
        let committee = config.genesis.committee()?;
        let store = Store::open(dir)?;
        let keypair = match &parts.keys {
            Some(keys) => keys.network().ok_or_else(|| DaError::config("key", "no network key"))?,
            None => follower_keypair(dir)?,
        };
        let mut rollups = Vec::new();
        for rollup in &config.rollups {
            let given = parts.inboxes.iter().position(|(chain, _)| *chain == rollup.chain);
            let inbox = given.map(|index| parts.inboxes.swap_remove(index).1);
            rollups.push(Rollup::new(rollup, inbox)?);
        }
        let quota = config.genesis.sender_quota;
        let mempool = Mempool::open(dir, quota, config.limits.clone(), &store)?;
        let (attestor, attest_jobs) = mpsc::channel();
        let (executor, looks) = mpsc::channel();
        let (repair, mut repairs) = tokio::sync::mpsc::unbounded_channel();
        let own_rpc = format!("http://{}", config.rpc_listen);
        let genesis_peers = config.genesis.validators.iter().filter_map(|v| v.rpc.clone());
        let peers = config.rpc_peers.iter().cloned().chain(genesis_peers);
        let shared = Arc::new(Shared {
            moniker: config.moniker.clone(),
            committee: committee.clone(),
            chain,
            chain_bytes: chain_bytes(chain),
            keys: parts.keys.clone(),
            peer_id: keypair.public().to_peer_id().to_bytes(),
            store: store.clone(),
            mempool: Mutex::new(mempool),
            pending: Pending::default(),
            events: Events::default(),
            wake: Arc::new(Notify::new()),
            attestor: attestor.clone(),
            executor,
            repair: repair.clone(),
            metrics: Metrics::new(&config.moniker),
            timeouts: config.timeouts.consensus(),
            announce_ms: config.timeouts.announce_ms.max(10),
            storage: config.storage,
            connections: config.limits.connections,
            peers: peers.filter(|peer| *peer != own_rpc).collect(),
            started: AtomicBool::new(false),
            genesis: config.genesis.clone(),
        });
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let wake = shared.wake.clone();
        let work = Attestor {
            store: store.clone(),
            chain,
            epoch: shared.genesis.committee_epoch,
            committee,
            keys: parts.keys.clone(),
            pending: shared.pending.clone(),
            events: shared.events.clone(),
            metrics: shared.metrics.clone(),
            wake: Arc::new(move || wake.notify_one()),
        };
        thread(&mut tasks, "attestor", move || work.run(&attest_jobs))?;
        let no_proofs = || Box::new(mina_ledger::logic::NoProofs) as Box<dyn ProofVerifier + Send>;
        let work = Executor {
            store,
            rollups,
            proofs: parts.proofs.take().unwrap_or_else(no_proofs),
            attestor,
            repair,
            events: shared.events.clone(),
        };
        thread(&mut tasks, "executor", move || work.run(&looks))?;
        let mender = shared.clone();
        tasks.spawn(async move {
            while let Some((height, chunk)) = repairs.recv().await {
                if mender.mend(height, chunk).await? {
                    let _ = mender.executor.send(Look);
                }
            }
            Err(DaError::Task { task: "repair", reason: "its channel closed".into() })
        });
        tasks.spawn(count_events(shared.clone()));

        // Whatever fails from here on stops what has started.
        let stop_all = cancel.clone().drop_guard();
        let (rpc_router, sockets) = rpc::router(shared.clone());
        let http_router = http::router(shared.clone());
        serve(&mut tasks, "rpc", config.rpc_listen, rpc_router, &cancel).await?;
        serve(&mut tasks, "http", config.http_listen, http_router, &cancel).await?;
        let (channels, engine) = start_engine(&config, &parts, keypair, shared.chain_bytes).await?;
        let token = cancel.clone();
        tasks.spawn(async move {
            token.cancelled().await;
            // An error means that they have ended already.
            let _ = sockets.stop();
            Ok(())
        });
        let app = App::new(shared.clone())?;
        let consensus = tokio::spawn(run_consensus(app, channels, engine, cancel.clone(), shared));
        stop_all.disarm();
        Ok(Self { cancel, tasks, consensus })
    }

    /// Asks the node to stop.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// What asks the node to stop when it is cancelled.
    pub fn stopper(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Waits until the node has stopped.
    ///
    /// # Errors
    /// Why it stopped, if nobody asked it to.
    pub async fn join(mut self) -> Result<(), DaError> {
        let (first, running) = tokio::select! {
            Some(first) = self.tasks.join_next() => (first, true),
            first = &mut self.consensus => (first, false),
        };
        let asked = self.cancel.is_cancelled();
        self.cancel.cancel();
        let failed = |error: tokio::task::JoinError| DaError::Task {
            task: "a task",
            reason: error.to_string(),
        };
        // The rest ends with the process; this makes everything durable.
        let last = if running { self.consensus.await.map_err(failed)? } else { Ok(()) };
        match first.map_err(failed)? {
            Ok(()) if asked => last,
            Ok(()) => Err(DaError::Task { task: "a task", reason: "it returned".into() }),
            Err(error) => Err(error),
        }
    }
}

/// Runs the application; on the way out, stops the engine and makes everything durable.
async fn run_consensus(
    app: App,
    channels: Channels<DaContext>,
    engine: EngineHandle,
    cancel: CancellationToken,
    shared: Arc<Shared>,
) -> Result<(), DaError> {
    let EngineHandle { actor, handle } = engine;
    let result = tokio::select! {
        result = app.run(channels, cancel) => result,
        ended = handle => {
            let reason = ended.err().map_or_else(|| "it returned".into(), |e| e.to_string());
            Err(DaError::Task { task: "engine", reason })
        }
    };
    actor.stop(None);
    shared.store.flush()?;
    result
}

/// Listens, and serves until the node stops.
async fn serve(
    tasks: &mut JoinSet<Result<(), DaError>>,
    task: &'static str,
    address: SocketAddr,
    router: Router,
    cancel: &CancellationToken,
) -> Result<(), DaError> {
    let failed =
        move |error: std::io::Error| DaError::Task { task, reason: format!("{address}: {error}") };
    let server = HttpServer::start(address, router, HttpLimits::default(), cancel).await;
    let server = server.map_err(failed)?;
    tasks.spawn(async move { server.join().await.map_err(failed) });
    Ok(())
}

async fn count_events(shared: Arc<Shared>) -> Result<(), DaError> {
    let mut events = shared.events.subscribe();
    loop {
        match events.recv().await {
            Ok(DaEvent::Certified { commitment }) => {
                shared.metrics.certified.inc();
                tracing::debug!(commitment = hex(&commitment.to_bytes()), "certified");
            }
            Ok(DaEvent::Refused { .. }) => drop(shared.metrics.refused.inc()),
            Ok(DaEvent::Decided { height }) => tracing::debug!(%height, "decided"),
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(error) => {
                return Err(DaError::Task { task: "events", reason: error.to_string() });
            }
        }
    }
}

/// Runs blocking work on a thread of its own; its end is that of a task.
fn thread(
    tasks: &mut JoinSet<Result<(), DaError>>,
    name: &'static str,
    work: impl FnOnce() -> Result<(), DaError> + Send + 'static,
) -> Result<(), DaError> {
    let (done, ended) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            // If nobody waits, the node is gone already.
            let _ = done.send(work());
        })
        .map_err(|error| DaError::Task { task: name, reason: error.to_string() })?;
    tasks.spawn(async move {
        match ended.await {
            Ok(result) => result,
            Err(_) => Err(DaError::Task { task: name, reason: "it panicked".into() }),
        }
    });
    Ok(())
}
