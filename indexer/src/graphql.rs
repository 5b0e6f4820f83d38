//! The GraphQL: the archive API of o1-labs/Archive-Node-API, and more.

mod archive;
mod blocks;
mod history;

use async_graphql::{EmptyMutation, EmptySubscription, MergedObject, Schema};

use zeko_http::SelectionLimit;

use crate::store::{Store, StoreError};

/// The most that a query selects, fragments written out: an introspection needs some hundreds.
const MAX_SELECTIONS: usize = 10_000;

/// The schema that the indexer serves.
pub type ArchiveSchema = Schema<Query, EmptyMutation, EmptySubscription>;

/// Everything that can be asked.
#[derive(Debug, Default, MergedObject)]
#[graphql(name = "Query")]
pub struct Query(archive::ArchiveQuery, blocks::BlocksQuery, history::HistoryQuery);

/// The schema over a store.
pub fn schema(store: Store) -> ArchiveSchema {
    Schema::build(Query::default(), EmptyMutation, EmptySubscription)
        .data(store)
        .extension(SelectionLimit(MAX_SELECTIONS))
        .limit_depth(16)
        .limit_complexity(2_000)
        .finish()
}

/// A database error, without what it says about the database.
fn internal(error: &StoreError) -> async_graphql::Error {
    match error {
        StoreError::TooLong { .. } => coded("BLOCK_RANGE_ERROR", error.to_string()),
        _ => {
            tracing::error!(%error, "a query failed");
            coded("INTERNAL_SERVER_ERROR", "the database does not answer".into())
        }
    }
}

/// An error with the code that clients look at.
fn coded(code: &'static str, message: String) -> async_graphql::Error {
    use async_graphql::ErrorExtensions;
    async_graphql::Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}
