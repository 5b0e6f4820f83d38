//! Re-execution of batches, on a thread of its own: however long a batch takes or whatever is wrong
//! with it, consensus does not notice.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use mina_curves::Fp;
use mina_ledger::{
    ledger::FullLedger,
    logic::ProofVerifier,
    types::{Account, Era, from_decimal, to_decimal},
};
use serde::Deserialize;
use zeko_derive::{
    ChainState, DaProvider, Envelope, InboxView, Pipeline, PipelineError, Positioned, StepOutcome,
};

use crate::{
    attest::AttestJob,
    config::RollupConfig,
    context::Height,
    error::DaError,
    events::{DaEvent, Events},
    mempool::short,
    store::{ReadError, Store},
};

/// What a validator knows of the L1.
pub trait InboxSource: Send {
    /// The inbox as it is now, as deep as messages must be. A source that cannot tell gives what it
    /// knew last: batches with newer messages wait.
    fn view(&mut self) -> &dyn InboxView;
}

/// An inbox in a file that somebody keeps up to date: see [`RollupConfig::inbox`].
#[derive(Debug)]
pub struct FileInbox {
    path: Option<PathBuf>,
    known: (Fp, Vec<Fp>),
}

#[derive(Deserialize)]
struct InboxFile {
    prefix: String,
    actions: Vec<String>,
}

impl FileInbox {
    /// The inbox in `path`; an empty one without a path.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, known: (Fp::default(), Vec::new()) }
    }

    fn load(path: &Path) -> Option<(Fp, Vec<Fp>)> {
        let file: InboxFile = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let actions = file.actions.iter().map(|text| from_decimal(text).ok());
        Some((from_decimal(&file.prefix).ok()?, actions.collect::<Option<_>>()?))
    }
}

impl InboxSource for FileInbox {
    fn view(&mut self) -> &dyn InboxView {
        if let Some(known) = self.path.as_deref().and_then(Self::load) {
            self.known = known;
        }
        &self.known
    }
}

/// A rollup that is followed.
pub(crate) struct Rollup {
    pipeline: Pipeline,
    inbox: Box<dyn InboxSource>,
}

impl Rollup {
    pub(crate) fn new(
        config: &RollupConfig,
        inbox: Option<Box<dyn InboxSource>>,
    ) -> Result<Self, DaError> {
        let path = &config.genesis_accounts;
        let bytes = fs::read(path).map_err(DaError::io(path))?;
        let wrong = |error: String| DaError::config("rollups.genesis_accounts", error);
        let accounts: Vec<Account> =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let mut ledger = FullLedger::from_accounts(accounts, Era::Berkeley)
            .map_err(|error| wrong(error.to_string()))?;
        let state = ChainState::genesis(&mut ledger).map_err(|error| wrong(error.to_string()))?;
        let pipeline = Pipeline::new(config.parameters()?, ledger, state)
            .map_err(|error| wrong(error.to_string()))?;
        let inbox = inbox.unwrap_or_else(|| Box::new(FileInbox::new(config.inbox.clone())));
        Ok(Self { pipeline, inbox })
    }
}

/// Reads entries of one namespace from the store.
struct Entries<'a> {
    store: &'a Store,
    namespace: Fp,
}

impl DaProvider for Entries<'_> {
    type Error = ReadError;

    fn next(
        &mut self,
        after: Option<Positioned>,
    ) -> Result<Option<(Positioned, Envelope)>, ReadError> {
        let after = after.map(|at| (Height(at.height), at.index));
        let place = self.store.namespace(self.namespace, after, 1)?;
        let Some((height, index)) = place.first().copied() else { return Ok(None) };
        let entry = self.store.entry(height, index)?;
        Ok(entry.map(|entry| (Positioned { height: height.0, index }, entry)))
    }
}

/// What is asked of the thread: to look again.
#[derive(Debug)]
pub(crate) struct Look;

/// The thread's state.
pub(crate) struct Executor {
    pub(crate) store: Store,
    pub(crate) rollups: Vec<Rollup>,
    pub(crate) proofs: Box<dyn ProofVerifier + Send>,
    pub(crate) attestor: mpsc::Sender<AttestJob>,
    /// Asked to fetch a chunk from a peer.
    pub(crate) repair: tokio::sync::mpsc::UnboundedSender<(Height, u32)>,
    pub(crate) events: Events,
}

impl Executor {
    /// How often waiting batches are tried again, as the L1 goes on.
    const RETRY: Duration = Duration::from_millis(500);

    /// Works until the channel closes.
    ///
    /// # Errors
    /// [`DaError`]: the node has to stop.
    pub(crate) fn run(mut self, looks: &mpsc::Receiver<Look>) -> Result<(), DaError> {
        loop {
            let mut waiting = false;
            for index in 0..self.rollups.len() {
                waiting |= self.catch_up(index)?;
            }
            let result = if waiting {
                looks.recv_timeout(Self::RETRY)
            } else {
                looks.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected)
            };
            if matches!(result, Err(mpsc::RecvTimeoutError::Disconnected)) {
                return Ok(());
            }
            // What has piled up meanwhile is one look.
            while looks.try_recv().is_ok() {}
        }
    }

    /// Follows one rollup to the end of the chain; whether something waits.
    fn catch_up(&mut self, index: usize) -> Result<bool, DaError> {
        let Some(rollup) = self.rollups.get_mut(index) else { return Ok(false) };
        let namespace = rollup.pipeline.parameters().chain.field();
        let mut entries = Entries { store: &self.store, namespace };
        loop {
            let view = rollup.inbox.view();
            let outcome = match rollup.pipeline.step(&mut entries, &View(view), &*self.proofs) {
                Ok(outcome) => outcome,
                Err(PipelineError::Da(ReadError::Chunk { height, chunk })) => {
                    let _ = self.repair.send((height, chunk));
                    return Ok(true);
                }
                Err(PipelineError::Da(ReadError::Da(error))) => return Err(error),
                Err(error) => return Err(DaError::damaged("ledger", error)),
            };
            match outcome {
                StepOutcome::Idle => return Ok(!rollup.pipeline.queue().is_empty()),
                StepOutcome::Adopted(derived) => {
                    let batch = derived.attestation.batch;
                    tracing::info!(batch, height = derived.position.height, "batch executed");
                    let data = derived.attestation.data;
                    if let Some(message) = derived.unopened {
                        let message = to_decimal(message);
                        let reason = format!("not signed: message {message} is left unopened");
                        tracing::warn!(batch, %reason, "batch executed");
                        self.store.put_waiting(&data, Some(&reason))?;
                        continue;
                    }
                    self.store.put_waiting(&data, None)?;
                    let job = AttestJob::Executed(Box::new(derived.attestation));
                    if self.attestor.send(job).is_err() {
                        return Ok(false);
                    }
                }
                StepOutcome::Refused { position, data, refusal } => {
                    let reason = refusal.to_string();
                    let account = short(&rollup.pipeline.parameters().rollup_account);
                    tracing::warn!(rollup = account, %reason, "batch refused");
                    let place = (Height(position.height), position.index);
                    self.store.put_refusal(&data, place, &reason)?;
                    self.events.send(DaEvent::Refused { commitment: data, reason });
                }
                StepOutcome::Waiting { data, for_l1: Some(error), .. } => {
                    self.store.put_waiting(&data, Some(&error.to_string()))?;
                }
                StepOutcome::Skipped(_) | StepOutcome::Waiting { .. } => {}
            }
        }
    }
}

/// A borrowed view, as the pipeline takes it.
struct View<'a>(&'a dyn InboxView);

impl InboxView for View<'_> {
    fn next(&self, prefix: Fp) -> Option<Fp> {
        self.0.next(prefix)
    }

    fn is_open(&self, prefix: Fp) -> bool {
        self.0.is_open(prefix)
    }
}
