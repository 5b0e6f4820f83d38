//! Lending funded accounts to test programs, as the account manager of a lightnet does.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use mina_ledger::types::{PrivateKey, PublicKey};

use crate::keys::KeyPair;

/// Funded accounts, each lent to one borrower at a time.
#[derive(Debug)]
pub struct AccountManager {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The next to lend is the last.
    free: Vec<KeyPair>,
    lent: BTreeMap<String, PrivateKey>,
}

impl AccountManager {
    /// Lends `accounts`, the first one first.
    pub fn new(mut accounts: Vec<KeyPair>) -> Self {
        accounts.reverse();
        Self { state: Mutex::new(State { free: accounts, lent: BTreeMap::new() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends an account; `None` if all are lent.
    pub fn acquire(&self) -> Option<KeyPair> {
        let mut state = self.state();
        let pair = state.free.pop()?;
        state.lent.insert(pair.public.to_base58(), pair.private.clone());
        Some(pair)
    }

    /// Takes an account back; whether it was lent. It is lent again after all others.
    pub fn release(&self, public: &PublicKey) -> bool {
        let mut state = self.state();
        let Some(private) = state.lent.remove(&public.to_base58()) else { return false };
        state.free.insert(0, KeyPair { public: *public, private });
        true
    }

    /// What is lent.
    pub fn acquired(&self) -> Vec<KeyPair> {
        let state = self.state();
        let pair = |private: &PrivateKey| KeyPair::new(private.clone());
        state.lent.values().map(pair).collect()
    }
}
