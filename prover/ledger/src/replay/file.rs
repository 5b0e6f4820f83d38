//! Files of cases.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    string::String,
    vec::Vec,
};

use mina_curves::Fp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::case::{Case, CaseReport, Outcome, run_case};
use crate::{
    Domain,
    types::{Era, NetworkId, TypeError, VerificationKey, from_decimal},
};

/// Why a file cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("not a file of transaction cases: {0}")]
    Json(#[from] serde_json::Error),
    /// It is in another format.
    #[error("unknown format {0:?}")]
    Format(String),
    /// A verification key or network name in it is wrong.
    #[error(transparent)]
    Type(#[from] TypeError),
}

/// The cases stay text until they are run: files of thousands are large.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    format: String,
    signature_network: String,
    verification_keys: BTreeMap<String, String>,
    #[serde(borrow)]
    cases: Vec<&'a RawValue>,
}

/// What came of all cases of a file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Cases that agree in everything.
    pub agreeing: usize,
    /// Cases of the family `malformed` that are refused here before any ledger is looked at.
    pub refused: usize,
    /// Cases that differ.
    pub differing: Vec<CaseReport>,
}

impl Report {
    /// Cases in the file.
    pub fn total(&self) -> usize {
        self.agreeing + self.refused + self.differing.len()
    }

    /// Whether nothing differs.
    pub fn is_clean(&self) -> bool {
        self.differing.is_empty()
    }

    fn add(&mut self, report: CaseReport) {
        match report.outcome {
            Outcome::Agrees => self.agreeing += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Differs => self.differing.push(report),
        }
    }
}

impl core::fmt::Display for Report {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for case in &self.differing {
            writeln!(f, "{}:", case.name)?;
            for difference in &case.differences {
                writeln!(f, "  {difference}")?;
            }
        }
        write!(
            f,
            "{} cases: {} agree, {} malformed and refused, {} differ",
            self.total(),
            self.agreeing,
            self.refused,
            self.differing.len()
        )
    }
}

/// Runs the cases of a file, gzipped or not.
///
/// # Errors
/// [`ReplayError`] if it cannot be read. Differences are no errors: they are in the report.
pub fn replay_file(path: &Path) -> Result<Report, ReplayError> {
    let error = |source| ReplayError::Io { path: path.to_owned(), source };
    replay_bytes(&std::fs::read(path).map_err(error)?).map_err(|failure| match failure {
        ReplayError::Io { source, .. } => error(source),
        other => other,
    })
}

/// Runs the cases in `bytes`, gzipped or not.
///
/// # Errors
/// [`ReplayError`] if they cannot be read.
pub fn replay_bytes(bytes: &[u8]) -> Result<Report, ReplayError> {
    replay_str(&unpack(bytes)?)
}

/// Reads the cases in `bytes`, gzipped or not, without running them: for whoever runs them in another
/// way.
///
/// # Errors
/// [`ReplayError`] if they cannot be read.
pub fn read_cases(bytes: &[u8]) -> Result<(Domain, Vec<Case>), ReplayError> {
    let text = unpack(bytes)?;
    let Header { file, domain, keys } = Header::read(&text)?;
    let cases = file.cases.iter().map(|text| read_case(text, &keys)).collect::<Result<_, _>>()?;
    Ok((domain, cases))
}

fn unpack(bytes: &[u8]) -> Result<String, ReplayError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut text = String::new();
    let read = if bytes.starts_with(&GZIP) {
        flate2::read::GzDecoder::new(bytes).read_to_string(&mut text)
    } else {
        (&mut &bytes[..]).read_to_string(&mut text)
    };
    read.map_err(|source| ReplayError::Io { path: PathBuf::new(), source })?;
    Ok(text)
}

/// Runs the cases in `text`.
///
/// # Errors
/// [`ReplayError`] if they cannot be read.
pub fn replay_str(text: &str) -> Result<Report, ReplayError> {
    let Header { file, domain, keys } = Header::read(text)?;
    let mut report = Report::default();
    for case in run_cases(&file.cases, &keys, &domain)? {
        report.add(case);
    }
    Ok(report)
}

/// A file with what its cases share.
struct Header<'a> {
    file: File<'a>,
    domain: Domain,
    keys: BTreeMap<String, Value>,
}

impl<'a> Header<'a> {
    fn read(text: &'a str) -> Result<Self, ReplayError> {
        let mut file: File<'a> = serde_json::from_str(text)?;
        if file.format != "mina-transaction-oracle/1" {
            return Err(ReplayError::Format(file.format));
        }
        let domain = Domain::new(NetworkId::from_name(&file.signature_network)?, Era::Berkeley);
        let keys = core::mem::take(&mut file.verification_keys)
            .into_iter()
            .map(|(hash, data)| {
                let key = VerificationKey::from_base64(&data)?;
                if key.hash() == from_decimal::<Fp>(&hash)? {
                    Ok((hash, Value::from(data)))
                } else {
                    Err(TypeError::VerificationKey)
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { file, domain, keys })
    }
}

fn read_case(text: &RawValue, keys: &BTreeMap<String, Value>) -> Result<Case, serde_json::Error> {
    let value: Value = serde_json::from_str(text.get())?;
    Case::read(&value, keys).map_err(|error| {
        let name = value.get("name").and_then(Value::as_str).unwrap_or("?");
        serde::de::Error::custom(std::format!("{name}: {error}"))
    })
}

fn read_and_run(
    text: &RawValue,
    keys: &BTreeMap<String, Value>,
    domain: &Domain,
) -> Result<CaseReport, serde_json::Error> {
    Ok(run_case(&read_case(text, keys)?, domain))
}

#[cfg(feature = "parallel")]
fn run_cases(
    cases: &[&RawValue],
    keys: &BTreeMap<String, Value>,
    domain: &Domain,
) -> Result<Vec<CaseReport>, serde_json::Error> {
    use rayon::prelude::*;
    cases.par_iter().map(|text| read_and_run(text, keys, domain)).collect()
}

#[cfg(not(feature = "parallel"))]
fn run_cases(
    cases: &[&RawValue],
    keys: &BTreeMap<String, Value>,
    domain: &Domain,
) -> Result<Vec<CaseReport>, serde_json::Error> {
    cases.iter().map(|text| read_and_run(text, keys, domain)).collect()
}
