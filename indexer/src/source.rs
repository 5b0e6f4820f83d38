//! Where blocks come from.

mod json;
mod node;

use std::future::Future;

pub use node::GraphQlSource;

use crate::block::{Batch, Block, Header};

/// Why a source has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The node cannot be reached, or not in time. Try again.
    #[error("the node does not answer: {0}")]
    Unreachable(String),
    /// The node refuses the query. Try again, but it may be the wrong address.
    #[error("the node refuses: {message}")]
    Refused {
        /// What it says.
        message: String,
    },
    /// What it sent is not what was asked for.
    #[error("unreadable answer: {what}")]
    Unreadable {
        /// Where.
        what: String,
    },
}

/// A chain to follow.
pub trait ChainSource: Send + Sync + 'static {
    /// The first block, which tells chains apart.
    ///
    /// # Errors
    /// [`SourceError`].
    fn genesis(&self) -> impl Future<Output = Result<Header, SourceError>> + Send;

    /// The last blocks of the best chain, at most `max`, the oldest first. Empty while the node is
    /// not synced.
    ///
    /// # Errors
    /// [`SourceError`].
    fn best_chain(&self, max: u32)
    -> impl Future<Output = Result<Vec<Header>, SourceError>> + Send;

    /// A block by its hash, or `None` if the node does not have it (any more).
    ///
    /// # Errors
    /// [`SourceError`].
    fn block(
        &self,
        state_hash: &str,
    ) -> impl Future<Output = Result<Option<Block>, SourceError>> + Send;

    /// The block of the best chain at a height, or `None` if the node does not have it (any more).
    ///
    /// # Errors
    /// [`SourceError`].
    fn block_at(
        &self,
        height: i64,
    ) -> impl Future<Output = Result<Option<Block>, SourceError>> + Send;

    /// Closed batches from a number on, in order, perhaps not all; `None` if the chain is no rollup.
    ///
    /// # Errors
    /// [`SourceError`].
    fn batches(
        &self,
        from: i64,
    ) -> impl Future<Output = Result<Option<Vec<Batch>>, SourceError>> + Send;
}
