//! The part of a ledger that some accounts need.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use mina_curves::Fp;

use super::{
    Changes, DEPTH, Ledger, LedgerError, Location, NodePosition,
    full::SortKey,
    tree::{Nodes, update_leaves},
};
use crate::{
    hash::{account_hashes, empty_subtree},
    types::{Account, AccountId, Era},
};

/// What a [`SparseLedger`] is built from: some accounts of a ledger and the nodes next to their
/// paths that cannot be computed.
///
/// That the accounts in `absent` do not exist is the claim of whoever made the witness: the tree is
/// in order of creation and cannot show it, in Mina's proofs either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparseWitness {
    /// The number of accounts in the ledger.
    pub len: u64,
    /// Accounts by leaf.
    pub accounts: BTreeMap<Location, Account>,
    /// Accounts that do not exist.
    pub absent: Vec<AccountId>,
    /// Hashes next to the paths.
    pub nodes: BTreeMap<NodePosition, Fp>,
}

impl SparseWitness {
    /// What commands that touch only `ids` need of `ledger`: their accounts, and where new accounts
    /// go, the empty leaves behind the last account.
    ///
    /// # Errors
    /// [`LedgerError`] of the ledger.
    pub fn new<L: Ledger>(ledger: &mut L, ids: &[AccountId]) -> Result<Self, LedgerError> {
        ledger.rehash()?;
        let mut accounts = BTreeMap::new();
        let mut absent = Vec::new();
        let mut seen = BTreeSet::new();
        for id in ids.iter().filter(|id| seen.insert(id.sort_key())) {
            match ledger.location(id)? {
                Some(location) => {
                    accounts.insert(location, ledger.account(location)?.clone());
                }
                None => absent.push(*id),
            }
        }
        let len = ledger.len();
        if let (false, Some(last)) = (absent.is_empty(), len.checked_sub(1)) {
            // Shows where the accounts end.
            let last = Location::new(last);
            accounts.insert(last, ledger.account(last)?.clone());
        }
        let mut witness = Self { len, accounts, absent, nodes: BTreeMap::new() };
        for position in witness.missing() {
            witness.nodes.insert(position, ledger.node(position)?);
        }
        Ok(witness)
    }

    /// The leaves with paths: those of accounts, and those that new accounts may take.
    fn leaves(&self) -> BTreeSet<u64> {
        let new = (0..self.absent.len() as u64).map(|i| self.len.saturating_add(i));
        self.accounts.keys().map(|location| location.index()).chain(new).collect()
    }

    /// The nodes next to the paths that are neither on one nor empty, lowest first.
    fn missing(&self) -> Vec<NodePosition> {
        let mut missing = Vec::new();
        let mut level = self.leaves();
        if level.is_empty() && self.len > 0 {
            // Without paths, the root stands for everything.
            missing.push(NodePosition::new(DEPTH as u8, 0));
        }
        for height in 0..DEPTH as u8 {
            let needed = level.iter().map(|index| index ^ 1);
            let outside = needed.filter(|index| !level.contains(index));
            missing.extend(
                outside
                    .map(|index| NodePosition::new(height, index))
                    .filter(|position| !is_empty(*position, self.len)),
            );
            level = level.iter().map(|index| index >> 1).collect();
        }
        missing
    }
}

/// Whether all leaves under a node are empty in a ledger of `len` accounts.
fn is_empty(position: NodePosition, len: u64) -> bool {
    position.index.checked_shl(position.height.into()).is_none_or(|first| first >= len)
}

/// A ledger that knows some accounts, and that some others do not exist; asked about the rest, it
/// says that it does not know.
#[derive(Clone, Debug)]
pub struct SparseLedger {
    era: Era,
    len: u64,
    accounts: BTreeMap<Location, Account>,
    /// `None` for accounts that do not exist.
    locations: BTreeMap<SortKey, Option<Location>>,
    tree: SparseTree,
    dirty: BTreeSet<Location>,
}

#[derive(Clone, Debug)]
struct SparseTree {
    era: Era,
    /// Accounts at first: behind them, leaves are empty unless they have been written.
    initial_len: u64,
    nodes: BTreeMap<NodePosition, Fp>,
}

impl Nodes for SparseTree {
    fn read(&self, position: NodePosition) -> Result<Fp, LedgerError> {
        match self.nodes.get(&position) {
            Some(hash) => Ok(*hash),
            None if is_empty(position, self.initial_len) => {
                Ok(empty_subtree(position.height.into(), self.era))
            }
            None => {
                let NodePosition { height, index } = position;
                Err(LedgerError::MissingNode { height, index })
            }
        }
    }

    fn write(&mut self, position: NodePosition, hash: Fp) {
        self.nodes.insert(position, hash);
    }
}

impl SparseLedger {
    /// The part of the ledger with this root that `witness` shows.
    ///
    /// # Errors
    /// [`LedgerError::Witness`], [`LedgerError::MissingNode`], or [`LedgerError::Root`] if it is of
    /// another ledger.
    pub fn new(witness: SparseWitness, root: Fp, era: Era) -> Result<Self, LedgerError> {
        check_shape(&witness)?;
        let SparseWitness { len, accounts, absent, nodes } = witness;
        let mut locations: BTreeMap<SortKey, Option<Location>> =
            absent.iter().map(|id| (id.sort_key(), None)).collect();
        for (location, account) in &accounts {
            if locations.insert(account.id().sort_key(), Some(*location)).is_some() {
                return Err(LedgerError::Witness { reason: "an account twice, or absent too" });
            }
        }
        let dirty = accounts.keys().copied().collect();
        let tree = SparseTree { era, initial_len: len, nodes };
        let mut ledger = Self { era, len, accounts, locations, tree, dirty };
        if ledger.root()? == root { Ok(ledger) } else { Err(LedgerError::Root) }
    }

    /// The part of `ledger` that `ids` need.
    ///
    /// # Errors
    /// [`LedgerError`] of the ledger.
    pub fn of<L: Ledger>(ledger: &mut L, ids: &[AccountId]) -> Result<Self, LedgerError> {
        let root = ledger.root()?;
        Self::new(SparseWitness::new(ledger, ids)?, root, ledger.era())
    }
}

/// Whether a witness has the leaves, and no other nodes than those, that it should.
fn check_shape(witness: &SparseWitness) -> Result<(), LedgerError> {
    let error = |reason| Err(LedgerError::Witness { reason });
    let new = witness.absent.len() as u64;
    if witness.len.checked_add(new).is_none_or(|len| len > Location::MAX) {
        return error("more accounts than leaves");
    }
    if witness.accounts.keys().any(|location| location.index() >= witness.len) {
        return error("an account behind the last one");
    }
    let last = witness.len.checked_sub(1).map(Location::new);
    if new > 0 && last.is_some_and(|last| !witness.accounts.contains_key(&last)) {
        return error("where the accounts end is not shown");
    }
    let mut missing = witness.missing();
    missing.sort_unstable();
    if !missing.iter().eq(witness.nodes.keys()) {
        return error("other nodes than the paths need");
    }
    Ok(())
}

impl Ledger for SparseLedger {
    fn era(&self) -> Era {
        self.era
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn location(&self, id: &AccountId) -> Result<Option<Location>, LedgerError> {
        let known = self.locations.get(&id.sort_key()).copied();
        known.ok_or_else(|| LedgerError::NotWitnessed { id: Box::new(*id) })
    }

    fn account(&self, location: Location) -> Result<&Account, LedgerError> {
        let index = location.index();
        self.accounts.get(&location).ok_or(LedgerError::NoAccount { index })
    }

    fn set(&mut self, account: Account) -> Result<Location, LedgerError> {
        let location = match self.location(&account.id())? {
            Some(location) => location,
            None => {
                let location = Location::new(self.len);
                self.locations.insert(account.id().sort_key(), Some(location));
                self.len += 1;
                location
            }
        };
        self.accounts.insert(location, account);
        self.dirty.insert(location);
        Ok(location)
    }

    fn write(&mut self, Changes { accounts, nodes }: Changes) -> Result<(), LedgerError> {
        for (location, account) in accounts {
            if self.set(account)? != location {
                return Err(LedgerError::NoAccount { index: location.index() });
            }
            if nodes.is_some() {
                self.dirty.remove(&location);
            }
        }
        for (position, hash) in nodes.into_iter().flatten() {
            Nodes::write(&mut self.tree, position, hash);
        }
        Ok(())
    }

    fn rehash(&mut self) -> Result<(), LedgerError> {
        let dirty = core::mem::take(&mut self.dirty);
        let accounts: Vec<&Account> =
            dirty.iter().filter_map(|location| self.accounts.get(location)).collect();
        let hashes = account_hashes(&accounts, self.era);
        update_leaves(&mut self.tree, dirty.into_iter().map(Location::index).zip(hashes))
    }

    fn node(&self, position: NodePosition) -> Result<Fp, LedgerError> {
        self.tree.read(position)
    }
}
