//! Bringing the store up to the chain.

use metrics::{counter, gauge};
use tracing::{info, warn};

use crate::{
    block::{Block, Header},
    source::{ChainSource, SourceError},
    store::{Store, StoreError},
};

/// Blocks that are asked for first: enough when the chain has only grown.
const PEEK: u32 = 4;

/// Blocks that are asked for if those are not enough: what a Mina node keeps.
const WINDOW: u32 = 290;

/// Blocks that one transaction adds, unless a rollback needs more.
const CHUNK: i64 = 100;

/// Why the follower cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The node. Try again.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node has no chain to show yet. Try again.
    #[error("the node is not synced")]
    NotSynced,
    /// The chain moved while it was read. Try again.
    #[error("the chain moved at height {height} while it was read")]
    Moved {
        /// Where.
        height: i64,
    },
    /// The node does not have the blocks after those that are stored. Another node may.
    #[error("blocks are missing: stored up to height {stored:?}, the node begins at {available}")]
    Gap {
        /// The last height that is stored.
        stored: Option<i64>,
        /// The first height that the node has.
        available: i64,
    },
    /// The database belongs to another chain. Nothing but another database helps.
    #[error("the database is of another chain: its genesis is {expected}, the node's {got}")]
    AnotherChain {
        /// The genesis of what is stored.
        expected: String,
        /// The node's.
        got: String,
    },
}

impl FollowError {
    /// Whether trying again cannot help.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::AnotherChain { .. } | Self::Store(_))
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Blocks that left the best chain.
    pub unwound: u64,
    /// Blocks that joined it.
    pub applied: u64,
    /// The height that is stored now.
    pub height: i64,
    /// The height of the chain.
    pub target: i64,
}

/// Follows a source.
#[derive(Debug)]
pub struct Follower<S> {
    source: S,
    store: Store,
    allow_partial_history: bool,
    knows_genesis: bool,
}

/// Which block comes next.
enum Next<'a> {
    Hash(&'a Header),
    Height(i64),
}

impl<S: ChainSource> Follower<S> {
    /// Follows `source` into `store`. With `allow_partial_history`, an empty store may begin with
    /// the oldest block that the node has; action states before it are then unknown.
    pub fn new(source: S, store: Store, allow_partial_history: bool) -> Self {
        Self { source, store, allow_partial_history, knows_genesis: false }
    }

    /// Goes as far as one transaction does. Done if the height reaches the target.
    ///
    /// # Errors
    /// [`FollowError`]; nothing was stored then.
    pub async fn step(&mut self) -> Result<Progress, FollowError> {
        self.check_genesis().await?;
        let tip = self.store.tip().await?;
        let mut headers = self.source.best_chain(PEEK).await?;
        let leads_on = |tip: &Header| {
            headers.iter().any(|header| {
                header.state_hash == tip.state_hash || header.parent_hash == tip.state_hash
            })
        };
        if !tip.as_ref().is_some_and(leads_on) {
            headers = self.source.best_chain(WINDOW).await?;
        }
        check_links(&headers)?;
        let Some(target) = headers.last() else { return Err(FollowError::NotSynced) };
        let known = self.store.open_batches().await?;
        let batches = self.source.batches(known.first).await?;
        let batches = batches.as_deref();
        if let Some(tip) = tip.as_ref().filter(|tip| tip.state_hash == target.state_hash) {
            let height = tip.height;
            if batches.is_some_and(|batches| batches != known.batches) {
                self.store.apply(Some(tip), Some(tip), &[], batches).await?;
            }
            return Ok(Progress { unwound: 0, applied: 0, height, target: height });
        }
        let ancestor = match &tip {
            Some(tip) => Some(self.ancestor(tip, &headers).await?),
            None => None,
        };
        let blocks = self.fetch(tip.as_ref(), ancestor.as_ref(), &headers).await?;
        let last = blocks.last().map(|block| &block.header).or(ancestor.as_ref());
        let height = last.map_or(0, |last| last.height);
        let unwound = self.store.apply(tip.as_ref(), ancestor.as_ref(), &blocks, batches).await?;
        let progress =
            Progress { unwound, applied: blocks.len() as u64, height, target: target.height };
        report(&progress);
        Ok(progress)
    }

    /// Refuses a database of another chain.
    async fn check_genesis(&mut self) -> Result<(), FollowError> {
        if self.knows_genesis {
            return Ok(());
        }
        let got = self.source.genesis().await?.state_hash;
        let expected = self.store.genesis_or_set(&got).await?;
        if expected != got {
            return Err(FollowError::AnotherChain { expected, got });
        }
        self.knows_genesis = true;
        Ok(())
    }

    /// The last block that the store and the chain have in common.
    async fn ancestor(&self, tip: &Header, headers: &[Header]) -> Result<Header, FollowError> {
        let Some(oldest) = headers.first() else { return Err(FollowError::NotSynced) };
        let stored = self.store.best_chain(oldest.height - 1).await?;
        let known =
            |height: i64, hash: &str| stored.get(&height).filter(|block| block.state_hash == hash);
        let common =
            headers.iter().rev().find_map(|header| known(header.height, &header.state_hash));
        if let Some(common) = common.or_else(|| known(oldest.height - 1, &oldest.parent_hash)) {
            return Ok(common.clone());
        }
        // Further back than the window: ask height by height, from the stored tip down.
        let mut height = tip.height.min(oldest.height - 1);
        loop {
            let gap = FollowError::Gap { stored: Some(tip.height), available: oldest.height };
            let Some(block) = self.source.block_at(height).await? else { return Err(gap) };
            match self.store.best_chain_at(height).await? {
                Some(stored) if stored.state_hash == block.header.state_hash => return Ok(stored),
                Some(_) => height -= 1,
                None => return Err(gap),
            }
        }
    }

    /// The next blocks after `ancestor`.
    async fn fetch(
        &self,
        tip: Option<&Header>,
        ancestor: Option<&Header>,
        headers: &[Header],
    ) -> Result<Vec<Block>, FollowError> {
        let (Some(oldest), Some(newest)) = (headers.first(), headers.last()) else {
            return Err(FollowError::NotSynced);
        };
        let first = match ancestor {
            Some(ancestor) => ancestor.height + 1,
            None => self.first_height(oldest).await?,
        };
        // A rollback is not over before the chain is as long as it was.
        let least = tip.map_or(0, |tip| tip.height + 1);
        let last = newest.height.min(least.max(first + CHUNK - 1));
        let mut blocks: Vec<Block> = Vec::new();
        for height in first..=last {
            let listed = headers.iter().find(|header| header.height == height);
            let block = self.fetch_one(listed.map_or(Next::Height(height), Next::Hash)).await?;
            let Some(block) = block else {
                return Err(match listed {
                    Some(_) => FollowError::Moved { height },
                    None => FollowError::Gap {
                        stored: tip.map(|tip| tip.height),
                        available: oldest.height,
                    },
                });
            };
            let before = blocks.last().map(|block| &block.header).or(ancestor);
            let follows = before.is_none_or(|before| before.state_hash == block.header.parent_hash);
            if !follows || block.header.height != height {
                return Err(FollowError::Moved { height });
            }
            blocks.push(block);
        }
        Ok(blocks)
    }

    async fn fetch_one(&self, next: Next<'_>) -> Result<Option<Block>, SourceError> {
        match next {
            Next::Hash(header) => {
                if let Some(block) = self.source.block(&header.state_hash).await? {
                    return Ok(Some(block));
                }
                // Some blocks, such as genesis, a node may know by height only.
                let block = self.source.block_at(header.height).await?;
                Ok(block.filter(|block| block.header.state_hash == header.state_hash))
            }
            Next::Height(height) => self.source.block_at(height).await,
        }
    }

    /// Where an empty store begins.
    async fn first_height(&self, oldest: &Header) -> Result<i64, FollowError> {
        let genesis = self.source.genesis().await?;
        let has_genesis = oldest.height <= genesis.height
            || self.source.block_at(genesis.height).await?.is_some();
        if has_genesis {
            return Ok(genesis.height);
        }
        if !self.allow_partial_history {
            return Err(FollowError::Gap { stored: None, available: oldest.height });
        }
        warn!(height = oldest.height, "history begins in the middle of the chain");
        Ok(oldest.height)
    }
}

/// Headers must be a chain.
fn check_links(headers: &[Header]) -> Result<(), FollowError> {
    for pair in headers.windows(2) {
        let [before, after] = pair else { continue };
        if after.parent_hash != before.state_hash || after.height != before.height + 1 {
            return Err(FollowError::Moved { height: after.height });
        }
    }
    Ok(())
}

fn report(progress: &Progress) {
    gauge!("zeko_indexer_height").set(progress.height as f64);
    gauge!("zeko_indexer_target_height").set(progress.target as f64);
    counter!("zeko_indexer_blocks_total").increment(progress.applied);
    if progress.unwound > 0 {
        counter!("zeko_indexer_rollbacks_total").increment(1);
        counter!("zeko_indexer_unwound_blocks_total").increment(progress.unwound);
        warn!(unwound = progress.unwound, height = progress.height, "rolled back");
    } else {
        info!(blocks = progress.applied, height = progress.height, "followed");
    }
}
