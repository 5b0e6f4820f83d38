//! The L1's inbox, for validators.

use mina_curves::Fp;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeko_bridge::{ConfirmedInbox, L1Client, L1Config, L1Error, L1View, L1Watcher, WatcherConfig};
use zeko_da::{InboxSource, RollupConfig};
use zeko_derive::InboxView;

/// Where a node reads the L1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct L1Settings {
    /// Mina's GraphQL.
    pub graphql: String,
    /// The archive API.
    pub archive: String,
    /// Blocks on top of a message's before it counts: as many as the sequencer waits for.
    pub depth: u32,
    /// Milliseconds between looks.
    pub poll_ms: u64,
}

impl Default for L1Settings {
    fn default() -> Self {
        let (graphql, archive) = (String::new(), String::new());
        Self { graphql, archive, depth: 5, poll_ms: 2000 }
    }
}

/// What a validator knows of the inbox of one rollup.
#[derive(Debug)]
pub struct WatchedInbox {
    view: watch::Receiver<Arc<L1View>>,
    depth: u32,
    /// As it was when the L1 last had an answer.
    known: Option<ConfirmedInbox>,
    /// The watcher goes on for as long as somebody asks.
    _watcher: L1Watcher,
}

impl WatchedInbox {
    /// Watches the inbox of a rollup until `cancel`.
    ///
    /// # Errors
    /// [`L1Error`] if this machine cannot make HTTP requests at all.
    pub fn start(
        l1: &L1Settings,
        rollup: &RollupConfig,
        cancel: &CancellationToken,
    ) -> Result<Self, L1Error> {
        let client = L1Client::new(L1Config::new(&l1.graphql, &l1.archive))?;
        let poll = Duration::from_millis(l1.poll_ms.max(1));
        let config = WatcherConfig { poll, ..WatcherConfig::new(rollup.rollup_account) };
        let watcher = L1Watcher::start(client, config, cancel);
        Ok(Self { view: watcher.view(), depth: l1.depth, known: None, _watcher: watcher })
    }
}

impl InboxView for WatchedInbox {
    fn next(&self, prefix: Fp) -> Option<Fp> {
        self.known.as_ref()?.next(prefix)
    }
}

impl InboxSource for WatchedInbox {
    fn view(&mut self) -> &dyn InboxView {
        let view = self.view.borrow();
        if view.not_ready().is_none() {
            self.known = Some(view.confirmed(self.depth));
        }
        drop(view);
        self
    }
}
