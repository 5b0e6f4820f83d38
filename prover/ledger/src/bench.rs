//! Measurements of the ledger: the rows of `zeko bench ledger`.
//!
//! The throughput rows include everything a sequencer does with a command: signatures in one batch,
//! hashes, execution, and the root at the end.

mod workload;

use std::{format, string::String, time::Instant, vec, vec::Vec};

use mina_curves::Fp;
use mina_poseidon::{Kimchi, Permutation};
use serde::Serialize;

use self::workload::Workload;
use crate::{
    hash::{account_hash, account_hashes, command_hashes_many, permute_many},
    ledger::{Ledger, Location},
    logic::{apply_signed_command, apply_zkapp_command},
    signature::{BatchItem, verify_batch, verify_fields, verify_payload},
    types::{Account, Era},
};

/// What to measure on.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Accounts of the ledger.
    pub accounts: usize,
    /// Commands of a batch, signatures of a batch.
    pub commands: usize,
    /// Leaves changed before rehashing.
    pub leaves: usize,
}

impl Default for Options {
    /// The sizes that reports are about.
    fn default() -> Self {
        Self { accounts: 1_000_000, commands: 2000, leaves: 10_000 }
    }
}

impl Options {
    /// Sizes that take a second or two.
    pub const fn quick() -> Self {
        Self { accounts: 2000, commands: 100, leaves: 1000 }
    }
}

/// A measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// Of what size.
    pub size: String,
    /// Seconds for one operation.
    pub seconds: f64,
    /// What it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<&'static str>,
    /// Seconds of the baseline over seconds of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// Seconds per operation of upstream's Poseidon hash of two elements, as the project's aim has it.
const UPSTREAM_HASH: f64 = 30e-6;

fn seconds(operations: usize, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() / operations.max(1) as f64
}

fn row(name: &'static str, size: impl Into<String>, seconds: f64) -> Row {
    Row { name, size: size.into(), seconds, baseline: None, ratio: None }
}

fn against(name: &'static str, size: String, seconds: f64, base: &'static str, other: f64) -> Row {
    Row { name, size, seconds, baseline: Some(base), ratio: Some(other / seconds) }
}

/// Runs all measurements.
///
/// # Errors
/// A text if a workload does not do what it should, which would make its time worthless.
pub fn run(options: &Options) -> Result<Vec<Row>, String> {
    let mut rows = poseidon(options);
    let mut workload = Workload::new(options)?;
    rows.extend(accounts(&workload, options));
    rows.extend(signatures(&workload)?);
    rows.extend(tree(&mut workload, options)?);
    workload.sign_payments()?;
    rows.push(payments(&mut workload)?);
    workload.sign_transfers()?;
    rows.push(transfers(&mut workload)?);
    Ok(rows)
}

fn poseidon(options: &Options) -> Vec<Row> {
    let count = options.leaves;
    let mut states = vec![[Fp::from(3u64); 3]; count];
    let single = seconds(count, || states.iter_mut().for_each(Kimchi::permute));
    let many = seconds(count, || permute_many(&mut states));
    let base = "upstream, 30 µs per hash";
    vec![
        against("poseidon/single", "1".into(), single, base, UPSTREAM_HASH),
        against("poseidon/many", format!("{count}"), many, base, UPSTREAM_HASH),
    ]
}

fn accounts(workload: &Workload, options: &Options) -> Vec<Row> {
    let accounts: Vec<&Account> = workload.ledger.accounts().iter().take(options.leaves).collect();
    let count = accounts.len();
    let mut sum = Fp::default();
    let single = seconds(count, || {
        sum = accounts.iter().map(|account| account_hash(account, Era::Berkeley)).sum();
    });
    let many =
        seconds(count, || sum -= account_hashes(&accounts, Era::Berkeley).iter().sum::<Fp>());
    // Both have to be computed.
    core::hint::black_box(sum);
    let mut rows = vec![
        row("account hash/single", "1", single),
        against("account hash/many", format!("{count}"), many, "single", single),
    ];
    if let Some(bytes) = workload.bytes_per_account {
        // Not a time, but the same table.
        rows.push(row("memory per account (bytes)", format!("{}", workload.ledger.len()), bytes));
    }
    rows.push(row("ledger/build", format!("{} accounts", workload.ledger.len()), workload.build));
    rows
}

fn signatures(workload: &Workload) -> Result<Vec<Row>, String> {
    let domain = &workload.domain;
    let commands = &workload.payments;
    let count = commands.len();
    let invalid = |_| String::from("an invalid signature");
    let mut result = Ok(());
    let single_legacy = seconds(count, || {
        result = commands
            .iter()
            .try_for_each(|command| verify_payload(&command.signature, &command.payload, domain));
    });
    result.map_err(invalid)?;
    let legacy: Vec<BatchItem> = commands.iter().map(BatchItem::signed_command).collect();
    let mut result = Ok(());
    let many_legacy = seconds(count, || result = verify_batch(&legacy, domain));
    result.map_err(|_| "an invalid signature")?;

    let signed = workload.field_signatures();
    let mut result = Ok(());
    let single = seconds(count, || {
        result = signed.iter().try_for_each(|(signature, message, key)| {
            verify_fields(signature, message, key, domain)
        });
    });
    result.map_err(invalid)?;
    let items: Vec<BatchItem> = signed
        .iter()
        .map(|(signature, message, key)| BatchItem::fields(*signature, message.to_vec(), *key))
        .collect();
    let mut result = Ok(());
    let many = seconds(count, || result = verify_batch(&items, domain));
    result.map_err(|_| "an invalid signature")?;
    Ok(vec![
        row("signature/single", "1", single),
        against("signature/batch", format!("{count}"), many, "single", single),
        row("signature/legacy single", "1", single_legacy),
        against("signature/legacy batch", format!("{count}"), many_legacy, "single", single_legacy),
    ])
}

fn tree(workload: &mut Workload, options: &Options) -> Result<Vec<Row>, String> {
    let ledger = &mut workload.ledger;
    let size = ledger.len();
    let mut change = |indices: &mut dyn Iterator<Item = u64>| -> Result<f64, String> {
        for index in indices {
            let account = ledger.account(Location::new(index)).map_err(|e| format!("{e}"))?;
            let account = Account { nonce: account.nonce.successor(), ..account.clone() };
            ledger.set(account).map_err(|e| format!("{e}"))?;
        }
        let mut result = Ok(Fp::default());
        let time = seconds(1, || result = ledger.root());
        result.map(|_| time).map_err(|e| format!("{e}"))
    };
    let mut path = 0.0;
    const PATHS: u64 = 20;
    for n in 0..PATHS {
        path += change(&mut core::iter::once(n * (size - 1) / PATHS))? / PATHS as f64;
    }
    let leaves = options.leaves as u64;
    let step = (size / leaves).max(1);
    let root = change(&mut (0..leaves.min(size)).map(|n| n * step))?;
    Ok(vec![
        row("path update", format!("1 of {size} leaves"), path),
        row("root", format!("{leaves} of {size} leaves"), root),
    ])
}

fn payments(workload: &mut Workload) -> Result<Row, String> {
    let Workload { ledger, payments, domain, view, .. } = workload;
    let count = payments.len();
    let context = workload::context(view);
    let mut result = Ok(());
    let time = seconds(count, || {
        result = (|| {
            let items: Vec<BatchItem> = payments.iter().map(BatchItem::signed_command).collect();
            verify_batch(&items, domain).map_err(|(_, error)| format!("{error}"))?;
            for command in payments.iter() {
                let applied = apply_signed_command(ledger, &command.payload, &context);
                if applied.map_err(|e| format!("{e}"))?.failures.is_some() {
                    return Err(String::from("a payment failed"));
                }
            }
            ledger.root().map(|_| ()).map_err(|e| format!("{e}"))
        })();
    });
    result?;
    Ok(against(
        "payment",
        format!("{count}, {} accounts", ledger.len()),
        time,
        "4000/s",
        1.0 / 4000.0,
    ))
}

fn transfers(workload: &mut Workload) -> Result<Row, String> {
    let Workload { ledger, transfers, domain, view, .. } = workload;
    let count = transfers.len();
    let context = workload::context(view);
    let mut result = Ok(());
    let time = seconds(count, || {
        result = (|| {
            let commands: Vec<_> = transfers.iter().collect();
            let hashes = command_hashes_many(&commands, domain);
            let items: Vec<BatchItem> = transfers
                .iter()
                .zip(&hashes)
                .flat_map(|(command, hashes)| BatchItem::zkapp_command(command, hashes))
                .collect();
            verify_batch(&items, domain).map_err(|(_, error)| format!("{error}"))?;
            for (command, hashes) in transfers.iter().zip(&hashes) {
                let applied = apply_zkapp_command(ledger, command, hashes, &context, &mut ());
                if applied.map_err(|e| format!("{e}"))?.failures.is_some() {
                    return Err(String::from("a transfer failed"));
                }
            }
            ledger.root().map(|_| ()).map_err(|e| format!("{e}"))
        })();
    });
    result?;
    let size = format!("{count}, {} accounts", ledger.len());
    Ok(against("zkApp transfer", size, time, "1000/s", 1.0 / 1000.0))
}
