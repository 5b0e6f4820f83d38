//! Batches through the worker.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use mina_ledger::rollup::Message;
use tempfile::tempdir;
use tokio_util::sync::CancellationToken;
use zeko_worker::{
    BatchError, Limits, Plan, Rule, Stage, SubmitError, Worker, WorkerConfig, WorkerError,
    WorkerStatus,
};

use crate::kit::{
    Counting, Happens, MINA, Shared, config, deposit, first, mixed, nothing, payment, plan,
    plan_of, proof_of, start, start_with, stop, transfer,
};

#[tokio::test]
async fn a_batch_is_proved() {
    let dir = tempdir().unwrap();
    let (worker, backend) = start(dir.path(), Counting::free()).await;
    let plan = plan(5, 0);
    let (root, jobs) = (plan.root(), plan.jobs().to_vec());
    assert_eq!(jobs.len(), 10);
    let mut batch = worker.handle().submit(plan).await.unwrap();
    assert_eq!(batch.statement(), root);
    let mut last = batch.progress();
    while let Some(progress) = batch.changed().await {
        assert!(progress.done >= last.done && progress.jobs == 10, "{progress:?}");
        last = progress;
    }
    assert_eq!((last.stage, last.done, last.running, last.restored), (Stage::Proved, 10, 0, 0));
    assert_eq!(*batch.proof().await.unwrap(), proof_of(root));
    let proved = backend.proved.lock().unwrap().clone();
    // Each once, and behind what it rests on: the back end has checked that.
    assert_eq!(proved.len(), 10);
    assert!(jobs.iter().all(|job| proved.contains(&(job.statement, job.rule()))));
    assert_eq!(proved.last(), Some(&(root, Rule::Close)));
    assert_eq!(worker.handle().status(), WorkerStatus::default());
    assert!(worker.handle().reasons().is_empty());
    stop(worker).await;
}

/// A rule whose number is not its place among the rules was once never given out.
#[tokio::test]
async fn jobs_of_every_rule_are_given_out() {
    let blocks = vec![(
        5,
        vec![
            Happens::Message(Message::Deposit(deposit(70, 3 * MINA))),
            Happens::Command(nothing(0, 0)),
            Happens::Command(payment(0, 1, 1, MINA)),
        ],
    )];
    let plan = plan_of(&mixed(blocks).1);
    let root = plan.root();
    let dir = tempdir().unwrap();
    let (worker, backend) = start(dir.path(), Counting::free()).await;
    let batch = worker.handle().submit(plan).await.unwrap();
    assert_eq!(*batch.proof().await.unwrap(), proof_of(root));
    let proved: BTreeSet<Rule> =
        backend.proved.lock().unwrap().iter().map(|(_, rule)| *rule).collect();
    let rules =
        [Rule::Commands, Rule::Merge, Rule::Close, Rule::Inbox, Rule::Accounts, Rule::Payment];
    assert_eq!(proved, BTreeSet::from(rules));
    stop(worker).await;
}

#[tokio::test]
async fn a_batch_that_is_handed_in_twice_is_one() {
    let dir = tempdir().unwrap();
    let (worker, backend) = start(dir.path(), Counting::free().only(3)).await;
    let (handle, plan) = (worker.handle().clone(), plan(2, 0));
    let first = handle.submit(plan.clone()).await.unwrap();
    let second = handle.submit(plan.clone()).await.unwrap();
    backend.allow(100);
    assert_eq!(first.proof().await.unwrap(), second.proof().await.unwrap());
    // Also after it has been proved.
    let mut third = handle.submit(plan.clone()).await.unwrap();
    assert_eq!(third.proof().await.unwrap(), first.proof().await.unwrap());
    while third.changed().await.is_some() {}
    assert_eq!(third.progress().restored, 1);
    assert_eq!(backend.count(), 4);
    // Nothing is left of its parts, and when it is forgotten, nothing at all.
    handle.forget(plan.root()).await.unwrap();
    handle.submit(plan).await.unwrap().proof().await.unwrap();
    assert_eq!(backend.count(), 8);
    assert!(backend.counts().values().all(|count| *count == 2));
    stop(worker).await;
}

/// A batch that was rebuilt with more blocks behind the ones that it had.
#[tokio::test]
async fn what_two_batches_share_is_proved_once() {
    let dir = tempdir().unwrap();
    let (worker, backend) = start(dir.path(), Counting::free().only(0)).await;
    let mut blocks = vec![(5, vec![nothing(0, 0), transfer(1, 0, 2, MINA)])];
    let short = plan_of(&first(&blocks).1);
    blocks.push((6, vec![transfer(2, 0, 3, MINA)]));
    let long = plan_of(&first(&blocks).1);
    let of = |plan: &Plan| plan.jobs().iter().map(|job| job.statement).collect::<BTreeSet<_>>();
    assert_eq!(of(&short).intersection(&of(&long)).count(), 1);
    let all = of(&short).union(&of(&long)).count();

    let handle = worker.handle();
    let short = handle.submit(short).await.unwrap();
    let long = handle.submit(long).await.unwrap();
    backend.allow(100);
    // The end of the one does not take from the other what they share.
    short.proof().await.unwrap();
    long.proof().await.unwrap();
    assert_eq!(backend.count(), all);
    stop(worker).await;
}

#[tokio::test]
async fn memory_and_number_are_limits() {
    for (limits, most) in [
        (Limits { memory: 100, proofs: 100 }, (2, 80)),
        (Limits { memory: 10_000, proofs: 3 }, (3, 120)),
        (Limits { memory: 40, proofs: 100 }, (2, 40)),
    ] {
        let dir = tempdir().unwrap();
        let backend = Counting::new(limits).taking(Duration::from_millis(2));
        let (worker, backend) = start(dir.path(), backend).await;
        let batches = [plan(8, 0), plan(8, 1)].map(|plan| worker.handle().submit(plan));
        for batch in batches {
            batch.await.unwrap().proof().await.unwrap();
        }
        let (proofs, memory) = *backend.most.lock().unwrap();
        assert!(proofs <= limits.proofs && memory <= limits.memory, "{limits:?}");
        assert_eq!(backend.count(), 32);
        assert!(memory >= most.1.min(limits.memory) || proofs == most.0, "{limits:?} is used");
        stop(worker).await;
    }
}

#[tokio::test]
async fn limits_within_which_nothing_can_be_proved_are_refused() {
    let dir = tempdir().unwrap();
    let start = async |config: WorkerConfig, limits| {
        let backend = Arc::new(Shared(Arc::new(Counting::new(limits))));
        Worker::start(config, backend, &CancellationToken::new()).await.unwrap_err()
    };
    let error = start(config(dir.path()), Limits { memory: 39, proofs: 1 }).await;
    let WorkerError::Memory { rule, expected, got } = error else { panic!("{error}") };
    assert_eq!((rule, expected, got), (Rule::Commands, 40, 39));
    let error = start(config(dir.path()), Limits { memory: 40, proofs: 0 }).await;
    assert!(matches!(error, WorkerError::Zero { what: "proofs at once" }), "{error}");
    let fits = Limits { memory: 40, proofs: 1 };
    let error = start(WorkerConfig { attempts: 0, ..config(dir.path()) }, fits).await;
    assert!(matches!(error, WorkerError::Zero { what: "attempts" }), "{error}");
}

#[tokio::test]
async fn there_are_so_many_batches_and_no_more() {
    let dir = tempdir().unwrap();
    let config = WorkerConfig { max_batches: 2, ..config(dir.path()) };
    let (worker, backend) = start_with(config, Counting::free().only(0)).await;
    let handle = worker.handle();
    let first = handle.submit(plan(1, 0)).await.unwrap();
    handle.submit(plan(1, 1)).await.unwrap();
    // The same batch again is not another.
    handle.submit(plan(1, 0)).await.unwrap();
    let refused = handle.submit(plan(1, 2)).await.unwrap_err();
    assert_eq!(refused, SubmitError::Full { expected: 2, got: 2 });
    backend.allow(100);
    first.proof().await.unwrap();
    handle.submit(plan(1, 2)).await.unwrap().proof().await.unwrap();
    stop(worker).await;
}

#[tokio::test]
async fn a_cancelled_batch_leaves_the_others_alone() {
    let dir = tempdir().unwrap();
    let limits = Limits { memory: 10_000, proofs: 2 };
    let (worker, backend) = start(dir.path(), Counting::new(limits).only(1)).await;
    let handle = worker.handle();
    let (cancelled_plan, other_plan) = (plan(4, 0), plan(2, 1));
    let mut cancelled = handle.submit(cancelled_plan.clone()).await.unwrap();
    let other = handle.submit(other_plan).await.unwrap();
    while cancelled.progress().done < 1 {
        cancelled.changed().await.unwrap();
    }
    cancelled.cancel();
    assert_eq!(cancelled.proof().await, Err(BatchError::Cancelled));
    while cancelled.changed().await.is_some() {}
    assert_eq!(cancelled.progress().stage, Stage::Ended);
    // Two proofs of it are under way, which count if it comes back.
    let again = handle.submit(cancelled_plan).await.unwrap();
    backend.allow(100);
    other.proof().await.unwrap();
    again.proof().await.unwrap();
    assert_eq!(backend.count(), 8 + 4);
    assert!(backend.counts().values().all(|count| *count == 1), "nothing twice");
    stop(worker).await;
}

#[tokio::test]
async fn the_end_is_foreseen_from_what_was_measured() {
    let dir = tempdir().unwrap();
    let time = Duration::from_millis(20);
    let limits = Limits { memory: 10_000, proofs: 1 };
    let backend = Counting::new(limits).taking(time);
    let (worker, _) = start(dir.path(), backend).await;
    let first = worker.handle().submit(plan(1, 0)).await.unwrap();
    assert_eq!(first.progress().finish, None, "nothing is known yet");
    first.proof().await.unwrap();
    stop(worker).await;

    // After a restart too: 8 proofs, the second batch behind the first.
    let backend = Counting::new(limits).taking(time);
    let (worker, backend) = start(dir.path(), backend.only(0)).await;
    let handle = worker.handle();
    let mut batches =
        [handle.submit(plan(4, 1)).await.unwrap(), handle.submit(plan(4, 2)).await.unwrap()];
    let begun = SystemTime::now();
    let mut finishes = Vec::new();
    for batch in &mut batches {
        while batch.progress().stage == Stage::Restoring {
            batch.changed().await.unwrap();
        }
        finishes.push(batch.progress().finish.unwrap());
    }
    let [one, both] = finishes[..] else { unreachable!() };
    assert!(one >= begun + time && both >= one + time, "{begun:?} {one:?} {both:?}");
    backend.allow(100);
    for batch in &batches {
        batch.proof().await.unwrap();
        assert_eq!(batch.progress().eta(), None);
    }
    stop(worker).await;
}

#[tokio::test]
async fn a_worker_that_has_ended_says_so() {
    let dir = tempdir().unwrap();
    let (worker, backend) = start(dir.path(), Counting::free().only(0)).await;
    let handle = worker.handle().clone();
    let batch = handle.submit(plan(2, 0)).await.unwrap();
    worker.stop();
    assert_eq!(handle.reasons(), ["the worker is stopping"]);
    backend.allow(100);
    worker.join().await.unwrap();
    assert_eq!(batch.proof().await, Err(BatchError::Stopped));
    assert_eq!(handle.submit(plan(2, 0)).await.unwrap_err(), SubmitError::Stopped);
    assert_eq!(handle.forget(batch.statement()).await, Err(SubmitError::Stopped));
    batch.cancel();
}
