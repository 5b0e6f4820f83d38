//! Proving in this process.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use mina_curves::Fp;
use pickles::{ProveError, ProvedStatement, free_memory, verify};
use rand::rngs::OsRng;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::oneshot;
use zeko_circuits::program::{RecordedInbox, RecordedPayments, Rollup};

use super::{Backend, BackendError, Limits};
use crate::plan::{Job, JobInput, Rule, StatementHash};

/// How much of the machine proving may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// Bytes of memory for proofs under way, beyond those of the compiled program. By default half of
    /// what is free at the start: in the machine or, if that has less, in the process's control group.
    pub memory: Option<u64>,
    /// Threads that prove; by default one for each core. They are proving's own, so that whatever else
    /// the process does in parallel does not wait for a proof.
    pub threads: Option<usize>,
    /// Proofs under way at once; by default as many as threads.
    pub proofs: Option<usize>,
}

/// Why there can be no proving in this process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// A limit of 0.
    #[error("proving: {what}: must be at least 1")]
    Zero {
        /// Which.
        what: &'static str,
    },
    /// The system gives no threads.
    #[error("threads: {0}")]
    Threads(#[from] ThreadPoolBuildError),
}

/// Proves on threads of this process.
#[derive(Debug)]
pub struct Embedded {
    rollup: Arc<Rollup>,
    pool: ThreadPool,
    limits: Limits,
}

impl Embedded {
    /// A back end for a compiled program.
    ///
    /// # Errors
    /// [`EmbeddedError`].
    pub fn new(rollup: Arc<Rollup>, config: EmbeddedConfig) -> Result<Self, EmbeddedError> {
        for (what, limit) in [("threads", config.threads), ("proofs", config.proofs)] {
            if limit == Some(0) {
                return Err(EmbeddedError::Zero { what });
            }
        }
        let pool = ThreadPoolBuilder::new()
            .thread_name(|index| format!("prover-{index}"))
            .num_threads(config.threads.unwrap_or(0))
            .build()?;
        // Where the system does not say, one proof at a time is what can be done.
        let one = || Rule::ALL.map(|rule| memory(&rollup, rule)).into_iter().max().unwrap_or(0);
        let half = || free_memory().map_or_else(one, |free| free / 2);
        let memory = config.memory.unwrap_or_else(half);
        let proofs = config.proofs.unwrap_or_else(|| pool.current_num_threads());
        Ok(Self { rollup, pool, limits: Limits { memory, proofs } })
    }
}

fn memory(rollup: &Rollup, rule: Rule) -> u64 {
    let Rollup { program, commands, inbox, merge, accounts, close, proved, payment, .. } = rollup;
    match rule {
        Rule::Commands => program.proving_memory(*commands),
        Rule::Merge => program.proving_memory(*merge),
        Rule::Close => program.proving_memory(*close),
        Rule::Inbox => program.proving_memory(*inbox),
        Rule::Accounts => program.proving_memory(*accounts),
        Rule::Proved => program.proving_memory(*proved),
        Rule::Payment => program.proving_memory(*payment),
    }
}

/// How many proofs of the program one of a rule rests on at most.
fn places(rule: Rule) -> usize {
    match rule {
        Rule::Commands | Rule::Inbox | Rule::Proved | Rule::Payment => 0,
        Rule::Accounts => 1,
        Rule::Merge | Rule::Close => 2,
    }
}

/// Makes a proof on the thread at hand, and those of its pool.
fn prove(
    rollup: &Rollup,
    job: &Job,
    previous: &[Arc<ProvedStatement>],
) -> Result<ProvedStatement, BackendError> {
    let failed = |error: ProveError| BackendError::Failed { reason: error.to_string() };
    let mut previous: Vec<_> =
        previous.iter().map(|proof| Some(ProvedStatement::clone(proof))).collect();
    // The program checks that only such places are empty in which there is nothing to show.
    previous.resize(places(job.rule()), None);
    let program = &rollup.program;
    match &job.input {
        JobInput::Commands { chain, height, slot, updates } => {
            let input = rollup
                .commands_input(*chain, *height, *slot, updates.clone())
                .map_err(|error| BackendError::Failed { reason: error.to_string() })?;
            program.prove_trusting(rollup.commands, input, &previous, &mut OsRng)
        }
        JobInput::Proved { chain, height, slot, updates } => {
            let (input, proof) = rollup
                .proved_input(*chain, *height, *slot, updates.clone())
                .map_err(|error| BackendError::Failed { reason: error.to_string() })?;
            // It is a user's: whether it verifies is said here rather than after the proving.
            program.prove(rollup.proved, input, &[Some(proof)], &mut OsRng)
        }
        JobInput::Inbox { chain, height, slot, messages } => {
            let messages = RecordedInbox::clone(messages);
            let input = rollup
                .inbox_input(*chain, *height, *slot, messages)
                .map_err(|error| BackendError::Failed { reason: error.to_string() })?;
            program.prove_trusting(rollup.inbox, input, &previous, &mut OsRng)
        }
        JobInput::Payment { chain, height, slot, payments } => {
            let payments = RecordedPayments::clone(payments);
            let input = rollup
                .payment_input(*chain, *height, *slot, payments)
                .map_err(|error| BackendError::Failed { reason: error.to_string() })?;
            program.prove_trusting(rollup.payment, input, &previous, &mut OsRng)
        }
        JobInput::Accounts(input) => {
            let (expected, got) = (rollup.sizes().accounts, input.places.len());
            if expected != got {
                let reason = format!("expected {expected} places for new accounts, got {got}");
                return Err(BackendError::Failed { reason });
            }
            program.prove_trusting(rollup.accounts, input.as_ref().clone(), &previous, &mut OsRng)
        }
        JobInput::Merge(segments) => {
            program.prove_trusting(rollup.merge, **segments, &previous, &mut OsRng)
        }
        JobInput::Close(input) => {
            program.prove_trusting(rollup.close, input.as_ref().clone(), &previous, &mut OsRng)
        }
    }
    .map_err(failed)
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

impl Backend for Embedded {
    fn program(&self) -> Fp {
        self.rollup.program.verification_key().hash()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn memory(&self, rule: Rule) -> u64 {
        memory(&self.rollup, rule)
    }

    fn prove(
        &self,
        job: Arc<Job>,
        previous: Vec<Arc<ProvedStatement>>,
    ) -> BoxFuture<'static, Result<ProvedStatement, BackendError>> {
        let (done, proved) = oneshot::channel();
        let rollup = Arc::clone(&self.rollup);
        self.pool.spawn(move || {
            // A panic is a mistake of the prover, which must not take the process with it.
            let result = catch_unwind(AssertUnwindSafe(|| prove(&rollup, &job, &previous)));
            let result = result.unwrap_or_else(|panic| {
                let reason = format!("the prover panicked: {}", message(panic.as_ref()));
                Err(BackendError::Failed { reason })
            });
            // Nobody waits if the worker has ended.
            let _ = done.send(result);
        });
        Box::pin(async {
            let lost = |_| Err(BackendError::Failed { reason: "the prover is gone".into() });
            proved.await.unwrap_or_else(lost)
        })
    }

    fn verify(
        &self,
        statement: StatementHash,
        proof: &ProvedStatement,
    ) -> Result<(), BackendError> {
        let transient = |reason| BackendError::Transient { reason };
        if proof.app_state != [statement.0] {
            return Err(transient("the proof is of another statement".into()));
        }
        let key = self.rollup.program.verification_key();
        let result = self.pool.install(|| verify(key, &[statement.0], &proof.proof, &mut OsRng));
        result.map_err(|error| transient(format!("the proof does not verify: {error}")))
    }
}
