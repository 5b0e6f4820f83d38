//! The service.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use zeko_http::{HttpLimits, HttpServer};

use crate::{
    follow::{FollowError, Follower},
    graphql::schema,
    http,
    source::ChainSource,
    store::{Store, StoreError},
};

/// How long to wait after something that may pass.
const RETRY: Duration = Duration::from_secs(2);

/// How an indexer runs.
#[derive(Clone, Debug)]
pub struct IndexerConfig {
    /// `sqlite:PATH`, `sqlite::memory:` or `postgres://…`.
    pub database: String,
    /// Where the GraphQL is served.
    pub listen: SocketAddr,
    /// How often the chain is looked at.
    pub poll_interval: Duration,
    /// Blocks with this many others on top count as canonical.
    pub canonical_depth: u32,
    /// Whether an empty database may begin in the middle of the chain.
    pub allow_partial_history: bool,
}

/// Why an indexer stopped or did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexerError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Following the chain.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The address to listen on, or the server.
    #[error("HTTP server on {address}: {source}")]
    Http {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A task panicked.
    #[error("a task died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A running indexer.
#[derive(Debug)]
pub struct Indexer {
    address: SocketAddr,
    cancel: CancellationToken,
    tasks: JoinSet<Result<(), IndexerError>>,
    readiness: http::Readiness,
}

impl Indexer {
    /// Opens the database, listens, and follows `source` until `cancel` or [`Self::stop`].
    ///
    /// # Errors
    /// [`IndexerError`] if the database or the address cannot be used.
    pub async fn start<S: ChainSource>(
        config: IndexerConfig,
        source: S,
        cancel: &CancellationToken,
    ) -> Result<Self, IndexerError> {
        let store = Store::open(&config.database, config.canonical_depth).await?;
        let wrap = |source| IndexerError::Http { address: config.listen, source };
        let cancel = cancel.child_token();
        let (ready, readiness) = watch::channel(Some("no block has been read yet".to_owned()));
        let router = http::router(schema(store.clone()), readiness.clone());
        let server = HttpServer::start(config.listen, router, HttpLimits::default(), &cancel);
        let server = server.await.map_err(wrap)?;
        let address = server.address;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            server.join().await.map_err(|source| IndexerError::Http { address, source })
        });
        let worker = Worker {
            follower: Follower::new(source, store, config.allow_partial_history),
            poll_interval: config.poll_interval,
            ready,
        };
        let stop = cancel.clone();
        tasks.spawn(async move {
            tokio::select! {
                // A transaction that is cut short is rolled back.
                () = stop.cancelled() => Ok(()),
                error = worker.run() => Err(error.into()),
            }
        });
        info!(%address, "indexer listens");
        Ok(Self { address, cancel, tasks, readiness })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when the indexer has caught up with the chain, or has stopped.
    pub async fn ready(&self) {
        // An error means that the worker is gone.
        let _ = self.readiness.clone().wait_for(Option::is_none).await;
    }

    /// Asks all tasks to stop.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// Waits for all tasks; the first that ends stops the others.
    ///
    /// # Errors
    /// [`IndexerError`] of the first task that failed.
    pub async fn join(mut self) -> Result<(), IndexerError> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            self.cancel.cancel();
            let ended = ended.map_err(IndexerError::from).flatten();
            result = result.and(ended);
        }
        result
    }
}

/// Follows the chain for as long as that goes well or may go well again.
struct Worker<S> {
    follower: Follower<S>,
    poll_interval: Duration,
    ready: watch::Sender<Option<String>>,
}

impl<S: ChainSource> Worker<S> {
    async fn run(mut self) -> FollowError {
        loop {
            let (state, pause) = match self.follower.step().await {
                Ok(progress) if progress.height < progress.target => {
                    let behind = progress.target - progress.height;
                    (Some(format!("{behind} blocks behind")), Duration::ZERO)
                }
                Ok(_) => (None, self.poll_interval),
                // The chain moves all the time: no reason to be less ready, or more.
                Err(error @ FollowError::Moved { .. }) => {
                    tracing::debug!(%error, "reading again");
                    (self.ready.borrow().clone(), self.poll_interval)
                }
                Err(error) if error.is_fatal() => return error,
                Err(error) => {
                    warn!(%error, "cannot follow the chain");
                    (Some(error.to_string()), RETRY)
                }
            };
            self.ready.send_if_modified(|now| std::mem::replace(now, state.clone()) != state);
            tokio::time::sleep(pause).await;
        }
    }
}
