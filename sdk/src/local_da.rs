//! A committee of the DA chain on this machine: four validators as processes of their own, for
//! development networks, benchmarks and soaks.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use mina_ledger::rollup::{ChainId, Committee};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    task::{JoinError, JoinSet},
};
use zeko_da::{
    ClientError, DaClient, DaError, Genesis, GenesisValidator, LightClient, MAX_BLOCK_BYTES,
    RollupConfig, ValidatorKeys,
};

use crate::keys::{KeyFile, KeyFileError, KeyPair, development_key};
use crate::settlement::L1Settings;

/// Of keys that anybody can compute: see [`development_key`].
const PASSWORD: &str = "development";

/// A committee's size.
pub const VALIDATORS: u32 = 4;

/// What `zeko da run` prints when it is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DaReady {
    /// JSON-RPC.
    pub rpc: String,
    /// Health and metrics.
    pub health: String,
}

/// How the committee runs.
#[derive(Clone, Debug)]
pub struct LocalDaConfig {
    /// The program whose command `da run` is a validator: `zeko`.
    pub program: PathBuf,
    /// Where everything is kept.
    pub dir: PathBuf,
    /// The name of the chain.
    pub chain: String,
    /// Where they serve JSON-RPC; among themselves they stay on this machine.
    pub listen: IpAddr,
    /// The first of four ports for JSON-RPC; 0 for any free ones.
    pub rpc_port: u16,
    /// The rollups of which batches are executed.
    pub rollups: Vec<RollupConfig>,
    /// Where the validators read the rollups' inboxes from.
    pub l1: Option<L1Settings>,
}

/// Why there is no committee, or no answer of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalDaError {
    /// A file or process.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] DaError),
    /// A validator ended.
    #[error("validator {index} has ended: {status}")]
    Ended {
        /// Which.
        index: usize,
        /// How.
        status: ExitStatus,
    },
    /// There is no such validator, or no free port.
    #[error("there is no {what}")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// A task panicked.
    #[error("a task died: {0}")]
    Task(#[from] JoinError),
}

fn io_error(what: impl ToString) -> impl FnOnce(io::Error) -> LocalDaError {
    move |source| LocalDaError::Io { what: what.to_string(), source }
}

/// A validator's line of a genesis.
pub fn genesis_validator(pair: &KeyPair, power: u32, rpc: Option<String>) -> GenesisValidator {
    let keys = ValidatorKeys::new(pair.private.clone());
    GenesisValidator { key: pair.public, consensus_key: keys.consensus(), power, rpc }
}

/// How to reach the validators.
#[derive(Clone, Debug)]
pub struct DaLinks {
    /// The chain.
    pub chain: ChainId,
    /// The committee.
    pub committee: Committee,
    /// JSON-RPC of each validator.
    pub urls: Vec<String>,
}

impl DaLinks {
    /// A client of a validator.
    ///
    /// # Errors
    /// [`ClientError`], also if there is no such validator.
    pub async fn client(&self, index: usize) -> Result<DaClient, ClientError> {
        let url = self.urls.get(index).map_or("", String::as_str);
        DaClient::connect(url, self.chain).await
    }

    /// A client that believes nothing but the committee.
    pub fn light(&self) -> LightClient {
        LightClient { chain: self.chain, committee: self.committee.clone() }
    }
}

/// A validator: its command, to start it again, and its process, which ends with its owner.
#[derive(Debug)]
struct Validator {
    arguments: Vec<String>,
    child: Child,
    /// Apart from the child: waiting for that would close it, and the validator would stop.
    stdin: Option<ChildStdin>,
}

/// Validators that run until this is dropped.
#[derive(Debug)]
pub struct LocalDa {
    program: PathBuf,
    links: DaLinks,
    validators: Vec<Validator>,
}

/// A free port: one of a hundred that belong to the process that listens on the first of them, below
/// those that the kernel gives to outgoing connections. So it is still free when a validator starts,
/// or starts again.
///
/// # Errors
/// [`LocalDaError`] if there is none.
pub fn free_port(ip: IpAddr) -> Result<u16, LocalDaError> {
    static HUNDRED: LazyLock<Option<(u16, TcpListener)>> = LazyLock::new(|| {
        let first = (std::process::id() % 100) as u16;
        let mut hundreds = (0..100).map(|next| 20_000 + (first + next) % 100 * 100);
        let own = |port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?));
        hundreds.find_map(own)
    });
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let missing = LocalDaError::Missing { what: "free port" };
    let Some((first, _)) = &*HUNDRED else { return Err(missing) };
    let next = || first + 1 + (NEXT.fetch_add(1, Ordering::Relaxed) % 99) as u16;
    let mut ports = std::iter::repeat_with(next).take(99);
    ports.find(|port| TcpListener::bind((ip, *port)).is_ok()).ok_or(missing)
}

/// Addresses for peers, JSON-RPC and health.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    p2p: SocketAddr,
    rpc: SocketAddr,
    health: SocketAddr,
}

impl Addresses {
    fn new(config: &LocalDaConfig, index: u16) -> Result<Self, LocalDaError> {
        let local = Ipv4Addr::LOCALHOST.into();
        let any = |ip| Ok::<_, LocalDaError>(SocketAddr::new(ip, free_port(ip)?));
        let rpc = match config.rpc_port {
            0 => any(config.listen)?,
            port => SocketAddr::new(config.listen, port.saturating_add(index)),
        };
        Ok(Self { p2p: any(local)?, rpc, health: any(local)? })
    }

    fn multiaddr(&self) -> String {
        format!("/ip4/{}/tcp/{}", self.p2p.ip(), self.p2p.port())
    }

    /// Where JSON-RPC is reached from here.
    fn rpc(&self) -> SocketAddr {
        match self.rpc.ip() {
            ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, self.rpc.port()).into(),
            _ => self.rpc,
        }
    }
}

impl LocalDa {
    /// Starts the validators; returns when all serve.
    ///
    /// # Errors
    /// [`LocalDaError`].
    pub async fn start(config: &LocalDaConfig) -> Result<Self, LocalDaError> {
        let dir = &config.dir;
        std::fs::create_dir_all(dir).map_err(io_error(dir.display()))?;
        let addresses: Vec<Addresses> =
            (0..VALIDATORS as u16).map(|i| Addresses::new(config, i)).collect::<Result<_, _>>()?;
        let genesis = genesis(&config.chain, &addresses);
        write(&dir.join("genesis.json"), &json(&genesis))?;
        let settings = config.l1.as_ref().map(l1_settings).unwrap_or_default();
        let settings = settings + &rollup_settings(&config.rollups);
        write(&dir.join("validator.toml"), &settings)?;
        let mut starting = JoinSet::new();
        for index in 0..addresses.len() {
            let (program, arguments) = (config.program.clone(), arguments(dir, &addresses, index));
            let key = dir.join(format!("validator-{index}.json"));
            starting.spawn(async move {
                // Encrypting takes a while, on purpose.
                let pair = development_key("da", index as u32);
                let write = move || KeyFile::encrypt(&pair, PASSWORD)?.write(&key);
                tokio::task::spawn_blocking(write).await??;
                Ok::<_, LocalDaError>((index, spawn(&program, arguments, index).await?))
            });
        }
        let mut started = Vec::new();
        while let Some(next) = starting.join_next().await {
            started.push(next??);
        }
        started.sort_by_key(|(index, _)| *index);
        let urls = addresses.iter().map(|own| format!("ws://{}", own.rpc())).collect();
        let links = DaLinks { chain: genesis.chain_id()?, committee: genesis.committee()?, urls };
        let validators = started.into_iter().map(|(_, validator)| validator).collect();
        Ok(Self { program: config.program.clone(), links, validators })
    }

    /// How to reach the validators.
    pub fn links(&self) -> &DaLinks {
        &self.links
    }

    /// The processes.
    pub fn processes(&self) -> Vec<u32> {
        self.validators.iter().filter_map(|validator| validator.child.id()).collect()
    }

    fn validator(&mut self, index: usize) -> Result<&mut Validator, LocalDaError> {
        self.validators.get_mut(index).ok_or(LocalDaError::Missing { what: "such validator" })
    }

    /// Ends a validator as `kill -9` does.
    ///
    /// # Errors
    /// [`LocalDaError`].
    pub async fn kill(&mut self, index: usize) -> Result<(), LocalDaError> {
        self.validator(index)?.child.kill().await.map_err(io_error("kill"))
    }

    /// Starts a validator again.
    ///
    /// # Errors
    /// [`LocalDaError`].
    pub async fn restart(&mut self, index: usize) -> Result<(), LocalDaError> {
        let program = self.program.clone();
        let validator = self.validator(index)?;
        let arguments = validator.arguments.clone();
        *validator = spawn(&program, arguments, index).await?;
        Ok(())
    }

    /// Waits until a validator ends, which none does by itself.
    pub async fn ended(&mut self) -> LocalDaError {
        let ended = self.validators.iter_mut().enumerate().map(|(index, validator)| {
            Box::pin(async move {
                match validator.child.wait().await {
                    Ok(status) => LocalDaError::Ended { index, status },
                    Err(source) => LocalDaError::Io { what: "wait".into(), source },
                }
            })
        });
        futures_util::future::select_all(ended).await.0
    }

    /// Asks all validators to stop, and waits until they have.
    ///
    /// # Errors
    /// [`LocalDaError`].
    pub async fn stop(mut self) -> Result<(), LocalDaError> {
        for validator in &mut self.validators {
            drop(validator.stdin.take());
        }
        for (index, validator) in self.validators.iter_mut().enumerate() {
            let status = validator.child.wait().await.map_err(io_error("wait"))?;
            if !status.success() {
                return Err(LocalDaError::Ended { index, status });
            }
        }
        Ok(())
    }
}

fn genesis(chain: &str, addresses: &[Addresses]) -> Genesis {
    let line = |(index, own): (u32, &Addresses)| {
        genesis_validator(&development_key("da", index), 1, Some(format!("http://{}", own.rpc())))
    };
    Genesis {
        chain: chain.into(),
        committee_epoch: 0,
        sender_quota: MAX_BLOCK_BYTES as u32,
        validators: (0..).zip(addresses).map(line).collect(),
    }
}

fn json(value: &impl Serialize) -> String {
    // What is written here has string keys only.
    serde_json::to_string(value).unwrap_or_default()
}

fn write(path: &Path, text: &str) -> Result<(), LocalDaError> {
    std::fs::write(path, text).map_err(io_error(path.display()))
}

/// The L1 as settings of `zeko da run`, in TOML.
fn l1_settings(l1: &L1Settings) -> String {
    let L1Settings { graphql, archive, depth, poll_ms } = l1;
    // URLs look the same in JSON.
    let (graphql, archive) = (json(graphql), json(archive));
    format!(
        "[da.l1]\ngraphql = {graphql}\narchive = {archive}\ndepth = {depth}\npoll_ms = {poll_ms}\n"
    )
}

/// Rollups as settings of `zeko da run`, in TOML.
pub fn rollup_settings(rollups: &[RollupConfig]) -> String {
    let mut text = String::new();
    for rollup in rollups {
        text.push_str("[[da.rollups]]\n");
        let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(rollup) else { continue };
        // Numbers, texts and lists of texts look the same in JSON.
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            text.push_str(&format!("{name} = {value}\n"));
        }
    }
    text
}

fn arguments(dir: &Path, addresses: &[Addresses], index: usize) -> Vec<String> {
    let path = |name: String| dir.join(name).display().to_string();
    let own = addresses.get(index);
    let others = addresses.iter().enumerate().filter(|(other, _)| *other != index);
    let peers: Vec<String> = others.map(|(_, other)| other.multiaddr()).collect();
    let flags = [
        ("--config", path("validator.toml".into())),
        ("--key", path(format!("validator-{index}.json"))),
        ("--genesis", path("genesis.json".into())),
        ("--data-dir", path(format!("validator-{index}"))),
        ("--moniker", format!("validator-{index}")),
        ("--p2p-listen", own.map(Addresses::multiaddr).unwrap_or_default()),
        ("--p2p-peers", peers.join(",")),
        ("--rpc-listen", own.map(|own| own.rpc.to_string()).unwrap_or_default()),
        ("--http-listen", own.map(|own| own.health.to_string()).unwrap_or_default()),
    ];
    let flags = flags.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    ["da", "run", "--attached"].into_iter().map(String::from).chain(flags).collect()
}

async fn spawn(
    program: &Path,
    arguments: Vec<String>,
    index: usize,
) -> Result<Validator, LocalDaError> {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ZEKO_")) {
        command.env_remove(name);
    }
    command
        .args(&arguments)
        .env("ZEKO_ACCOUNT_PASSWORD", PASSWORD)
        .env("ZEKO_LOG_FILTER", "error,arc_malachitebft_network=off")
        // It stops when this end is closed, however its owner ends.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Signals of a terminal are for the owner, who stops the validators in its turn.
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(io_error(program.display()))?;
    let stdout = child.stdout.take().ok_or(LocalDaError::Missing { what: "output" })?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await.map_err(io_error("a validator's output"))?;
    match serde_json::from_str::<DaReady>(&line) {
        Ok(_) => {
            let stdin = child.stdin.take();
            Ok(Validator { arguments, child, stdin })
        }
        Err(_) => {
            let status = child.wait().await.map_err(io_error("wait"))?;
            Err(LocalDaError::Ended { index, status })
        }
    }
}
