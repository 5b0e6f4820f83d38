//! Keeps publishing and settlement going beside a sequencer.
//!
//! What fails there is no reason to stop confirming commands: it is said loudly, and tried again after a
//! wait that doubles. Only damage to the sequencer's own data ends the sequencer.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeko_sequencer::SequencerHandle;

use crate::{
    publisher::{Publisher, PublisherError},
    settlement::{Settlement, SettlementError},
};

/// How long to wait before another attempt: each time twice as long.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// Before the second attempt, and the next one after everything went well for `longest`.
    pub first: Duration,
    /// The most.
    pub longest: Duration,
}

impl Default for Waits {
    /// A second, and five minutes.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(300) }
    }
}

/// What an attempt has started.
#[derive(Debug)]
pub struct Running {
    /// What brings batches to the DA layer.
    pub publisher: Publisher,
    /// What settles them, if they are settled.
    pub settlement: Option<Settlement>,
}

/// Why an attempt has ended.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What happened.
    pub reason: String,
    /// Whether the sequencer has to stop.
    pub is_fatal: bool,
}

impl Failure {
    /// Something that does not concern the sequencer's own data.
    pub fn passing(reason: impl Display) -> Self {
        Self { reason: format!("{reason:#}"), is_fatal: false }
    }
}

impl From<PublisherError> for Failure {
    fn from(error: PublisherError) -> Self {
        Self { is_fatal: error.is_fatal(), reason: error.to_string() }
    }
}

impl From<SettlementError> for Failure {
    fn from(error: SettlementError) -> Self {
        Self { is_fatal: error.is_fatal(), reason: error.to_string() }
    }
}

/// Publishing and settlement, kept going.
#[derive(Debug)]
pub struct Supervisor {
    cancel: CancellationToken,
    task: JoinHandle<Result<(), Failure>>,
}

impl Supervisor {
    /// Makes attempts until `parent` is cancelled. An attempt starts everything under the token that it
    /// gets.
    pub fn start<F>(
        sequencer: SequencerHandle,
        waits: Waits,
        attempt: F,
        parent: &CancellationToken,
    ) -> Self
    where
        F: FnMut(CancellationToken) -> BoxFuture<'static, Result<Running, Failure>>
            + Send
            + 'static,
    {
        let cancel = parent.child_token();
        let task = tokio::spawn(run(sequencer, waits, attempt, cancel.clone()));
        Self { cancel, task }
    }

    /// Asks it to end.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`Failure`] if the sequencer has to stop, or this has died.
    pub async fn join(self) -> Result<(), Failure> {
        let died = |error| Err(Failure { reason: format!("a task died: {error}"), is_fatal: true });
        self.task.await.unwrap_or_else(died)
    }
}

async fn run<F>(
    sequencer: SequencerHandle,
    waits: Waits,
    mut attempt: F,
    stop: CancellationToken,
) -> Result<(), Failure>
where
    F: FnMut(CancellationToken) -> BoxFuture<'static, Result<Running, Failure>> + Send,
{
    let mut wait = waits.first;
    loop {
        sequencer.report_settlement(vec!["publishing and settlement are starting".into()]);
        let (started, cancel) = (Instant::now(), stop.child_token());
        let starting = attempt(cancel.clone());
        let ended = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            running = starting => match running {
                Ok(running) => watch(&sequencer, running, &cancel).await,
                Err(failure) => Err(failure),
            },
        };
        cancel.cancel();
        sequencer.disconnect();
        if stop.is_cancelled() {
            return ended.or_else(|failure| if failure.is_fatal { Err(failure) } else { Ok(()) });
        }
        let failure = ended.err().unwrap_or_else(|| Failure::passing("it has ended by itself"));
        metrics::counter!("zeko_settlement_failures_total").increment(1);
        let reason = format!("publishing and settlement have stopped: {}", failure.reason);
        if failure.is_fatal {
            tracing::error!(reason, "the sequencer's own data is damaged");
            sequencer.report_settlement(vec![reason]);
            return Err(failure);
        }
        if started.elapsed() >= waits.longest {
            wait = waits.first;
        }
        tracing::error!(reason, ?wait, "trying again");
        sequencer.report_settlement(vec![reason]);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
        wait = wait.saturating_mul(2).min(waits.longest);
    }
}

/// Says how it goes until one of them ends, and with it the other.
async fn watch(
    sequencer: &SequencerHandle,
    running: Running,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let Running { publisher, settlement } = running;
    let reasons = settlement.as_ref().map(Settlement::reasons);
    let told = async {
        let Some(mut reasons) = reasons else {
            sequencer.report_settlement(Vec::new());
            return std::future::pending().await;
        };
        loop {
            let now = reasons.borrow_and_update().clone();
            sequencer.report_settlement(now);
            // Settlement has ended, which is said elsewhere.
            if reasons.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    let published = async {
        let ended = publisher.join().await;
        cancel.cancel();
        ended.map_err(Failure::from)
    };
    let settled = async {
        let Some(settlement) = settlement else { return Ok(()) };
        let ended = settlement.join().await;
        cancel.cancel();
        ended.map_err(Failure::from)
    };
    let ended = async { tokio::join!(settled, published) };
    let (settled, published) = tokio::select! {
        ended = ended => ended,
        () = told => (Ok(()), Ok(())),
    };
    match (settled, published) {
        (Err(first), Err(second)) if second.is_fatal && !first.is_fatal => Err(second),
        (settled, published) => settled.and(published),
    }
}
