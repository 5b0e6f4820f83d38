//! The worker as a process that is killed.

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use tempfile::tempdir;
use zeko_worker::CRASH_POINTS;

use crate::kit::{Counting, plan, start, stop};

const DIR: &str = "ZEKO_WORKER_TEST_DIR";
const SEGMENTS: usize = 3;

/// Not a test by itself: the process that the other one starts and kills.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(dir) = std::env::var(DIR) else {
        assert!(!CRASH_POINTS.is_empty());
        return;
    };
    let dir = PathBuf::from(dir);
    let (worker, _) = start(&dir, Counting::noting(log(&dir))).await;
    let batch = worker.handle().submit(plan(SEGMENTS, 0)).await.unwrap();
    batch.proof().await.unwrap();
    stop(worker).await;
}

fn log(dir: &Path) -> PathBuf {
    dir.join("log")
}

/// Runs the process until it ends or gets to a point for the n-th time.
fn run(dir: &Path, crash_at: &str) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child"])
        .env(DIR, dir)
        .env("ZEKO_WORKER_CRASH_AT", crash_at)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

/// How often each statement was proved.
fn proved(dir: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in std::fs::read_to_string(log(dir)).unwrap_or_default().lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

/// One proof is made at a time, so at most the one under way is lost.
#[test]
fn no_proof_is_made_twice_that_was_on_disk() {
    for point in CRASH_POINTS {
        let passages: &[usize] = match point {
            "batch/proved" | "batch/pruned" => &[1],
            _ => &[1, 5],
        };
        for n in passages {
            let what = format!("{point}:{n}");
            let dir = tempdir().unwrap();
            let killed = run(dir.path(), &what);
            assert_eq!(killed.signal(), Some(6), "{what}: {killed:?}");
            let before = proved(dir.path());
            let made = before.values().sum::<usize>();
            assert!(run(dir.path(), "").success(), "{what}");
            let after = proved(dir.path());
            assert_eq!(after.len(), 2 * SEGMENTS, "{what}: all of them");
            let twice = after.values().filter(|count| **count > 1).count();
            let expected = match point {
                // Made and not written.
                "proof/made" => 1,
                // Written, but perhaps not to the disk: this process leaves that to chance.
                "proof/written" => twice.min(1),
                _ => 0,
            };
            assert_eq!((twice, after.values().max()), (expected, Some(&(1 + expected))), "{what}");
            let expected = match point {
                "job/started" => n - 1,
                "batch/proved" | "batch/pruned" => 2 * SEGMENTS,
                _ => *n,
            };
            assert_eq!(made, expected, "{what}");
        }
    }
}
