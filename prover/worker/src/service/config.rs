//! Settings of a worker.

use std::{path::PathBuf, time::Duration};

use super::WorkerError;

/// Settings of a worker. How much is proved at once is the back end's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerConfig {
    /// Where proofs are kept. One worker to a directory.
    pub data_dir: PathBuf,
    /// Batches that may be waiting.
    pub max_batches: usize,
    /// How often a proof is tried whose failure may pass.
    pub attempts: u32,
    /// How long to wait before the second attempt; each further wait is twice as long.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// How long proofs of parts of batches are kept that nobody has asked for: those of batches that
    /// were cancelled or failed.
    pub keep_unused: Duration,
    /// How long the proofs under way may take to end when the worker does.
    pub grace: Duration,
}

impl WorkerConfig {
    /// The defaults, with proofs in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            max_batches: 64,
            attempts: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            keep_unused: Duration::from_secs(24 * 60 * 60),
            grace: Duration::from_secs(30),
        }
    }

    /// Settings with which nothing would ever happen.
    pub(super) fn check(&self) -> Result<(), WorkerError> {
        let settings =
            [("max_batches", self.max_batches as u64), ("attempts", self.attempts.into())];
        match settings.into_iter().find(|(_, value)| *value == 0) {
            Some((what, _)) => Err(WorkerError::Zero { what }),
            None => Ok(()),
        }
    }

    /// The wait before the next attempt, after so many.
    pub(super) fn wait(&self, attempts: u32) -> Duration {
        let doubled = 2u32.saturating_pow(attempts.saturating_sub(1));
        self.first_wait.saturating_mul(doubled).min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let config = WorkerConfig::new("");
        let waits: Vec<u64> = [1, 2, 3, 6, 7, 40].map(|n| config.wait(n).as_secs()).into();
        assert_eq!(waits, [1, 2, 4, 32, 60, 60]);
    }
}
