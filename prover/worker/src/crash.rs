//! Named points where a test can end the process, as if it had been killed.

/// The points, in the order in which a batch passes them.
pub const CRASH_POINTS: [&str; 6] =
    ["job/started", "proof/made", "proof/written", "proof/synced", "batch/proved", "batch/pruned"];

/// Ends the process if the environment asks for it: `ZEKO_WORKER_CRASH_AT=name:n`, at the n-th passage.
#[cfg(feature = "crash-points")]
pub(crate) fn point(name: &'static str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };
    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("ZEKO_WORKER_CRASH_AT").ok()?;
        let (name, count) = wanted.rsplit_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);
    debug_assert!(CRASH_POINTS.contains(&name));
    let Some((wanted, count)) = WANTED.as_ref() else { return };
    if name == wanted && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        // Nothing is flushed and no destructor runs.
        std::process::abort();
    }
}

/// Nothing, without the feature.
#[cfg(not(feature = "crash-points"))]
pub(crate) fn point(_: &'static str) {}
