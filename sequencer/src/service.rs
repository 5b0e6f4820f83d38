//! The sequencer as a service.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Instant,
};

use jsonrpsee::server::ServerHandle;
use mina_ledger::{
    Domain,
    ledger::{FullLedger, Ledger, Mask},
    rollup::{BRIDGE_SUPPLY, BridgeParameters, BridgeRule, ChainId, bridge_account},
    types::{Account, AccountId, Amount, Era, Length, NetworkId, PrivateKey, Slot, ZkappAccount},
};
use tokio::{sync::broadcast, task::JoinSet};
use tokio_util::sync::CancellationToken;
use zeko_http::{BodyLimits, HttpLimits, HttpServer, with_whole_bodies};

use crate::{
    admission::Admission,
    builder::Builder,
    config::{GenesisConfig, SequencerConfig},
    engine::{Engine, EngineError},
    graphql::{Api, Block, GraphqlError, MinaNode, NodeInfo, graphql_router},
    handle::SequencerHandle,
    health,
    log::{Log, LogError, Opened},
    pool::Pool,
    replay::{genesis_tip, load_ledger, replay},
    rpc,
    shared::{Shared, now_ms},
    store::{Store, StoreError, view_on},
    view::View,
};

/// Blocks that a reader of events may lag behind.
const EVENTS: usize = 1024;

/// Blocks of a batch that the DA layer takes, but for the one that closes it.
const MOST_BLOCKS: u32 = 65_535;

/// Why a sequencer did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequencerError {
    /// Another one runs on the same directory.
    #[error("{path} is in use by another sequencer")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory belongs to another chain.
    #[error("{path} holds another chain: its genesis is {got}, the configuration says {expected}")]
    OtherChain {
        /// The directory.
        path: PathBuf,
        /// According to the configuration.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A setting cannot be.
    #[error("configuration: {what}: {reason}")]
    Config {
        /// Which.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Execution.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The schema.
    #[error(transparent)]
    Graphql(#[from] GraphqlError),
    /// A published batch is not what this chain comes to.
    #[error("batch {batch}, as published: {reason}")]
    Rebuild {
        /// The batch.
        batch: u64,
        /// What is wrong.
        reason: String,
    },
    /// The chain is being built from published batches.
    #[error("{path}: the chain has not been rebuilt to its end")]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// It had to end.
    #[error("{reason}")]
    Fatal {
        /// Why.
        reason: String,
    },
}

fn io_error(what: &'static str) -> impl FnOnce(io::Error) -> SequencerError {
    move |source| SequencerError::Io { what, source }
}

fn config_error<E: ToString>(what: &'static str) -> impl FnOnce(E) -> SequencerError {
    move |error| SequencerError::Config { what, reason: error.to_string() }
}

/// Where a sequencer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// GraphQL, at `/graphql`.
    pub graphql: SocketAddr,
    /// JSON-RPC.
    pub rpc: SocketAddr,
    /// Health and metrics.
    pub health: SocketAddr,
    /// The admin endpoint.
    pub admin: Option<SocketAddr>,
}

/// A running sequencer.
#[derive(Debug)]
pub struct Sequencer {
    handle: SequencerHandle,
    addresses: Addresses,
    servers: JoinSet<io::Result<()>>,
    /// Ends the WebSockets of JSON-RPC.
    rpc: ServerHandle,
    threads: Vec<JoinHandle<()>>,
    /// Held for as long as the directory is in use.
    lock: File,
}

impl Sequencer {
    /// Starts a sequencer: restores what it has acknowledged, then opens its endpoints.
    ///
    /// # Errors
    /// [`SequencerError`].
    pub async fn start(
        config: SequencerConfig,
        key: PrivateKey,
        parent: &CancellationToken,
    ) -> Result<Self, SequencerError> {
        health::install_metrics();
        let stop = parent.child_token();
        let restored = tokio::task::spawn_blocking(move || restore(config, key, stop));
        let (shared, engine, writes, lock) = restored
            .await
            .map_err(|error| SequencerError::Fatal { reason: error.to_string() })??;
        if engine.tip.is_rebuilt {
            return Err(SequencerError::Unfinished { path: shared.config.data_dir.clone() });
        }
        warn(&shared);
        let running = Builder::start(&shared, engine, writes).map_err(io_error("threads"))?;
        let (admission, mut threads) = Admission::start(&shared).map_err(io_error("threads"))?;
        threads.extend(running.threads);
        let control = running.control;
        let handle = SequencerHandle { shared: Arc::clone(&shared), admission, control };
        let started = Self::serve(&handle).await;
        let (servers, rpc, addresses) = started.inspect_err(|_| shared.stop.cancel())?;
        shared.ready.store(true, Ordering::SeqCst);
        tracing::info!(?addresses, height = shared.view.read().tip.height.get(), "sequencer ready");
        Ok(Self { handle, addresses, servers, rpc, threads, lock })
    }

    async fn serve(
        handle: &SequencerHandle,
    ) -> Result<(JoinSet<io::Result<()>>, ServerHandle, Addresses), SequencerError> {
        let shared = &handle.shared;
        let config = &shared.config;
        let node: Arc<dyn MinaNode> = Arc::new(handle.clone());
        let api = Api::new(&node, config.graphql.limits())?;
        let start = async |what, address, router| {
            HttpServer::start(address, router, HttpLimits::default(), &shared.stop)
                .await
                .map_err(io_error(what))
        };
        let graphql = graphql_router(api, config.graphql);
        let graphql = start("GraphQL endpoint", config.graphql_listen, graphql).await?;
        let health = with_whole_bodies(health::router(Arc::clone(shared)), BodyLimits::default());
        let health = start("health endpoint", config.health_listen, health).await?;
        let (rpc_router, sockets) =
            rpc::router(handle.clone(), config.rpc).map_err(config_error("rpc"))?;
        let rpc = start("JSON-RPC endpoint", config.rpc.listen, rpc_router).await?;
        let mut addresses = Addresses {
            graphql: graphql.address,
            rpc: rpc.address,
            health: health.address,
            admin: None,
        };
        let mut servers = vec![graphql, health, rpc];
        if let Some(admin) = &config.admin {
            let router = health::admin_router(handle.clone(), &admin.token)
                .map_err(config_error("admin.token"))?;
            let router = with_whole_bodies(router, BodyLimits::default());
            let admin = start("admin endpoint", admin.listen, router).await?;
            addresses.admin = Some(admin.address);
            servers.push(admin);
        }
        Ok((servers.into_iter().map(HttpServer::join).collect(), sockets, addresses))
    }

    /// To ask and to send to, without a network.
    pub fn handle(&self) -> &SequencerHandle {
        &self.handle
    }

    /// Where it is reached.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Asks it to end.
    pub fn stop(&self) {
        self.handle.shared.stop.cancel();
    }

    /// Waits until it has ended: what was acknowledged is safe, and the directory is free.
    ///
    /// # Errors
    /// [`SequencerError::Fatal`] if it ended by itself.
    pub async fn join(self) -> Result<(), SequencerError> {
        let Self { handle, mut servers, rpc, threads, lock, .. } = self;
        let shared = Arc::clone(&handle.shared);
        tokio::select! {
            () = shared.stop.cancelled() => {}
            ended = servers.join_next() => {
                // They end with everything else.
                if !shared.stop.is_cancelled() {
                    shared.fail(format!("a server has ended: {ended:?}"));
                }
            }
        }
        shared.ready.store(false, Ordering::SeqCst);
        // They may have ended already.
        let _ = rpc.stop();
        while let Some(ended) = servers.join_next().await {
            let ended = ended.unwrap_or_else(|error| Err(io::Error::other(error)));
            ended.map_err(io_error("server"))?;
        }
        drop(handle);
        let joined = tokio::task::spawn_blocking(move || {
            // A panic of a thread has been noted by its guard.
            threads.into_iter().for_each(|thread| drop(thread.join()));
        });
        joined.await.map_err(|error| SequencerError::Fatal { reason: error.to_string() })?;
        shared.store.flush()?;
        drop(lock);
        match shared.fatal.get() {
            Some(reason) => Err(SequencerError::Fatal { reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

/// What an operator has to know at every start.
fn warn(shared: &Shared) {
    let genesis = &shared.config.genesis;
    if shared.config.unsafe_no_proofs {
        tracing::warn!("--unsafe-no-proofs: proofs are NOT checked; never do this with real funds");
    }
    if genesis.network_id == genesis.l1_network_id {
        tracing::warn!(
            network = %genesis.network_id,
            "this chain has the network id of its L1: commands can be replayed between the two"
        );
    }
}

pub(crate) type Restored = (Arc<Shared>, Engine, Vec<crate::store::BlockWrite>, File);

pub(crate) fn restore(
    config: SequencerConfig,
    key: PrivateKey,
    stop: CancellationToken,
) -> Result<Restored, SequencerError> {
    let start = Instant::now();
    check(&config)?;
    let lock = lock_directory(&config)?;
    let network = NetworkId::from_name(&config.genesis.network_id)
        .map_err(config_error("genesis.network_id"))?;
    let chain = ChainId::new(&config.genesis.chain_id).map_err(config_error("genesis.chain_id"))?;
    let era = Era::Berkeley;
    let store = Store::open(&config.data_dir, era, config.store_cache_mib)?;
    let accounts = open_chain(&config, &store, era)?;
    let caution = store.caution()?;
    let tip = store.tip()?.ok_or(StoreError::Corrupt { what: "tip" })?;
    let ledger = load_ledger(&accounts, &tip, era)?;
    let Opened { log, records } = Log::open(&config.data_dir)?;
    let producer = key.to_public_key();
    let genesis = Arc::new(genesis_block(&config.genesis, producer, &ledger));
    let last = match tip.blocks.checked_sub(1) {
        Some(last) => store.block(last)?.map(|(block, _)| Arc::new(block)),
        None => None,
    };
    let view = View::new(accounts, last.unwrap_or_else(|| Arc::clone(&genesis)), genesis);
    view.write().generation = tip.generation;
    let shared = Arc::new(Shared {
        info: node_info(&config.genesis, network.clone()),
        chain,
        domain: Domain::new(network, era),
        rule: BridgeRule { parameters: bridge_parameters(&config.genesis) },
        producer,
        fee_recipient: config.fee_recipient.unwrap_or(producer),
        key,
        pool: Mutex::new(Pool::new(config.pool)),
        view,
        ledger: Mutex::new(Mask::new(ledger)),
        log,
        store,
        events: broadcast::channel(EVENTS).0,
        confirmations: broadcast::channel(EVENTS).0,
        stop,
        fatal: OnceLock::new(),
        ready: AtomicBool::new(false),
        last_block_ms: AtomicU64::new(now_ms()),
        bridge: RwLock::default(),
        settlement: RwLock::default(),
        ahead: AtomicU64::new(0),
        whole_batches: AtomicBool::new(false),
        caution: Mutex::new(caution),
        config,
    });
    let mut engine = Engine::new(Arc::clone(&shared), tip)?;
    let count = records.len();
    let writes = replay(&shared, &mut engine, records)?;
    tracing::info!(
        records = count,
        blocks = engine.tip.blocks,
        waiting = shared.pool().len(),
        seconds = start.elapsed().as_secs_f64(),
        "restored"
    );
    Ok((shared, engine, writes, lock))
}

/// Settings without which nothing would ever happen.
fn check(config: &SequencerConfig) -> Result<(), SequencerError> {
    let settings = [
        ("block_ms", config.block_ms),
        ("max_block_commands", config.max_block_commands as u64),
        ("batch.max_blocks", config.batch.max_blocks.into()),
        ("batch.most_blocks", config.batch.most_blocks.into()),
        ("pool.max_commands", config.pool.max_commands as u64),
        ("genesis.slot_ms", config.genesis.slot_ms),
    ];
    if config.batch.most_blocks > MOST_BLOCKS {
        return Err(config_error("batch.most_blocks")(format!("must be at most {MOST_BLOCKS}")));
    }
    match settings.into_iter().find(|(_, value)| *value == 0) {
        Some((what, _)) => Err(config_error(what)("must be at least 1")),
        None => Ok(()),
    }
}

/// One process to a directory.
fn lock_directory(config: &SequencerConfig) -> Result<File, SequencerError> {
    std::fs::create_dir_all(&config.data_dir).map_err(io_error("creating the data directory"))?;
    let path = config.data_dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(io_error("opening the lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(SequencerError::InUse { path: config.data_dir.clone() })
        }
        Err(TryLockError::Error(source)) => {
            Err(SequencerError::Io { what: "locking the data directory", source })
        }
    }
}

/// The accounts of the store; those of genesis if it is new.
fn open_chain(
    config: &SequencerConfig,
    store: &Store,
    era: Era,
) -> Result<Vec<Account>, SequencerError> {
    let expected = serde_json::to_string(&config.genesis).map_err(config_error("genesis"))?;
    match store.genesis()? {
        Some(got) if got == expected => Ok(store.accounts()?),
        Some(got) => {
            let path = config.data_dir.clone();
            Err(SequencerError::OtherChain { path, expected, got })
        }
        None => {
            let accounts = genesis_accounts(&config.genesis, era)?;
            let mut ledger = FullLedger::from_accounts(accounts.iter().cloned(), era)
                .map_err(EngineError::from)?;
            let root = ledger.root().map_err(EngineError::from)?;
            store.start(&expected, &accounts, &genesis_tip(root, 0))?;
            Ok(accounts)
        }
    }
}

impl GenesisConfig {
    /// The accounts that the chain starts with, in order: the bridge account, less what the others
    /// hold, and the others.
    ///
    /// # Errors
    /// [`SequencerError::Config`].
    pub fn ledger(&self) -> Result<Vec<Account>, SequencerError> {
        genesis_accounts(self, Era::Berkeley)
    }
}

fn genesis_accounts(genesis: &GenesisConfig, era: Era) -> Result<Vec<Account>, SequencerError> {
    let error = |reason: &str| SequencerError::Config {
        what: "genesis.accounts",
        reason: reason.to_owned(),
    };
    let mut bridge = bridge_account(empty_inbox(), era);
    let mut accounts = Vec::new();
    for account in &genesis.accounts {
        let id = AccountId::of(account.public_key);
        if id == bridge.id() || account.public_key.to_point().is_none() {
            return Err(error("a key that nobody can have"));
        }
        bridge.balance =
            bridge.balance.checked_sub(account.balance).ok_or_else(|| error("too much in all"))?;
        accounts.push(Account::new(id, account.balance, era));
    }
    let mut keys: Vec<String> =
        genesis.accounts.iter().map(|account| account.public_key.to_base58()).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(error("a key twice"));
    }
    let funded = BRIDGE_SUPPLY.checked_sub(bridge.balance).unwrap_or(Amount::ZERO);
    tracing::info!(accounts = accounts.len(), %funded, "genesis");
    Ok(std::iter::once(bridge).chain(accounts).collect())
}

/// The inbox of a new chain: the action state of an account without actions.
fn empty_inbox() -> mina_curves::Fp {
    let [empty, ..] = ZkappAccount::new(Era::Berkeley).action_state;
    empty
}

fn bridge_parameters(genesis: &GenesisConfig) -> BridgeParameters {
    BridgeParameters {
        minimum_withdrawal: genesis.minimum_withdrawal,
        deposit_fee: genesis.deposit_fee,
    }
}

/// What stands for a block before the first.
fn genesis_block(
    genesis: &GenesisConfig,
    producer: mina_ledger::types::PublicKey,
    ledger: &FullLedger,
) -> Block {
    let position = mina_ledger::ledger::NodePosition::new(mina_ledger::ledger::DEPTH as u8, 0);
    Block {
        state_hash: mina_curves::Fp::default(),
        parent: mina_curves::Fp::default(),
        height: Length::ZERO,
        slot: Slot::ZERO,
        timestamp_ms: genesis.timestamp_ms,
        producer,
        ledger_hash: ledger.node(position).unwrap_or_default(),
        view: view_on(0, Slot::ZERO),
        messages: Vec::new(),
        commands: Vec::new(),
        coinbase: Amount::ZERO,
        coinbase_receiver: None,
        fee_transfers: Vec::new(),
    }
}

fn node_info(genesis: &GenesisConfig, network: NetworkId) -> NodeInfo {
    let name = genesis.network_name.clone();
    NodeInfo {
        network_name: name.unwrap_or_else(|| format!("zeko:{}", network.name())),
        network,
        chain_id: genesis.chain_id.clone(),
        era: Era::Berkeley,
        account_creation_fee: genesis.account_creation_fee,
        coinbase: Amount::ZERO,
        genesis_timestamp_ms: genesis.timestamp_ms,
        slot_ms: genesis.slot_ms,
        slots_per_epoch: genesis.slots_per_epoch,
        k: genesis.finality,
        started: Instant::now(),
    }
}
