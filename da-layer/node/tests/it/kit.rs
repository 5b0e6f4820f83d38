//! A committee of processes, and a small L2.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use mina_curves::{Fp, Fq};
use mina_ledger::{
    rollup::{ChainId, Committee, DataCommitment},
    types::{PrivateKey, PublicKey},
};
use serde_json::json;
use zeko_da::{
    ByzantineConfig, ClientError, DaClient, DaConfig, Genesis, GenesisValidator, LightClient,
    Limits, RollupConfig, Storage, Timeouts, ValidatorKeys,
};
use zeko_derive::Certificate;

pub(crate) fn secret(index: u64) -> PrivateKey {
    PrivateKey::new(Fq::from(2000 + index)).unwrap()
}

pub(crate) fn user(index: u64) -> PublicKey {
    secret(index).to_public_key()
}

pub(crate) fn chain() -> ChainId {
    ChainId::new("da-test").unwrap()
}

/// Lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A port that nobody listens on. Those of a hundred belong to the process that listens on the first
/// of them, below those that the kernel gives to outgoing connections: a validator that starts late
/// must still find its ports free.
fn free_port() -> u16 {
    static HUNDRED: LazyLock<(u16, TcpListener)> = LazyLock::new(|| {
        let first = (std::process::id() % 100) as u16;
        let hundreds = (0..100).map(|next| 20_000 + (first + next) % 100 * 100);
        let mut owned =
            hundreds.filter_map(|p| Some((p, TcpListener::bind(("127.0.0.1", p)).ok()?)));
        owned.next().expect("no ports are left")
    });
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let port = || HUNDRED.0 + 1 + (NEXT.fetch_add(1, Ordering::Relaxed) % 99) as u16;
    let mut ports = std::iter::repeat_with(port).take(99);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("no ports are left")
}

/// Where a validator listens for peers.
pub(crate) fn p2p(config: &DaConfig) -> SocketAddr {
    let port = config.p2p_listen.rsplit('/').next().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
}

/// A validator's process.
pub(crate) struct Node {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Node {
    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop.
    pub(crate) fn stop(mut self) {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    /// Whether it has ended by itself, as it should not have if it had a choice.
    pub(crate) fn has_crashed(&mut self) -> bool {
        let status = self.child.try_wait().unwrap();
        assert!(status.is_none_or(|status| !status.success()), "{status:?}");
        status.is_some()
    }
}

/// A committee.
pub(crate) struct Cluster {
    /// One committee at a time: more would take the processor from each other, and time out.
    _turn: MutexGuard<'static, ()>,
    dir: PathBuf,
    pub(crate) configs: Vec<DaConfig>,
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) byzantine: Vec<ByzantineConfig>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in self.nodes.iter_mut().filter_map(Option::take) {
            node.kill();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Cluster {
    /// Four validators; none runs yet.
    pub(crate) fn new(rollups: &[RollupConfig]) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("zeko-da-{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let ports: Vec<[u16; 3]> =
            (0..4).map(|_| [free_port(), free_port(), free_port()]).collect();
        let validators = ports.iter().zip(0..).map(|([_, rpc, _], i)| GenesisValidator {
            key: user(i),
            consensus_key: ValidatorKeys::new(secret(i)).consensus(),
            power: 1,
            rpc: Some(format!("http://127.0.0.1:{rpc}")),
        });
        let genesis = Genesis {
            chain: "da-test".into(),
            committee_epoch: 0,
            sender_quota: 8 << 20,
            validators: validators.collect(),
        };
        let peer = |[p2p, ..]: &[u16; 3]| format!("/ip4/127.0.0.1/tcp/{p2p}");
        let configs = ports.iter().enumerate().map(|(index, own)| DaConfig {
            moniker: format!("validator-{index}"),
            data_dir: dir.join(index.to_string()),
            genesis: genesis.clone(),
            p2p_listen: peer(own),
            p2p_peers: ports.iter().filter(|other| *other != own).map(peer).collect(),
            rpc_listen: format!("127.0.0.1:{}", own[1]).parse().unwrap(),
            http_listen: format!("127.0.0.1:{}", own[2]).parse().unwrap(),
            rpc_peers: Vec::new(),
            limits: Limits::default(),
            timeouts: Timeouts { propose_ms: 1000, vote_ms: 300, announce_ms: 200 },
            storage: Storage::default(),
            rollups: rollups.to_vec(),
        });
        Self {
            _turn: turn,
            configs: configs.collect(),
            nodes: (0..4).map(|_| None).collect(),
            byzantine: vec![ByzantineConfig::default(); 4],
            dir,
        }
    }

    /// Four validators that run.
    pub(crate) fn started(rollups: &[RollupConfig]) -> Self {
        let mut cluster = Self::new(rollups);
        (0..4).for_each(|index| cluster.start(index));
        cluster
    }

    pub(crate) fn start(&mut self, index: usize) {
        self.start_with(index, None);
    }

    /// Starts a validator that ends at a crash point.
    pub(crate) fn start_with(&mut self, index: usize, crash_at: Option<&str>) {
        let key = secret(index as u64).to_base58();
        let byzantine = &self.byzantine[index];
        let file = json!({"config": self.configs[index], "key": key, "byzantine": byzantine});
        let path = self.dir.join(format!("{index}.json"));
        fs::write(&path, file.to_string()).unwrap();
        let exe = std::env::current_exe().unwrap();
        let program = exe.parent().unwrap().parent().unwrap().join("examples").join("validator");
        let mut command = Command::new(program);
        command.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env_remove("ZEKO_DA_CRASH_AT");
        if let Some(point) = crash_at {
            command.env("ZEKO_DA_CRASH_AT", point).stderr(Stdio::null());
        }
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let line = BufReader::new(stdout).lines().next().map(Result::unwrap);
        // It may come to the point before it has said that it serves.
        if line.is_some() || crash_at.is_none() {
            assert_eq!(line.as_deref(), Some("ready"), "validator {index}");
        }
        let stdin = child.stdin.take();
        self.nodes[index] = Some(Node { child, stdin });
    }

    pub(crate) fn take(&mut self, index: usize) -> Node {
        self.nodes[index].take().unwrap()
    }

    pub(crate) async fn client(&self, index: usize) -> DaClient {
        self.try_client(index).await.unwrap()
    }

    /// A client, if the validator serves.
    pub(crate) async fn try_client(&self, index: usize) -> Result<DaClient, ClientError> {
        let url = format!("ws://{}", self.configs[index].rpc_listen);
        DaClient::connect(&url, chain()).await
    }

    pub(crate) fn committee(&self) -> Committee {
        self.configs[0].genesis.committee().unwrap()
    }

    pub(crate) fn light(&self) -> LightClient {
        LightClient { chain: chain(), committee: self.committee() }
    }

    pub(crate) fn blocks(&self, index: usize) -> PathBuf {
        self.configs[index].data_dir.join("blocks")
    }
}

/// Runs a test; what takes longer than many minutes hangs, also on a slow machine.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(600), test).await.expect("the chain hangs")
    })
}

/// Waits for a certificate at a node, and checks it.
pub(crate) async fn certified(
    cluster: &Cluster,
    node: &DaClient,
    commitment: DataCommitment,
) -> Certificate {
    let certificate = node.certified(commitment).await.unwrap();
    certificate.verify_signatures(&cluster.committee()).unwrap();
    certificate
}

/// Submits a blob to one node and waits for its certificate at another.
pub(crate) async fn pass(cluster: &Cluster, from: usize, to: usize, data: &[u8]) -> DataCommitment {
    let client = cluster.client(from).await;
    let space = Fp::from(7u64);
    let commitment = client.submit_blob(space, data.to_vec(), &secret(50)).await.unwrap();
    certified(cluster, &cluster.client(to).await, commitment).await;
    commitment
}

/// Waits until a node has decided a height.
pub(crate) async fn reach(client: &DaClient, height: u64) {
    let mut events = client.subscribe().await.unwrap();
    while client.status().await.unwrap().height < height {
        events.next().await.unwrap().unwrap();
    }
}

/// Waits until nothing is left to decide at these nodes, and no block is made any more.
pub(crate) async fn rest(clients: &[DaClient]) {
    let mut before = None;
    loop {
        let (mut heights, mut pending) = (BTreeSet::new(), 0);
        for client in clients {
            let status = client.status().await.unwrap();
            heights.insert(status.height);
            pending += status.pending_entries + status.pending_attestations;
        }
        let now = (pending == 0 && heights.len() == 1).then_some(heights);
        if now.is_some() && now == before {
            return;
        }
        before = now;
        // Longer than a round of consensus takes.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// All nodes that run have the same blocks up to the lowest tip.
pub(crate) async fn no_fork(cluster: &Cluster) {
    use jsonrpsee::http_client::HttpClientBuilder;
    use zeko_da::api::DaApiClient;
    let mut chains: Vec<Vec<String>> = Vec::new();
    for (config, node) in cluster.configs.iter().zip(&cluster.nodes) {
        if node.is_none() {
            continue;
        }
        let url = format!("http://{}", config.rpc_listen);
        let client = HttpClientBuilder::default().build(url).unwrap();
        let mut ids = Vec::new();
        for height in 1..=client.status().await.unwrap().height {
            ids.push(client.block(height).await.unwrap().unwrap().id);
        }
        chains.push(ids);
    }
    let shortest = chains.iter().map(Vec::len).min().unwrap();
    for chain in &chains {
        assert_eq!(chain[..shortest], chains[0][..shortest]);
    }
}
