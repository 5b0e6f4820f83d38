//! Running transaction vectors: what `zeko ledger replay FILE` is made of.
//!
//! The format is that of `mina-transaction-oracle/1`: cases of a ledger, a zkApp command, and what
//! Mina's own logic made of them.

mod case;
mod file;

pub use case::{Case, CaseReport, Difference, Outcome};
pub use file::{ReplayError, Report, read_cases, replay_bytes, replay_file, replay_str};
