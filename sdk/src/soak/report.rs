//! What came of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::json;
use time::OffsetDateTime;

use super::{SENDERS, witness::Witness};

/// Counts of all rounds.
pub(super) struct Report {
    seed: u64,
    begin: Instant,
    /// From a start until the process was ready.
    starts: Vec<Duration>,
    /// By point; the empty one is a random moment.
    killed: BTreeMap<String, u32>,
    /// Commands that were on their way when the process died, and were found after it.
    pub(super) in_doubt_taken: u64,
    pub(super) losses: Vec<String>,
}

impl Report {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            begin: Instant::now(),
            starts: Vec::new(),
            killed: BTreeMap::new(),
            in_doubt_taken: 0,
            losses: Vec::new(),
        }
    }

    pub(super) fn started(&mut self, took: Duration) {
        self.starts.push(took);
    }

    /// `point`: where the process died by itself, with the passage.
    pub(super) fn killed(&mut self, point: Option<&str>) {
        let name = point.and_then(|point| point.split(':').next()).unwrap_or("a random moment");
        *self.killed.entry(name.to_owned()).or_default() += 1;
    }

    pub(super) fn loss(&mut self, what: String) {
        eprintln!("LOSS: {what}");
        self.losses.push(what);
    }

    fn seconds_to_start(&self) -> (f64, f64) {
        let seconds = |span: &Duration| span.as_secs_f64();
        let mean = self.starts.iter().map(seconds).sum::<f64>() / self.starts.len().max(1) as f64;
        (mean, self.starts.iter().map(seconds).fold(0.0, f64::max))
    }

    #[allow(clippy::print_stdout, reason = "the report is the command's output")]
    pub(super) fn print(&self, witness: &Witness, json: bool) -> Result<()> {
        let date = OffsetDateTime::now_utc().date().to_string();
        let (cpu, cores) = machine();
        let (mean, worst) = self.seconds_to_start();
        let rounds: u32 = self.killed.values().sum();
        let minutes = self.begin.elapsed().as_secs_f64() / 60.0;
        if json {
            let report = json!({
                "date": date, "cpu": cpu, "cores": cores, "version": env!("CARGO_PKG_VERSION"),
                "seed": self.seed, "rounds": rounds, "killedAt": self.killed,
                "minutes": minutes, "acknowledged": witness.acknowledged(),
                "unansweredAndKept": self.in_doubt_taken, "confirmations": witness.confirmed(),
                "blocks": witness.height(), "startSecondsMean": mean, "startSecondsWorst": worst,
                "losses": self.losses,
            });
            println!("{}", serde_json::to_string_pretty(&report)?);
            return Ok(());
        }
        let counts = [
            ("rounds", rounds.to_string()),
            ("acknowledged commands", witness.acknowledged().to_string()),
            ("of these lost, doubled or out of order", self.losses.len().to_string()),
            ("pre-confirmations, all as before after the restart", witness.confirmed().to_string()),
            ("not answered because of a kill, and kept", self.in_doubt_taken.to_string()),
            ("blocks", witness.height().to_string()),
            ("start until ready, mean", format!("{mean:.2} s")),
            ("start until ready, worst", format!("{worst:.2} s")),
        ];
        println!("# Soak: a sequencer that is killed\n");
        println!("`zeko soak sequencer --rounds {rounds} --seed {}` on {date}, zeko", self.seed);
        println!("{}, {cpu}, {cores} cores, {minutes:.0} minutes.\n", env!("CARGO_PKG_VERSION"));
        println!(
            "{SENDERS} senders, payments by JSON-RPC and zkApp commands by JSON-RPC and GraphQL."
        );
        println!(
            "After every kill the next process is compared with everything that was said before:"
        );
        println!(
            "acknowledged commands, their order, blocks by hash, nonces, pre-confirmations by"
        );
        println!("signature. In the end all blocks are read once more.\n");
        println!("| | |\n|---|---|");
        counts.iter().for_each(|(name, count)| println!("| {name} | {count} |"));
        println!("\n| killed at | times |\n|---|---|");
        self.killed.iter().for_each(|(name, times)| println!("| {name} | {times} |"));
        println!(
            "\nA killed process leaves what it wrote to the kernel: this does not test what a"
        );
        println!("loss of power leaves.");
        if !self.losses.is_empty() {
            println!("\n## Losses\n");
            self.losses.iter().for_each(|loss| println!("- {loss}"));
        }
        Ok(())
    }
}

/// The processor, and how many of its cores there are for us.
pub(super) fn machine() -> (String, usize) {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = model.and_then(|line| line.split_once(':')).map_or("unknown processor", |(_, m)| m);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (name.trim().to_owned(), cores)
}
