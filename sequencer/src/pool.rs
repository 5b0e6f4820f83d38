//! The mempool: for every account a queue of consecutive nonces, the best fee for its work first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use mina_ledger::{
    hash::{CommandHashes, TransactionHash},
    types::{Account, AccountId, Amount, Nonce, SignedCommandBody, Slot, VerificationKey},
};
use serde::{Deserialize, Serialize};

use crate::{
    command::Command,
    fees::command_weight,
    graphql::{PoolFilter, SubmitError},
};

/// The bounds of the mempool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolConfig {
    /// Most commands.
    pub max_commands: usize,
    /// Most bytes of commands.
    pub max_bytes: usize,
    /// Most commands of one account.
    pub max_per_account: usize,
    /// Longest command.
    pub max_command_bytes: usize,
    /// Per cent by which a fee must exceed that of the command it replaces.
    pub replace_percent: u64,
    /// Commands that wait to be checked.
    pub max_unchecked: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_commands: 50_000,
            max_bytes: 256 << 20,
            max_per_account: 1000,
            max_command_bytes: 256 << 10,
            replace_percent: 10,
            max_unchecked: 8192,
        }
    }
}

/// A command that has been checked, with what has been computed of it.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) command: Arc<Command>,
    pub(crate) hash: TransactionHash,
    /// Of a zkApp command.
    pub(crate) hashes: Option<Arc<CommandHashes>>,
    /// As it is stored.
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) weight: u32,
}

impl Checked {
    pub(crate) fn new(command: Command, hashes: Option<CommandHashes>) -> Self {
        let bytes: Arc<[u8]> = command.to_bytes().into();
        Self {
            hash: command.hash(),
            weight: command_weight(&command, bytes.len()),
            hashes: hashes.map(Arc::new),
            command: Arc::new(command),
            bytes,
        }
    }

    /// Nanomina for a thousand units of weight.
    fn rate(&self) -> u64 {
        let rate = u128::from(self.command.fee().get()) * 1000 / u128::from(self.weight.max(1));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// What the fee payer parts with at least.
    fn cost(&self) -> u128 {
        let amount = match self.command.as_ref() {
            Command::Signed(command) => match command.payload.body {
                SignedCommandBody::Payment { amount, .. } => amount,
                SignedCommandBody::Delegation { .. } => Amount::ZERO,
            },
            Command::Zkapp(_) => Amount::ZERO,
        };
        u128::from(self.command.fee().get()) + u128::from(amount.get())
    }
}

#[derive(Debug)]
struct Entry {
    checked: Checked,
    rank: Rank,
}

/// The order of execution: the best rate first, then the first come.
type Rank = (Reverse<u64>, u64);

/// A command that has left the pool without a block, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) hash: TransactionHash,
    pub(crate) reason: String,
}

/// What has been taken out for the block at hand and is not yet seen in the accounts.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    next: Nonce,
    spent: u128,
}

/// The mempool.
#[derive(Debug)]
pub(crate) struct Pool {
    config: PoolConfig,
    queues: HashMap<AccountId, VecDeque<Entry>>,
    /// The first command of each queue.
    ready: BTreeMap<Rank, AccountId>,
    /// All commands.
    all: BTreeMap<Rank, AccountId>,
    by_hash: HashMap<TransactionHash, Arc<Command>>,
    in_flight: HashMap<AccountId, InFlight>,
    /// Of the same accounts: the commands themselves, so that nobody is told that they are unknown.
    flying: HashMap<TransactionHash, Arc<Command>>,
    bytes: usize,
    arrivals: u64,
}

impl Pool {
    pub(crate) fn new(config: PoolConfig) -> Self {
        Self {
            config,
            queues: HashMap::new(),
            ready: BTreeMap::new(),
            all: BTreeMap::new(),
            by_hash: HashMap::new(),
            in_flight: HashMap::new(),
            flying: HashMap::new(),
            bytes: 0,
            arrivals: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How full it is, in thousandths.
    pub(crate) fn fill(&self) -> u32 {
        let part = |n: usize, of: usize| (n as u128 * 1000 / (of.max(1) as u128)) as u32;
        part(self.len(), self.config.max_commands).max(part(self.bytes, self.config.max_bytes))
    }

    /// A command that waits or is being executed.
    pub(crate) fn get(&self, hash: &TransactionHash) -> Option<&Arc<Command>> {
        self.by_hash.get(hash).or_else(|| self.flying.get(hash))
    }

    /// The nonce of the next command of an account that has `nonce` in the ledger.
    pub(crate) fn next_nonce(&self, id: &AccountId, nonce: Nonce) -> Nonce {
        let queued = self.queues.get(id).and_then(VecDeque::back);
        match queued {
            Some(last) => last.checked.command.nonce().successor(),
            None => self.first_nonce(id, nonce),
        }
    }

    fn first_nonce(&self, id: &AccountId, nonce: Nonce) -> Nonce {
        self.in_flight.get(id).map_or(nonce, |flight| flight.next.max(nonce))
    }

    /// Whether a command has a place here, before anything costly is checked of it.
    pub(crate) fn check(&self, checked: &Checked, payer: &Account) -> Result<(), SubmitError> {
        let command = &checked.command;
        if self.get(&checked.hash).is_some() {
            return Err(SubmitError::Duplicate);
        }
        let id = command.fee_payer_id();
        let (first, got) = (self.first_nonce(&id, payer.nonce), command.nonce());
        let queue = self.queues.get(&id);
        let length = queue.map_or(0, VecDeque::len);
        let first = queue.and_then(VecDeque::front).map_or(first, |e| e.checked.command.nonce());
        let offset = got.get().checked_sub(first.get()).map(|offset| offset as usize);
        let Some(offset) = offset.filter(|offset| *offset <= length) else {
            return Err(SubmitError::InvalidNonce { expected: self.next_nonce(&id, first), got });
        };
        if let Some(old) = queue.and_then(|queue| queue.get(offset)) {
            let old = old.checked.command.fee().get();
            let bump = (u128::from(old) * u128::from(self.config.replace_percent) / 100).max(1);
            let expected = u64::try_from(u128::from(old) + bump).unwrap_or(u64::MAX);
            let (expected, got) = (Amount::new(expected), command.fee());
            if got < expected {
                return Err(SubmitError::InsufficientReplaceFee { expected, got });
            }
        } else if length >= self.config.max_per_account {
            return Err(SubmitError::Overloaded { reason: "too many commands of this account" });
        }
        let before: u128 =
            queue.into_iter().flatten().take(offset).map(|entry| entry.checked.cost()).sum();
        let flying = self.in_flight.get(&id).map_or(0, |flight| flight.spent);
        let needed = before + flying + checked.cost();
        if needed > u128::from(payer.balance.get()) {
            let needed = Amount::new(u64::try_from(needed).unwrap_or(u64::MAX));
            return Err(SubmitError::InsufficientFunds { balance: payer.balance, needed });
        }
        Ok(())
    }

    /// Puts a command in its place; what has to go for it is returned.
    pub(crate) fn insert(
        &mut self,
        checked: Checked,
        payer: &Account,
    ) -> Result<Vec<Dropped>, SubmitError> {
        self.check(&checked, payer)?;
        let rank = (Reverse(checked.rate()), self.arrivals);
        let id = checked.command.fee_payer_id();
        let mut dropped = self.make_room(&checked, rank, &id)?;
        self.arrivals += 1;
        let nonce = checked.command.nonce();
        let position = self.queues.get(&id).and_then(|queue| {
            queue.iter().position(|entry| entry.checked.command.nonce() == nonce)
        });
        if let Some(position) = position {
            dropped.extend(self.replace(&id, position, Entry { checked, rank }, payer));
        } else {
            self.append(id, Entry { checked, rank });
        }
        Ok(dropped)
    }

    /// Puts a command back in front of all others, in the order of calls: those of blocks that have
    /// been rolled back, and those of the log.
    pub(crate) fn restore(&mut self, checked: Checked, first: bool) {
        let rate = if first { u64::MAX } else { checked.rate() };
        let rank = (Reverse(rate), self.arrivals);
        self.arrivals += 1;
        self.append(checked.command.fee_payer_id(), Entry { checked, rank });
    }

    fn append(&mut self, id: AccountId, entry: Entry) {
        self.count_in(&id, &entry);
        let queue = self.queues.entry(id).or_default();
        if queue.is_empty() {
            self.ready.insert(entry.rank, id);
        }
        queue.push_back(entry);
    }

    fn count_in(&mut self, id: &AccountId, entry: &Entry) {
        self.bytes += entry.checked.bytes.len();
        self.by_hash.insert(entry.checked.hash, Arc::clone(&entry.checked.command));
        self.all.insert(entry.rank, *id);
    }

    fn count_out(&mut self, entry: &Entry) {
        self.bytes -= entry.checked.bytes.len();
        self.by_hash.remove(&entry.checked.hash);
        self.all.remove(&entry.rank);
    }

    fn replace(
        &mut self,
        id: &AccountId,
        position: usize,
        entry: Entry,
        payer: &Account,
    ) -> Vec<Dropped> {
        self.count_in(id, &entry);
        let (rank, by) = (entry.rank, entry.checked.hash);
        let Some(slot) = self.queues.get_mut(id).and_then(|queue| queue.get_mut(position)) else {
            return Vec::new();
        };
        let old = std::mem::replace(slot, entry);
        self.count_out(&old);
        if position == 0 {
            self.ready.remove(&old.rank);
            self.ready.insert(rank, *id);
        }
        let reason = format!("replaced by {by}");
        let mut dropped = vec![Dropped { hash: old.checked.hash, reason }];
        // The new one may cost more than is left for those behind it.
        let mut cost = self.in_flight.get(id).map_or(0, |flight| flight.spent);
        let queue = self.queues.get(id).into_iter().flatten();
        let affordable = queue
            .take_while(|entry| {
                cost += entry.checked.cost();
                cost <= u128::from(payer.balance.get())
            })
            .count();
        dropped.extend(self.truncate(id, affordable, "insufficient funds after a replacement"));
        dropped
    }

    /// Removes all but the first `keep` commands of an account.
    fn truncate(&mut self, id: &AccountId, keep: usize, reason: &str) -> Vec<Dropped> {
        let Some(queue) = self.queues.get_mut(id) else { return Vec::new() };
        let removed: Vec<Entry> = queue.drain(keep.min(queue.len())..).collect();
        if queue.is_empty() {
            self.queues.remove(id);
        }
        for entry in &removed {
            self.count_out(entry);
            self.ready.remove(&entry.rank);
        }
        let drop = |entry: Entry| Dropped { hash: entry.checked.hash, reason: reason.to_owned() };
        removed.into_iter().map(drop).collect()
    }

    /// Evicts the worst commands until `checked` fits, if they are worse than it.
    fn make_room(
        &mut self,
        checked: &Checked,
        rank: Rank,
        id: &AccountId,
    ) -> Result<Vec<Dropped>, SubmitError> {
        let mut dropped = Vec::new();
        while self.len() >= self.config.max_commands
            || self.bytes + checked.bytes.len() > self.config.max_bytes
        {
            let worst = self.all.last_key_value().map(|(rank, id)| (*rank, *id));
            let Some((worst, owner)) = worst.filter(|(worst, owner)| *worst > rank && owner != id)
            else {
                return Err(SubmitError::Overloaded { reason: "the mempool is full" });
            };
            let queue = self.queues.get(&owner);
            let keep = queue.and_then(|queue| queue.iter().position(|entry| entry.rank == worst));
            dropped.extend(self.truncate(&owner, keep.unwrap_or(0), "evicted by a higher fee"));
        }
        Ok(dropped)
    }

    /// The next command to execute.
    pub(crate) fn peek(&self) -> Option<&Checked> {
        let (_, id) = self.ready.first_key_value()?;
        self.queues.get(id)?.front().map(|entry| &entry.checked)
    }

    /// Takes the next command to execute.
    pub(crate) fn pop(&mut self) -> Option<Checked> {
        let (_, id) = self.ready.pop_first()?;
        let queue = self.queues.get_mut(&id)?;
        let entry = queue.pop_front()?;
        match queue.front() {
            Some(next) => {
                self.ready.insert(next.rank, id);
            }
            None => {
                self.queues.remove(&id);
            }
        }
        self.count_out(&entry);
        let next = entry.checked.command.nonce().successor();
        let spent = entry.checked.cost();
        let flight = self.in_flight.entry(id).or_insert(InFlight { next, spent: 0 });
        *flight = InFlight { next, spent: flight.spent + spent };
        self.flying.insert(entry.checked.hash, Arc::clone(&entry.checked.command));
        Some(entry.checked)
    }

    /// The accounts tell by themselves again what has been executed.
    pub(crate) fn settle(&mut self) {
        self.in_flight.clear();
        self.flying.clear();
    }

    /// Drops what is behind a command that could not be executed.
    pub(crate) fn drop_account(&mut self, id: &AccountId, reason: &str) -> Vec<Dropped> {
        self.truncate(id, 0, reason)
    }

    /// Drops everything that is no longer valid at `slot`, and what is behind it.
    pub(crate) fn expire(&mut self, slot: Slot) -> Vec<Dropped> {
        let expired = |entry: &Entry| entry.checked.command.valid_until() < slot;
        let late: Vec<(AccountId, usize)> = self
            .queues
            .iter()
            .filter_map(|(id, queue)| Some((*id, queue.iter().position(expired)?)))
            .collect();
        let drop = |(id, keep): (AccountId, usize)| self.truncate(&id, keep, "expired");
        late.into_iter().flat_map(drop).collect()
    }

    /// Removes everything, in the order in which it came.
    pub(crate) fn take_all(&mut self) -> Vec<Checked> {
        let queues = std::mem::take(&mut self.queues);
        let mut entries: Vec<Entry> = queues.into_values().flatten().collect();
        entries.sort_unstable_by_key(|entry| entry.rank.1);
        *self = Self { arrivals: self.arrivals, ..Self::new(self.config) };
        entries.into_iter().map(|entry| entry.checked).collect()
    }

    /// The bytes of all commands, in the order in which they came, and whether they go first.
    pub(crate) fn snapshot(&self) -> Vec<(Arc<[u8]>, bool)> {
        let mut entries: Vec<&Entry> = self.queues.values().flatten().collect();
        entries.sort_unstable_by_key(|entry| entry.rank.1);
        let first = |entry: &Entry| entry.rank.0 == Reverse(u64::MAX);
        entries.iter().map(|entry| (Arc::clone(&entry.checked.bytes), first(entry))).collect()
    }

    /// What is being executed, and what waits.
    pub(crate) fn select(&self, filter: &PoolFilter) -> Vec<Arc<Command>> {
        let hashes = filter.hashes.as_ref();
        let named = |hash: &TransactionHash| hashes.is_none_or(|hashes| hashes.contains(hash));
        let paid =
            |command: &Command| filter.fee_payer.is_none_or(|key| key == command.fee_payer());
        let flying = self.flying.iter().filter(|(hash, command)| named(hash) && paid(command));
        let flying = flying.map(|(_, command)| Arc::clone(command));
        let wanted = |entry: &&Entry| named(&entry.checked.hash);
        let clone = |entry: &Entry| Arc::clone(&entry.checked.command);
        match &filter.fee_payer {
            Some(key) => {
                let queue = self.queues.get(&AccountId::of(*key)).into_iter().flatten();
                flying.chain(queue.filter(wanted).map(clone)).collect()
            }
            None => {
                let queues = self.queues.values().flatten();
                flying.chain(queues.filter(wanted).map(clone)).collect()
            }
        }
    }

    /// Keys that commands of this fee payer are about to set for an account.
    pub(crate) fn pending_keys(&self, payer: &AccountId, id: &AccountId) -> Vec<VerificationKey> {
        let queue = self.queues.get(payer).into_iter().flatten();
        let updates = |entry: &Entry| match entry.checked.command.as_ref() {
            Command::Zkapp(command) => command
                .account_updates
                .updates()
                .filter(|update| update.body.account_id() == *id)
                .filter_map(|update| update.body.update.verification_key.clone())
                .collect(),
            Command::Signed(_) => Vec::new(),
        };
        queue.flat_map(updates).collect()
    }
}
