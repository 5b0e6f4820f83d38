//! `zeko bench sequencer`: a sequencer under load from clients over loopback, all in this process,
//! so that the clients' work counts against the sequencer's.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use mina_ledger::{
    hash::TransactionHash,
    types::{Amount, PublicKey},
};
use rayon::prelude::*;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use zeko_sequencer::{
    GenesisAccount, GenesisConfig, Sequencer, SequencerConfig, SequencerHandle,
    graphql::{MinaNode, NodeEvent},
};

use super::report::{Report, peak_memory};
use crate::load::Payer;

/// Connections of the clients; each sends one command at a time.
const CLIENTS: usize = 96;

struct Sizes {
    transfers: usize,
    payments: usize,
}

pub(crate) fn sequencer(json: bool, quick: bool) -> Result<()> {
    let sizes = if quick {
        Sizes { transfers: 192, payments: 384 }
    } else {
        Sizes { transfers: 9600, payments: 28_800 }
    };
    let report = Report::new(json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let transfers = make_transfers(sizes.transfers)?;
    runtime.block_on(run(&report, "transfers/GraphQL", "600/s", 600.0, transfers))?;
    let payments = make_payments(sizes.payments)?;
    runtime.block_on(run(&report, "payments/JSON-RPC", "2000/s", 2000.0, payments))
}

/// A request that sends a command, ready to be written.
struct Prepared {
    hash: TransactionHash,
    request: Vec<u8>,
}

/// By client, in the order in which they have to be sent.
struct Load {
    clients: Vec<Vec<Prepared>>,
    graphql: bool,
}

/// For every client a payer, who pays the next one; the commands of each in order of nonces.
fn by_client(
    count: usize,
    make: impl Fn(&Payer, PublicKey, u32) -> Result<Prepared> + Sync,
) -> Result<Vec<Vec<Prepared>>> {
    let each = count / CLIENTS;
    (0..CLIENTS)
        .into_par_iter()
        .map(|client| {
            let (payer, to) = (Payer::new(client)?, Payer::new((client + 1) % CLIENTS)?.public_key);
            (0..each as u32).map(|nonce| make(&payer, to, nonce)).collect()
        })
        .collect()
}

fn make_payments(count: usize) -> Result<Load> {
    let clients = by_client(count, |payer, to, nonce| {
        let (hash, payment) = payer.payment(to, nonce)?;
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "zeko_sendPayment", "params": [payment],
        });
        Ok(Prepared { hash, request: post("/", &body) })
    })?;
    Ok(Load { clients, graphql: false })
}

fn make_transfers(count: usize) -> Result<Load> {
    let clients = by_client(count, |payer, to, nonce| {
        let command = payer.transfer(to, nonce)?;
        // As o1js sends it: everything inside the query.
        let literal = graphql_literal(&serde_json::to_value(&command)?);
        let query = format!(
            "mutation {{ sendZkapp(input: {{ zkappCommand: {literal} }}) {{ zkapp {{ hash id \
             failureReason {{ failures index }} zkappCommand {{ memo feePayer {{ body {{ publicKey \
             }} }} accountUpdates {{ body {{ publicKey useFullCommitment incrementNonce }} }} }} \
             }} }} }}"
        );
        let request =
            post("/graphql", &json!({ "operationName": null, "query": query, "variables": {} }));
        Ok(Prepared { hash: TransactionHash::of_zkapp_command(&command), request })
    })?;
    Ok(Load { clients, graphql: true })
}

fn graphql_literal(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let value = graphql_literal(value);
                format!("{name}: {value}")
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(graphql_literal).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

fn post(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends requests one after the other on one connection; when each was sent.
async fn client(
    address: SocketAddr,
    requests: Vec<Prepared>,
) -> Result<Vec<(TransactionHash, Instant)>> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    stream.get_ref().set_nodelay(true)?;
    let mut sent = Vec::with_capacity(requests.len());
    let mut body = Vec::new();
    for Prepared { hash, request } in requests {
        sent.push((hash, Instant::now()));
        stream.write_all(&request).await?;
        read_answer(&mut stream, &mut body).await?;
        let refused = body.windows(9).any(|part| part == b"\"errors\":")
            || body.windows(8).any(|part| part == b"\"error\":");
        ensure!(!refused, "refused: {}", String::from_utf8_lossy(&body));
    }
    Ok(sent)
}

async fn read_answer(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> Result<()> {
    let mut line = String::new();
    let mut length = 0;
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "the connection was closed");
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    body.resize(length, 0);
    stream.read_exact(body).await?;
    Ok(())
}

/// When each command was executed and safe, until all of `count` are.
async fn watch(handle: SequencerHandle, count: usize) -> Result<HashMap<TransactionHash, Instant>> {
    let mut confirmations = handle.confirmations();
    let mut seen = HashMap::with_capacity(count);
    while seen.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(60), confirmations.recv()).await;
        let confirmed = next.context("no command is executed any more")??;
        let now = Instant::now();
        seen.extend(confirmed.statements().iter().map(|one| (one.command, now)));
    }
    Ok(seen)
}

/// When blocks were closed.
async fn blocks(handle: SequencerHandle, stop: CancellationToken) -> Vec<Instant> {
    let mut events = handle.subscribe();
    let mut closed = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return closed,
            event = events.recv() => match event {
                Ok(NodeEvent::NewBlock(_)) => closed.push(Instant::now()),
                Ok(_) => {}
                Err(_) => return closed,
            },
        }
    }
}

fn config(dir: &Path) -> Result<SequencerConfig> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let accounts = (0..CLIENTS)
        .map(|n| {
            let public_key = Payer::new(n)?.public_key;
            Ok(GenesisAccount { public_key, balance: Amount::new(1_000_000_000_000) })
        })
        .collect::<Result<_>>()?;
    let mut config = SequencerConfig {
        data_dir: dir.to_owned(),
        genesis: GenesisConfig { accounts, ..GenesisConfig::default() },
        graphql_listen: any,
        health_listen: any,
        ..SequencerConfig::default()
    };
    config.rpc.listen = any;
    Ok(config)
}

fn disk(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
}

async fn run(report: &Report, name: &str, aim: &str, per_second: f64, load: Load) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = config(dir.path())?;
    let block_time = config.block_ms as f64 / 1000.0;
    let sequencer =
        Sequencer::start(config, Payer::new(0)?.private_key().clone(), &CancellationToken::new())
            .await?;
    let handle = sequencer.handle().clone();
    let addresses = sequencer.addresses();
    let address = if load.graphql { addresses.graphql } else { addresses.rpc };
    let count: usize = load.clients.iter().map(Vec::len).sum();
    let (memory, space) = (resident(), disk(dir.path()));
    let stop = CancellationToken::new();
    let watching = tokio::spawn(watch(handle.clone(), count));
    let blocks = tokio::spawn(blocks(handle.clone(), stop.clone()));
    let busy = cpu_seconds();
    let start = Instant::now();
    let clients: Vec<_> =
        load.clients.into_iter().map(|requests| tokio::spawn(client(address, requests))).collect();
    let mut sent = Vec::with_capacity(count);
    for client in clients {
        sent.extend(client.await??);
    }
    let accepted = start.elapsed().as_secs_f64();
    let seen = watching.await??;
    let executed = start.elapsed().as_secs_f64();
    let busy = cpu_seconds().zip(busy).map(|(after, before)| after - before);
    // The store is written behind; wait for the block.
    tokio::time::sleep(Duration::from_secs_f64(2.0 * block_time)).await;
    stop.cancel();
    let closed = blocks.await?;
    let mut delays = sent
        .iter()
        .map(|(hash, at)| {
            let seen = seen.get(hash).ok_or_else(|| anyhow!("{hash} was never executed"))?;
            Ok(seen.saturating_duration_since(*at).as_secs_f64())
        })
        .collect::<Result<Vec<f64>>>()?;
    delays.sort_by(f64::total_cmp);
    let size = format!("{count}");
    let row = |part: &str| format!("sequencer/{name}/{part}");
    let each = |seconds: f64| seconds / count as f64;
    report.compare(&row("accepted"), &size, each(accepted), (aim, 1.0 / per_second));
    report.compare(&row("executed"), &size, each(executed), (aim, 1.0 / per_second));
    if let Some(busy) = busy {
        report.time(&row("CPU a command, clients included"), &size, each(busy));
    }
    let bound = ("1.2 block times", 1.2 * block_time);
    report.time(&row("confirmed p50"), &size, percentile(&delays, 0.5));
    report.compare(&row("confirmed p99"), &size, percentile(&delays, 0.99), bound);
    let gaps: Vec<f64> = closed
        .windows(2)
        .filter_map(|pair| Some(pair.last()?.duration_since(*pair.first()?).as_secs_f64()))
        .collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len().max(1) as f64;
    let configured = ("configured", block_time);
    report.compare(&row("block time, mean"), &format!("{}", closed.len()), mean, configured);
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    report.compare(&row("block time, worst"), &format!("{}", closed.len()), worst, configured);
    // Extrapolated from this run: memory for blocks, indices and caches, some of it bounded.
    let million = |bytes: u64| (bytes as f64 / count as f64 * 1e6) as u64;
    let grown = resident().zip(memory).map(|(after, before)| after.saturating_sub(before));
    if let Some(grown) = grown {
        report.memory(&row("memory/million, extrapolated"), &size, million(grown));
    }
    let written = disk(dir.path()).saturating_sub(space);
    report.memory(&row("disk/million, extrapolated"), &size, million(written));
    if let Some(peak) = peak_memory() {
        report.memory(&row("peak memory, clients included"), &size, peak);
    }
    drop(handle);
    sequencer.stop();
    Ok(sequencer.join().await?)
}

/// What this process has used of processors, in its own code and in the kernel's: tells how fast it
/// would be on a machine of its own.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the process is in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>().ok()?;
    // Linux counts hundredths, whatever its own clock.
    Some(ticks as f64 / 100.0)
}

/// Resident bytes of this process.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
