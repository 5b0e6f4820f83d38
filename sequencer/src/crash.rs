//! Named points at which tests kill the process.

/// Every point, in the order in which they are passed.
#[cfg(feature = "crash-points")]
pub const POINTS: &[&str] = &[
    "admission/checked",
    "log/written",
    "log/synced",
    "block/opened",
    "block/executed",
    "block/executed-logged",
    "block/closing",
    "block/closed-logged",
    "block/committed",
    "store/before",
    "store/after",
    "log/rewrite-written",
    "log/rewrite-renamed",
    "rollback/logged",
];

/// Kills the process with SIGKILL if the environment asks for it: `ZEKO_CRASH_AT=name` or
/// `name:n`, at the n-th passage.
#[cfg(feature = "crash-points")]
pub(crate) fn crash_point(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };
    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("ZEKO_CRASH_AT").ok()?;
        Some(match wanted.rsplit_once(':') {
            Some((name, count)) => (name.to_owned(), count.parse().ok()?),
            None => (wanted, 1),
        })
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let Some((wanted, count)) = WANTED.as_ref() else { return };
    if name == wanted && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        let id = std::process::id().to_string();
        // Nothing of this process may run on, destructors least of all.
        let _ = std::process::Command::new("kill").args(["-9", &id]).status();
        std::thread::sleep(std::time::Duration::from_secs(10));
    }
}

/// Nothing, without the feature `crash-points`.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub(crate) fn crash_point(_: &str) {}
