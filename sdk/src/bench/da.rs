//! `zeko bench da`: four validators as processes on loopback, and clients in this one.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use mina_curves::Fp;
use mina_ledger::{
    ledger::FullLedger,
    rollup::{DataCommitment, bridge_account},
    types::{Account, AccountId, Amount, Era, Slot},
};
use zeko_da::{DaClient, RollupConfig};
use zeko_derive::{Batch, BatchBuilder, ChainParameters, ChainState, Command, Expectation};
use zeko_sdk::{
    keys::development_key,
    local_da::{DaLinks, LocalDa, LocalDaConfig},
};

use super::report::Report;
use crate::load::Payer;

/// Clients that flood; each waits for its certificate before it sends the next blob.
const CLIENTS: usize = 8;
const BLOB: usize = 256 << 10;
const LARGE: usize = 1 << 20;
/// Commands of a batch, each of a payer of its own.
const COMMANDS: usize = 100;
/// The kernel's clock ticks a second, as user space sees them.
const TICKS: f64 = 100.0;
const NAMESPACE: u64 = 7;

struct Sizes {
    paced: u32,
    batches: u32,
    large: usize,
}

pub(crate) fn da(json: bool, quick: bool) -> Result<()> {
    let sizes = if quick {
        Sizes { paced: 4, batches: 2, large: 1 }
    } else {
        Sizes { paced: 60, batches: 20, large: 16 }
    };
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut rollup = Rollup::new(folder.path())?;
        let config = LocalDaConfig {
            program: std::env::current_exe()?,
            dir: folder.path().join("da"),
            chain: "zeko-bench".into(),
            listen: [127, 0, 0, 1].into(),
            rpc_port: 0,
            rollups: vec![rollup.config.clone()],
            l1: None,
        };
        let committee = LocalDa::start(&config).await?;
        let bench = Bench::new(committee, Report::new(json), json).await?;
        // The first blob waits for the validators to find each other.
        bench.blob(0, LARGE, u64::MAX).await?;
        bench.paced(sizes.paced).await?;
        bench.batches(&mut rollup, sizes.batches).await?;
        bench.flood(sizes.large).await?;
        Ok(bench.committee.stop().await?)
    })
}

/// An L2 whose batches are executed.
struct Rollup {
    config: RollupConfig,
    parameters: ChainParameters,
    ledger: FullLedger,
    state: ChainState,
    payers: Vec<Payer>,
}

impl Rollup {
    fn new(folder: &Path) -> Result<Self> {
        let payers = (0..COMMANDS).map(Payer::new).collect::<Result<Vec<_>>>()?;
        let balance = Amount::new(1_000_000_000_000_000);
        let account =
            |payer: &Payer| Account::new(AccountId::of(payer.public_key), balance, Era::Berkeley);
        let mut accounts = vec![bridge_account(Fp::default(), Era::Berkeley)];
        accounts.extend(payers.iter().map(account));
        let genesis_accounts = folder.join("accounts.json");
        std::fs::write(&genesis_accounts, serde_json::to_vec(&accounts)?)?;
        let config: RollupConfig = serde_json::from_value(serde_json::json!({
            "chain": "zeko-bench-l2",
            "network": "testnet",
            "l1_network": "testnet",
            "rollup_account": development_key("rollup", 0).public,
            "genesis_accounts": genesis_accounts,
        }))?;
        let mut ledger = FullLedger::from_accounts(accounts, Era::Berkeley)?;
        let state = ChainState::genesis(&mut ledger)?;
        Ok(Self { parameters: config.parameters()?, config, ledger, state, payers })
    }

    /// The next batch, half of it payments, half transfers by zkApp commands.
    fn batch(&mut self, nonce: u32) -> Result<Batch> {
        let recipient = self.payers.first().context("no payers")?.public_key;
        let mut builder = BatchBuilder::new(&self.parameters, self.state, 0, recipient);
        let slot = Slot::new(self.state.slot.get() + 1);
        let mut block = builder.block(&mut self.ledger, slot);
        for (index, payer) in self.payers.iter().enumerate() {
            let command = match index % 2 {
                0 => Command::Signed(payer.signed_payment(recipient, nonce)?),
                _ => Command::Zkapp(payer.transfer(recipient, nonce)?),
            };
            if !block.command(command)? {
                bail!("a command was not applied");
            }
        }
        block.close()?;
        let (batch, state) = builder.close(&mut self.ledger)?;
        self.state = ChainState { data: DataCommitment::new(&batch.encode()?), ..state };
        Ok(batch)
    }
}

struct Bench {
    committee: LocalDa,
    links: DaLinks,
    clients: Vec<DaClient>,
    report: Report,
    json: bool,
}

impl Bench {
    async fn new(committee: LocalDa, report: Report, json: bool) -> Result<Self> {
        let links = committee.links().clone();
        let clients = (0..CLIENTS).map(|index| links.client(index % links.urls.len()));
        let clients = futures_util::future::try_join_all(clients).await?;
        Ok(Self { committee, links, clients, report, json })
    }

    fn client(&self, index: usize) -> Result<&DaClient> {
        self.clients.get(index).context("no client")
    }

    /// Submits a blob that nobody has sent before, and waits until a light client has its
    /// certificate.
    async fn blob(&self, client: usize, size: usize, seed: u64) -> Result<Duration> {
        let node = self.client(client)?;
        let mut data = vec![0; size];
        for (index, chunk) in (0..).zip(data.chunks_exact_mut(16)) {
            let number = (u128::from(seed) << 64) | index;
            let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            chunk.copy_from_slice(&number.to_le_bytes());
        }
        let key = development_key("da-client", client as u32).private;
        let start = Instant::now();
        let commitment = node.submit_blob(Fp::from(NAMESPACE), data, &key).await?;
        let certificate = node.certified(commitment).await?;
        let took = start.elapsed();
        certificate.verify_blob(self.links.chain, &self.links.committee)?;
        Ok(took)
    }

    /// One blob a second: how long each takes from its submission to its certificate.
    async fn paced(&self, count: u32) -> Result<()> {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        let mut times = Vec::new();
        for seed in 0..count {
            clock.tick().await;
            times.push(self.blob(seed as usize % 4, BLOB, seed.into()).await?.as_secs_f64());
        }
        self.quantiles("blob/certificate", "256 KiB", times, 1.0)
    }

    /// Batches one after the other: how long each takes from its submission to its certificate,
    /// which says that validators have executed it.
    async fn batches(&self, rollup: &mut Rollup, count: u32) -> Result<()> {
        let key = development_key("da-client", 0).private;
        let expected = Expectation {
            protocol_version: ChainParameters::PROTOCOL_VERSION,
            l1_network: rollup.parameters.l1_network,
            rollup_account: rollup.parameters.rollup_account,
            chain: rollup.parameters.chain,
            committee_epoch: 0,
            generation: 0,
        };
        let mut times = Vec::new();
        for nonce in 0..count {
            let batch = rollup.batch(nonce)?;
            let node = self.client(nonce as usize % 4)?;
            let start = Instant::now();
            let commitment = node.submit_batch(&batch, &key).await?;
            self.links.light().batch(node, &expected, commitment).await?;
            times.push(start.elapsed().as_secs_f64());
        }
        self.quantiles("batch/certificate", "100 cmd", times, 2.0)
    }

    fn quantiles(&self, name: &str, size: &str, mut times: Vec<f64>, aim: f64) -> Result<()> {
        times.sort_by(f64::total_cmp);
        let last = times.len().saturating_sub(1);
        let at = |percent: usize| times.get((times.len() * percent / 100).min(last)).copied();
        let (half, most) = at(50).zip(at(99)).context("nothing was measured")?;
        self.report.time(&format!("{name}/p50"), size, half);
        self.report.compare(&format!("{name}/p99"), size, most, ("aim", aim));
        Ok(())
    }

    /// Blobs as fast as they are certified.
    async fn flood(&self, each: usize) -> Result<()> {
        let busy = self.processor_seconds();
        let start = Instant::now();
        let client = async |client: usize| {
            for index in 0..each {
                let seed = (1 + client * each + index) as u64 * 1000;
                self.blob(client, LARGE, seed).await?;
            }
            anyhow::Ok(())
        };
        futures_util::future::try_join_all((0..CLIENTS).map(client)).await?;
        let seconds = start.elapsed().as_secs_f64();
        let bytes = (CLIENTS * each * LARGE) as f64;
        let size = format!("{} MiB", CLIENTS * each);
        self.report.compare("blobs/certified", &size, seconds, ("5 MB/s", bytes / 5e6));
        if !self.json {
            let cores = std::thread::available_parallelism()?.get() as f64;
            let parts = self.processor_seconds();
            let used = |part: &str| {
                let of = |all: &BTreeMap<String, f64>| all.get(part).copied().unwrap_or_default();
                (of(&parts) - of(&busy)) / seconds
            };
            let total: f64 = parts.keys().map(|part| used(part)).sum();
            let most = parts.keys().max_by(|a, b| used(a).total_cmp(&used(b)));
            let bottleneck = match most {
                Some(thread) if total > 0.7 * cores => format!("the processor, threads `{thread}`"),
                _ => "waiting: rounds of consensus and the disk".into(),
            };
            eprintln!(
                "{:.1} MB/s certified; the validators keep {total:.2} of {cores} cores busy; the \
                 bottleneck is {bottleneck}",
                bytes / 1e6 / seconds,
            );
        }
        Ok(())
    }

    /// What the validators' threads have had of the processor by name, in seconds; nothing where the
    /// kernel does not tell.
    fn processor_seconds(&self) -> BTreeMap<String, f64> {
        let mut parts = BTreeMap::new();
        for process in self.committee.processes() {
            let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { continue };
            for thread in threads.flatten() {
                let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
                // The name may hold anything; behind it, fields are apart by spaces.
                let Some((name, rest)) = stat.rsplit_once(')') else { continue };
                let name = name.split_once('(').map_or("", |(_, name)| name);
                let fields: Vec<&str> = rest.split_whitespace().collect();
                let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
                let ticks = ticks(11).unwrap_or_default() + ticks(12).unwrap_or_default();
                *parts.entry(name.to_owned()).or_default() += ticks / TICKS;
            }
        }
        parts
    }
}
