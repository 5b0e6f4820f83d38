//! Prints the rows of `zeko bench ledger`; an argument sets the number of accounts.

#![allow(clippy::print_stdout)] // a command-line tool

use std::process::ExitCode;

use mina_ledger::bench::{Options, run};

fn main() -> ExitCode {
    let mut options = Options::default();
    if let Some(accounts) = std::env::args().nth(1).and_then(|text| text.parse().ok()) {
        options.accounts = accounts;
    }
    match run(&options) {
        Ok(rows) => {
            for row in rows {
                let ratio = row.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}×"));
                let baseline = row.baseline.unwrap_or_default();
                println!(
                    "{:28} {:28} {:12.9}  {ratio} {baseline}",
                    row.name, row.size, row.seconds
                );
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
