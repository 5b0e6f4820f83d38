//! `zeko soak`: services that are killed under load, again and again.
//!
//! For a sequencer, every round starts `zeko sequencer` as a process of its own, compares what it has
//! with everything that it ever said, sends commands, and kills the process: at a random moment, or at
//! one of the points that the feature `crash-points` names.

mod da;
mod process;
mod report;
mod witness;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, bail};
use clap::Args;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use crate::load::Payer;
pub(crate) use da::{DaSoak, da};
use process::{Links, Site};
use report::Report;
use witness::{Sender, Witness};

/// Who sends at the same time; each waits for an answer before the next command.
const SENDERS: usize = 16;

/// The points at which a process can be told to die; a rollback is not part of the soak.
#[cfg(feature = "crash-points")]
fn points() -> Vec<&'static str> {
    let points = zeko_sequencer::CRASH_POINTS.iter().copied();
    points.filter(|point| !point.starts_with("rollback")).collect()
}

#[cfg(not(feature = "crash-points"))]
fn points() -> Vec<&'static str> {
    Vec::new()
}

#[derive(Debug, Args)]
pub(crate) struct SequencerSoak {
    /// How often to kill.
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// What the random choices begin with; random if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// JSON instead of Markdown.
    #[arg(long)]
    json: bool,
}

/// Runs the rounds, and prints the report. Anything lost is a failure.
pub(crate) async fn sequencer(command: &SequencerSoak) -> Result<()> {
    let seed = command.seed.unwrap_or_else(|| rand::thread_rng().r#gen());
    let mut random = StdRng::seed_from_u64(seed);
    let senders = (0..SENDERS).map(Payer::new).collect::<Result<Vec<_>>>()?;
    let site = Site::new(&senders)?;
    let mut witness = Witness::new(&senders);
    let mut report = Report::new(seed);
    for round in 0..command.rounds {
        let point = choose(&mut random, round);
        let moment = Duration::from_millis(random.gen_range(50..1200));
        let mut process = site.start(point.as_deref()).await?;
        report.started(process.took);
        if let Err(error) = witness.check(&process.links, &mut report).await {
            // It may die at its point before there is any load.
            if point.is_some() && process.killer.finish_closed().await? {
                report.killed(point.as_deref());
                continue;
            }
            return Err(error);
        }
        load(&mut witness, &process.links, &mut process.killer, moment).await?;
        let died = process.killer.finish().await?;
        report.killed(if died { point.as_deref() } else { None });
        eprintln!(
            "round {} of {}: {} acknowledged, {} losses",
            round + 1,
            command.rounds,
            witness.acknowledged(),
            report.losses.len()
        );
    }
    let mut process = site.start(None).await?;
    report.started(process.took);
    witness.check(&process.links, &mut report).await?;
    witness.check_whole_chain(&process.links, &mut report).await?;
    process.killer.finish().await?;
    report.print(&witness, command.json)?;
    match report.losses.len() {
        0 => Ok(()),
        losses => bail!("{losses} losses; seed {seed}"),
    }
}

/// Where the process of a round is to die, with the passage: every other round, if there are points.
fn choose(random: &mut StdRng, round: u32) -> Option<String> {
    let points = points();
    let place = (round as usize / 2).checked_rem(points.len())?;
    let point = points.get(place).filter(|_| round % 2 == 1)?;
    let passage = if point.starts_with("log/rewrite") { 1 } else { random.gen_range(1..20) };
    Some(format!("{point}:{passage}"))
}

/// Sends from all senders until `moment`, or until the process dies by itself, and kills it while
/// they send.
async fn load(
    witness: &mut Witness,
    links: &Links,
    killer: &mut process::Killer,
    moment: Duration,
) -> Result<()> {
    let listener = tokio::spawn(witness::listen(links.clone()));
    let mut tasks = JoinSet::new();
    for (number, sender) in std::mem::take(&mut witness.senders) {
        let links = links.clone();
        tasks.spawn(async move { (number, sender.send_all(&links).await) });
    }
    tokio::time::sleep(moment).await;
    killer.kill()?;
    let mut senders: BTreeMap<usize, Sender> = BTreeMap::new();
    while let Some(ended) = tasks.join_next().await {
        let (number, sender) = ended?;
        senders.insert(number, sender?);
    }
    witness.senders = senders;
    witness.heard(listener.await??)
}
