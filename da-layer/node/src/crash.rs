//! Named points where a test can end the process, as if it had been killed.

/// The points, in the order in which an entry passes them.
pub const CRASH_POINTS: [&str; 8] = [
    "submit.synced",
    "proposal.synced",
    "decided.synced",
    "decided.indexed",
    "attest.before_record",
    "attest.recorded",
    "extension.given",
    "finalized",
];

/// Ends the process if the environment names this point.
#[cfg(feature = "crash-points")]
pub(crate) fn point(name: &'static str) {
    debug_assert!(CRASH_POINTS.contains(&name));
    if std::env::var("ZEKO_DA_CRASH_AT").is_ok_and(|at| at == name) {
        // Nothing is flushed and no destructor runs.
        std::process::abort();
    }
}

/// Nothing, without the feature.
#[cfg(not(feature = "crash-points"))]
pub(crate) fn point(_: &'static str) {}
