//! What happens on the chain, for whoever follows it.

use mina_ledger::rollup::DataCommitment;
use tokio::sync::broadcast;

use crate::context::Height;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum DaEvent {
    /// A block was decided.
    Decided { height: Height },
    /// More than two thirds have attested some data.
    Certified { commitment: DataCommitment },
    /// A batch is not what it claims to be.
    Refused { commitment: DataCommitment, reason: String },
}

/// Where events are sent; subscribers that are too slow lose the oldest.
#[derive(Clone, Debug)]
pub(crate) struct Events(broadcast::Sender<DaEvent>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::channel(1024).0)
    }
}

impl Events {
    pub(crate) fn send(&self, event: DaEvent) {
        // Nobody may be listening.
        let _ = self.0.send(event);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<DaEvent> {
        self.0.subscribe()
    }
}
