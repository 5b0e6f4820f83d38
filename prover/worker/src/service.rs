//! The worker as a service.

mod config;
mod run;
mod task;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    backend::Backend,
    plan::{Plan, Rule, StatementHash},
    progress::BatchHandle,
    store::{Store, StoreError},
};

pub use config::WorkerConfig;

use run::Run;

/// Why a worker did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not even one proof fits into the memory that there is.
    #[error(
        "a proof of `{rule}` takes {expected} bytes of memory, and proving may have {got}: give it \
         more, or compile the program for fewer updates"
    )]
    Memory {
        /// Of which rule.
        rule: Rule,
        /// What a proof takes.
        expected: u64,
        /// What there is.
        got: u64,
    },
    /// A limit of 0.
    #[error("configuration: {what}: must be at least 1")]
    Zero {
        /// Which.
        what: &'static str,
    },
    /// It had to end.
    #[error("the worker had to end: {reason}")]
    Fatal {
        /// Why.
        reason: String,
    },
}

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// There are as many as there may be; later there is room.
    #[error("the worker has {got} batches to prove, of at most {expected}")]
    Full {
        /// The most.
        expected: usize,
        /// What there is.
        got: usize,
    },
    /// The worker has ended.
    #[error("the worker has ended")]
    Stopped,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Batches that are not proved.
    pub batches: usize,
    /// Jobs that wait for others, for memory, or for another attempt.
    pub waiting: usize,
    /// Proofs under way.
    pub running: usize,
    /// Bytes of memory that those may use.
    pub memory: u64,
}

/// What the worker is asked for.
#[derive(Debug)]
pub(crate) enum Request {
    Submit { plan: Arc<Plan>, reply: oneshot::Sender<Result<BatchHandle, SubmitError>> },
    Cancel { batch: u64 },
    Forget { statement: StatementHash, reply: oneshot::Sender<()> },
}

/// Where batches are handed in. As many as one likes.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    requests: mpsc::UnboundedSender<Request>,
    status: watch::Receiver<WorkerStatus>,
    stop: CancellationToken,
    fatal: Arc<OnceLock<String>>,
    max_batches: usize,
}

impl WorkerHandle {
    /// Hands in a batch. One that is being proved already is the same batch, and one that has been
    /// proved is done at once. After a restart, batches are to be handed in again: of what was proved,
    /// nothing is proved a second time.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit(&self, plan: Plan) -> Result<BatchHandle, SubmitError> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(Request::Submit { plan: Arc::new(plan), reply })
            .map_err(|_| SubmitError::Stopped)?;
        answer.await.unwrap_or(Err(SubmitError::Stopped))
    }

    /// Forgets the proof of a batch, once the batch is final on the L1.
    ///
    /// # Errors
    /// [`SubmitError::Stopped`].
    pub async fn forget(&self, statement: StatementHash) -> Result<(), SubmitError> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(Request::Forget { statement, reply })
            .map_err(|_| SubmitError::Stopped)?;
        answer.await.map_err(|_| SubmitError::Stopped)
    }

    /// What the worker is doing.
    pub fn status(&self) -> WorkerStatus {
        *self.status.borrow()
    }

    /// Why nothing should be handed in; empty if the worker is ready.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = self.fatal.get().cloned().into_iter().collect();
        if reasons.is_empty() && (self.stop.is_cancelled() || self.requests.is_closed()) {
            reasons.push("the worker is stopping".into());
        }
        let batches = self.status().batches;
        if batches >= self.max_batches {
            reasons.push(format!("the worker has {batches} batches to prove"));
        }
        reasons
    }
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    handle: WorkerHandle,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Worker {
    /// Starts a worker; it opens its store, which takes no longer than reading it.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn start(
        config: WorkerConfig,
        backend: Arc<dyn Backend>,
        parent: &CancellationToken,
    ) -> Result<Self, WorkerError> {
        config.check()?;
        check_limits(backend.as_ref())?;
        let (path, program) = (config.data_dir.join("proofs"), backend.program());
        let opened = tokio::task::spawn_blocking(move || Store::open(&path, program)).await;
        let store = opened.map_err(|error| WorkerError::Fatal { reason: error.to_string() })??;
        let stop = parent.child_token();
        let (requests, received) = mpsc::unbounded_channel();
        let (told, status) = watch::channel(WorkerStatus::default());
        let fatal = Arc::new(OnceLock::new());
        let max_batches = config.max_batches;
        let run = Run::new(config, backend, store, stop.clone(), told, requests.downgrade())?;
        let handle =
            WorkerHandle { requests, status, stop, fatal: Arc::clone(&fatal), max_batches };
        let task = tokio::spawn(async move {
            let ended = run.run(received).await;
            if let Err(error) = &ended {
                tracing::error!(%error, "proving has ended");
                // There is one reason only.
                let _ = fatal.set(error.to_string());
            }
            ended
        });
        Ok(Self { handle, task })
    }

    /// Where batches are handed in.
    pub fn handle(&self) -> &WorkerHandle {
        &self.handle
    }

    /// Asks it to end: proofs under way are finished and kept, as long as that takes no longer than
    /// the configuration says.
    pub fn stop(&self) {
        self.handle.stop.cancel();
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`WorkerError`] if it ended by itself.
    pub async fn join(self) -> Result<(), WorkerError> {
        let ended = self.task.await;
        // Until then, it does not end for want of somebody who could ask for anything.
        drop(self.handle);
        ended.unwrap_or_else(|error| Err(WorkerError::Fatal { reason: error.to_string() }))
    }
}

/// Whether every proof fits.
fn check_limits(backend: &dyn Backend) -> Result<(), WorkerError> {
    let limits = backend.limits();
    if limits.proofs == 0 {
        return Err(WorkerError::Zero { what: "proofs at once" });
    }
    let memory: BTreeMap<u64, Rule> =
        Rule::ALL.into_iter().map(|rule| (backend.memory(rule), rule)).collect();
    match memory.last_key_value() {
        Some((expected, rule)) if *expected > limits.memory => {
            Err(WorkerError::Memory { rule: *rule, expected: *expected, got: limits.memory })
        }
        _ => Ok(()),
    }
}
