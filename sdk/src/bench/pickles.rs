//! `zeko bench pickles`: the example program beside o1js' native back end, in the same run.
//!
//! Each side runs in one process, width after width, so later widths find the SRS in memory.

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};
use mina_curves::Fp;
use pickles::{ProofsVerified, encode_proof, example::Sums, verify};
use rand::rngs::OsRng;
use serde::Deserialize;

use super::report::{Report, peak_memory};

/// The name of the baseline.
const O1JS: &str = "o1js 2.15 native";

/// What `bench.mjs` says about a width, in seconds and bytes.
#[derive(Debug, Deserialize)]
struct Baseline {
    width: usize,
    compile: f64,
    leaf: f64,
    prove: f64,
    verify: f64,
    bytes: u64,
    memory: u64,
}

/// Measures widths up to `widest`; `o1js` is a folder with `bench.mjs` and its packages.
pub(crate) fn pickles(json: bool, widest: u8, o1js: Option<&Path>) -> Result<()> {
    let report = Report::new(json);
    let baselines = o1js.map(|folder| baselines(folder, widest)).transpose()?.unwrap_or_default();
    for width in 0..=usize::from(widest) {
        measure(&report, width, baselines.iter().find(|baseline| baseline.width == width))?;
    }
    Ok(())
}

fn measure(report: &Report, width: usize, baseline: Option<&Baseline>) -> Result<()> {
    let size = format!("N{width}");
    let time = |name: &str, seconds: f64, theirs: Option<f64>| match theirs {
        Some(theirs) => report.compare(name, &size, seconds, (O1JS, theirs)),
        None => report.time(name, &size, seconds),
    };
    let mut rng = OsRng;

    let start = Instant::now();
    let width = ProofsVerified::from_count(width).context("widths are 0, 1 and 2")?;
    let sums = Sums::compile(width, None)?;
    let Sums { program, leaf, increment, merge } = &sums;
    time("compile", start.elapsed().as_secs_f64(), baseline.map(|b| b.compile));

    let start = Instant::now();
    let nine = program.prove(*leaf, Fp::from(3u64), &[], &mut rng)?;
    let mut seconds = start.elapsed().as_secs_f64();
    time("prove a leaf", seconds, baseline.map(|b| b.leaf));
    let mut proved = nine.clone();
    if let Some(increment) = increment {
        let start = Instant::now();
        proved = program.prove(*increment, true, &[Some(nine.clone())], &mut rng)?;
        seconds = start.elapsed().as_secs_f64();
    }
    if let Some(merge) = merge {
        let start = Instant::now();
        proved = program.prove(*merge, (), &[Some(proved), Some(nine)], &mut rng)?;
        seconds = start.elapsed().as_secs_f64();
    }
    time("prove the widest rule", seconds, baseline.map(|b| b.prove));

    let start = Instant::now();
    verify(program.verification_key(), &proved.app_state, &proved.proof, &mut rng)?;
    time("verify", start.elapsed().as_secs_f64(), baseline.map(|b| b.verify));

    if merge.is_some() {
        let start = Instant::now();
        sums.prove_tree(&[1u64, 2, 3, 4].map(Fp::from), &mut rng)?;
        let theirs = baseline.map(|b| 4.0 * b.leaf + 3.0 * b.prove);
        time("prove a tree of 4 leaves", start.elapsed().as_secs_f64(), theirs);
    }

    report.memory("proof", &size, encode_proof(&proved.proof).len() as u64);
    if let Some(bytes) = peak_memory() {
        report.memory("peak memory", &size, bytes);
    }
    if let Some(baseline) = baseline {
        report.memory("proof, o1js", &size, baseline.bytes);
        report.memory("peak memory, o1js", &size, baseline.memory);
    }
    Ok(())
}

fn baselines(folder: &Path, widest: u8) -> Result<Vec<Baseline>> {
    let output = Command::new("node")
        .arg("bench.mjs")
        .arg(widest.to_string())
        .current_dir(folder)
        .output()
        .with_context(|| format!("cannot run node in {}", folder.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "bench.mjs failed: {errors}");
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().map(|line| serde_json::from_str(line).context("bench.mjs")).collect()
}
