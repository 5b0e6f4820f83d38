//! What runs beside the worker's loop: looking up proofs, and making them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use pickles::ProvedStatement;

use crate::{
    backend::{Backend, BackendError},
    crash,
    plan::{Plan, Rule, StatementHash},
    schedule::Start,
    store::{Found, Store, StoreError},
};

/// What has come to an end.
pub(super) enum Event {
    /// The proofs of a batch that were there.
    Restored {
        batch: u64,
        found: Result<BTreeMap<StatementHash, Arc<ProvedStatement>>, StoreError>,
    },
    /// A proof has been made, verified and written, in so many seconds; or not.
    Proved {
        statement: StatementHash,
        rule: Rule,
        result: Result<(Arc<ProvedStatement>, f64), ProofError>,
    },
}

/// Why there is no proof.
pub(super) enum ProofError {
    Backend(BackendError),
    Store(StoreError),
}

/// Looks up the proofs of a batch, from the last backwards: behind a proof that is there, none is
/// needed. What is damaged or does not verify is removed.
pub(super) async fn restore(
    batch: u64,
    plan: Arc<Plan>,
    store: Store,
    backend: Arc<dyn Backend>,
) -> Event {
    let found = tokio::task::spawn_blocking(move || look_up(&plan, &store, backend.as_ref())).await;
    let found = found.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    Event::Restored { batch, found }
}

fn look_up(
    plan: &Plan,
    store: &Store,
    backend: &dyn Backend,
) -> Result<BTreeMap<StatementHash, Arc<ProvedStatement>>, StoreError> {
    let jobs: BTreeMap<_, _> = plan.jobs().iter().map(|job| (job.statement, job)).collect();
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![plan.root()];
    while let Some(statement) = open.pop() {
        if !seen.insert(statement) {
            continue;
        }
        let Some(job) = jobs.get(&statement) else { continue };
        let wrong = match store.get(statement, job.rule())? {
            Found::Proof(proof) => match backend.verify(statement, &proof) {
                Ok(()) => {
                    metrics::counter!("zeko_worker_proofs_restored_total").increment(1);
                    found.insert(statement, Arc::from(proof));
                    continue;
                }
                Err(error) => Some(error.to_string()),
            },
            Found::Damaged => Some("the checksum is another".into()),
            Found::Nothing => None,
        };
        if let Some(reason) = wrong {
            tracing::warn!(%statement, reason, "a proof on disk is wrong; it is made again");
            metrics::counter!("zeko_worker_proofs_damaged_total").increment(1);
            store.remove([(statement, job.rule())])?;
        }
        open.extend(&job.previous);
    }
    Ok(found)
}

/// Makes a proof. It counts when it has been verified and is on disk.
pub(super) async fn prove(start: Start, store: Store, backend: Arc<dyn Backend>) -> Event {
    let Start { job, previous } = start;
    let (statement, rule) = (job.statement, job.rule());
    let begun = Instant::now();
    let result = match backend.prove(job, previous).await {
        Ok(proof) => {
            crash::point("proof/made");
            let seconds = begun.elapsed().as_secs_f64();
            let kept = tokio::task::spawn_blocking(move || {
                keep(statement, rule, &proof, &store, backend.as_ref()).map(|()| proof)
            });
            let kept = kept.await;
            let kept = kept.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            kept.map(|proof| (Arc::new(proof), seconds))
        }
        Err(error) => Err(ProofError::Backend(error)),
    };
    Event::Proved { statement, rule, result }
}

fn keep(
    statement: StatementHash,
    rule: Rule,
    proof: &ProvedStatement,
    store: &Store,
    backend: &dyn Backend,
) -> Result<(), ProofError> {
    backend.verify(statement, proof).map_err(ProofError::Backend)?;
    store.put(statement, rule, proof).map_err(ProofError::Store)
}
