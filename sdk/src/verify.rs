//! `zeko verify`.

use std::{fs, path::Path, path::PathBuf, process::ExitCode};

use kimchi::{CircuitCurve, Fixture, Statement, decode_fixture};
use rand::rngs::OsRng;

/// What became of a file, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Accepted = 0,
    Rejected = 1,
    Unreadable = 2,
}

/// Verifies each file, prints a line for each, and exits with the worst verdict.
pub(crate) fn kimchi(files: &[PathBuf]) -> ExitCode {
    let worst = files.iter().map(|file| report(file)).max().unwrap_or(Verdict::Accepted);
    ExitCode::from(worst as u8)
}

#[allow(clippy::print_stdout, reason = "the verdicts are the command's output")]
fn report(file: &Path) -> Verdict {
    let (verdict, reason) = match fs::read(file) {
        Err(error) => (Verdict::Unreadable, error.to_string()),
        Ok(bytes) => match decode_fixture(&bytes) {
            Err(error) => (Verdict::Unreadable, error.to_string()),
            Ok(Fixture::Vesta(statement)) => verify(&statement),
            Ok(Fixture::Pallas(statement)) => verify(&statement),
        },
    };
    let verdict_text = format!("{verdict:?}").to_lowercase();
    println!("{}: {verdict_text}: {reason}", file.display());
    verdict
}

fn verify<C: CircuitCurve>(statement: &Statement<C>) -> (Verdict, String) {
    let Statement { index, proof, public_input } = statement;
    match kimchi::verify(index, proof, public_input, &mut OsRng) {
        Ok(()) if !proof.previous.iter().all(|previous| previous.holds(&index.srs)) => {
            (Verdict::Rejected, "an accumulator that the proof carries on does not hold".into())
        }
        Ok(()) => {
            let size = index.domain.log_size();
            let count = public_input.len();
            let about = format!("over {}, domain 2^{size}, {count} public inputs", C::NAME);
            (Verdict::Accepted, about)
        }
        Err(error) => (Verdict::Rejected, error.to_string()),
    }
}
