//! Values that are computed once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// A map whose values are computed once each, also when many threads ask at the same time.
pub(crate) struct OnceMap<K, V>(Mutex<BTreeMap<K, Arc<OnceLock<V>>>>);

impl<K, V> Default for OnceMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> OnceMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<K: Ord, V: Clone + Send + Sync> OnceMap<K, V> {
    pub(crate) fn get_or_init(&self, key: K, init: impl FnOnce() -> V + Send) -> V {
        // The map is consistent at any time a thread could panic, so a poisoned lock is usable.
        let cell = Arc::clone(
            self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default(),
        );
        cell.get_or_init(|| isolated(init)).clone()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// Runs `work` in a thread pool of its own, waiting without stealing other work.
///
/// A worker of the shared pool that waited inside a `OnceLock` could steal a task that asks for the
/// same value, or all workers could wait for a value whose computation needs one of them: both would
/// hang for ever.
fn isolated<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let in_own_pool = || match rayon::ThreadPoolBuilder::new().build() {
        Ok(pool) => pool.install(work),
        // No threads to be had: the current pool is better than none.
        Err(_) => work(),
    };
    std::thread::scope(|scope| match scope.spawn(in_own_pool).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
