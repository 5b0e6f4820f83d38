//! The ledger with every account.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use mina_curves::Fp;

use super::{
    Changes, DEPTH, Ledger, LedgerError, Location, NodePosition,
    tree::{Nodes, update_leaves},
};
use crate::{
    hash::{account_hashes, empty_subtree},
    types::{Account, AccountId, Era},
};

/// [`AccountId::sort_key`].
pub(super) type SortKey = ([u64; 4], [u64; 4], bool);

/// Accounts hashed side by side; bounds the memory that their inputs take.
const HASH_CHUNK: usize = 4096;

/// All accounts and all nodes above them, in memory.
#[derive(Clone, Debug)]
pub struct FullLedger {
    era: Era,
    accounts: Vec<Account>,
    locations: BTreeMap<SortKey, u64>,
    tree: Tree,
    /// Leaves of which the hashes are out of date.
    dirty: BTreeSet<u64>,
}

/// Nodes by height, each level from the left up to the last one that is not empty.
#[derive(Clone, Debug)]
struct Tree {
    era: Era,
    levels: Vec<Vec<Fp>>,
}

impl Nodes for Tree {
    fn read(&self, NodePosition { height, index }: NodePosition) -> Result<Fp, LedgerError> {
        let height = usize::from(height);
        let known = usize::try_from(index)
            .ok()
            .and_then(|index| self.levels.get(height)?.get(index).copied());
        Ok(known.unwrap_or_else(|| empty_subtree(height, self.era)))
    }

    fn write(&mut self, NodePosition { height, index }: NodePosition, hash: Fp) {
        let empty = empty_subtree(height.into(), self.era);
        let (Some(level), Ok(index)) =
            (self.levels.get_mut(usize::from(height)), usize::try_from(index))
        else {
            return;
        };
        if index >= level.len() {
            level.resize(index + 1, empty);
        }
        if let Some(node) = level.get_mut(index) {
            *node = hash;
        }
    }
}

impl FullLedger {
    /// An empty ledger.
    pub fn new(era: Era) -> Self {
        Self {
            era,
            accounts: Vec::new(),
            locations: BTreeMap::new(),
            tree: Tree { era, levels: vec![Vec::new(); DEPTH + 1] },
            dirty: BTreeSet::new(),
        }
    }

    /// A ledger of accounts in order of creation.
    ///
    /// # Errors
    /// [`LedgerError::Full`].
    pub fn from_accounts(
        accounts: impl IntoIterator<Item = Account>,
        era: Era,
    ) -> Result<Self, LedgerError> {
        let mut ledger = Self::new(era);
        for account in accounts {
            ledger.set(account)?;
        }
        Ok(ledger)
    }

    /// All accounts in order of creation.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    fn put(&mut self, location: Location, account: Account) -> Result<(), LedgerError> {
        let index = usize::try_from(location.index()).map_err(|_| LedgerError::Full)?;
        if index == self.accounts.len() && location.index() < Location::MAX {
            self.locations.insert(account.id().sort_key(), location.index());
            self.accounts.push(account);
            return Ok(());
        }
        match self.accounts.get_mut(index) {
            Some(slot) if slot.id() == account.id() => {
                *slot = account;
                Ok(())
            }
            _ => Err(LedgerError::NoAccount { index: location.index() }),
        }
    }
}

impl Ledger for FullLedger {
    fn era(&self) -> Era {
        self.era
    }

    fn len(&self) -> u64 {
        self.accounts.len() as u64
    }

    fn location(&self, id: &AccountId) -> Result<Option<Location>, LedgerError> {
        Ok(self.locations.get(&id.sort_key()).copied().map(Location::new))
    }

    fn account(&self, location: Location) -> Result<&Account, LedgerError> {
        usize::try_from(location.index())
            .ok()
            .and_then(|index| self.accounts.get(index))
            .ok_or(LedgerError::NoAccount { index: location.index() })
    }

    fn set(&mut self, account: Account) -> Result<Location, LedgerError> {
        let location = self.location(&account.id())?.unwrap_or(Location::new(self.len()));
        self.put(location, account)?;
        self.dirty.insert(location.index());
        Ok(location)
    }

    fn write(&mut self, Changes { accounts, nodes }: Changes) -> Result<(), LedgerError> {
        for (location, account) in accounts {
            self.put(location, account)?;
            if nodes.is_none() {
                self.dirty.insert(location.index());
            }
        }
        for (position, hash) in nodes.into_iter().flatten() {
            Nodes::write(&mut self.tree, position, hash);
        }
        Ok(())
    }

    fn rehash(&mut self) -> Result<(), LedgerError> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let dirty: Vec<u64> = core::mem::take(&mut self.dirty).into_iter().collect();
        let mut hashes = Vec::with_capacity(dirty.len());
        for chunk in dirty.chunks(HASH_CHUNK) {
            let accounts = chunk
                .iter()
                .map(|index| self.account(Location::new(*index)))
                .collect::<Result<Vec<_>, _>>()?;
            hashes.extend(account_hashes(&accounts, self.era));
        }
        update_leaves(&mut self.tree, dirty.into_iter().zip(hashes))
    }

    fn node(&self, position: NodePosition) -> Result<Fp, LedgerError> {
        self.tree.read(position)
    }
}
