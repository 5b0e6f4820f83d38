//! The service.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use mina_ledger::{
    Domain,
    types::{Amount, Era, NetworkId, PublicKey},
};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use zeko_http::{HttpLimits, HttpServer};
use zeko_sequencer::graphql::{Api, GraphqlConfig, GraphqlError, MinaNode, graphql_router};

use super::{AccountManager, Chain, ChainError, Genesis, Node, http};
use crate::keys::{KeyPair, development_key};

/// One MINA in nanomina.
const MINA: u64 = 1_000_000_000;

/// How a local L1 runs.
#[derive(Clone, Debug)]
pub struct LocalL1Config {
    /// Where GraphQL is served.
    pub graphql: SocketAddr,
    /// Where the account manager is served.
    pub accounts: SocketAddr,
    /// The length of a slot, at least a millisecond.
    pub slot: Duration,
    /// Development accounts with funds, beside those of the account manager.
    pub funded: u32,
    /// Accounts for the account manager to lend.
    pub lent: u32,
    /// The balance of each.
    pub balance: Amount,
    /// More accounts, with balances of their own.
    pub endowed: Vec<(PublicKey, Amount)>,
    /// Takes commands without looking at their proofs.
    pub unsafe_no_proofs: bool,
}

impl Default for LocalL1Config {
    /// Any free ports of this machine, slots of 10 s, ten accounts and a hundred to lend.
    fn default() -> Self {
        Self {
            graphql: ([127, 0, 0, 1], 0).into(),
            accounts: ([127, 0, 0, 1], 0).into(),
            slot: Duration::from_secs(10),
            funded: 10,
            lent: 100,
            balance: Amount::new(10_000 * MINA),
            endowed: Vec::new(),
            unsafe_no_proofs: false,
        }
    }
}

/// Why a local L1 stopped or did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalL1Error {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The schema.
    #[error(transparent)]
    Graphql(#[from] GraphqlError),
    /// An address to listen on, or a server.
    #[error("HTTP server of {what} on {address}: {source}")]
    Http {
        /// Which.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A task panicked.
    #[error("a task died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A running local L1.
#[derive(Debug)]
pub struct LocalL1 {
    node: Arc<Node>,
    graphql: SocketAddr,
    accounts: SocketAddr,
    funded: Vec<KeyPair>,
    cancel: CancellationToken,
    tasks: JoinSet<Result<(), LocalL1Error>>,
}

impl LocalL1 {
    /// Starts a new chain, and serves it until `cancel` or [`Self::stop`].
    ///
    /// # Errors
    /// [`LocalL1Error`].
    pub async fn start(
        config: LocalL1Config,
        cancel: &CancellationToken,
    ) -> Result<Self, LocalL1Error> {
        let keys = |from: u32, count: u32| {
            (from..from + count).map(|index| development_key("l1", index)).collect::<Vec<_>>()
        };
        let funded = keys(0, config.funded);
        let lent = keys(config.funded, config.lent);
        let node = Node::new(Chain::new(genesis(&config, &funded, &lent))?);
        let node = Arc::new(if config.unsafe_no_proofs { node.unsafe_no_proofs() } else { node });
        let accounts = Arc::new(AccountManager::new(lent));
        let cancel = cancel.child_token();
        let mut tasks = JoinSet::new();

        let dynamic: Arc<dyn MinaNode> = Arc::<Node>::clone(&node);
        let limits = GraphqlConfig::default();
        let router = graphql_router(Api::new(&dynamic, limits.limits())?, limits);
        let graphql = serve(&mut tasks, "GraphQL", config.graphql, router, &cancel).await?;
        let router = http::router(http::Served { node: Arc::clone(&node), accounts });
        let accounts = serve(&mut tasks, "accounts", config.accounts, router, &cancel).await?;

        let (stop, ticking) = (cancel.clone(), Arc::clone(&node));
        let slot = config.slot;
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                error = tick(&ticking, slot) => Err(error),
            }
        });
        tracing::info!(%graphql, %accounts, ?slot, "local L1: a development chain in memory");
        Ok(Self { node, graphql, accounts, funded, cancel, tasks })
    }

    /// The node.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Where GraphQL is served.
    pub fn graphql(&self) -> SocketAddr {
        self.graphql
    }

    /// Where the account manager is served.
    pub fn accounts(&self) -> SocketAddr {
        self.accounts
    }

    /// Accounts with funds that the account manager does not lend.
    pub fn funded(&self) -> &[KeyPair] {
        &self.funded
    }

    /// Asks all tasks to stop.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// Waits for all tasks; the first that ends stops the others.
    ///
    /// # Errors
    /// [`LocalL1Error`] of the first task that failed.
    pub async fn join(mut self) -> Result<(), LocalL1Error> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            self.cancel.cancel();
            result = result.and(ended.map_err(LocalL1Error::from).flatten());
        }
        result
    }
}

fn genesis(config: &LocalL1Config, funded: &[KeyPair], lent: &[KeyPair]) -> Genesis {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let account = |pair: &KeyPair| (pair.public, config.balance);
    Genesis {
        domain: Domain::new(NetworkId::Testnet, Era::Berkeley),
        accounts: funded.iter().chain(lent).map(account).chain(config.endowed.clone()).collect(),
        producer: development_key("l1-producer", 0).public,
        coinbase: Amount::new(720 * MINA),
        account_creation_fee: Amount::new(MINA),
        timestamp_ms: u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
        slot_ms: u64::try_from(config.slot.as_millis()).unwrap_or(u64::MAX).max(1),
    }
}

async fn serve(
    tasks: &mut JoinSet<Result<(), LocalL1Error>>,
    what: &'static str,
    address: SocketAddr,
    router: Router,
    cancel: &CancellationToken,
) -> Result<SocketAddr, LocalL1Error> {
    let router = router
        .route("/livez", get(|| async { "ok\n" }))
        // Blocks are made from the start.
        .route("/readyz", get(|| async { "ok\n" }));
    let wrap = move |source| LocalL1Error::Http { what, address, source };
    let server = HttpServer::start(address, router, HttpLimits::default(), cancel);
    let server = server.await.map_err(wrap)?;
    let bound = server.address;
    tasks.spawn(async move { server.join().await.map_err(wrap) });
    Ok(bound)
}

/// Makes blocks for as long as that goes well.
async fn tick(node: &Node, slot: Duration) -> LocalL1Error {
    let mut interval = tokio::time::interval(slot.max(Duration::from_millis(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        if let Err(error) = node.tick() {
            return error.into();
        }
    }
}
