//! `zeko bench ledger`.

use anyhow::{Result, anyhow};
use mina_ledger::bench::{Options, run};

use super::report::Report;

pub(crate) fn ledger(json: bool, quick: bool) -> Result<()> {
    let options = if quick { Options::quick() } else { Options::default() };
    let report = Report::new(json);
    for row in run(&options).map_err(|reason| anyhow!(reason))? {
        match row.baseline.zip(row.ratio) {
            Some((name, ratio)) => {
                report.compare(row.name, &row.size, row.seconds, (name, row.seconds * ratio));
            }
            None => report.time(row.name, &row.size, row.seconds),
        }
    }
    Ok(())
}
