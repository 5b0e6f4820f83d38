//! zkApp commands: a fee payer, a forest of account updates, a memo.

use alloc::{collections::BTreeSet, vec, vec::Vec};

use super::{AccountId, AccountUpdate, FeePayer, Memo, TypeError};

/// The account updates of a command as a forest: each has its children right after it.
///
/// Kept flat, in the order in which they are applied, with the depth of each: depth 0 for the first
/// and at most one more than the depth of the one before, so that nothing here needs recursion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallForest {
    nodes: Vec<ForestNode>,
}

/// An account update and its depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForestNode {
    /// The update.
    pub update: AccountUpdate,
    depth: u32,
}

impl ForestNode {
    /// The number of ancestors.
    pub fn depth(&self) -> u32 {
        self.depth
    }
}

impl CallForest {
    /// An empty forest.
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// Appends an update at `depth`.
    ///
    /// # Errors
    /// [`TypeError::CallDepth`] if the depth is more than one below that of the last update, or
    /// not zero for the first.
    pub fn push(&mut self, update: AccountUpdate, depth: u32) -> Result<(), TypeError> {
        let deepest = self.nodes.last().map_or(0, |last| last.depth.saturating_add(1));
        if depth > deepest {
            return Err(TypeError::CallDepth);
        }
        self.nodes.push(ForestNode { update, depth });
        Ok(())
    }

    /// A forest of updates without children.
    pub fn flat(updates: impl IntoIterator<Item = AccountUpdate>) -> Self {
        Self { nodes: updates.into_iter().map(|update| ForestNode { update, depth: 0 }).collect() }
    }

    /// The updates in the order in which they are applied.
    pub fn nodes(&self) -> &[ForestNode] {
        &self.nodes
    }

    /// The updates in the order in which they are applied.
    pub fn updates(&self) -> impl DoubleEndedIterator<Item = &AccountUpdate> + ExactSizeIterator {
        self.nodes.iter().map(|node| &node.update)
    }

    /// As [`Self::updates`], to change them in place.
    pub fn updates_mut(&mut self) -> impl Iterator<Item = &mut AccountUpdate> {
        self.nodes.iter_mut().map(|node| &mut node.update)
    }

    /// The number of updates.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// For each update, the index after the last of its descendants.
    pub fn subtree_ends(&self) -> Vec<usize> {
        let mut ends = vec![self.nodes.len(); self.nodes.len()];
        // Indices of the ancestors of the update at hand, outermost first.
        let mut open: Vec<(u32, usize)> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            while let Some(&(_, ancestor)) = open.last().filter(|(depth, _)| *depth >= node.depth) {
                if let Some(end) = ends.get_mut(ancestor) {
                    *end = index;
                }
                open.pop();
            }
            open.push((node.depth, index));
        }
        ends
    }
}

/// A zkApp command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZkappCommand {
    /// Who pays.
    pub fee_payer: FeePayer,
    /// What it does.
    pub account_updates: CallForest,
    /// A remark.
    pub memo: Memo,
}

impl ZkappCommand {
    /// The fee payer's account and those of all updates, each once, in order of first mention.
    pub fn accounts(&self) -> Vec<AccountId> {
        let payer = AccountId::of(self.fee_payer.body.public_key);
        let mut seen = BTreeSet::new();
        core::iter::once(payer)
            .chain(self.account_updates.updates().map(|update| update.body.account_id()))
            .filter(|id| seen.insert(id.sort_key()))
            .collect()
    }
}
