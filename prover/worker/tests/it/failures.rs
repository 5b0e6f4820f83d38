//! What goes wrong, and what does not with it.

use std::time::Duration;

use tempfile::tempdir;
use zeko_worker::{BackendError, BatchError, Rule, Stage, WorkerConfig, WorkerError};

use crate::kit::{Counting, Fault, config, plan, start, start_with, stop};

fn transient() -> Fault {
    Fault::Error(BackendError::Transient { reason: "the machine is gone".into() })
}

fn permanent() -> Fault {
    Fault::Error(BackendError::Failed { reason: "the statement does not hold".into() })
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let dir = tempdir().unwrap();
    let backend = Counting::free();
    let plan = plan(3, 0);
    let [first, .., last] = plan.jobs() else { unreachable!() };
    let wait = Duration::from_millis(30);
    let config = WorkerConfig { first_wait: wait, longest_wait: 10 * wait, ..config(dir.path()) };
    backend.fail(first.statement, &[transient(), transient(), Fault::WrongProof]);
    backend.fail(last.statement, &[Fault::WrongProof]);
    let begun = std::time::Instant::now();
    let (worker, backend) = start_with(config, backend).await;
    worker.handle().submit(plan.clone()).await.unwrap().proof().await.unwrap();
    assert!(begun.elapsed() >= (1 + 2 + 4 + 1) * wait, "waits grow");
    let counts = backend.counts();
    assert_eq!((counts[&first.statement], counts[&last.statement]), (4, 2));
    assert_eq!(backend.count(), 6 + 3 + 1, "the others once");
    stop(worker).await;
}

#[tokio::test]
async fn what_does_not_pass_fails_its_batch_only() {
    let dir = tempdir().unwrap();
    let backend = Counting::free();
    let (bad, good) = (plan(4, 0), plan(2, 1));
    let job = bad.jobs()[4].clone();
    assert_eq!(job.rule(), Rule::Merge);
    backend.fail(job.statement, &[permanent()]);
    let (worker, backend) = start(dir.path(), backend).await;
    let handle = worker.handle();
    let failed = handle.submit(bad.clone()).await.unwrap();
    let proved = handle.submit(good).await.unwrap();
    let expected = BatchError::Proof {
        rule: Rule::Merge,
        statement: job.statement,
        attempts: 1,
        reason: "the statement does not hold".into(),
    };
    assert_eq!(failed.proof().await, Err(expected));
    assert_eq!(failed.progress().stage, Stage::Ended);
    proved.proof().await.unwrap();
    assert!(handle.reasons().is_empty(), "the worker goes on");
    // Handed in again, the batch needs what it lacks and nothing else.
    handle.submit(bad).await.unwrap().proof().await.unwrap();
    let counts = backend.counts();
    assert!(counts.iter().all(|(hash, count)| *count == 1 + usize::from(*hash == job.statement)));
    stop(worker).await;
}

#[tokio::test]
async fn attempts_are_counted() {
    let dir = tempdir().unwrap();
    let backend = Counting::free();
    let plan = plan(1, 0);
    let statement = plan.jobs()[0].statement;
    backend.fail(statement, &vec![transient(); 4]);
    let config = WorkerConfig { attempts: 3, ..config(dir.path()) };
    let (worker, backend) = start_with(config, backend).await;
    let handle = worker.handle();
    let failed = handle.submit(plan.clone()).await.unwrap().proof().await.unwrap_err();
    let BatchError::Proof { attempts: 3, reason, .. } = failed else { panic!("{failed}") };
    assert_eq!(reason, "the machine is gone");
    // Another time they are counted anew.
    handle.submit(plan).await.unwrap().proof().await.unwrap();
    assert_eq!(backend.counts()[&statement], 5);
    stop(worker).await;
}

/// A panic of a back end is a mistake that nobody foresaw: the worker ends, with the reason.
#[tokio::test]
async fn a_panic_ends_the_worker() {
    let dir = tempdir().unwrap();
    let backend = Counting::free();
    let plan = plan(2, 0);
    backend.fail(plan.jobs()[0].statement, &[Fault::Panic]);
    let (worker, _) = start(dir.path(), backend).await;
    let handle = worker.handle().clone();
    let batch = handle.submit(plan).await.unwrap();
    assert_eq!(batch.proof().await, Err(BatchError::Stopped));
    let error = worker.join().await.unwrap_err();
    assert!(matches!(&error, WorkerError::Fatal { reason } if reason.contains("panic")), "{error}");
    let reasons = handle.reasons();
    assert_eq!(reasons, [error.to_string()]);
}
