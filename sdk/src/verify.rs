//! `zeko verify`.

use std::{fs, path::PathBuf, process::ExitCode};

use kimchi::{CircuitCurve, Fixture, Statement, decode_fixture};
use pickles::ProofFile;
use rand::rngs::OsRng;

/// What became of a file, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Accepted = 0,
    Rejected = 1,
    Unreadable = 2,
}

/// Verifies Kimchi proofs: prints a line for each file, and exits with the worst verdict.
pub(crate) fn kimchi(files: &[PathBuf]) -> ExitCode {
    all(files, |bytes| match decode_fixture(bytes) {
        Err(error) => (Verdict::Unreadable, error.to_string()),
        Ok(Fixture::Vesta(statement)) => verify(&statement),
        Ok(Fixture::Pallas(statement)) => verify(&statement),
    })
}

/// Verifies Pickles proofs: prints a line for each file, and exits with the worst verdict.
pub(crate) fn pickles(files: &[PathBuf]) -> ExitCode {
    all(files, |bytes| {
        let decoded = ProofFile::parse(bytes).and_then(|file| file.decode());
        let (key, app_state, proof) = match decoded {
            Ok(decoded) => decoded,
            Err(error) => return (Verdict::Unreadable, error.to_string()),
        };
        match pickles::verify(&key, &app_state, &proof, &mut OsRng) {
            Ok(()) => {
                let width = proof.state.branch_data.proofs_verified;
                (Verdict::Accepted, format!("width {width:?}, key {}", key.hash()))
            }
            Err(error) => (Verdict::Rejected, error.to_string()),
        }
    })
}

#[allow(clippy::print_stdout, reason = "the verdicts are the command's output")]
fn all(files: &[PathBuf], verify: impl Fn(&[u8]) -> (Verdict, String)) -> ExitCode {
    let mut worst = Verdict::Accepted;
    for file in files {
        let (verdict, reason) = match fs::read(file) {
            Err(error) => (Verdict::Unreadable, error.to_string()),
            Ok(bytes) => verify(&bytes),
        };
        let name = format!("{verdict:?}").to_lowercase();
        println!("{}: {name}: {reason}", file.display());
        worst = worst.max(verdict);
    }
    ExitCode::from(worst as u8)
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
