//! Changes on top of another ledger.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use mina_curves::Fp;

use super::{
    Changes, Ledger, LedgerError, Location, NodePosition,
    full::SortKey,
    tree::{Nodes, update_leaves},
};
use crate::{
    hash::account_hashes,
    types::{Account, AccountId, Era},
};

/// A ledger that keeps changes to itself until they are committed; dropping it undoes them. Masks
/// can be put on masks, and on `&mut` of a ledger.
#[derive(Clone, Debug)]
pub struct Mask<P> {
    parent: P,
    accounts: BTreeMap<Location, Account>,
    created: BTreeMap<SortKey, Location>,
    nodes: BTreeMap<NodePosition, Fp>,
    dirty: BTreeSet<Location>,
}

impl<P: Ledger> Mask<P> {
    /// A mask without changes.
    pub fn new(parent: P) -> Self {
        Self {
            parent,
            accounts: BTreeMap::new(),
            created: BTreeMap::new(),
            nodes: BTreeMap::new(),
            dirty: BTreeSet::new(),
        }
    }

    /// Writes the changes into the ledger below, hashes included if they are up to date.
    ///
    /// # Errors
    /// [`LedgerError`] of the ledger below.
    pub fn commit(self) -> Result<P, LedgerError> {
        let Self { mut parent, accounts, nodes, dirty, .. } = self;
        let nodes = dirty.is_empty().then_some(nodes);
        parent.write(Changes { accounts, nodes })?;
        Ok(parent)
    }

    /// Throws the changes away.
    pub fn discard(self) -> P {
        self.parent
    }

    /// The accounts that were changed or created, by leaf.
    pub fn changed(&self) -> &BTreeMap<Location, Account> {
        &self.accounts
    }

    /// The ids of the accounts that were created.
    pub fn created(&self) -> impl Iterator<Item = AccountId> + '_ {
        let mut locations: Vec<Location> = self.created.values().copied().collect();
        locations.sort_unstable();
        locations.into_iter().filter_map(|location| self.accounts.get(&location)).map(Account::id)
    }

    /// The ledger below.
    pub fn parent(&self) -> &P {
        &self.parent
    }
}

/// The nodes of a mask over those of its parent.
struct Overlay<'a, P> {
    parent: &'a P,
    nodes: &'a mut BTreeMap<NodePosition, Fp>,
}

impl<P: Ledger> Nodes for Overlay<'_, P> {
    fn read(&self, position: NodePosition) -> Result<Fp, LedgerError> {
        self.nodes.get(&position).map_or_else(|| self.parent.node(position), |hash| Ok(*hash))
    }

    fn write(&mut self, position: NodePosition, hash: Fp) {
        self.nodes.insert(position, hash);
    }
}

impl<P: Ledger> Ledger for Mask<P> {
    fn era(&self) -> Era {
        self.parent.era()
    }

    fn len(&self) -> u64 {
        self.parent.len() + self.created.len() as u64
    }

    fn location(&self, id: &AccountId) -> Result<Option<Location>, LedgerError> {
        match self.created.get(&id.sort_key()) {
            Some(location) => Ok(Some(*location)),
            None => self.parent.location(id),
        }
    }

    fn account(&self, location: Location) -> Result<&Account, LedgerError> {
        self.accounts.get(&location).map_or_else(|| self.parent.account(location), Ok)
    }

    fn set(&mut self, account: Account) -> Result<Location, LedgerError> {
        let id = account.id();
        let location = match self.location(&id)? {
            Some(location) => location,
            None => {
                let location = Location::new(self.len());
                if location.index() >= Location::MAX {
                    return Err(LedgerError::Full);
                }
                self.created.insert(id.sort_key(), location);
                location
            }
        };
        self.accounts.insert(location, account);
        self.dirty.insert(location);
        Ok(location)
    }

    fn write(&mut self, Changes { accounts, nodes }: Changes) -> Result<(), LedgerError> {
        let hashed = nodes.is_some();
        for (location, account) in accounts {
            if self.set(account)? != location {
                return Err(LedgerError::NoAccount { index: location.index() });
            }
            if hashed {
                self.dirty.remove(&location);
            }
        }
        self.nodes.extend(nodes.into_iter().flatten());
        Ok(())
    }

    fn rehash(&mut self) -> Result<(), LedgerError> {
        self.parent.rehash()?;
        let dirty = core::mem::take(&mut self.dirty);
        let accounts: Vec<&Account> =
            dirty.iter().filter_map(|location| self.accounts.get(location)).collect();
        let hashes = account_hashes(&accounts, self.parent.era());
        let leaves: Vec<_> = dirty.iter().map(|location| location.index()).zip(hashes).collect();
        let mut overlay = Overlay { parent: &self.parent, nodes: &mut self.nodes };
        update_leaves(&mut overlay, leaves)
    }

    fn node(&self, position: NodePosition) -> Result<Fp, LedgerError> {
        self.nodes.get(&position).map_or_else(|| self.parent.node(position), |hash| Ok(*hash))
    }
}
