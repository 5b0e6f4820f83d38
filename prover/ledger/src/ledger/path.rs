//! Merkle paths.

use alloc::vec::Vec;

use mina_curves::Fp;

use super::{LedgerError, Location};
use crate::hash::merge;

/// The hashes next to the path from a leaf to the root, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerklePath {
    location: Location,
    siblings: Vec<Fp>,
}

impl MerklePath {
    /// A path of the leaf at `location`.
    pub fn new(location: Location, siblings: Vec<Fp>) -> Self {
        Self { location, siblings }
    }

    /// The leaf.
    pub fn location(&self) -> Location {
        self.location
    }

    /// The hashes, lowest first.
    pub fn siblings(&self) -> &[Fp] {
        &self.siblings
    }

    /// The root over a leaf with the hash `leaf`.
    pub fn root(&self, leaf: Fp) -> Fp {
        let mut index = self.location.index();
        let mut node = leaf;
        for (height, sibling) in self.siblings.iter().enumerate() {
            let (left, right) = if index & 1 == 0 { (node, *sibling) } else { (*sibling, node) };
            node = merge(height, left, right);
            index >>= 1;
        }
        node
    }

    /// Whether the leaf has the hash `leaf` in the ledger with this root.
    ///
    /// # Errors
    /// [`LedgerError::Root`] if it does not.
    pub fn check(&self, leaf: Fp, root: Fp) -> Result<(), LedgerError> {
        if self.root(leaf) == root { Ok(()) } else { Err(LedgerError::Root) }
    }
}
