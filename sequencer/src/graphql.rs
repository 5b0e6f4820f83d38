//! The GraphQL API of a Mina node, over whatever node implements [`MinaNode`].
//!
//! The schema is `mina.graphql`, a part of Mina's own: a test holds every type and field of it
//! against an introspection of a Mina node. `extensions.graphql` adds what wallets ask elsewhere.
//!
//! Two things are done for clients that Mina's daemon lets through: an object without a selection
//! gets all of its plain fields (Auro forgets one), and fields that are missing in input objects
//! count as `null`.

mod account;
mod block;
mod definition;
mod embedded;
mod input;
mod literal;
mod node;
mod places;
mod request;
mod resolve;
mod server;
mod transaction;
mod update;

pub use node::{
    AccountRecord, Block, BlockSelector, FeeTransfer, HistoryEntry, HistoryQuery, Included,
    MinaNode, NodeEvent, NodeInfo, PoolFilter, SubmitError, SyncStatus, TransactionStatus,
};
pub use resolve::{Api, ApiLimits};
pub use server::{GraphqlConfig, graphql_router};

/// Why the schema could not be built: a mistake in this crate, which every test would show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphqlError {
    /// A definition does not parse.
    #[error("schema definition: {0}")]
    Definition(String),
    /// The definitions contradict each other.
    #[error("schema: {0}")]
    Schema(#[from] async_graphql::dynamic::SchemaError),
}
