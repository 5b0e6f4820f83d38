//! The L1's inbox, for validators.

use mina_curves::Fp;
use mina_ledger::{rollup::ChainId, types::TypeError};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeko_bridge::{ConfirmedInbox, L1Client, L1Config, L1Error, L1View, L1Watcher, WatcherConfig};
use zeko_da::{InboxSource, RollupConfig};
use zeko_derive::InboxView;

use crate::pool::{PoolConfig, RequestPool};

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

/// Why an inbox cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// This machine cannot make HTTP requests at all.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The name of the rollup.
    #[error("rollups.chain: {0}")]
    Chain(#[from] TypeError),
}

/// What a validator knows of the inbox of one rollup.
#[derive(Debug)]
pub struct WatchedInbox {
    view: watch::Receiver<Arc<L1View>>,
    depth: u32,
    /// As it was when the L1 last had an answer.
    known: Option<ConfirmedInbox>,
    /// The watcher goes on for as long as somebody asks, and the pool is read for as long.
    _watcher: (L1Watcher, RequestPool),
}

impl WatchedInbox {
    /// Watches the inbox of a rollup until `cancel`. `da`: a node of the DA layer, which has the
    /// bridge request pool, and its chain.
    ///
    /// # Errors
    /// [`InboxError`].
    pub fn start(
        l1: &L1Settings,
        rollup: &RollupConfig,
        (da, url): (ChainId, String),
        cancel: &CancellationToken,
    ) -> Result<Self, InboxError> {
        let client = L1Client::new(L1Config::new(&l1.graphql, &l1.archive))?;
        let poll = Duration::from_millis(l1.poll_ms.max(1));
        let (account, chain) = (rollup.rollup_account, ChainId::new(&rollup.chain)?);
        let (relayed, requests) = RequestPool::channel(account);
        let requests = Some(requests);
        let config = WatcherConfig { poll, requests, ..WatcherConfig::new(account) };
        let watcher = L1Watcher::start(client, config, cancel);
        // Several sequencers may have signed; the first one's requests are kept in any case.
        let sequencer = rollup.sequencers.first().copied().unwrap_or(account);
        let pool = PoolConfig { da, urls: vec![url], chain, account, sequencer };
        let pool = RequestPool::start(pool, relayed, None, cancel);
        let view = watcher.view();
        Ok(Self { view, depth: l1.depth, known: None, _watcher: (watcher, pool) })
    }
}

impl InboxView for WatchedInbox {
    fn next(&self, prefix: Fp) -> Option<Fp> {
        self.known.as_ref()?.next(prefix)
    }

    fn is_open(&self, prefix: Fp) -> bool {
        self.known.as_ref().is_some_and(|known| known.is_open(prefix))
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
