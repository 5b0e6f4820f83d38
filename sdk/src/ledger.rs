//! `zeko ledger`.

use std::{path::PathBuf, process::ExitCode};

use mina_ledger::replay::replay_file;

/// Runs each file's cases, prints every difference and a summary, and exits with the worst outcome.
#[allow(clippy::print_stdout, reason = "the report is the command's output")]
pub(crate) fn replay(files: &[PathBuf]) -> ExitCode {
    let mut worst = 0;
    for file in files {
        match replay_file(file) {
            Ok(report) => {
                println!("{}: {report}", file.display());
                worst = worst.max(u8::from(!report.is_clean()));
            }
            Err(error) => {
                println!("{}: unreadable: {error}", file.display());
                worst = 2;
            }
        }
    }
    ExitCode::from(worst)
}
