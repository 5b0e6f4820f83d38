//! What is counted, for Prometheus, along with what the engine of consensus counts.

use malachite::app::metrics::SharedRegistry;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use crate::store::Stored;

/// The node's own metrics; those of consensus and network are beside them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) height: Gauge,
    pub(crate) round: Gauge,
    pub(crate) entries: Counter,
    pub(crate) bytes: Counter,
    pub(crate) certified: Counter,
    pub(crate) refused: Counter,
    pub(crate) evidence: Counter,
    pub(crate) mended: Counter,
    pub(crate) submitted: Counter,
}

impl Metrics {
    pub(crate) fn new(moniker: &str) -> Self {
        let metrics = Self::default();
        SharedRegistry::global().with_moniker(moniker).with_prefix("zeko_da", |registry| {
            registry.register("height", "height under way", metrics.height.clone());
            registry.register("round", "round under way", metrics.round.clone());
            registry.register("entries", "entries decided", metrics.entries.clone());
            registry.register("data_bytes", "bytes of entries decided", metrics.bytes.clone());
            registry.register("certified", "entries certified", metrics.certified.clone());
            registry.register("refused", "batches refused", metrics.refused.clone());
            registry.register("evidence", "equivocations seen", metrics.evidence.clone());
            registry.register("mended", "chunks fetched from peers", metrics.mended.clone());
            registry.register("submitted", "entries accepted", metrics.submitted.clone());
        });
        metrics
    }

    pub(crate) fn decided(&self, stored: &Stored) {
        self.entries.inc_by(stored.entries.len() as u64);
        self.bytes.inc_by(stored.entries.iter().map(|entry| entry.length).sum());
    }
}
