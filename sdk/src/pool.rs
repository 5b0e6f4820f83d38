//! The bridge request pool: what deposits say, on the DA layer.
//!
//! Whoever sees a deposit on the L1 may relay it; the sequencer does. Readers hold what is there
//! against their own view of the L1, so that a forged request is ignored, and so is one whose deposit
//! the L1 has undone. With the pool and a Mina node, the inbox is known without an archive.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use mina_curves::Fp;
use mina_ledger::{
    rollup::ChainId,
    types::{PrivateKey, PublicKey},
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use zeko_bridge::{L1View, Message, Requests};
use zeko_da::{ClientError, DaClient};
use zeko_derive::{BridgeRequest, EntryKind, Envelope, Wire};

use crate::namespace::NamespaceReader;

/// How often to look for new requests and deposits.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait before another node is asked.
const RETRY: Duration = Duration::from_secs(2);
/// After how long a request that does not appear is sent again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the pool of a rollup is.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The DA chain.
    pub da: ChainId,
    /// Nodes, as `ws://…`: one is read, another one if that fails.
    pub urls: Vec<String>,
    /// The rollup.
    pub chain: ChainId,
    /// Its account on the L1.
    pub account: PublicKey,
    /// Its sequencer, whose requests are all kept.
    pub sequencer: PublicKey,
}

/// Relays the deposits that are on the L1.
#[derive(Clone, Debug)]
pub struct Relay {
    /// What signs requests.
    pub key: PrivateKey,
    /// The L1.
    pub view: watch::Receiver<Arc<L1View>>,
}

/// A reader of the pool, running.
#[derive(Debug)]
pub struct RequestPool {
    task: JoinHandle<()>,
}

impl Drop for RequestPool {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RequestPool {
    /// What the pool of a rollup account has: nothing before it is read.
    pub fn channel(account: PublicKey) -> (watch::Sender<Requests>, watch::Receiver<Requests>) {
        watch::channel(Requests::new(account))
    }

    /// Reads the pool into `requests` until it is dropped or `cancel`, and relays to it what is missing.
    pub fn start(
        config: PoolConfig,
        requests: watch::Sender<Requests>,
        relay: Option<Relay>,
        cancel: &CancellationToken,
    ) -> Self {
        let reader = NamespaceReader::new(config.chain.field());
        let worker = Worker { config, requests, relay, reader, sent: BTreeMap::new() };
        let stop = cancel.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = worker.run() => {}
            }
        });
        Self { task }
    }
}

struct Worker {
    config: PoolConfig,
    requests: watch::Sender<Requests>,
    relay: Option<Relay>,
    /// All nodes have the entries in the same order.
    reader: NamespaceReader,
    /// When a request that leads to an action state was sent.
    sent: BTreeMap<Fp, Instant>,
}

impl Worker {
    async fn run(mut self) {
        for turn in 0.. {
            let turn: usize = turn;
            let place = turn.checked_rem(self.config.urls.len()).unwrap_or(0);
            let Some(url) = self.config.urls.get(place).cloned() else { return };
            if let Err(error) = self.follow(&url).await {
                tracing::warn!(url, %error, "the bridge request pool is not read");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn follow(&mut self, url: &str) -> Result<(), ClientError> {
        let node = DaClient::connect(url, self.config.da).await?;
        loop {
            self.read(&node).await?;
            self.relay(&node).await?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Reads up to the end.
    async fn read(&mut self, node: &DaClient) -> Result<(), ClientError> {
        loop {
            // Only what has been read whole counts as read.
            let mut reader = self.reader;
            let page = reader.page(node).await?;
            if page.is_empty() {
                return Ok(());
            }
            for entry in page.iter().filter(|entry| entry.kind == "bridge_request") {
                let envelope = reader.envelope(node, EntryKind::BridgeRequest, entry).await?;
                let is_stranger = envelope.sender != self.config.sequencer;
                match BridgeRequest::from_bytes(&envelope.data) {
                    Ok(request) => {
                        let keep = |kept: &mut Requests| kept.insert(&request, is_stranger);
                        self.requests.send_if_modified(keep);
                    }
                    Err(error) => tracing::debug!(%error, "a bridge request that is none"),
                }
            }
            self.reader = reader;
            metrics::gauge!("zeko_bridge_requests").set(self.requests.borrow().len() as f64);
        }
    }

    /// Sends what the L1 has and the sequencer has not sent, also where a stranger has: those can be
    /// crowded out.
    async fn relay(&mut self, node: &DaClient) -> Result<(), ClientError> {
        let Some(Relay { key, view }) = &self.relay else { return Ok(()) };
        let missing: Vec<(Fp, BridgeRequest)> = {
            let (view, requests) = (view.borrow(), self.requests.borrow());
            self.sent.retain(|state, at| at.elapsed() < PATIENCE && !requests.has_own(*state));
            let missing = view.inbox().iter().filter(|message| {
                !requests.has_own(message.after) && !self.sent.contains_key(&message.after)
            });
            let request = |message: &Message| Some((message.after, self.request(message)?));
            missing.filter_map(request).collect()
        };
        for (after, request) in missing {
            let (namespace, data) = (self.config.chain.field(), request.to_bytes());
            let kind = EntryKind::BridgeRequest;
            let envelope = Envelope::sign(self.config.da, kind, namespace, data, key)?;
            node.submit(&envelope).await?;
            let transaction = request.transaction.to_base58();
            tracing::info!(transaction, "relayed a deposit");
            self.sent.insert(after, Instant::now());
        }
        Ok(())
    }

    /// What there is to relay of a message; `None` if nobody has opened it.
    fn request(&self, message: &Message) -> Option<BridgeRequest> {
        let Message { before, deposit, transaction, .. } = *message;
        let rollup_account = self.config.account;
        let (deposit, transaction) = deposit.zip(transaction)?;
        Some(BridgeRequest { rollup_account, transaction, before, deposit })
    }
}
