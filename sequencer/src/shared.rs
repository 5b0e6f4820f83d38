//! What the parts of the sequencer share.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    ledger::{FullLedger, Mask},
    rollup::{BridgeRule, ChainId, bridge_id},
    types::{Amount, PrivateKey, PublicKey, Slot},
};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{
    bridge::Bridge,
    config::SequencerConfig,
    graphql::{NodeEvent, NodeInfo},
    handle::Confirmations,
    log::Log,
    pool::Pool,
    store::{Store, StoreError},
    view::View,
    work::{Caution, ProvingConfig},
};

/// Shared by admission, block building and everything that answers questions.
pub(crate) struct Shared {
    pub(crate) config: SequencerConfig,
    pub(crate) info: NodeInfo,
    pub(crate) chain: ChainId,
    pub(crate) domain: Domain,
    pub(crate) rule: BridgeRule,
    pub(crate) key: PrivateKey,
    pub(crate) producer: PublicKey,
    pub(crate) fee_recipient: PublicKey,
    pub(crate) pool: Mutex<Pool>,
    pub(crate) view: View,
    pub(crate) ledger: Mutex<Mask<FullLedger>>,
    pub(crate) log: Log,
    pub(crate) store: Store,
    pub(crate) events: broadcast::Sender<NodeEvent>,
    /// What has been executed.
    pub(crate) confirmations: broadcast::Sender<Arc<Confirmations>>,
    pub(crate) stop: CancellationToken,
    /// Why the sequencer has to end, if it has to.
    pub(crate) fatal: OnceLock<String>,
    pub(crate) ready: AtomicBool,
    /// When the last block was closed, in milliseconds since 1970.
    pub(crate) last_block_ms: AtomicU64,
    /// The L1, while it is known.
    pub(crate) bridge: RwLock<Option<Arc<dyn Bridge>>>,
    /// Why batches are not being settled, empty if they are; `None` if they are not to be.
    pub(crate) settlement: RwLock<Option<Vec<String>>>,
    /// Batches that may be closed and not committed before the next one waits; 0: any number.
    pub(crate) ahead: AtomicU64,
    /// Whether batches are rolled back whole only.
    pub(crate) whole_batches: AtomicBool,
    /// How much smaller batches are than they may be.
    pub(crate) caution: Mutex<Caution>,
}

impl Shared {
    pub(crate) fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Mask<FullLedger>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The L1, while it is known.
    pub(crate) fn bridge(&self) -> Option<Arc<dyn Bridge>> {
        self.bridge.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why batches are not being settled, empty if they are; `None` if they are not to be.
    pub(crate) fn settlement(&self) -> Option<Vec<String>> {
        self.settlement.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What bounds a batch now.
    pub(crate) fn proving(&self) -> ProvingConfig {
        self.caution.lock().unwrap_or_else(PoisonError::into_inner).bounds(&self.config.proving)
    }

    /// Changes how much smaller batches are than they may be; on return it is on disk.
    pub(crate) fn change_caution(
        &self,
        change: impl FnOnce(Caution) -> Caution,
    ) -> Result<(), StoreError> {
        let mut caution = self.caution.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(*caution);
        if changed != *caution {
            self.store.set_caution(changed)?;
            *caution = changed;
        }
        Ok(())
    }

    /// Ends the sequencer with a reason.
    pub(crate) fn fail(&self, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::error!(%reason, "the sequencer has to stop");
        // The first reason is the one that counts.
        let _ = self.fatal.set(reason);
        self.ready.store(false, Ordering::SeqCst);
        self.stop.cancel();
    }

    /// The slot at a time.
    pub(crate) fn slot_at(&self, now_ms: u64) -> Slot {
        let genesis = &self.config.genesis;
        let slot = now_ms.saturating_sub(genesis.timestamp_ms) / genesis.slot_ms.max(1);
        Slot::new(u32::try_from(slot).unwrap_or(u32::MAX))
    }

    /// The smallest fee for a weight now.
    pub(crate) fn minimum_fee(&self, weight: u32) -> Amount {
        let fill = self.pool().fill();
        self.config.fees.minimum_for(weight, fill)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The prefix of the L1's inbox that blocks have consumed.
pub(crate) fn consumed_inbox(shared: &Shared) -> Fp {
    let bridge = shared.view.read().account(&bridge_id());
    let zkapp = bridge.and_then(|record| record.account.zkapp);
    zkapp.and_then(|zkapp| zkapp.app_state.first().copied()).unwrap_or_default()
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    // A clock before 1970 is at 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Ends the sequencer when the thread that holds it ends before it should.
pub(crate) struct Guard {
    shared: Arc<Shared>,
    name: &'static str,
}

impl Guard {
    pub(crate) fn new(shared: &Arc<Shared>, name: &'static str) -> Self {
        Self { shared: Arc::clone(shared), name }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.shared.stop.is_cancelled() {
            self.shared.fail(format!("the thread `{}` has ended", self.name));
        }
    }
}
