//! `zeko da`: nodes of the DA chain.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use mina_curves::Fp;
use mina_ledger::{logic::ProofVerifier, rollup::ChainId, types::PublicKey};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use zeko_da::{
    DaClient, DaConfig, DaNode, DaParts, Genesis, GenesisValidator, InboxSource, Limits,
    MAX_BLOCK_BYTES, RollupConfig, Storage, Timeouts, ValidatorKeys,
};
use zeko_derive::Wire;
use zeko_sdk::{
    config::{Section, load},
    keys::{KeyFile, KeyPair},
    local_da::{DaReady, genesis_validator, rollup_settings},
    publisher::rollup_config,
    settlement::{L1Settings, WatchedInbox},
};
use zeko_sequencer::{PicklesVerifier, SequencerConfig};

use crate::{
    account::{Password, unlock},
    telemetry,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Da {
    /// Make a validator's key and print its line of the genesis.
    Init(Init),
    /// Put the lines of validators together to a genesis, in the order given.
    Genesis {
        /// The name of the chain: 1 to 31 visible ASCII characters.
        #[arg(long)]
        chain: String,
        /// How often the committee has changed.
        #[arg(long, default_value_t = 0)]
        epoch: u32,
        /// Files with a line each.
        #[arg(required = true)]
        validators: Vec<PathBuf>,
    },
    /// Write the genesis accounts of a sequencer's chain, and print the settings by which nodes
    /// execute its batches.
    Rollup(Rollup),
    /// Run a node until it is asked to stop. Without a key, it follows the chain and serves it.
    Run(Box<Run>),
    /// Say where a node stands. Exits with 1 if it is not ready.
    Status(Node),
    /// Write the entries of a namespace into a folder, checked: a file each, named by its place.
    Export {
        #[command(flatten)]
        node: Node,
        /// The namespace, as 32 little-endian bytes in hexadecimal.
        namespace: String,
        /// Where to write.
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write the key; an existing file is never replaced.
    #[arg(long, env = "ZEKO_KEY_FILE")]
    key: PathBuf,
    /// Where other nodes reach this one's JSON-RPC, as a URL.
    #[arg(long)]
    rpc: Option<String>,
    /// How much the validator's word counts.
    #[arg(long, default_value_t = 1)]
    power: u32,
    #[command(flatten)]
    password: Password,
}

#[derive(Debug, Args)]
pub(crate) struct Rollup {
    /// The sequencer's public key.
    #[arg(long)]
    sequencer: String,
    /// The rollup's account on the L1.
    #[arg(long)]
    rollup_account: String,
    /// Where to write the accounts.
    #[arg(long)]
    accounts: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The validator's key file.
    #[arg(long, env = "ZEKO_KEY_FILE")]
    key: Option<PathBuf>,
    /// Stop too when standard input ends, as it does when whoever started the node is gone.
    #[arg(long)]
    attached: bool,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    flags: DaFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Node {
    /// The node's JSON-RPC.
    #[arg(long, default_value = "ws://127.0.0.1:9946")]
    url: String,
    /// The name of the chain, which senders sign for.
    #[arg(long)]
    chain: String,
}

/// Settings of `zeko da run`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DaSettings {
    moniker: String,
    data_dir: PathBuf,
    genesis: PathBuf,
    p2p_listen: String,
    p2p_peers: Vec<String>,
    rpc_listen: SocketAddr,
    http_listen: SocketAddr,
    rpc_peers: Vec<String>,
    limits: Limits,
    timeouts: Timeouts,
    storage: Storage,
    rollups: Vec<RollupConfig>,
    /// Where to read the rollups' inboxes from; else they are the files that `rollups` name.
    l1: Option<L1Settings>,
}

impl Default for DaSettings {
    fn default() -> Self {
        Self {
            moniker: "zeko-da".into(),
            data_dir: "zeko-da".into(),
            genesis: "genesis.json".into(),
            p2p_listen: "/ip4/0.0.0.0/tcp/9945".into(),
            p2p_peers: Vec::new(),
            rpc_listen: (Ipv4Addr::LOCALHOST, 9946).into(),
            http_listen: (Ipv4Addr::LOCALHOST, 9947).into(),
            rpc_peers: Vec::new(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            storage: Storage::default(),
            rollups: Vec::new(),
            l1: None,
        }
    }
}

impl Section for DaSettings {
    const NAME: &'static str = "da";
    const OPTIONAL: &'static [&'static str] = &["l1.graphql", "l1.archive"];
}

#[derive(Debug, Args, Serialize)]
struct DaFlags {
    /// The node's name in logs and metrics.
    #[arg(long)]
    moniker: Option<String>,
    /// Where the node keeps everything.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The genesis file, the same for all nodes.
    #[arg(long)]
    genesis: Option<PathBuf>,
    /// Where to listen for peers, as a multiaddr.
    #[arg(long)]
    p2p_listen: Option<String>,
    /// Peers to stay connected to, as multiaddrs.
    #[arg(long, value_delimiter = ',')]
    p2p_peers: Option<Vec<String>>,
    /// Where to serve JSON-RPC.
    #[arg(long)]
    rpc_listen: Option<SocketAddr>,
    /// Where to serve health and metrics.
    #[arg(long)]
    http_listen: Option<SocketAddr>,
}

/// Does what was asked.
pub(crate) fn run(file: Option<&Path>, command: &Da) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = match command {
        Da::Init(command) => init(command),
        Da::Genesis { chain, epoch, validators } => genesis(chain, *epoch, validators),
        Da::Rollup(command) => rollup(file, command),
        Da::Run(command) => runtime.block_on(node(file, command)),
        Da::Status(node) => runtime.block_on(status(node)),
        Da::Export { node, namespace, out } => runtime.block_on(export(node, namespace, out)),
    };
    // Consensus keeps threads that end with the process: everything is durable by now.
    runtime.shutdown_background();
    result
}

#[allow(clippy::print_stdout, reason = "the command's output")]
fn print(json: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(json)?);
    Ok(())
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}

fn init(command: &Init) -> Result<()> {
    let pair = KeyPair::random()?;
    KeyFile::encrypt(&pair, &command.password.choose()?)?.write(&command.key)?;
    print(&genesis_validator(&pair, command.power, command.rpc.clone()))
}

fn genesis(chain: &str, committee_epoch: u32, validators: &[PathBuf]) -> Result<()> {
    let genesis = Genesis {
        chain: chain.into(),
        committee_epoch,
        sender_quota: MAX_BLOCK_BYTES as u32,
        validators: validators.iter().map(|path| read_json(path)).collect::<Result<_>>()?,
    };
    genesis.chain_id()?;
    genesis.committee()?;
    print(&genesis)
}

/// The chain is that of section `[sequencer]` of the settings.
#[allow(clippy::print_stdout, reason = "the settings are the command's output")]
fn rollup(file: Option<&Path>, command: &Rollup) -> Result<()> {
    let config: SequencerConfig = load(file, std::env::vars(), &toml::Table::new())?;
    let sequencer = PublicKey::from_base58(&command.sequencer).context("--sequencer")?;
    let account = PublicKey::from_base58(&command.rollup_account).context("--rollup-account")?;
    let path = &command.accounts;
    std::fs::write(path, serde_json::to_vec(&config.genesis.ledger()?)?)
        .with_context(|| path.display().to_string())?;
    let rollup = rollup_config(&config.genesis, account, sequencer, path.canonicalize()?);
    print!("{}", rollup_settings(&[rollup]));
    Ok(())
}

async fn node(file: Option<&Path>, command: &Run) -> Result<()> {
    telemetry::log(file)?;
    let settings: DaSettings = load(file, std::env::vars(), &command.flags)?;
    let genesis: Genesis = read_json(&settings.genesis)?;
    let keys = match &command.key {
        Some(path) => Some(ValidatorKeys::new(unlock(path, &command.password)?.private)),
        None => None,
    };
    let is_ours = |validator: &GenesisValidator| {
        keys.as_ref().is_some_and(|keys| keys.public() == validator.key)
    };
    if keys.is_some() && !genesis.validators.iter().any(is_ours) {
        bail!("{}: the key is none of its validators'", settings.genesis.display());
    }
    let cancel = CancellationToken::new();
    telemetry::cancel_on_signal(&cancel)?;
    let inboxes = match &settings.l1 {
        Some(l1) => {
            let url = format!("ws://{}", settings.rpc_listen);
            inboxes(l1, &settings.rollups, &(genesis.chain_id()?, url), &cancel)?
        }
        None => Vec::new(),
    };
    let config = DaConfig {
        moniker: settings.moniker,
        data_dir: settings.data_dir,
        genesis,
        p2p_listen: settings.p2p_listen,
        p2p_peers: settings.p2p_peers,
        rpc_listen: settings.rpc_listen,
        http_listen: settings.http_listen,
        rpc_peers: settings.rpc_peers,
        limits: settings.limits,
        timeouts: settings.timeouts,
        storage: settings.storage,
        rollups: settings.rollups,
    };
    if command.attached {
        cancel_on_end_of_input(&cancel);
    }
    let proofs: Option<Box<dyn ProofVerifier + Send>> = Some(Box::new(PicklesVerifier::default()));
    let node =
        DaNode::start(config, DaParts { keys, proofs, inboxes, ..DaParts::default() }).await?;
    let stop = node.stopper();
    tokio::spawn(async move {
        cancel.cancelled().await;
        stop.cancel();
    });
    print(&DaReady {
        rpc: format!("ws://{}", settings.rpc_listen),
        health: format!("http://{}", settings.http_listen),
    })?;
    Ok(node.join().await?)
}

type Inboxes = Vec<(String, Box<dyn InboxSource>)>;

/// The inboxes of rollups as the L1 has them.
fn inboxes(
    l1: &L1Settings,
    rollups: &[RollupConfig],
    da: &(ChainId, String),
    cancel: &CancellationToken,
) -> Result<Inboxes> {
    let inbox = |rollup: &RollupConfig| -> Result<(String, Box<dyn InboxSource>)> {
        Ok((rollup.chain.clone(), Box::new(WatchedInbox::start(l1, rollup, da.clone(), cancel)?)))
    };
    rollups.iter().map(inbox).collect()
}

/// Nobody writes there, so whatever comes is the end.
fn cancel_on_end_of_input(cancel: &CancellationToken) {
    let cancel = cancel.clone();
    // A thread of its own: it waits for as long as the process lives.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        cancel.cancel();
    });
}

async fn connect(node: &Node) -> Result<DaClient> {
    let chain = ChainId::new(&node.chain).context("--chain")?;
    DaClient::connect(&node.url, chain).await.with_context(|| node.url.clone())
}

async fn status(node: &Node) -> Result<()> {
    let status = connect(node).await?.status().await?;
    print(&status)?;
    if status.chain != node.chain {
        bail!("the node follows {}", status.chain);
    }
    match status.not_ready {
        None => Ok(()),
        Some(reason) => bail!("not ready: {reason}"),
    }
}

fn parse_namespace(text: &str) -> Result<Fp> {
    let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(digit).collect();
    let digits = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = bytes.filter(|_| digits);
    let bytes = bytes.context("namespace: expected hexadecimal digits")?;
    Fp::from_bytes(&bytes).context("namespace: expected a field element of 32 bytes")
}

async fn export(node: &Node, namespace: &str, out: &Path) -> Result<()> {
    let namespace = parse_namespace(namespace)?;
    let client = connect(node).await?;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let mut after = None;
    loop {
        let entries = client.namespace(namespace, after, 100).await?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            // The node is not believed: the sender's signature covers the namespace and the data.
            let envelope = client.envelope(entry.height, entry.index).await?;
            if envelope.namespace != namespace {
                bail!("the node gave an entry of another namespace");
            }
            let path = out.join(format!("{:012}-{:06}", entry.height, entry.index));
            std::fs::write(&path, &envelope.data).with_context(|| path.display().to_string())?;
            print(&entry)?;
            after = Some((entry.height, entry.index));
        }
    }
}
