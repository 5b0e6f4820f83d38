//! `zeko devnet`, `zeko sequencer` and `zeko indexer`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use clap::Args;
use futures_util::FutureExt;
use mina_ledger::types::{PrivateKey, PublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeko_da::Genesis;
use zeko_indexer::{GraphQlSource, Indexer, IndexerConfig};
use zeko_sdk::{
    config::{Section, Span, load},
    devnet::{Devnet, DevnetConfig, DevnetInfo, DevnetSettlement, url},
    local_da::DaLinks,
    publisher::{Publisher, PublisherConfig, rollup_config},
    rebuild::{has_published, rebuild},
    settlement::SettlementSettings,
    supervisor::{Running, Supervisor, Waits},
};
use zeko_sequencer::{GenesisConfig, Sequencer, SequencerConfig, SequencerHandle};

use crate::{
    account::{Password, unlock},
    bridge::{BridgeSettings, Rollup, Settling},
    telemetry,
};

/// Settings of `zeko indexer`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct IndexerSettings {
    node: String,
    database: String,
    listen: String,
    poll: Span,
    canonical_depth: u32,
    allow_partial_history: bool,
}

impl Default for IndexerSettings {
    fn default() -> Self {
        Self {
            node: "http://127.0.0.1:3085/graphql".into(),
            database: "sqlite:zeko-indexer.db".into(),
            listen: "127.0.0.1:8282".into(),
            poll: Span(std::time::Duration::from_secs(1)),
            canonical_depth: 15,
            allow_partial_history: false,
        }
    }
}

impl Section for IndexerSettings {
    const NAME: &'static str = "indexer";
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct IndexerFlags {
    /// The GraphQL of the node to follow.
    #[arg(long)]
    node: Option<String>,
    /// sqlite:PATH or postgres://…
    #[arg(long)]
    database: Option<String>,
    /// Where to serve GraphQL.
    #[arg(long)]
    listen: Option<String>,
    /// How often to look for blocks.
    #[arg(long)]
    poll: Option<Span>,
    /// Blocks with this many others on top count as canonical.
    #[arg(long)]
    canonical_depth: Option<u32>,
    /// Let an empty database begin in the middle of the chain.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    allow_partial_history: Option<bool>,
}

/// Settings of `zeko devnet`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DevnetSettings {
    info_file: PathBuf,
    data_dir: PathBuf,
    listen: String,
    base_port: u16,
    l1_slot: Span,
    l2_block: Span,
    accounts: u32,
    unsafe_no_proofs: bool,
}

impl Default for DevnetSettings {
    fn default() -> Self {
        let config = DevnetConfig::new(PathBuf::new());
        Self {
            info_file: PathBuf::new(),
            data_dir: PathBuf::new(),
            listen: config.listen.to_string(),
            base_port: config.base_port,
            l1_slot: Span(config.l1_slot),
            l2_block: Span(config.l2_block),
            accounts: config.accounts,
            unsafe_no_proofs: false,
        }
    }
}

impl Section for DevnetSettings {
    const NAME: &'static str = "devnet";
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct DevnetFlags {
    /// Where to write URLs and funded accounts as JSON, once everything is ready.
    #[arg(long)]
    info_file: Option<PathBuf>,
    /// An empty or new folder to keep data in; else a temporary one.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The address to listen on.
    #[arg(long)]
    listen: Option<String>,
    /// The first of twelve ports; 0 for any free ones.
    #[arg(long)]
    base_port: Option<u16>,
    /// The length of an L1 slot.
    #[arg(long)]
    l1_slot: Option<Span>,
    /// The time between L2 blocks.
    #[arg(long)]
    l2_block: Option<Span>,
    /// Funded accounts on each layer.
    #[arg(long)]
    accounts: Option<u32>,
    /// Settle without proofs, on an L1 that does not look at them: seconds instead of minutes.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    unsafe_no_proofs: Option<bool>,
}

pub(crate) async fn indexer(file: Option<&Path>, flags: &IndexerFlags) -> anyhow::Result<()> {
    telemetry::log(file)?;
    let settings: IndexerSettings = load(file, std::env::vars(), flags)?;
    let cancel = CancellationToken::new();
    telemetry::cancel_on_signal(&cancel)?;
    telemetry::metrics(file, &cancel).await?;
    let config = IndexerConfig {
        database: settings.database,
        listen: settings.listen.parse().with_context(|| format!("listen {}", settings.listen))?,
        poll_interval: settings.poll.0,
        canonical_depth: settings.canonical_depth,
        allow_partial_history: settings.allow_partial_history,
    };
    let indexer = Indexer::start(config, GraphQlSource::new(&settings.node)?, &cancel).await?;
    let address = indexer.address();
    print_line(&json!({ "graphql": url(address, "/graphql"), "health": url(address, "") }));
    Ok(indexer.join().await?)
}

#[derive(Debug, Args)]
pub(crate) struct SequencerCommand {
    /// The key file of the sequencer, which signs pre-confirmations.
    #[arg(long, env = "ZEKO_KEY_FILE")]
    key: PathBuf,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    flags: SequencerFlags,
    #[command(flatten)]
    publish: PublishFlags,
    /// If the data directory is new, build the chain again from the batches that the DA layer has.
    #[arg(long)]
    from_da: bool,
}

/// Where batches go to: nowhere without nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PublishSettings {
    nodes: Vec<String>,
    genesis: PathBuf,
    rollup_account: String,
}

impl Section for PublishSettings {
    const NAME: &'static str = "publish";
}

#[derive(Debug, Args, Serialize)]
struct PublishFlags {
    /// Nodes of the DA layer that batches are handed to, as `ws://…`.
    #[arg(long = "da-nodes", value_delimiter = ',')]
    nodes: Option<Vec<String>>,
    /// The genesis file of the DA layer.
    #[arg(long = "da-genesis")]
    genesis: Option<PathBuf>,
    /// The rollup's account on the L1, as the DA layer's nodes have it.
    #[arg(long)]
    rollup_account: Option<String>,
}

impl PublishSettings {
    fn genesis(&self) -> anyhow::Result<Genesis> {
        let path = || self.genesis.display().to_string();
        let da = std::fs::read(&self.genesis).with_context(path)?;
        serde_json::from_slice(&da).with_context(path)
    }

    fn links(&self, da: &Genesis) -> anyhow::Result<DaLinks> {
        let (chain, committee) = (da.chain_id()?, da.committee()?);
        Ok(DaLinks { chain, committee, urls: self.nodes.clone() })
    }

    /// Looks for a chain that the DA layer has and the data directory does not, and builds it again
    /// if that was asked for. To begin anew would be to sign for two chains.
    async fn rebuild(
        &self,
        config: &SequencerConfig,
        key: &PrivateKey,
        from_da: bool,
    ) -> anyhow::Result<()> {
        if self.nodes.is_empty() {
            anyhow::ensure!(!from_da, "--from-da needs --da-nodes and --da-genesis");
            return Ok(());
        }
        if !from_da && config.has_chain() {
            return Ok(());
        }
        let links = self.links(&self.genesis()?)?;
        if from_da {
            return Ok(rebuild(config, key, &links).await?);
        }
        let published = has_published(&config.genesis, key.to_public_key(), &links).await?;
        anyhow::ensure!(
            !published,
            "{} is new, but the DA layer has batches of this chain by this key: start with --from-da",
            config.data_dir.display()
        );
        Ok(())
    }

    /// Looks at everything that is needed to publish and settle, if there is anybody to publish to: an
    /// error is one of the settings.
    fn prepare(
        &self,
        file: Option<&Path>,
        password: &Password,
        genesis: &GenesisConfig,
        key: &PrivateKey,
    ) -> anyhow::Result<Option<Publishing>> {
        if self.nodes.is_empty() {
            return Ok(None);
        }
        let da = self.genesis()?;
        let account = PublicKey::from_base58(&self.rollup_account).context("rollup_account")?;
        let bridge: BridgeSettings = load(file, std::env::vars(), &toml::Table::new())?;
        let links = self.links(&da)?;
        let rollup = Rollup { account, key, da: &da, links: &links, genesis };
        let settling = bridge.settling(file, password, &rollup)?;
        let config = PublisherConfig {
            rollup: rollup_config(genesis, account, key.to_public_key(), PathBuf::new()),
            committee_epoch: da.committee_epoch,
            da: links,
        };
        Ok(Some(Publishing { config, key: key.clone(), settling: settling.map(Arc::new) }))
    }
}

/// Where batches go to, and how they are settled.
struct Publishing {
    config: PublisherConfig,
    key: PrivateKey,
    settling: Option<Arc<Settling>>,
}

impl Publishing {
    /// Publishes and settles, and goes on trying.
    fn start(self, sequencer: SequencerHandle, cancel: &CancellationToken) -> Supervisor {
        let Self { config, key, settling } = self;
        sequencer.keep_batches_whole();
        if let Some(settling) = &settling {
            settling.limit(&sequencer);
        }
        let handle = sequencer.clone();
        let attempt = move |cancel: CancellationToken| {
            let (config, handle, key) = (config.clone(), handle.clone(), key.clone());
            let settling = settling.clone();
            async move {
                let settlement = match settling {
                    Some(settling) => Some(settling.start(&handle, &cancel).await?),
                    None => None,
                };
                let publisher =
                    Publisher::start(config, handle, key, settlement.as_ref(), &cancel)?;
                Ok(Running { publisher, settlement })
            }
            .boxed()
        };
        Supervisor::start(sequencer, Waits::default(), attempt, cancel)
    }
}

#[derive(Debug, Args, Serialize)]
struct SequencerFlags {
    /// Where the log and the store are.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where to serve GraphQL.
    #[arg(long)]
    graphql_listen: Option<String>,
    #[command(flatten)]
    rpc: RpcFlags,
    /// Where to serve health and metrics.
    #[arg(long)]
    health_listen: Option<String>,
    /// Milliseconds between blocks.
    #[arg(long)]
    block_ms: Option<u64>,
    /// Accept commands without looking at their proofs: for tests only.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    unsafe_no_proofs: Option<bool>,
}

/// The table `rpc` of the settings.
#[derive(Debug, Args, Serialize)]
struct RpcFlags {
    /// Where to serve JSON-RPC.
    #[arg(long = "rpc-listen")]
    listen: Option<SocketAddr>,
}

pub(crate) async fn sequencer(
    file: Option<&Path>,
    command: &SequencerCommand,
) -> anyhow::Result<()> {
    telemetry::log(file)?;
    let mut config: SequencerConfig = load(file, std::env::vars(), &command.flags)?;
    let key = unlock(&command.key, &command.password)?.private;
    let cancel = CancellationToken::new();
    telemetry::cancel_on_signal(&cancel)?;
    let publish: PublishSettings = load(file, std::env::vars(), &command.publish)?;
    let none = toml::Table::new();
    if !publish.nodes.is_empty() && load::<BridgeSettings>(file, std::env::vars(), &none)?.settles()
    {
        let settings: SettlementSettings = load(file, std::env::vars(), &none)?;
        config.proving.sizes = Some(settings.proof_sizes());
    }
    let publishing = publish.prepare(file, &command.password, &config.genesis, &key)?;
    publish.rebuild(&config, &key, command.from_da).await?;
    let sequencer = Sequencer::start(config, key, &cancel).await?;
    let supervisor = publishing.map(|it| it.start(sequencer.handle().clone(), &cancel));
    let addresses = sequencer.addresses();
    print_line(&json!({
        "graphql": url(addresses.graphql, "/graphql"),
        "rpc": url(addresses.rpc, ""),
        "health": url(addresses.health, ""),
        "admin": addresses.admin.map(|address| url(address, "")),
    }));
    let mut services: JoinSet<anyhow::Result<()>> = JoinSet::new();
    services.spawn(async move { Ok(sequencer.join().await?) });
    if let Some(supervisor) = supervisor {
        services.spawn(async move { Ok(supervisor.join().await?) });
    }
    // The end of one is the end of all.
    let mut result = Ok(());
    while let Some(ended) = services.join_next().await {
        cancel.cancel();
        result = result.and(ended?);
    }
    result
}

/// Tells whoever started a service that it is ready, and where.
#[allow(clippy::print_stdout, reason = "the information is the command's output")]
fn print_line(info: &Value) {
    println!("{info}");
}

pub(crate) async fn devnet(file: Option<&Path>, flags: &DevnetFlags) -> anyhow::Result<()> {
    telemetry::log(file)?;
    let settings: DevnetSettings = load(file, std::env::vars(), flags)?;
    let cancel = CancellationToken::new();
    telemetry::cancel_on_signal(&cancel)?;
    // Removed when the command ends.
    let temporary = match settings.data_dir.as_os_str().is_empty() {
        true => Some(tempfile::tempdir()?),
        false => None,
    };
    let data_dir = temporary.as_ref().map_or(settings.data_dir, |folder| folder.path().into());
    let mut settlement = DevnetSettlement::new(settings.l1_slot.0);
    settlement.settings.unsafe_no_proofs = settings.unsafe_no_proofs;
    let config = DevnetConfig {
        listen: settings.listen.parse().with_context(|| format!("listen {}", settings.listen))?,
        base_port: settings.base_port,
        l1_slot: settings.l1_slot.0,
        l2_block: settings.l2_block.0,
        accounts: settings.accounts,
        validator: Some(std::env::current_exe()?),
        settlement: Some(settlement),
        ..DevnetConfig::new(data_dir)
    };
    match settings.unsafe_no_proofs {
        true => eprintln!("WITHOUT PROOFS: the L1 takes whatever the sequencer says."),
        false => eprintln!("Compiling the rollup's circuits: half a minute or so."),
    }
    let devnet = tokio::select! {
        started = Devnet::start(config, &cancel) => started?,
        () = cancel.cancelled() => return Ok(()),
    };
    announce(devnet.info(), &settings.info_file)?;
    Ok(devnet.join().await?)
}

#[allow(clippy::print_stdout, reason = "the information is the command's output")]
fn announce(info: &DevnetInfo, file: &Path) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(info)?;
    if !file.as_os_str().is_empty() {
        // Whoever waits for the file finds all of it.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut whole = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        std::io::Write::write_all(&mut whole, json.as_bytes())?;
        whole.persist(file).with_context(|| file.display().to_string())?;
    }
    println!("{json}");
    eprintln!("Both layers sign for testnet, and the keys above are public: for development only.");
    Ok(())
}
