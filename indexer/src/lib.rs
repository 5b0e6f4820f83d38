//! The indexer: follows a chain through its Mina GraphQL, keeps what happened in SQL, and answers
//! for it with the archive API that o1js' `fetchEvents` and `fetchActions` ask, and with blocks,
//! commands and their statuses.
//!
//! - [`ChainSource`] is where blocks come from; [`GraphQlSource`] asks a node, of either layer;
//! - [`Store`] keeps blocks in SQLite or PostgreSQL. A rollback is one database transaction: the
//!   blocks that left the best chain are unwound, their successors applied and the cursor moved
//!   together, so that a reader or a restart sees one chain or the other;
//! - [`Follower`] brings the store up to the source, step by step;
//! - [`Indexer`] is the service: a follower and an HTTP server.
//!
//! The indexer trusts its node for what a block holds. Events and actions come from the commands
//! themselves; commands that failed have none.

mod block;
mod follow;
mod graphql;
mod http;
mod service;
mod source;
mod store;

pub use block::{Batch, Block, Command, CommandBody, FeeTransfer, Header, SignedKind, Update};
pub use follow::{FollowError, Follower, Progress};
pub use graphql::{ArchiveSchema, schema};
pub use service::{Indexer, IndexerConfig, IndexerError};
pub use source::{ChainSource, GraphQlSource, SourceError};
pub use store::{ActionQuery, EventQuery, Store, StoreError};
