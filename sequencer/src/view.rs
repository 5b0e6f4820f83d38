//! What is visible of the chain: accounts as of the last block, the newest blocks, and what the
//! open block has done so far.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use mina_curves::Fp;
use mina_ledger::{
    hash::{TransactionHash, derive_token_id},
    types::{Account, AccountId, PublicKey, TokenId},
};

use crate::graphql::{AccountRecord, Block, Included};

/// Blocks kept in memory; more than the store ever lags behind.
const RECENT: usize = 512;

/// Commands that are remembered to have been dropped.
const DROPPED: usize = 100_000;

/// Where a command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) height: u32,
    pub(crate) index: u32,
}

/// The block under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    pub(crate) generation: u32,
    pub(crate) height: u32,
    pub(crate) parent: Fp,
    pub(crate) commands: Vec<Included>,
    accounts: HashMap<AccountId, Account>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) accounts: Vec<Account>,
    index: HashMap<AccountId, u64>,
    by_key: HashMap<PublicKey, Vec<u64>>,
    by_token: HashMap<TokenId, Vec<u64>>,
    owners: HashMap<TokenId, u64>,
    pub(crate) tip: Arc<Block>,
    pub(crate) genesis: Arc<Block>,
    pub(crate) generation: u32,
    /// Newest last.
    pub(crate) recent: VecDeque<Arc<Block>>,
    pub(crate) open: Open,
    places: HashMap<TransactionHash, Place>,
    dropped: HashMap<TransactionHash, String>,
    dropped_order: VecDeque<TransactionHash>,
}

/// The shared view.
#[derive(Debug)]
pub(crate) struct View(RwLock<Inner>);

impl View {
    pub(crate) fn new(accounts: Vec<Account>, tip: Arc<Block>, genesis: Arc<Block>) -> Self {
        let mut inner = Inner {
            accounts: Vec::new(),
            index: HashMap::new(),
            by_key: HashMap::new(),
            by_token: HashMap::new(),
            owners: HashMap::new(),
            recent: VecDeque::new(),
            tip,
            genesis,
            generation: 0,
            open: Open::default(),
            places: HashMap::new(),
            dropped: HashMap::new(),
            dropped_order: VecDeque::new(),
        };
        inner.set_accounts(accounts);
        Self(RwLock::new(inner))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(crate) fn set_accounts(&mut self, accounts: Vec<Account>) {
        self.accounts.clear();
        self.index.clear();
        self.by_key.clear();
        self.by_token.clear();
        self.owners.clear();
        for (index, account) in (0..).zip(accounts) {
            self.put(index, account);
        }
    }

    pub(crate) fn put(&mut self, index: u64, account: Account) {
        let slot = usize::try_from(index).ok().and_then(|index| self.accounts.get_mut(index));
        if let Some(slot) = slot {
            *slot = account;
            return;
        }
        let id = account.id();
        self.index.insert(id, index);
        self.by_key.entry(id.public_key).or_default().push(index);
        if !id.token_id.is_default() {
            self.by_token.entry(id.token_id).or_default().push(index);
        }
        self.owners.insert(derive_token_id(&id), index);
        self.accounts.push(account);
    }

    fn at(&self, index: u64) -> Option<AccountRecord> {
        let account = self.accounts.get(usize::try_from(index).ok()?)?.clone();
        Some(AccountRecord { account, index })
    }

    pub(crate) fn account(&self, id: &AccountId) -> Option<AccountRecord> {
        self.at(*self.index.get(id)?)
    }

    pub(crate) fn accounts_of(&self, key: &PublicKey) -> Vec<AccountRecord> {
        let indices = self.by_key.get(key).into_iter().flatten();
        indices.filter_map(|index| self.at(*index)).collect()
    }

    pub(crate) fn token_owner(&self, token: &TokenId) -> Option<AccountRecord> {
        self.at(*self.owners.get(token)?)
    }

    pub(crate) fn token_accounts(&self, token: &TokenId) -> Vec<AccountRecord> {
        let indices = self.by_token.get(token).into_iter().flatten();
        indices.filter_map(|index| self.at(*index)).collect()
    }

    /// An account with what the open block has done to it.
    pub(crate) fn latest(&self, id: &AccountId) -> Option<&Account> {
        self.open.accounts.get(id).or_else(|| {
            let index = *self.index.get(id)?;
            self.accounts.get(usize::try_from(index).ok()?)
        })
    }

    pub(crate) fn open_block(&mut self, generation: u32, height: u32, parent: Fp) {
        self.open = Open { generation, height, parent, ..Open::default() };
    }

    /// Shows what the open block has done.
    pub(crate) fn executed(
        &mut self,
        commands: impl IntoIterator<Item = Included>,
        accounts: impl IntoIterator<Item = Account>,
    ) {
        for included in commands {
            let index = self.open.commands.len() as u32;
            self.places.insert(included.hash, Place { height: self.open.height, index });
            self.open.commands.push(included);
        }
        self.open.accounts.extend(accounts.into_iter().map(|account| (account.id(), account)));
    }

    /// Makes a block the tip.
    pub(crate) fn closed(
        &mut self,
        block: Arc<Block>,
        generation: u32,
        accounts: impl IntoIterator<Item = (u64, Account)>,
    ) {
        for (index, account) in accounts {
            self.put(index, account);
        }
        self.open = Open::default();
        self.generation = generation;
        self.tip = Arc::clone(&block);
        self.recent.push_back(block);
        if self.recent.len() > RECENT
            && let Some(old) = self.recent.pop_front()
        {
            let height = old.height.get().saturating_sub(1);
            for included in &old.commands {
                // A command that has been rolled back may be in a younger block by now.
                if self.places.get(&included.hash).is_some_and(|place| place.height == height) {
                    self.places.remove(&included.hash);
                }
            }
        }
    }

    /// Forgets the open block and the newest ones down to `height`.
    pub(crate) fn rolled_back(
        &mut self,
        height: u32,
        generation: u32,
        tip: Arc<Block>,
        accounts: Vec<Account>,
    ) {
        self.set_accounts(accounts);
        self.open = Open::default();
        self.generation = generation;
        self.tip = tip;
        self.recent.retain(|block| block.height.get() <= height);
        self.places.retain(|_, place| place.height < height);
    }

    pub(crate) fn place(&self, hash: &TransactionHash) -> Option<&Place> {
        self.places.get(hash)
    }

    pub(crate) fn dropped(&mut self, hash: TransactionHash, reason: String) {
        if self.dropped.insert(hash, reason).is_none() {
            self.dropped_order.push_back(hash);
        }
        if self.dropped_order.len() > DROPPED
            && let Some(old) = self.dropped_order.pop_front()
        {
            self.dropped.remove(&old);
        }
    }

    pub(crate) fn drop_reason(&self, hash: &TransactionHash) -> Option<&str> {
        self.dropped.get(hash).map(String::as_str)
    }

    /// Failures of a command of the open block or of one in memory.
    pub(crate) fn included(&self, place: &Place) -> Option<(&Included, Option<&Arc<Block>>)> {
        let index = place.index as usize;
        if place.height == self.open.height
            && let Some(included) = self.open.commands.get(index)
        {
            return Some((included, None));
        }
        let block = self.recent.iter().rev().find(|b| b.height.get() == place.height + 1)?;
        block.commands.get(index).map(|included| (included, Some(block)))
    }
}
