//! How far a batch is.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use pickles::ProvedStatement;
use tokio::sync::{mpsc, watch};

use crate::{
    plan::{Plan, Rule, StatementHash},
    service::Request,
};

/// Why a batch has no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// One of its proofs cannot be made. The others are kept for another attempt.
    #[error("a proof of `{rule}` was not made in {attempts} attempts: {reason} ({statement})")]
    Proof {
        /// Of which rule.
        rule: Rule,
        /// Of which statement.
        statement: StatementHash,
        /// How often it was tried.
        attempts: u32,
        /// Why the last attempt failed.
        reason: String,
    },
    /// Somebody has cancelled it.
    #[error("the batch was cancelled")]
    Cancelled,
    /// The worker has ended; after a restart the batch is to be submitted again.
    #[error("the worker has ended")]
    Stopped,
}

/// What a batch is going through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Proofs of an earlier run are looked up and verified.
    Restoring,
    /// Proofs are made.
    Proving,
    /// There is a proof of all of it.
    Proved,
    /// There will be none: [`BatchHandle::proof`] says why.
    Ended,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is going through.
    pub stage: Stage,
    /// Its jobs.
    pub jobs: usize,
    /// Those that are done, or not needed because one that rests on them is.
    pub done: usize,
    /// Those whose proofs were there from earlier.
    pub restored: usize,
    /// Those under way.
    pub running: usize,
    /// When it will have been proved, batches before it included, by the times that proofs have taken
    /// so far; `None` before the first.
    pub finish: Option<SystemTime>,
}

impl Progress {
    /// How long it will still take.
    pub fn eta(&self) -> Option<Duration> {
        let finish = self.finish?;
        Some(finish.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

/// What the worker tells about a batch.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) progress: Progress,
    pub(crate) outcome: Option<Result<Arc<ProvedStatement>, BatchError>>,
}

/// A batch that is being proved. To drop the handle does not cancel it.
#[derive(Clone, Debug)]
pub struct BatchHandle {
    pub(crate) batch: u64,
    pub(crate) statement: StatementHash,
    pub(crate) reports: watch::Receiver<Report>,
    pub(crate) requests: mpsc::UnboundedSender<Request>,
}

impl BatchHandle {
    /// What will have been proved.
    pub fn statement(&self) -> StatementHash {
        self.statement
    }

    /// How far it is now.
    pub fn progress(&self) -> Progress {
        self.reports.borrow().progress
    }

    /// Waits for news; `None` once the last has been told.
    pub async fn changed(&mut self) -> Option<Progress> {
        self.reports.changed().await.ok()?;
        Some(self.reports.borrow_and_update().progress)
    }

    /// Waits for the proof of the batch.
    ///
    /// # Errors
    /// [`BatchError`].
    pub async fn proof(&self) -> Result<Arc<ProvedStatement>, BatchError> {
        let mut reports = self.reports.clone();
        let report = reports.wait_for(|report| report.outcome.is_some()).await;
        let outcome = report.ok().and_then(|report| report.outcome.clone());
        outcome.unwrap_or(Err(BatchError::Stopped))
    }

    /// Cancels the batch, for everybody who has submitted it. Proofs under way run to their end.
    pub fn cancel(&self) {
        // A worker that has ended proves nothing any more.
        let _ = self.requests.send(Request::Cancel { batch: self.batch });
    }
}

/// How long proofs take, by rule: of late more than of old.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times([Option<f64>; Rule::ALL.len()]);

/// The weight of the newest time.
const NEWEST: f64 = 0.3;

impl Times {
    pub(crate) fn set(&mut self, rule: Rule, seconds: Option<f64>) {
        if let Some(time) = self.0.get_mut(rule.index()) {
            *time = seconds;
        }
    }

    /// Takes a time into account; what is to be kept.
    pub(crate) fn add(&mut self, rule: Rule, seconds: f64) -> f64 {
        let known = self.0.get(rule.index()).copied().flatten();
        let time = known.map_or(seconds, |known| known + NEWEST * (seconds - known));
        self.set(rule, Some(time));
        time
    }

    /// What a proof of a rule will take: as long as before, or as the others if it is the first.
    pub(crate) fn of(&self, rule: Rule) -> Option<f64> {
        let known = || self.0.iter().copied().flatten();
        let mean = || Some(known().sum::<f64>() / known().count() as f64).filter(|m| m.is_finite());
        self.0.get(rule.index()).copied().flatten().or_else(mean)
    }
}

/// The longest chain of jobs that wait for each other, in seconds. `left`: what each takes that is not
/// done.
pub(crate) fn longest_chain(plan: &Plan, left: &BTreeMap<StatementHash, f64>) -> f64 {
    let mut chains: BTreeMap<StatementHash, f64> = BTreeMap::new();
    for job in plan.jobs() {
        let Some(own) = left.get(&job.statement) else { continue };
        let before = job.previous.iter().filter_map(|statement| chains.get(statement));
        let chain = own + before.copied().fold(0.0, f64::max);
        chains.insert(job.statement, chain);
    }
    chains.into_values().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_what_is_measured() {
        let mut times = Times::default();
        assert_eq!(times.of(Rule::Commands), None);
        assert_eq!(times.add(Rule::Commands, 10.0), 10.0);
        assert_eq!(times.of(Rule::Commands), Some(10.0));
        assert_eq!(times.of(Rule::Close), Some(10.0), "as the others");
        times.add(Rule::Merge, 6.0);
        assert_eq!(times.of(Rule::Close), Some(8.0));
        assert_eq!(times.add(Rule::Commands, 20.0), 13.0);
        for rule in Rule::ALL {
            times.add(rule, 1.0);
        }
        assert!(times.0.iter().all(Option::is_some), "each has a place");
    }
}
