//! Ledgers: accounts at the leaves of a Merkle tree, in order of creation.
//!
//! | type | holds | for |
//! |---|---|---|
//! | [`FullLedger`] | every account and node, in memory | the state of a chain |
//! | [`Mask`] | changes on top of another ledger | speculation, rollback |
//! | [`SparseLedger`] | the accounts and nodes on some paths | proving, stateless execution |
//!
//! All hash lazily: [`Ledger::root`] rehashes what changed since the last time, level by level, so
//! that the hashes of a level can be computed side by side.

mod full;
mod mask;
mod path;
mod sparse;
mod tree;

pub use full::FullLedger;
pub use mask::Mask;
pub use path::MerklePath;
pub use sparse::{SparseLedger, SparseWitness};

use alloc::{collections::BTreeMap, vec::Vec};

use mina_curves::Fp;

use crate::types::{Account, AccountId, Era};

/// Height of the tree.
pub const DEPTH: usize = 35;

/// The index of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location(u64);

impl Location {
    /// Leaves of a tree.
    pub const MAX: u64 = 1 << DEPTH;

    /// The leaf with this index.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The index.
    pub const fn index(self) -> u64 {
        self.0
    }
}

/// Where a node stands: its height above the leaves, and its index at that height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodePosition {
    /// 0 for leaves, [`DEPTH`] for the root.
    pub height: u8,
    /// From the left.
    pub index: u64,
}

impl NodePosition {
    /// A node.
    pub const fn new(height: u8, index: u64) -> Self {
        Self { height, index }
    }

    /// The node next to it under the same parent.
    pub const fn sibling(self) -> Self {
        Self { height: self.height, index: self.index ^ 1 }
    }

    /// The node above it.
    pub const fn parent(self) -> Self {
        Self { height: self.height + 1, index: self.index >> 1 }
    }
}

/// Why a ledger cannot do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// A sparse ledger does not know about the account.
    #[error("account {} is not part of the sparse ledger", id.public_key.to_base58())]
    NotWitnessed {
        /// The account.
        id: alloc::boxed::Box<AccountId>,
    },
    /// A sparse ledger lacks a node on or next to a path.
    #[error("node {index} at height {height} is missing")]
    MissingNode {
        /// Above the leaves.
        height: u8,
        /// From the left.
        index: u64,
    },
    /// There is no account at the location.
    #[error("no account at leaf {index}")]
    NoAccount {
        /// The leaf.
        index: u64,
    },
    /// No leaf is left.
    #[error("the ledger is full")]
    Full,
    /// A witness contradicts itself.
    #[error("malformed witness: {reason}")]
    Witness {
        /// In which way.
        reason: &'static str,
    },
    /// A witness is of another ledger.
    #[error("the witness has another root")]
    Root,
}

/// Changes to write into a ledger at once.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Accounts by leaf; new ones directly after the existing ones.
    pub accounts: BTreeMap<Location, Account>,
    /// The nodes on all paths from them to the root, if they have been hashed.
    pub nodes: Option<BTreeMap<NodePosition, Fp>>,
}

/// A ledger.
pub trait Ledger {
    /// The era, which decides how accounts are hashed.
    fn era(&self) -> Era;

    /// The number of accounts: the index of the leaf that the next new account gets.
    fn len(&self) -> u64;

    /// Whether there are no accounts.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the account with this id is, if there is one.
    ///
    /// # Errors
    /// [`LedgerError::NotWitnessed`] if that is not known.
    fn location(&self, id: &AccountId) -> Result<Option<Location>, LedgerError>;

    /// The account at a leaf.
    ///
    /// # Errors
    /// [`LedgerError::NoAccount`] if there is none or it is not known.
    fn account(&self, location: Location) -> Result<&Account, LedgerError>;

    /// The account with this id, if there is one.
    ///
    /// # Errors
    /// [`LedgerError::NotWitnessed`] if that is not known.
    fn get(&self, id: &AccountId) -> Result<Option<&Account>, LedgerError> {
        self.location(id)?.map(|location| self.account(location)).transpose()
    }

    /// Replaces the account with the same id, or adds a new one behind the others.
    ///
    /// # Errors
    /// [`LedgerError::Full`], [`LedgerError::NotWitnessed`].
    fn set(&mut self, account: Account) -> Result<Location, LedgerError>;

    /// Writes many changes at once.
    ///
    /// # Errors
    /// [`LedgerError`]; the ledger may then have been changed in part.
    fn write(&mut self, changes: Changes) -> Result<(), LedgerError>;

    /// Brings all hashes up to date.
    ///
    /// # Errors
    /// [`LedgerError::MissingNode`].
    fn rehash(&mut self) -> Result<(), LedgerError>;

    /// The hash of a node, as of the last [`Self::rehash`].
    ///
    /// # Errors
    /// [`LedgerError::MissingNode`].
    fn node(&self, position: NodePosition) -> Result<Fp, LedgerError>;

    /// The root.
    ///
    /// # Errors
    /// [`LedgerError::MissingNode`].
    fn root(&mut self) -> Result<Fp, LedgerError> {
        self.rehash()?;
        self.node(NodePosition::new(DEPTH as u8, 0))
    }

    /// The hashes next to the path from a leaf to the root.
    ///
    /// # Errors
    /// [`LedgerError::MissingNode`].
    fn path(&mut self, location: Location) -> Result<MerklePath, LedgerError> {
        self.rehash()?;
        let mut position = NodePosition::new(0, location.index());
        let mut siblings = Vec::with_capacity(DEPTH);
        for _ in 0..DEPTH {
            siblings.push(self.node(position.sibling())?);
            position = position.parent();
        }
        Ok(MerklePath::new(location, siblings))
    }
}

impl<L: Ledger + ?Sized> Ledger for &mut L {
    fn era(&self) -> Era {
        (**self).era()
    }

    fn len(&self) -> u64 {
        (**self).len()
    }

    fn location(&self, id: &AccountId) -> Result<Option<Location>, LedgerError> {
        (**self).location(id)
    }

    fn account(&self, location: Location) -> Result<&Account, LedgerError> {
        (**self).account(location)
    }

    fn set(&mut self, account: Account) -> Result<Location, LedgerError> {
        (**self).set(account)
    }

    fn write(&mut self, changes: Changes) -> Result<(), LedgerError> {
        (**self).write(changes)
    }

    fn rehash(&mut self) -> Result<(), LedgerError> {
        (**self).rehash()
    }

    fn node(&self, position: NodePosition) -> Result<Fp, LedgerError> {
        (**self).node(position)
    }
}
