//! Both layers on one machine, for development: the local L1 with its archive and account manager,
//! the sequencer, the DA layer's validators that its batches go to, and the indexer of the L2.
//!
//! The L2 knows the L1 as any other would: by URL. A chain lives as long as its process; what the
//! sequencer and the indexers keep is in a folder of its own.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use mina_ledger::{
    rollup::{ContractState, bridge_public_key},
    types::{Amount, PrivateKey, Slot},
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeko_bridge::{DeployError, Deployment, Fees, L1Client, L1Config, SettlerConfig};
use zeko_da::RollupConfig;
use zeko_indexer::{GraphQlSource, Indexer, IndexerConfig, IndexerError, SourceError};
use zeko_sequencer::{
    BatchConfig, GenesisAccount, GenesisConfig, ProvingConfig, RpcConfig, Sequencer,
    SequencerConfig, SequencerError, SequencerHandle,
};
use zeko_worker::EmbeddedConfig;

use crate::{
    keys::{KeyPair, development_key},
    local_da::{DaLinks, LocalDa, LocalDaConfig, LocalDaError, VALIDATORS},
    local_l1::{LocalL1, LocalL1Config, LocalL1Error},
    publisher::{Publisher, PublisherConfig, PublisherError, rollup_config},
    settlement::{
        L1Settings, Programs, SETTLER_MARGIN, Settlement, SettlementConfig, SettlementError,
        SettlementSettings, configuration, genesis_funds, genesis_root,
    },
};

/// How often the archives look for blocks: soon enough for scripts that ask right after waiting.
const POLL: Duration = Duration::from_millis(100);

/// Blocks after which the archives call one canonical.
const CANONICAL_DEPTH: u32 = 10;

/// How often the rollup looks at the L1.
const L1_POLL: Duration = Duration::from_millis(500);

/// Blocks of the L1 on top of a deposit's before it is consumed.
const DEPTH: u32 = 1;

/// Blocks of the L1 on top of a settlement that make it final.
const FINALITY: u32 = 3;

/// Batches that may be closed and not settled: one is proved while the next one is committed.
const AHEAD: u64 = 2;

/// What the rollup's commands on the L1 cost, in nanomina.
const FEES: Fees = Fees { first: 100_000_000, most: 10_000_000_000, patience: 5 };

/// What creating an account costs on the local L1.
const L1_CREATION_FEE: Amount = Amount::new(1_000_000_000);

/// What the operator has for fees on the L1.
const OPERATING_FUNDS: Amount = Amount::new(1_000_000_000_000_000);

/// The id of the network, for both layers: every wallet and script knows it.
const NETWORK: &str = "testnet";

/// How a development network runs.
#[derive(Clone, Debug)]
pub struct DevnetConfig {
    /// Where everything listens.
    pub listen: IpAddr,
    /// The first of twelve ports; 0 for any free ones.
    pub base_port: u16,
    /// A slot of the L1.
    pub l1_slot: Duration,
    /// The time between blocks of the L2.
    pub l2_block: Duration,
    /// Accounts with funds on each layer.
    pub accounts: u32,
    /// Their balances.
    pub balance: Amount,
    /// An empty or new folder for what is kept while it runs.
    pub data_dir: PathBuf,
    /// The program whose command `da run` is a validator of the DA layer: `zeko`. Without it, there is
    /// no DA layer.
    pub validator: Option<PathBuf>,
    /// How batches are proved and settled on the L1; without it, or without a DA layer, they are not.
    pub settlement: Option<DevnetSettlement>,
}

/// How a development network is settled.
#[derive(Clone, Debug)]
pub struct DevnetSettlement {
    /// What the circuits and the contract are compiled for.
    pub settings: SettlementSettings,
    /// How much of the machine proving may have.
    pub proving: EmbeddedConfig,
}

impl DevnetSettlement {
    /// Small proofs, of at most 2^15 rows, which are made soon; and an hour of slots for a batch, as the
    /// machine may be slow.
    pub fn new(l1_slot: Duration) -> Self {
        let hour = Duration::from_secs(3600).as_millis() / u128::from(millis(l1_slot));
        let settings = SettlementSettings {
            window: u32::try_from(hour).unwrap_or(u32::MAX).max(20),
            updates: 9,
            proved: 6,
            messages: 14,
            accounts: 9,
            payments: 3,
            fold_actions: 16,
            fold_deposits: 16,
            committee: VALIDATORS as usize,
            ..SettlementSettings::default()
        };
        Self { settings, proving: EmbeddedConfig::default() }
    }
}

impl DevnetConfig {
    /// The defaults, with a folder.
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            listen: Ipv4Addr::LOCALHOST.into(),
            base_port: 0,
            l1_slot: Duration::from_secs(10),
            l2_block: Duration::from_secs(1),
            accounts: 10,
            balance: Amount::new(10_000_000_000_000),
            data_dir,
            validator: None,
            settlement: None,
        }
    }

    fn address(&self, offset: u16) -> SocketAddr {
        let port = match self.base_port {
            0 => 0,
            base => base.saturating_add(offset),
        };
        SocketAddr::new(self.listen, port)
    }
}

/// Why a development network stopped or did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevnetError {
    /// The folder.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The L1.
    #[error("local L1: {0}")]
    L1(#[from] LocalL1Error),
    /// An indexer.
    #[error("indexer of the {layer}: {source}")]
    Indexer {
        /// Of which layer.
        layer: &'static str,
        /// Why.
        source: IndexerError,
    },
    /// Reaching a layer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The sequencer.
    #[error("sequencer: {0}")]
    Sequencer(#[from] SequencerError),
    /// The DA layer.
    #[error("DA layer: {0}")]
    Da(#[from] LocalDaError),
    /// The way of batches to the L1.
    #[error("settlement: {0}")]
    Settlement(#[from] SettlementError),
    /// The contract is not on the L1.
    #[error("deployment: {0}")]
    Deploy(#[from] DeployError),
    /// The way of batches to the DA layer.
    #[error("publisher: {0}")]
    Publisher(#[from] PublisherError),
    /// A service ended without being asked to.
    #[error("the {service} has ended")]
    Ended {
        /// Which.
        service: &'static str,
    },
    /// A task panicked.
    #[error("a task died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Where everything is: the info file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DevnetInfo {
    /// The L1.
    pub l1: L1Info,
    /// The L2.
    pub l2: L2Info,
    /// JSON-RPC of the DA layer's validators.
    pub da: Vec<String>,
    /// The GraphQL of the L2's indexer.
    pub indexer: String,
    /// Development accounts with funds: **their keys are public**.
    pub accounts: AccountsInfo,
}

/// Where the L1 is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct L1Info {
    /// Mina's GraphQL.
    pub graphql: String,
    /// The archive API.
    pub archive: String,
    /// The account manager.
    pub accounts: String,
    /// The rollup's account, if batches are settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollup: Option<String>,
}

/// Where the L2 is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct L2Info {
    /// Mina's GraphQL.
    pub graphql: String,
    /// The archive API.
    pub archive: String,
    /// JSON-RPC.
    pub rpc: String,
    /// Health and metrics.
    pub health: String,
    /// The account that withdrawals go through.
    pub bridge: String,
}

/// Accounts by layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountsInfo {
    /// On the L1.
    pub l1: Vec<AccountInfo>,
    /// On the L2.
    pub l2: Vec<AccountInfo>,
}

/// An account with funds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountInfo {
    /// The public key.
    pub public_key: String,
    /// The private key.
    pub private_key: String,
}

impl From<&KeyPair> for AccountInfo {
    fn from(pair: &KeyPair) -> Self {
        Self { public_key: pair.public.to_base58(), private_key: pair.private.to_base58() }
    }
}

/// A running development network.
#[derive(Debug)]
pub struct Devnet {
    info: DevnetInfo,
    cancel: CancellationToken,
    tasks: JoinSet<(&'static str, Result<(), DevnetError>)>,
}

impl Devnet {
    /// Starts everything, and returns when everything is ready.
    ///
    /// # Errors
    /// [`DevnetError`]; whatever had started is stopped.
    pub async fn start(
        config: DevnetConfig,
        cancel: &CancellationToken,
    ) -> Result<Self, DevnetError> {
        make_folder(&config.data_dir)?;
        let cancel = cancel.child_token();
        let stop_all = cancel.clone().drop_guard();
        let mut tasks = JoinSet::new();

        let keys: Vec<_> = (0..config.accounts).map(|index| development_key("l2", index)).collect();
        let genesis = genesis(&config, &keys);
        // It takes longer than everything else, so it begins first.
        let programs = config.settlement.clone().filter(|_| config.validator.is_some());
        let programs = programs.map(|DevnetSettlement { settings, .. }| {
            let genesis = genesis.clone();
            tokio::task::spawn_blocking(move || Programs::compile(&genesis, &settings))
        });
        let l1 = start_l1(&config, &genesis, &cancel).await?;
        let l1_url = url(l1.graphql(), "/graphql");
        let l1_accounts: Vec<AccountInfo> = l1.funded().iter().map(AccountInfo::from).collect();
        let l1_manager = url(l1.accounts(), "");
        let genesis_ms = l1.node().genesis_timestamp_ms();
        tasks.spawn(async move { ("local L1", l1.join().await.map_err(DevnetError::from)) });
        let l1_archive = start_indexer(&config, "L1", &l1_url, 1, &cancel).await?;
        let l1_archive_url = url(l1_archive.address(), "");
        // Processes of their own: they start while everything else does.
        let da = config.validator.clone().map(|program| {
            let (config, genesis) = (config.clone(), genesis.clone());
            let l1 = L1Settings {
                graphql: l1_url.clone(),
                archive: l1_archive_url.clone(),
                depth: DEPTH,
                poll_ms: millis(L1_POLL),
            };
            tokio::spawn(async move { start_da(&config, &genesis, program, l1).await })
        });
        l1_archive.ready().await;
        spawn_indexer(&mut tasks, "L1", l1_archive);

        let genesis = GenesisConfig { timestamp_ms: genesis_ms, finality: FINALITY, ..genesis };
        let sequencer = start_sequencer(&config, genesis.clone(), &cancel).await?;
        let addresses = sequencer.addresses();
        let handle = sequencer.handle().clone();
        let l2_url = url(addresses.graphql, "/graphql");
        tasks
            .spawn(async move { ("sequencer", sequencer.join().await.map_err(DevnetError::from)) });
        let l2_archive = start_indexer(&config, "L2", &l2_url, 6, &cancel).await?;
        let l2_archive_url = url(l2_archive.address(), "");
        l2_archive.ready().await;
        spawn_indexer(&mut tasks, "L2", l2_archive);

        let (mut urls, mut rollup_account) = (Vec::new(), None);
        if let Some(da) = da {
            let (da, rollup) = da.await??;
            urls.clone_from(&da.links().urls);
            let settlement = match programs {
                Some(programs) => {
                    rollup_account = Some(rollup.rollup_account.to_base58());
                    let l1 = L1Config::new(&l1_url, &l1_archive_url);
                    let (programs, links) = (programs.await??, da.links());
                    Some(settle(&config, &genesis, l1, programs, links, &handle, &cancel).await?)
                }
                None => None,
            };
            spawn_publisher(&mut tasks, da.links(), rollup, handle, settlement, &cancel)?;
            spawn_da(&mut tasks, da, cancel.clone());
        }

        let info = DevnetInfo {
            l1: L1Info {
                graphql: l1_url,
                archive: l1_archive_url,
                accounts: l1_manager,
                rollup: rollup_account,
            },
            l2: L2Info {
                graphql: l2_url,
                archive: l2_archive_url.clone(),
                rpc: url(addresses.rpc, ""),
                health: url(addresses.health, ""),
                bridge: bridge_public_key().to_base58(),
            },
            da: urls,
            indexer: l2_archive_url,
            accounts: AccountsInfo {
                l1: l1_accounts,
                l2: keys.iter().map(AccountInfo::from).collect(),
            },
        };
        stop_all.disarm();
        Ok(Self { info, cancel, tasks })
    }

    /// Where everything is.
    pub fn info(&self) -> &DevnetInfo {
        &self.info
    }

    /// Asks everything to stop.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// Waits for all services. The first that ends stops the others, and is an error unless it was
    /// asked to.
    ///
    /// # Errors
    /// [`DevnetError`] of the first service that failed or ended.
    pub async fn join(mut self) -> Result<(), DevnetError> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let asked = self.cancel.is_cancelled();
            self.cancel.cancel();
            let ended = match ended {
                Ok((service, Ok(()))) if !asked => Err(DevnetError::Ended { service }),
                Ok((_, ended)) => ended,
                Err(error) => Err(error.into()),
            };
            result = result.and(ended);
        }
        result
    }
}

/// The URL of what listens on this machine.
pub fn url(address: SocketAddr, path: &str) -> String {
    // What listens everywhere is reached here.
    let ip = match address.ip() {
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}{path}", SocketAddr::new(ip, address.port()))
}

/// Chains do not outlive the process, so nothing may be left of another one.
fn make_folder(path: &Path) -> Result<(), DevnetError> {
    let wrap = |source| DevnetError::Folder { path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(wrap)?;
    if std::fs::read_dir(path).map_err(wrap)?.next().is_some() {
        return Err(wrap(io::Error::other("the folder is not empty")));
    }
    Ok(())
}

/// Who pays for settlement on the L1.
fn operator() -> KeyPair {
    development_key("l1-operator", 0)
}

fn sequencer_key() -> PrivateKey {
    development_key("l2-sequencer", 0).private
}

async fn start_l1(
    config: &DevnetConfig,
    genesis: &GenesisConfig,
    cancel: &CancellationToken,
) -> Result<LocalL1, DevnetError> {
    let funds = genesis_funds(genesis).checked_add(OPERATING_FUNDS).unwrap_or(Amount::MAX);
    let l1 = LocalL1Config {
        endowed: vec![(operator().public, funds)],
        graphql: config.address(0),
        accounts: config.address(2),
        slot: config.l1_slot,
        unsafe_no_proofs: config
            .settlement
            .as_ref()
            .is_some_and(|one| one.settings.unsafe_no_proofs),
        funded: config.accounts,
        balance: config.balance,
        ..LocalL1Config::default()
    };
    Ok(LocalL1::start(l1, cancel).await?)
}

async fn start_indexer(
    config: &DevnetConfig,
    layer: &'static str,
    node: &str,
    port: u16,
    cancel: &CancellationToken,
) -> Result<Indexer, DevnetError> {
    let database = config.data_dir.join(format!("{}.db", layer.to_lowercase()));
    let indexer = IndexerConfig {
        database: format!("sqlite:{}", database.display()),
        listen: config.address(port),
        poll_interval: POLL,
        canonical_depth: CANONICAL_DEPTH,
        allow_partial_history: false,
    };
    let source = GraphQlSource::new(node)?;
    let started = Indexer::start(indexer, source, cancel).await;
    started.map_err(|source| DevnetError::Indexer { layer, source })
}

fn spawn_indexer(
    tasks: &mut JoinSet<(&'static str, Result<(), DevnetError>)>,
    layer: &'static str,
    indexer: Indexer,
) {
    tasks.spawn(async move {
        let ended = indexer.join().await;
        ("indexer", ended.map_err(|source| DevnetError::Indexer { layer, source }))
    });
}

/// What the L2 starts with, but for its time: the L1 tells that.
fn genesis(config: &DevnetConfig, keys: &[KeyPair]) -> GenesisConfig {
    // The sequencer has an account too: it is where fees go when a batch closes.
    let sequencer = development_key("l2-sequencer", 0);
    let account =
        |pair: &KeyPair| GenesisAccount { public_key: pair.public, balance: config.balance };
    GenesisConfig {
        chain_id: "zeko-devnet".into(),
        network_id: NETWORK.into(),
        l1_network_id: NETWORK.into(),
        slot_ms: millis(config.l1_slot),
        accounts: keys.iter().chain([&sequencer]).map(account).collect(),
        ..GenesisConfig::default()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Deploys the contract, and settles batches from then on.
async fn settle(
    config: &DevnetConfig,
    genesis: &GenesisConfig,
    l1: L1Config,
    programs: Programs,
    da: &DaLinks,
    sequencer: &SequencerHandle,
    cancel: &CancellationToken,
) -> Result<Settlement, DevnetError> {
    let committee = da.committee.clone();
    let account = development_key("rollup", 0);
    let governance = development_key("governance", 0).public;
    let key = sequencer_key();
    let configuration = configuration(key.to_public_key(), &committee, 0, governance);
    let deployment = Deployment {
        account: account.private,
        payer: operator().private,
        fee: Amount::new(FEES.first),
        creation_fee: L1_CREATION_FEE,
        vault: genesis_funds(genesis),
        state: ContractState::genesis(genesis_root(genesis)?, configuration, Slot::ZERO),
        committee: committee.clone(),
    };
    let client = L1Client::new(l1.clone()).map_err(SettlementError::from)?;
    // Blocks come every slot, and the command is in the first or second.
    let patience = config.l1_slot.saturating_mul(10).max(Duration::from_secs(60));
    zeko_bridge::deploy(&client, &programs.contract, &deployment, patience).await?;
    let proving = config.settlement.as_ref().map(|settlement| settlement.proving);
    let settlement = SettlementConfig {
        l1,
        da: da.clone(),
        settler: SettlerConfig {
            data_dir: config.data_dir.join("settlement"),
            account: account.public,
            sequencer: key,
            payer: operator().private,
            committee,
            configuration,
            fees: FEES,
            finality: FINALITY,
            margin: SETTLER_MARGIN,
            retry: L1_POLL,
        },
        first_block: 0,
        depth: DEPTH,
        ahead: AHEAD,
        proving: proving.unwrap_or_default(),
    };
    Ok(Settlement::start(settlement, programs, sequencer.clone(), cancel).await?)
}

async fn start_da(
    config: &DevnetConfig,
    genesis: &GenesisConfig,
    program: PathBuf,
    l1: L1Settings,
) -> Result<(LocalDa, RollupConfig), DevnetError> {
    let dir = config.data_dir.join("da");
    let wrap = |source| DevnetError::Folder { path: dir.clone(), source };
    std::fs::create_dir_all(&dir).map_err(wrap)?;
    let accounts = dir.join("accounts.json");
    let json = serde_json::to_vec(&genesis.ledger()?).map_err(|error| wrap(error.into()))?;
    std::fs::write(&accounts, json).map_err(wrap)?;
    let rollup_account = development_key("rollup", 0).public;
    let sequencer = development_key("l2-sequencer", 0).public;
    // Validators may run elsewhere than where this was started.
    let accounts = accounts.canonicalize().map_err(wrap)?;
    let rollup = rollup_config(genesis, rollup_account, sequencer, accounts);
    let da = LocalDaConfig {
        program,
        dir: dir.clone(),
        chain: "zeko-devnet-da".into(),
        listen: config.listen,
        rpc_port: config.address(8).port(),
        rollups: vec![rollup.clone()],
        l1: Some(l1),
    };
    Ok((LocalDa::start(&da).await?, rollup))
}

/// Starts to publish batches, and looks after settlement.
fn spawn_publisher(
    tasks: &mut JoinSet<(&'static str, Result<(), DevnetError>)>,
    da: &DaLinks,
    rollup: RollupConfig,
    sequencer: SequencerHandle,
    settlement: Option<Settlement>,
    cancel: &CancellationToken,
) -> Result<(), DevnetError> {
    let config = PublisherConfig { da: da.clone(), committee_epoch: 0, rollup };
    let key = sequencer_key();
    let publisher = Publisher::start(config, sequencer, key, settlement.as_ref(), cancel)?;
    tasks.spawn(async move { ("publisher", publisher.join().await.map_err(DevnetError::from)) });
    if let Some(settlement) = settlement {
        tasks.spawn(
            async move { ("settlement", settlement.join().await.map_err(DevnetError::from)) },
        );
    }
    Ok(())
}

/// A validator that ends by itself is a failure; asked to stop, all of them are waited for.
fn spawn_da(
    tasks: &mut JoinSet<(&'static str, Result<(), DevnetError>)>,
    mut da: LocalDa,
    cancel: CancellationToken,
) {
    tasks.spawn(async move {
        let ended = tokio::select! {
            () = cancel.cancelled() => None,
            error = da.ended() => Some(error),
        };
        let result = match ended {
            Some(error) => Err(error),
            None => da.stop().await,
        };
        ("DA layer", result.map_err(DevnetError::from))
    });
}

async fn start_sequencer(
    config: &DevnetConfig,
    genesis: GenesisConfig,
    cancel: &CancellationToken,
) -> Result<Sequencer, DevnetError> {
    let settlement = config.settlement.as_ref().filter(|_| config.validator.is_some());
    let sequencer = SequencerConfig {
        data_dir: config.data_dir.join("sequencer"),
        // A batch for every slot of the L1 that has commands.
        batch: BatchConfig { max_age_ms: genesis.slot_ms, ..BatchConfig::default() },
        proving: ProvingConfig {
            sizes: settlement.map(|one| one.settings.proof_sizes()),
            ..ProvingConfig::default()
        },
        genesis,
        block_ms: millis(config.l2_block),
        graphql_listen: config.address(3),
        rpc: RpcConfig { listen: config.address(4), ..RpcConfig::default() },
        health_listen: config.address(5),
        ..SequencerConfig::default()
    };
    Ok(Sequencer::start(sequencer, sequencer_key(), cancel).await?)
}
