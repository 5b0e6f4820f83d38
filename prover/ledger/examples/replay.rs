//! Runs files of transaction cases and prints every difference: exit code 1 on any, 2 on a file
//! that cannot be read. `zeko ledger replay` without the rest of `zeko`.

#![allow(clippy::print_stdout)] // a command-line tool

use std::{path::Path, process::ExitCode};

use mina_ledger::replay::replay_file;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args().skip(1) {
        match replay_file(Path::new(&path)) {
            Ok(report) => {
                println!("{path}: {report}");
                if !report.is_clean() && code == ExitCode::SUCCESS {
                    code = ExitCode::from(1);
                }
            }
            Err(error) => {
                eprintln!("{error}");
                code = ExitCode::from(2);
            }
        }
    }
    code
}
