//! Measurements of the DA layer: the rows of `zeko bench da`.
//!
//! Four validators in one process on loopback, each with its own storage, so that all of them share
//! the machine's cores.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mina_curves::{Fp, Fq};
use mina_ledger::{
    ledger::FullLedger,
    rollup::{ChainId, DataCommitment, bridge_account},
    signature::sign_payload,
    types::{
        Account, AccountId, Amount, Era, Memo, Nonce, PrivateKey, SignedCommand, SignedCommandBody,
        SignedCommandPayload, Slot,
    },
};
use tokio::task::JoinSet;
use zeko_derive::{Batch, BatchBuilder, ChainParameters, ChainState, Command, EntryKind, Envelope};

use crate::{
    DaClient, DaConfig, DaNode, DaParts, Genesis, GenesisValidator, Limits, RollupConfig, Storage,
    Timeouts, ValidatorKeys,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

const BLOB: usize = 256 << 10;
const MINA: u64 = 1_000_000_000;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Blobs of 256 KiB sent one a second.
    pub blobs: usize,
    /// Batches of 100 payments sent one after the other.
    pub batches: u32,
    /// Blobs of 256 KiB sent as fast as they are accepted.
    pub flood: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { blobs: 15, batches: 5, flood: 240 }
    }
}

impl Options {
    /// What takes a few seconds.
    pub const fn quick() -> Self {
        Self { blobs: 3, batches: 1, flood: 20 }
    }
}

/// A measurement.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// Of what size.
    pub size: String,
    /// Seconds.
    pub seconds: f64,
}

/// All measurements.
#[derive(Clone, Debug)]
pub struct Results {
    /// The rows.
    pub rows: Vec<Row>,
    /// Megabytes (10^6 bytes) per second that were certified in the flood.
    pub megabytes_per_second: f64,
    /// Seconds of processor time per second of the flood, of all four validators and the client.
    pub cores: f64,
}

struct Network {
    dir: PathBuf,
    nodes: Vec<DaNode>,
    urls: Vec<String>,
    chain: ChainId,
}

fn secret(index: u64) -> Result<PrivateKey, Error> {
    Ok(PrivateKey::new(Fq::from(3000 + index))?)
}

fn free_port() -> Result<u16, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn accounts() -> Result<Vec<Account>, Error> {
    let mut accounts = vec![bridge_account(Fp::from(1u64), Era::Berkeley)];
    for index in 100..200 {
        let id = AccountId::of(secret(index)?.to_public_key());
        accounts.push(Account::new(id, Amount::new(1000 * MINA), Era::Berkeley));
    }
    Ok(accounts)
}

fn rollup(dir: &Path) -> Result<RollupConfig, Error> {
    let genesis_accounts = dir.join("accounts.json");
    std::fs::write(&genesis_accounts, serde_json::to_vec(&accounts()?)?)?;
    Ok(RollupConfig {
        chain: "bench".into(),
        network: "testnet".into(),
        l1_network: "testnet".into(),
        rollup_account: secret(90)?.to_public_key(),
        account_creation_fee: MINA / 10,
        minimum_fee: 1_000_000,
        minimum_withdrawal: MINA,
        deposit_fee: 0,
        message_quota: 32,
        sequencers: Vec::new(),
        genesis_accounts,
        inbox: None,
    })
}

impl Network {
    async fn start() -> Result<(Self, ChainParameters), Error> {
        let dir = std::env::temp_dir().join(format!("zeko-bench-da-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let rollup = rollup(&dir)?;
        let mut ports = Vec::new();
        for _ in 0..4 {
            ports.push([free_port()?, free_port()?, free_port()?]);
        }
        let mut validators = Vec::new();
        for ([_, rpc, _], index) in ports.iter().zip(0..) {
            let keys = ValidatorKeys::new(secret(index)?);
            validators.push(GenesisValidator {
                key: keys.public(),
                consensus_key: keys.consensus(),
                power: 1,
                rpc: Some(format!("http://127.0.0.1:{rpc}")),
            });
        }
        let chain = "bench-da".to_owned();
        let sender_quota = crate::MAX_BLOCK_BYTES as u32;
        let genesis = Genesis { chain, committee_epoch: 0, sender_quota, validators };
        let mut network =
            Self { chain: genesis.chain_id()?, nodes: Vec::new(), urls: Vec::new(), dir };
        let peer = |[p2p, ..]: &[u16; 3]| format!("/ip4/127.0.0.1/tcp/{p2p}");
        for (own, index) in ports.iter().zip(0..) {
            let [_, rpc, http] = own;
            let config = DaConfig {
                moniker: format!("bench-{index}"),
                data_dir: network.dir.join(index.to_string()),
                genesis: genesis.clone(),
                p2p_listen: peer(own),
                p2p_peers: ports.iter().filter(|other| *other != own).map(peer).collect(),
                rpc_listen: format!("127.0.0.1:{rpc}").parse()?,
                http_listen: format!("127.0.0.1:{http}").parse()?,
                rpc_peers: Vec::new(),
                limits: Limits { sender_bytes_per_second: 1 << 30, ..Limits::default() },
                timeouts: Timeouts::default(),
                storage: Storage::default(),
                rollups: vec![rollup.clone()],
            };
            let keys = Some(ValidatorKeys::new(secret(index)?));
            let parts = DaParts { keys, ..DaParts::default() };
            network.nodes.push(DaNode::start(config, parts).await?);
            network.urls.push(format!("ws://127.0.0.1:{rpc}"));
        }
        Ok((network, rollup.parameters()?))
    }

    async fn client(&self, index: usize) -> Result<DaClient, Error> {
        let url = self.urls.get(index % self.urls.len().max(1)).ok_or("no node")?;
        Ok(DaClient::connect(url, self.chain).await?)
    }

    async fn stop(self) -> Result<(), Error> {
        for node in &self.nodes {
            node.stop();
        }
        for node in self.nodes {
            node.join().await?;
        }
        std::fs::remove_dir_all(&self.dir)?;
        Ok(())
    }
}

fn blob(chain: ChainId, number: usize) -> Result<Envelope, Error> {
    let mut data = vec![0x5a; BLOB];
    for (byte, value) in data.iter_mut().zip(number.to_le_bytes()) {
        *byte = value;
    }
    Ok(Envelope::sign(chain, EntryKind::Blob, Fp::from(1u64), data, &secret(50)?)?)
}

/// A batch of a hundred payments.
fn batch(
    parameters: &ChainParameters,
    ledger: &mut FullLedger,
    state: &mut ChainState,
    nonce: u32,
) -> Result<Batch, Error> {
    let recipient = secret(199)?.to_public_key();
    let mut builder = BatchBuilder::new(parameters, *state, 0, recipient);
    let mut block = builder.block(&mut *ledger, Slot::new(nonce));
    for index in 100..200 {
        let key = secret(index)?;
        let payload = SignedCommandPayload {
            fee: Amount::new(1_000_000),
            fee_payer: key.to_public_key(),
            nonce: Nonce::new(nonce),
            valid_until: Slot::MAX,
            memo: Memo::EMPTY,
            body: SignedCommandBody::Payment { receiver: recipient, amount: Amount::new(1) },
        };
        let signature = sign_payload(&payload, &key, &parameters.domain)?;
        block.command(Command::Signed(SignedCommand { payload, signature }))?;
    }
    block.close()?;
    let (batch, next) = builder.close(ledger)?;
    *state = ChainState { data: DataCommitment::new(&batch.encode()?), ..next };
    Ok(batch)
}

/// Processor time of this process in seconds, where the system tells.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields = stat.rsplit(')').next()?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(|text| text.parse::<f64>().ok());
    Some(ticks.sum::<Option<f64>>()? / 100.0)
}

fn percentiles(name: [&'static str; 2], size: &str, mut times: Vec<f64>) -> Vec<Row> {
    times.sort_by(f64::total_cmp);
    let last = times.len().saturating_sub(1);
    let at = |part: f64| times.get((last as f64 * part).ceil() as usize).copied();
    let rows = name.into_iter().zip([at(0.5), at(0.99)]);
    rows.filter_map(|(name, seconds)| Some(Row { name, size: size.into(), seconds: seconds? }))
        .collect()
}

/// Measures.
///
/// # Errors
/// Whatever keeps the network from running.
pub async fn run(options: &Options) -> Result<Results, Error> {
    let (network, parameters) = Network::start().await?;
    let client = network.client(0).await?;
    let mut rows = Vec::new();

    let mut times = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    for number in 0..options.blobs {
        tick.tick().await;
        let envelope = blob(network.chain, number)?;
        let start = Instant::now();
        let commitment = network.client(number).await?.submit(&envelope).await?;
        client.certified(commitment).await?;
        times.push(start.elapsed().as_secs_f64());
    }
    rows.extend(percentiles(["blob/certified-p50", "blob/certified-p99"], "256KiB", times));

    let mut ledger = FullLedger::from_accounts(accounts()?, Era::Berkeley)?;
    let mut state = ChainState::genesis(&mut ledger)?;
    let mut times = Vec::new();
    for nonce in 0..options.batches {
        let batch = batch(&parameters, &mut ledger, &mut state, nonce)?;
        let start = Instant::now();
        let commitment = client.submit_batch(&batch, &secret(50)?).await?;
        client.certified(commitment).await?;
        times.push(start.elapsed().as_secs_f64());
    }
    rows.extend(percentiles(["batch/certified-p50", "batch/certified-p99"], "100", times));

    let mut envelopes = Vec::new();
    for number in 0..options.flood {
        envelopes.push(blob(network.chain, 1_000_000 + number)?);
    }
    let (start, before) = (Instant::now(), processor_seconds());
    let mut senders = JoinSet::new();
    for (index, share) in envelopes.chunks(envelopes.len().div_ceil(4).max(1)).enumerate() {
        let (sender, share) = (network.client(index).await?, share.to_vec());
        senders.spawn(async move {
            let mut last = None;
            for envelope in &share {
                last = Some(sender.submit(envelope).await?);
            }
            for envelope in &share {
                sender.certified(envelope.commitment()).await?;
            }
            Ok::<_, crate::ClientError>(last)
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    let seconds = start.elapsed().as_secs_f64();
    let cores = processor_seconds().zip(before).map_or(0.0, |(after, before)| after - before);
    rows.push(Row { name: "flood/256KiB", size: options.flood.to_string(), seconds });
    let megabytes_per_second = (options.flood * BLOB) as f64 / 1e6 / seconds;
    drop(client);
    network.stop().await?;
    Ok(Results { rows, megabytes_per_second, cores: cores / seconds })
}
