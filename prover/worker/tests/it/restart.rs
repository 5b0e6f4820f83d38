//! What is there after a restart.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use tempfile::tempdir;
use zeko_worker::{Plan, StatementHash, WorkerConfig};

use crate::kit::{Counting, config, plan, start, start_with, stop};

/// Key and value.
type Entry = (Vec<u8>, Vec<u8>);

/// The store's entries of proofs.
fn entries(dir: &Path) -> (sled::Db, Vec<Entry>) {
    let deadline = Instant::now() + Duration::from_secs(5);
    // Threads of sled hold the lock for a moment after the worker has ended.
    let db = loop {
        match sled::open(dir.join("proofs")) {
            Err(sled::Error::Io(error)) if Instant::now() < deadline => {
                assert!(error.to_string().contains("lock"), "{error}");
                std::thread::yield_now();
            }
            opened => break opened.unwrap(),
        }
    };
    let is_proof = |key: &[u8]| matches!(key.first(), Some(b'p' | b'b'));
    let all = db.iter().map(Result::unwrap).map(|(key, value)| (key.to_vec(), value.to_vec()));
    let proofs = all.filter(|(key, _)| is_proof(key)).collect();
    (db, proofs)
}

/// Proves the first `count` jobs of a plan, and one more while it stops.
async fn prove_some(dir: &Path, plan: &Plan, count: usize) -> BTreeSet<StatementHash> {
    let limits = zeko_worker::Limits { memory: 10_000, proofs: 1 };
    let (worker, backend) = start(dir, Counting::new(limits).only(count)).await;
    let mut batch = worker.handle().submit(plan.clone()).await.unwrap();
    while (batch.progress().done, batch.progress().running) != (count, 1) {
        batch.changed().await.unwrap();
    }
    // That one ends before the worker does.
    worker.stop();
    backend.allow(1);
    worker.join().await.unwrap();
    backend.counts().into_keys().collect()
}

#[tokio::test]
async fn nothing_is_proved_twice() {
    let plan = plan(4, 0);
    for count in 0..6 {
        let dir = tempdir().unwrap();
        let before = prove_some(dir.path(), &plan, count).await;
        assert_eq!(before.len(), count + 1);
        let (worker, backend) = start(dir.path(), Counting::free()).await;
        let batch = worker.handle().submit(plan.clone()).await.unwrap();
        batch.proof().await.unwrap();
        let after: BTreeSet<_> = backend.counts().into_keys().collect();
        assert!(before.is_disjoint(&after), "after {count}");
        assert_eq!(before.len() + after.len(), plan.jobs().len());
        stop(worker).await;
        // Of the parts nothing is left.
        let (_, left) = entries(dir.path());
        assert_eq!(left.len(), 1, "after {count}");
        assert!(left[0].0.ends_with(&plan.root().to_bytes()));
    }
}

/// Proofs of which one bit is another, which are cut off, of another version, of another statement, or
/// no proofs at all are made again; the rest is not.
#[tokio::test]
async fn damaged_proofs_are_made_again() {
    type Damage = fn(&mut Vec<Entry>);
    let damages: [Damage; 8] = [
        |entries| entries[1].1[0] ^= 1,
        |entries| entries[1].1[1] ^= 1,
        |entries| entries[1].1[9] ^= 1,
        |entries| entries[1].1[20] ^= 1,
        |entries| *entries[1].1.last_mut().unwrap() ^= 1,
        |entries| entries[1].1.truncate(100),
        |entries| entries[1].1.clear(),
        |entries| entries[1].1 = entries[2].1.clone(),
    ];
    let plan = plan(4, 0);
    for (index, damage) in damages.into_iter().enumerate() {
        let dir = tempdir().unwrap();
        prove_some(dir.path(), &plan, 3).await;
        let damaged = {
            let (db, mut entries) = entries(dir.path());
            assert_eq!(entries.len(), 4);
            damage(&mut entries);
            let (key, value) = entries.swap_remove(1);
            db.insert(&key, value).unwrap();
            db.flush().unwrap();
            key
        };
        let (worker, backend) = start(dir.path(), Counting::free()).await;
        worker.handle().submit(plan.clone()).await.unwrap().proof().await.unwrap();
        let again: Vec<_> = backend.counts().into_keys().collect();
        assert_eq!(again.len(), 8 - 4 + 1, "damage {index}");
        assert!(again.iter().any(|hash| damaged.ends_with(&hash.to_bytes())), "damage {index}");
        stop(worker).await;
    }
}

/// The proof of a batch too, and everything that it rests on.
#[tokio::test]
async fn a_damaged_batch_is_proved_again() {
    let (dir, plan) = (tempdir().unwrap(), plan(2, 0));
    let (worker, _) = start(dir.path(), Counting::free()).await;
    worker.handle().submit(plan.clone()).await.unwrap().proof().await.unwrap();
    stop(worker).await;
    {
        let (db, mut entries) = entries(dir.path());
        let (key, mut value) = entries.pop().unwrap();
        *value.last_mut().unwrap() ^= 1;
        db.insert(key, value).unwrap();
    }
    let (worker, backend) = start(dir.path(), Counting::free()).await;
    worker.handle().submit(plan).await.unwrap().proof().await.unwrap();
    assert_eq!(backend.count(), 4);
    stop(worker).await;
}

/// Proofs of a batch that nobody hands in again go in the end; those of batches that were proved stay
/// until they are forgotten.
#[tokio::test]
async fn what_nobody_asks_for_is_removed() {
    let dir = tempdir().unwrap();
    let (worker, _) = start(dir.path(), Counting::free()).await;
    worker.handle().submit(plan(1, 1)).await.unwrap().proof().await.unwrap();
    stop(worker).await;
    prove_some(dir.path(), &plan(4, 0), 3).await;
    assert_eq!(entries(dir.path()).1.len(), 5);
    let (worker, _) = start(dir.path(), Counting::free()).await;
    stop(worker).await;
    assert_eq!(entries(dir.path()).1.len(), 5, "not before their time");
    {
        // Written in 1970.
        let (db, entries) = entries(dir.path());
        for (key, mut value) in entries {
            value[2..10].fill(0);
            db.insert(key, value).unwrap();
        }
    }
    let keep_unused = Duration::from_secs(1000);
    let config = WorkerConfig { keep_unused, ..config(dir.path()) };
    let (worker, _) = start_with(config, Counting::free()).await;
    stop(worker).await;
    assert_eq!(entries(dir.path()).1.len(), 1);
}
