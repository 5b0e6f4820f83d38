//! The worker's loop: one task that knows all batches and decides what is next.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use pickles::ProvedStatement;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
    time::{sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Request, SubmitError, WorkerConfig, WorkerError, WorkerStatus,
    task::{Event, ProofError, prove, restore},
};
use crate::{
    backend::{Backend, BackendError},
    crash,
    plan::{Plan, Rule, StatementHash},
    progress::{BatchError, BatchHandle, Progress, Report, Stage, Times},
    schedule::{Counts, Schedule},
    store::Store,
};

pub(super) struct Run {
    config: WorkerConfig,
    backend: Arc<dyn Backend>,
    store: Store,
    stop: CancellationToken,
    status: watch::Sender<WorkerStatus>,
    /// For handles of batches. Weak, so that the loop ends with the last of its users.
    requests: mpsc::WeakUnboundedSender<Request>,
    schedule: Schedule,
    times: Times,
    reports: BTreeMap<u64, watch::Sender<Report>>,
    tasks: JoinSet<Event>,
}

impl Run {
    pub(super) fn new(
        config: WorkerConfig,
        backend: Arc<dyn Backend>,
        store: Store,
        stop: CancellationToken,
        status: watch::Sender<WorkerStatus>,
        requests: mpsc::WeakUnboundedSender<Request>,
    ) -> Result<Self, WorkerError> {
        let schedule = Schedule::new(backend.limits(), |rule| backend.memory(rule));
        let mut times = Times::default();
        for rule in Rule::ALL {
            times.set(rule, store.seconds(rule)?);
        }
        let (reports, tasks) = (BTreeMap::new(), JoinSet::new());
        Ok(Self { config, backend, store, stop, status, requests, schedule, times, reports, tasks })
    }

    pub(super) async fn run(
        mut self,
        mut requests: mpsc::UnboundedReceiver<Request>,
    ) -> Result<(), WorkerError> {
        let ended = self.work(&mut requests).await;
        // From here on nothing is taken, and what was taken is told so.
        requests.close();
        let finished = self.finish().await;
        for (_, report) in std::mem::take(&mut self.reports) {
            end(&report, Err(BatchError::Stopped));
        }
        self.status.send_replace(WorkerStatus::default());
        ended.and(finished)
    }

    async fn work(
        &mut self,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Result<(), WorkerError> {
        self.remove_unused()?;
        loop {
            self.start_jobs();
            self.publish();
            let retry = self.schedule.next_retry();
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                request = requests.recv() => match request {
                    Some(request) => self.serve(request)?,
                    // Nobody is left who could ask for anything.
                    None => return Ok(()),
                },
                Some(ended) = self.tasks.join_next() => self.ended(ended)?,
                () = wait_for(retry) => {}
            }
        }
    }

    /// Waits for the proofs under way, and keeps them.
    async fn finish(&mut self) -> Result<(), WorkerError> {
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Event::Proved { result: Err(ProofError::Store(error)), .. } = event(ended)? {
                    return Err(error.into());
                }
            }
            Ok(())
        };
        let result = timeout(self.config.grace, all).await.unwrap_or(Ok(()));
        self.tasks.abort_all();
        let store = self.store.clone();
        let flushed = tokio::task::spawn_blocking(move || store.flush()).await;
        let flushed = flushed.map_err(|error| WorkerError::Fatal { reason: error.to_string() });
        result.and(flushed?.map_err(WorkerError::from))
    }

    fn serve(&mut self, request: Request) -> Result<(), WorkerError> {
        match request {
            Request::Submit { plan, reply } => {
                // Whoever asked may be gone; the batch is proved nevertheless.
                let _ = reply.send(self.submit(plan));
            }
            Request::Cancel { batch } => {
                if self.schedule.batches().any(|known| known == batch) {
                    self.schedule.remove(batch);
                    self.end(batch, Err(BatchError::Cancelled), "cancelled");
                }
            }
            Request::Forget { statement, reply } => {
                if !self.schedule.is_wanted(statement) {
                    self.store.remove([(statement, Rule::Close)])?;
                }
                // Whoever asked may be gone.
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    fn submit(&mut self, plan: Arc<Plan>) -> Result<BatchHandle, SubmitError> {
        let statement = plan.root();
        let batch = match self.schedule.batch_of(statement) {
            Some(batch) => batch,
            None => self.add(plan)?,
        };
        let reports = self.reports.get(&batch).map(watch::Sender::subscribe);
        let requests = self.requests.upgrade();
        let (reports, requests) = reports.zip(requests).ok_or(SubmitError::Stopped)?;
        Ok(BatchHandle { batch, statement, reports, requests })
    }

    fn add(&mut self, plan: Arc<Plan>) -> Result<u64, SubmitError> {
        let (expected, got) = (self.config.max_batches, self.reports.len());
        if got >= expected {
            return Err(SubmitError::Full { expected, got });
        }
        let jobs = plan.jobs().len();
        let batch = self.schedule.add(Arc::clone(&plan));
        tracing::info!(batch, statement = %plan.root(), jobs, "a batch is to be proved");
        let progress = progress(Counts { is_restoring: true, jobs, ..Counts::default() });
        self.reports.insert(batch, watch::channel(Report { progress, outcome: None }).0);
        self.tasks.spawn(restore(batch, plan, self.store.clone(), Arc::clone(&self.backend)));
        Ok(batch)
    }

    fn start_jobs(&mut self) {
        while let Some(start) = self.schedule.start(Instant::now()) {
            crash::point("job/started");
            tracing::debug!(rule = %start.job.rule(), statement = %start.job.statement, "proving");
            self.tasks.spawn(prove(start, self.store.clone(), Arc::clone(&self.backend)));
        }
    }

    fn ended(&mut self, ended: Result<Event, JoinError>) -> Result<(), WorkerError> {
        match event(ended)? {
            Event::Restored { batch, found } => {
                if let Some(proof) = self.schedule.restored(batch, found?) {
                    self.proved(batch, &proof)?;
                }
                Ok(())
            }
            Event::Proved { statement, rule, result } => match result {
                Ok((proof, seconds)) => self.done(statement, rule, &proof, seconds),
                Err(ProofError::Backend(error)) => {
                    self.failed(statement, rule, &error);
                    Ok(())
                }
                Err(ProofError::Store(error)) => Err(error.into()),
            },
        }
    }

    fn done(
        &mut self,
        statement: StatementHash,
        rule: Rule,
        proof: &Arc<ProvedStatement>,
        seconds: f64,
    ) -> Result<(), WorkerError> {
        metrics::counter!("zeko_worker_proofs_total", "rule" => rule.name()).increment(1);
        metrics::histogram!("zeko_worker_proof_seconds", "rule" => rule.name()).record(seconds);
        let time = self.times.add(rule, seconds);
        self.store.put_seconds(rule, time)?;
        for batch in self.schedule.done(statement, proof) {
            self.proved(batch, proof)?;
        }
        Ok(())
    }

    /// A batch is done: the proofs of its parts are not needed any more.
    fn proved(&mut self, batch: u64, proof: &Arc<ProvedStatement>) -> Result<(), WorkerError> {
        crash::point("batch/proved");
        self.publish_batch(batch);
        let unused = self.schedule.remove(batch);
        let parts = unused.iter().map(|job| (job.statement, job.rule()));
        self.store.remove(parts.filter(|(_, rule)| *rule != Rule::Close))?;
        crash::point("batch/pruned");
        self.end(batch, Ok(Arc::clone(proof)), "proved");
        self.remove_unused()
    }

    fn failed(&mut self, statement: StatementHash, rule: Rule, error: &BackendError) {
        let attempts = self.schedule.attempts(statement);
        let reason = error.to_string();
        if matches!(error, BackendError::Transient { .. }) && attempts < self.config.attempts {
            let wait = self.config.wait(attempts);
            tracing::warn!(%rule, %statement, attempts, reason, ?wait, "a proof was not made");
            metrics::counter!("zeko_worker_retries_total", "rule" => rule.name()).increment(1);
            self.schedule.retry(statement, Instant::now() + wait);
            return;
        }
        tracing::error!(%rule, %statement, attempts, reason, "a proof cannot be made");
        for batch in self.schedule.failed(statement) {
            self.schedule.remove(batch);
            let reason = reason.clone();
            let error = BatchError::Proof { rule, statement, attempts, reason };
            self.end(batch, Err(error), "failed");
        }
    }

    /// Tells that a batch has ended.
    fn end(
        &mut self,
        batch: u64,
        outcome: Result<Arc<ProvedStatement>, BatchError>,
        result: &'static str,
    ) {
        tracing::info!(batch, result, "a batch has ended");
        metrics::counter!("zeko_worker_batches_total", "result" => result).increment(1);
        if let Some(report) = self.reports.remove(&batch) {
            end(&report, outcome);
        }
    }

    fn remove_unused(&self) -> Result<(), WorkerError> {
        let seconds = self.config.keep_unused.as_secs();
        let removed =
            self.store.remove_unused(seconds, |statement| self.schedule.is_wanted(statement))?;
        if removed > 0 {
            tracing::info!(removed, "proofs that nobody asked for have been removed");
        }
        Ok(())
    }

    /// Tells what is going on.
    fn publish(&self) {
        for batch in self.schedule.batches() {
            self.publish_batch(batch);
        }
        let (running, memory) = self.schedule.running();
        let (batches, waiting) = (self.reports.len(), self.schedule.waiting());
        self.status.send_replace(WorkerStatus { batches, waiting, running, memory });
        metrics::gauge!("zeko_worker_batches").set(batches as f64);
        metrics::gauge!("zeko_worker_jobs_waiting").set(waiting as f64);
        metrics::gauge!("zeko_worker_jobs_running").set(running as f64);
        metrics::gauge!("zeko_worker_memory_bytes").set(memory as f64);
    }

    fn publish_batch(&self, batch: u64) {
        let counts = self.schedule.counts(batch, &self.times, Instant::now());
        let Some((counts, report)) = counts.zip(self.reports.get(&batch)) else { return };
        let progress = progress(counts);
        report.send_if_modified(|report| {
            let is_new = differs(&report.progress, &progress);
            report.progress = progress;
            is_new
        });
    }
}

async fn wait_for(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// What a task came to; a panic ends the worker.
fn event(ended: Result<Event, JoinError>) -> Result<Event, WorkerError> {
    ended.map_err(|error| WorkerError::Fatal { reason: error.to_string() })
}

fn progress(counts: Counts) -> Progress {
    let Counts { is_restoring, jobs, done, restored, running, seconds } = counts;
    let finish = seconds.and_then(|seconds| {
        SystemTime::now().checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    });
    let stage = if is_restoring { Stage::Restoring } else { Stage::Proving };
    Progress { stage, jobs, done, restored, running, finish }
}

/// Whether something is new; that time passes is not.
fn differs(old: &Progress, new: &Progress) -> bool {
    let timeless = |progress: &Progress| Progress { finish: None, ..*progress };
    timeless(old) != timeless(new)
}

fn end(report: &watch::Sender<Report>, outcome: Result<Arc<ProvedStatement>, BatchError>) {
    report.send_modify(|report| {
        let progress = &mut report.progress;
        progress.running = 0;
        progress.finish = None;
        progress.stage = if outcome.is_ok() { Stage::Proved } else { Stage::Ended };
        if outcome.is_ok() {
            progress.done = progress.jobs;
        }
        report.outcome = Some(outcome);
    });
}
