//! `zeko soak da`: validators are killed at random, and nothing that was acknowledged may be lost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use mina_curves::Fp;
use mina_ledger::rollup::DataCommitment;
use rand::{Rng, SeedableRng, rngs::StdRng};
use time::OffsetDateTime;
use zeko_sdk::{
    keys::development_key,
    local_da::{DaLinks, LocalDa, LocalDaConfig, VALIDATORS},
};

use super::report::machine;

/// Blobs that are under way when a validator is killed.
const AT_ONCE: usize = 4;
/// What takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(60);
const NAMESPACE: u64 = 7;

#[derive(Debug, Args)]
pub(crate) struct DaSoak {
    /// How often to kill.
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// What the random choices begin with; random if absent.
    #[arg(long)]
    seed: Option<u64>,
}

/// What a node has said that it has.
struct Acknowledged {
    commitment: DataCommitment,
    data: Vec<u8>,
}

/// What came of the rounds.
struct Outcome {
    seed: u64,
    rounds: u32,
    begin: Instant,
    slowest: Duration,
    unanswered: u32,
    acknowledged: Vec<Acknowledged>,
}

/// Runs the rounds, and prints the report. Anything lost is a failure.
pub(crate) async fn da(command: &DaSoak) -> Result<()> {
    let seed = command.seed.unwrap_or_else(|| rand::thread_rng().r#gen());
    let folder = tempfile::tempdir()?;
    let config = LocalDaConfig {
        program: std::env::current_exe()?,
        dir: folder.path().into(),
        chain: "zeko-soak".into(),
        listen: [127, 0, 0, 1].into(),
        rpc_port: 0,
        rollups: Vec::new(),
        l1: None,
    };
    let mut committee = LocalDa::start(&config).await?;
    let mut random = StdRng::seed_from_u64(seed);
    let mut outcome = Outcome {
        seed,
        rounds: command.rounds,
        begin: Instant::now(),
        slowest: Duration::ZERO,
        unanswered: 0,
        acknowledged: Vec::new(),
    };
    for round in 0..command.rounds {
        let begin = Instant::now();
        let result = one_round(&mut committee, &mut random, &mut outcome).await;
        result.with_context(|| format!("round {round} of seed {seed}"))?;
        outcome.slowest = outcome.slowest.max(begin.elapsed());
        let (all, count) = (command.rounds, outcome.acknowledged.len());
        eprintln!("round {} of {all}: {count} acknowledged", round + 1);
    }
    let heights = check(committee.links(), &outcome.acknowledged).await?;
    print(&outcome, heights);
    Ok(committee.stop().await?)
}

#[allow(clippy::print_stdout, reason = "the report is the command's output")]
fn print(outcome: &Outcome, heights: u64) {
    let Outcome { seed, rounds, begin, slowest, unanswered, acknowledged } = outcome;
    let date = OffsetDateTime::now_utc().date();
    let (cpu, cores) = machine();
    let (minutes, slowest) = (begin.elapsed().as_secs_f64() / 60.0, slowest.as_secs_f64());
    println!("# Soak: validators of the DA layer that are killed\n");
    println!("`zeko soak da --rounds {rounds} --seed {seed}` on {date}, zeko");
    println!("{}, {cpu}, {cores} cores, {minutes:.0} minutes.\n", env!("CARGO_PKG_VERSION"));
    println!("{VALIDATORS} validators as processes. In a round, {AT_ONCE} blobs go to random ones");
    println!(
        "while a random one is killed at a random moment; the others certify a blob; the killed"
    );
    println!("one is started again and certifies one too. In the end every validator has to serve");
    println!("every acknowledged blob with a certificate, and all of them the same chain.\n");
    println!("| | |\n|---|---|");
    println!("| validators killed | {rounds} |");
    println!("| acknowledged blobs | {} |", acknowledged.len());
    println!("| of these lost, or without certificate | 0 |");
    println!("| not answered because of a kill | {unanswered} |");
    println!("| heights, one chain | {heights} |");
    println!("| evidence of contradicting signatures | 0 |");
    println!("| slowest round: a kill, two certificates, a restart | {slowest:.1} s |");
    println!("\nA killed process leaves what it wrote to the kernel: this does not test what a");
    println!("loss of power leaves.");
}

async fn one_round(
    committee: &mut LocalDa,
    random: &mut StdRng,
    outcome: &mut Outcome,
) -> Result<()> {
    let links = committee.links().clone();
    let validators = links.urls.len();
    let victim = random.gen_range(0..validators);
    let blobs: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let mut data = vec![0; random.gen_range(16..200_000)];
            random.fill(data.as_mut_slice());
            (random.gen_range(0..validators), data)
        })
        .collect();
    let delay = Duration::from_millis(random.gen_range(0..400));
    let submissions = blobs.into_iter().map(|(node, data)| submit(&links, node, data));
    let submissions = futures_util::future::join_all(submissions);
    // What chance is about: how far everything is when the validator dies.
    let kill = async {
        tokio::time::sleep(delay).await;
        committee.kill(victim).await
    };
    let (results, killed) =
        tokio::time::timeout(LIMIT, futures_util::future::join(submissions, kill))
            .await
            .context("submission")?;
    killed?;
    for (node, result) in results {
        match result {
            Ok(entry) => outcome.acknowledged.push(entry),
            // Whoever dies may leave a question unanswered.
            Err(_) if node == victim => outcome.unanswered += 1,
            Err(error) => return Err(error.context("a validator that was not killed")),
        }
    }
    let other = (victim + 1) % validators;
    let acknowledged = &mut outcome.acknowledged;
    pass(&links, other, acknowledged).await.context("three of four")?;
    committee.restart(victim).await?;
    pass(&links, victim, acknowledged).await.context("the one that came back")
}

async fn submit(links: &DaLinks, node: usize, data: Vec<u8>) -> (usize, Result<Acknowledged>) {
    let send = async {
        let client = links.client(node).await?;
        let key = development_key("da-client", node as u32).private;
        let commitment = client.submit_blob(Fp::from(NAMESPACE), data.clone(), &key).await?;
        Ok(Acknowledged { commitment, data })
    };
    (node, send.await)
}

/// A blob through one validator, to its certificate.
async fn pass(links: &DaLinks, node: usize, acknowledged: &mut Vec<Acknowledged>) -> Result<()> {
    let data = format!("{} through {node}", acknowledged.len()).into_bytes();
    let entry = submit(links, node, data).await.1?;
    let client = links.client(node).await?;
    let certificate = tokio::time::timeout(LIMIT, client.certified(entry.commitment)).await;
    certificate.context("no certificate within a minute")??;
    acknowledged.push(entry);
    Ok(())
}

/// Everything is everywhere, in one order; the greatest height.
async fn check(links: &DaLinks, acknowledged: &[Acknowledged]) -> Result<u64> {
    let light = links.light();
    let (mut chains, mut heights) = (Vec::new(), 0);
    for node in 0..links.urls.len() {
        let client = links.client(node).await?;
        for Acknowledged { commitment, data } in acknowledged {
            let blob = light.blob(&client, Fp::from(NAMESPACE), *commitment);
            let blob = tokio::time::timeout(LIMIT, blob).await;
            let blob = blob.with_context(|| format!("validator {node} has lost a blob"))??;
            ensure!(blob == *data, "validator {node} has other data");
        }
        ensure!(client.evidence().await?.is_empty(), "validator {node} has evidence");
        let (mut chain, mut after) = (Vec::new(), None);
        loop {
            let entries = client.namespace(Fp::from(NAMESPACE), after, 1000).await?;
            let Some(last) = entries.last() else { break };
            after = Some((last.height, last.index));
            chain.extend(entries);
        }
        heights = heights.max(client.status().await?.height);
        chains.push(chain);
    }
    if chains.windows(2).any(|pair| pair.first() != pair.last()) {
        bail!("validators have different chains");
    }
    Ok(heights)
}
