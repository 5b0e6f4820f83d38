//! `zeko bench circuits`: the rollup program on transfers of three account updates each, and a payment.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use mina_ledger::rollup::Hashed;
use pickles::{Job, ProvedStatement, verify};
use rand::rngs::OsRng;
use zeko_circuits::{
    example::Transfers,
    program::{CommandsInput, Merge, Rollup, Segment, Sizes},
    update::{RecordedUpdate, State},
};

use super::{
    network::network,
    report::{Report, peak_memory},
};

/// Updates of a transfer, its fee payer included.
const TRANSFER: usize = 3;

/// A batch of `batch` updates in proofs of `updates` each; then, if `settles`, batches that are settled.
pub(crate) fn circuits(json: bool, updates: usize, batch: usize, settles: bool) -> Result<()> {
    ensure!(updates > 0 && batch > 0, "there must be updates");
    let report = Report::new(json);
    let mut chain = Transfers::new(8)?;
    let start = Instant::now();
    // Transfers and one payment: the other rules are as small as they can be. Where the rule for updates is
    // as large as can be, so is the one for updates with a proof.
    let proved = updates.min(Sizes::MAX.proved);
    let sizes = Sizes { updates, proved, messages: 1, accounts: 1, payments: 1 };
    let rollup = Rollup::compile(&chain.rules, sizes, None)?;
    report.time("compile", "", start.elapsed().as_secs_f64());
    let (wrap, steps) = rollup.program.rows();
    report.count("rows, wrap", "", wrap as u64);
    for (rule, rows) in steps {
        report.count(&format!("rows, {rule}"), "", rows as u64);
    }

    let (segments, jobs) = segments(&rollup, &mut chain, updates, batch)?;
    let count = segments.len();
    let start = Instant::now();
    let proved = rollup.program.prove_all(rollup.commands, jobs, &mut OsRng);
    let proved = proved.into_iter().collect::<Result<Vec<_>, _>>()?;
    let seconds = start.elapsed().as_secs_f64();
    report.time("prove commands, each", &format!("{updates}"), seconds / count as f64);

    let mut level: Vec<_> = segments.into_iter().zip(proved).collect();
    let merging = Instant::now();
    while level.len() > 1 {
        level = merge_pairs(&rollup, level)?;
    }
    if count > 1 {
        let each = merging.elapsed().as_secs_f64() / (count - 1) as f64;
        report.time("merge, each", "", each);
    }
    let whole = start.elapsed().as_secs_f64();
    report.time("batch", &format!("{batch}"), whole);
    report.time("batch, for each update", &format!("{batch}"), whole / batch as f64);

    let (segment, proof) = level.pop().context("a batch has a proof")?;
    ensure!(proof.app_state == [segment.digest()], "the proof is of another statement");
    let start = Instant::now();
    verify(rollup.program.verification_key(), &proof.app_state, &proof.proof, &mut OsRng)?;
    report.time("verify", "", start.elapsed().as_secs_f64());

    let recorded = chain.payment(0, 1, 1_000)?;
    let payments = sizes.payments.to_string();
    let input = rollup.payment_input(chain.chain, chain.height, chain.slot, recorded)?;
    let start = Instant::now();
    rollup.program.prove(rollup.payment, input, &[], &mut OsRng)?;
    report.time("prove payment, each", &payments, start.elapsed().as_secs_f64());
    if let Some(bytes) = peak_memory() {
        report.memory("peak memory", "", bytes);
    }
    drop(rollup);
    if settles { network(&report) } else { Ok(()) }
}

/// Transfers of so many updates, cut into segments of `updates`.
fn segments(
    rollup: &Rollup,
    chain: &mut Transfers,
    updates: usize,
    batch: usize,
) -> Result<(Vec<Segment>, Vec<Job<CommandsInput>>)> {
    let mut recorded: Vec<RecordedUpdate> = Vec::new();
    let users = chain.users();
    for i in 0..batch.div_ceil(TRANSFER) {
        recorded.extend(chain.send(i % users, (i + 1) % users, 1_000)?);
    }
    let end = *chain.state();
    let starts: Vec<State> =
        recorded.chunks(updates).filter_map(|chunk| chunk.first()).map(|one| one.before).collect();
    let ends = starts.iter().skip(1).copied().chain([end]);
    let segments = starts.iter().zip(ends).map(|(source, target)| chain.segment(source, &target));
    let segments = segments.collect();
    let input = |chunk: &[RecordedUpdate]| -> Result<Job<CommandsInput>> {
        let input = rollup.commands_input(chain.chain, chain.height, chain.slot, chunk.to_vec())?;
        Ok(Job { input, previous: vec![] })
    };
    Ok((segments, recorded.chunks(updates).map(input).collect::<Result<_>>()?))
}

/// The level above: each two that follow each other become one.
fn merge_pairs(
    rollup: &Rollup,
    mut level: Vec<(Segment, ProvedStatement)>,
) -> Result<Vec<(Segment, ProvedStatement)>> {
    let odd = if level.len() % 2 == 1 { level.pop() } else { None };
    let mut joined = Vec::new();
    let mut jobs = Vec::new();
    for pair in level.chunks_exact(2) {
        let [(first, a), (second, b)] = pair else { continue };
        joined.push(Merge::join(first, second).context("segments follow each other")?);
        let previous = vec![Some(a.clone()), Some(b.clone())];
        jobs.push(Job { input: [*first, *second], previous });
    }
    let proved = rollup.program.prove_all(rollup.merge, jobs, &mut OsRng);
    let proved = proved.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(joined.into_iter().zip(proved).chain(odd).collect())
}
