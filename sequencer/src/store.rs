//! What is kept of the chain: accounts, blocks, batches, and where each command went. One sled
//! tree; everything of a block is written in one atomic batch.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use mina_curves::Fp;
use mina_ledger::{
    hash::TransactionHash,
    logic::{FailureTable, TransactionFailure},
    rollup::Message,
    types::{
        Account, Amount, Era, Length, ProtocolStateView, PublicKey, Slot, from_decimal, to_decimal,
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    bridge::StoredMessage,
    command::Command,
    graphql::{Block, Included},
    work::{Caution, Work},
};

/// Why the store cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database.
    #[error("store: {0}")]
    Database(#[from] sled::Error),
    /// What is there is not what was written.
    #[error("store: {what} does not decode")]
    Corrupt {
        /// What.
        what: &'static str,
    },
}

/// Where the chain stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tip {
    /// The number of the last log record that is contained.
    pub(crate) record: u64,
    pub(crate) generation: u32,
    /// Blocks so far: the height of the next one.
    pub(crate) blocks: u32,
    /// The hash of the last block, in decimal.
    pub(crate) block: String,
    /// The root of the ledger, the credit of a closed batch included.
    pub(crate) ledger: String,
    pub(crate) slot: u32,
    pub(crate) timestamp_ms: u64,
    pub(crate) batch: OpenBatch,
    /// Whether it is still being built from published batches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_rebuilt: bool,
}

/// The batch under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenBatch {
    pub(crate) number: u64,
    pub(crate) first_height: u32,
    pub(crate) first_timestamp_ms: u64,
    pub(crate) commands: u64,
    /// Messages of the L1 that it has consumed.
    pub(crate) messages: u64,
    /// Of its commands.
    pub(crate) bytes: u64,
    pub(crate) fees: Amount,
    /// What it is to prove.
    pub(crate) work: Work,
    /// The root before it.
    pub(crate) source_ledger: String,
}

/// How far a batch and everything in it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// In blocks that the sequencer has signed for.
    Included,
    /// More than two thirds of the DA layer's committee have its data and executed it.
    DaCertified,
    /// There is a proof of it.
    Proved,
    /// In the state of the rollup's account on the L1.
    Committed,
    /// As deep on the L1 as it has to be.
    Final,
}

/// A closed batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchRecord {
    /// Its number.
    pub number: u64,
    /// The generation of its last block.
    pub generation: u32,
    /// The height of its first block.
    pub first_height: u32,
    /// The height of its last block.
    pub last_height: u32,
    /// The ledger before it, in decimal.
    pub source_ledger: String,
    /// The ledger behind it, fees credited, in decimal.
    pub target_ledger: String,
    /// Commands in it.
    pub commands: u64,
    /// Messages of the L1 that it consumes.
    pub messages: u64,
    /// The fees that were credited.
    pub fees: Amount,
    /// Whom they were for: what is configured may have changed since.
    pub fee_recipient: PublicKey,
    /// Who signed for its last block.
    pub sequencer: PublicKey,
    /// The outbox behind it, in decimal.
    pub outbox: String,
    /// How far it has come.
    pub stage: Stage,
    /// The commitment to the data that were handed to the DA layer, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The hash of the command on the L1 that commits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<String>,
}

/// How often the accounts of an earlier block are read while blocks are being undone.
const ATTEMPTS: usize = 10;

/// An account before a block: `None` if it did not exist.
pub(crate) type Before = (u64, Option<Account>);

/// Everything that a block changes.
#[derive(Debug)]
pub(crate) struct BlockWrite {
    pub(crate) block: Block,
    pub(crate) generation: u32,
    pub(crate) accounts: Vec<(u64, Account)>,
    pub(crate) before: Vec<Before>,
    pub(crate) closed_batch: Option<BatchRecord>,
    pub(crate) tip: Tip,
    /// The tip before, to go back to.
    pub(crate) previous: Tip,
    /// Blocks below this can no longer be undone.
    pub(crate) undo_from: u32,
}

#[derive(Serialize, Deserialize)]
struct Undo {
    accounts: Vec<Before>,
    tip: Tip,
}

#[derive(Serialize, Deserialize)]
struct BlockMeta {
    hash: String,
    parent: String,
    slot: u32,
    timestamp_ms: u64,
    producer: PublicKey,
    ledger: String,
    generation: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    messages: Vec<StoredMessage>,
}

/// The store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: sled::Db,
    era: Era,
}

mod keys {
    //! A byte for the kind, then numbers in big-endian, so that they are in order.

    use super::{PublicKey, TransactionHash};

    pub(super) const TIP: &[u8] = b"m";
    pub(super) const GENESIS: &[u8] = b"g";
    pub(super) const CAUTION: &[u8] = b"p";

    pub(super) fn account(index: u64) -> Vec<u8> {
        [b"a".as_slice(), &index.to_be_bytes()].concat()
    }

    pub(super) fn block(height: u32) -> Vec<u8> {
        [b"b".as_slice(), &height.to_be_bytes()].concat()
    }

    pub(super) fn undo(height: u32) -> Vec<u8> {
        [b"u".as_slice(), &height.to_be_bytes()].concat()
    }

    pub(super) fn block_hash(hash: &str) -> Vec<u8> {
        [b"h".as_slice(), hash.as_bytes()].concat()
    }

    pub(super) fn command(hash: &TransactionHash) -> Vec<u8> {
        [b"t".as_slice(), &hash.0].concat()
    }

    pub(super) fn batch(number: u64) -> Vec<u8> {
        [b"c".as_slice(), &number.to_be_bytes()].concat()
    }

    pub(super) fn party(key: &PublicKey) -> Vec<u8> {
        [b"k".as_slice(), key.to_base58().as_bytes()].concat()
    }

    pub(super) fn deposits(recipient: &PublicKey) -> Vec<u8> {
        [b"d".as_slice(), recipient.to_base58().as_bytes()].concat()
    }

    pub(super) fn deposit(recipient: &PublicKey, height: u32) -> Vec<u8> {
        [deposits(recipient).as_slice(), &height.to_be_bytes()].concat()
    }

    pub(super) fn place(height: u32, index: u32) -> [u8; 8] {
        let (mut place, [a, b, c, d], [e, f, g, h]) =
            ([0; 8], height.to_be_bytes(), index.to_be_bytes());
        place.copy_from_slice(&[a, b, c, d, e, f, g, h]);
        place
    }

    pub(super) fn read_place(bytes: &[u8]) -> Option<(u32, u32)> {
        let (height, index) = bytes.split_first_chunk::<4>()?;
        Some((u32::from_be_bytes(*height), u32::from_be_bytes(index.try_into().ok()?)))
    }
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // What is written here has string keys only.
    serde_json::to_vec(value).unwrap_or_default()
}

fn read_json<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| StoreError::Corrupt { what })
}

pub(crate) fn field(text: &str) -> Result<Fp, StoreError> {
    from_decimal(text).map_err(|_| StoreError::Corrupt { what: "field element" })
}

/// Where the store of a data directory is.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("store")
}

impl Store {
    pub(crate) fn open(dir: &Path, era: Era, cache_mib: u64) -> Result<Self, StoreError> {
        let config = sled::Config::new()
            .path(path(dir))
            .cache_capacity(cache_mib << 20)
            .flush_every_ms(Some(1000));
        let db = zeko_sled::open(&config)?;
        Ok(Self { db, era })
    }

    /// What identifies the chain that the store is of.
    pub(crate) fn genesis(&self) -> Result<Option<String>, StoreError> {
        let bytes = self.db.get(keys::GENESIS)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Writes the accounts that a chain starts with.
    pub(crate) fn start(
        &self,
        genesis: &str,
        accounts: &[Account],
        tip: &Tip,
    ) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (index, account) in (0..).zip(accounts) {
            batch.insert(keys::account(index), json(account));
        }
        batch.insert(keys::TIP, json(tip));
        batch.insert(keys::GENESIS, genesis.as_bytes());
        self.db.apply_batch(batch)?;
        self.flush()
    }

    pub(crate) fn tip(&self) -> Result<Option<Tip>, StoreError> {
        self.db.get(keys::TIP)?.map(|bytes| read_json(&bytes, "tip")).transpose()
    }

    pub(crate) fn set_tip(&self, tip: &Tip) -> Result<(), StoreError> {
        self.db.insert(keys::TIP, json(tip))?;
        Ok(())
    }

    /// How much smaller batches have to be than they may be.
    pub(crate) fn caution(&self) -> Result<Caution, StoreError> {
        let bytes = self.db.get(keys::CAUTION)?;
        bytes.map_or(Ok(Caution::default()), |bytes| read_json(&bytes, "bound of batches"))
    }

    pub(crate) fn set_caution(&self, caution: Caution) -> Result<(), StoreError> {
        self.db.insert(keys::CAUTION, json(&caution))?;
        self.flush()
    }

    /// All accounts in order.
    pub(crate) fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let accounts = self.db.scan_prefix(b"a").values();
        accounts.map(|bytes| read_json(&bytes?, "account")).collect()
    }

    /// The accounts behind the first `blocks` blocks, in order. `None` if that cannot be said: blocks
    /// behind them can no longer be undone, or are undone again and again.
    pub(crate) fn accounts_behind(&self, blocks: u32) -> Result<Option<Vec<Account>>, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(before) = self.tip()? else { return Ok(None) };
            let accounts = self.try_accounts_behind(blocks)?;
            let Some(after) = self.tip()? else { return Ok(None) };
            // What a rollback takes away while this reads is seen in the generation, at its end, or in
            // the number of blocks, before.
            if before.generation == after.generation && before.blocks <= after.blocks {
                return Ok(accounts);
            }
        }
        Ok(None)
    }

    /// As long as blocks are only added while it reads.
    fn try_accounts_behind(&self, blocks: u32) -> Result<Option<Vec<Account>>, StoreError> {
        let mut accounts = BTreeMap::new();
        for entry in self.db.scan_prefix(b"a") {
            let (key, value) = entry?;
            let index = key.get(1..).and_then(|bytes| bytes.try_into().ok());
            let index = index.ok_or(StoreError::Corrupt { what: "index of an account" })?;
            accounts.insert(u64::from_be_bytes(index), read_json::<Account>(&value, "account")?);
        }
        // An account is as it is behind this tip or an earlier one: whatever has changed in between is
        // set to what it was.
        let tip = self.tip()?.map_or(0, |tip| tip.blocks);
        for height in (blocks..tip).rev() {
            let Some((before, _)) = self.undo(height)? else { return Ok(None) };
            for (index, account) in before {
                match account {
                    Some(account) => accounts.insert(index, account),
                    None => accounts.remove(&index),
                };
            }
        }
        Ok((blocks <= tip).then(|| accounts.into_values().collect()))
    }

    /// An account as it was behind the first `blocks` blocks, by its index. `None` if there was none, or
    /// that cannot be said: as with [`Store::accounts_behind`].
    pub(crate) fn account_behind(
        &self,
        index: u64,
        blocks: u32,
    ) -> Result<Option<Account>, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(before) = self.tip()? else { return Ok(None) };
            let account = self.try_account_behind(index, blocks)?;
            let Some(after) = self.tip()? else { return Ok(None) };
            if before.generation == after.generation && before.blocks <= after.blocks {
                return Ok(account);
            }
        }
        Ok(None)
    }

    fn try_account_behind(&self, index: u64, blocks: u32) -> Result<Option<Account>, StoreError> {
        let now = self.db.get(keys::account(index))?;
        // The account is as it is behind this tip, or an earlier one.
        let tip = self.tip()?.map_or(0, |tip| tip.blocks);
        for height in blocks..tip {
            let Some((before, _)) = self.undo(height)? else { return Ok(None) };
            if let Some((_, account)) = before.into_iter().find(|(other, _)| *other == index) {
                return Ok(account);
            }
        }
        let now = now.filter(|_| blocks <= tip);
        now.map(|bytes| read_json(&bytes, "account")).transpose()
    }

    pub(crate) fn write_block(&self, write: &BlockWrite) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let block = &write.block;
        let height = write.tip.blocks.saturating_sub(1);
        for (index, account) in &write.accounts {
            batch.insert(keys::account(*index), json(account));
        }
        let undo = Undo { accounts: write.before.clone(), tip: write.previous.clone() };
        batch.insert(keys::undo(height), json(&undo));
        if let Some(old) = write.undo_from.checked_sub(1) {
            batch.remove(keys::undo(old));
        }
        batch.insert(keys::block(height), encode_block(block, write.generation));
        batch.insert(keys::block_hash(&to_decimal(block.state_hash)), &height.to_be_bytes());
        for (index, included) in (0..).zip(&block.commands) {
            let place = keys::place(height, index);
            batch.insert(keys::command(&included.hash), &place);
            for party in parties(&included.command) {
                batch.insert([keys::party(&party).as_slice(), &place].concat(), &[]);
            }
        }
        for recipient in recipients(block) {
            batch.insert(keys::deposit(&recipient, height), &[]);
        }
        if let Some(closed) = &write.closed_batch {
            batch.insert(keys::batch(closed.number), json(closed));
        }
        batch.insert(keys::TIP, json(&write.tip));
        self.db.apply_batch(batch)?;
        Ok(())
    }

    /// The accounts before a block, to undo it by; newest state of the tip with it.
    pub(crate) fn undo(&self, height: u32) -> Result<Option<(Vec<Before>, Tip)>, StoreError> {
        let Some(bytes) = self.db.get(keys::undo(height))? else { return Ok(None) };
        let Undo { accounts, tip } = read_json(&bytes, "undo")?;
        Ok(Some((accounts, tip)))
    }

    /// Removes the last block. `tip`: the state before it, with the record that asked for it.
    pub(crate) fn remove_block(
        &self,
        height: u32,
        before: &[Before],
        tip: &Tip,
        block: &Block,
    ) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (index, account) in before {
            match account {
                Some(account) => batch.insert(keys::account(*index), json(account)),
                None => batch.remove(keys::account(*index)),
            }
        }
        for (index, included) in (0..).zip(&block.commands) {
            let place = keys::place(height, index);
            batch.remove(keys::command(&included.hash));
            for party in parties(&included.command) {
                batch.remove([keys::party(&party).as_slice(), &place].concat());
            }
        }
        for recipient in recipients(block) {
            batch.remove(keys::deposit(&recipient, height));
        }
        batch.remove(keys::block(height));
        batch.remove(keys::undo(height));
        batch.remove(keys::block_hash(&to_decimal(block.state_hash)));
        // The batch that this block closed, if it did: it is open again.
        batch.remove(keys::batch(tip.batch.number));
        batch.insert(keys::TIP, json(tip));
        self.db.apply_batch(batch)?;
        Ok(())
    }

    pub(crate) fn block(&self, height: u32) -> Result<Option<(Block, u32)>, StoreError> {
        let bytes = self.db.get(keys::block(height))?;
        bytes.map(|bytes| decode_block(&bytes, height, self.era)).transpose()
    }

    pub(crate) fn height_of(&self, hash: Fp) -> Result<Option<u32>, StoreError> {
        let bytes = self.db.get(keys::block_hash(&to_decimal(hash)))?;
        Ok(bytes.and_then(|bytes| Some(u32::from_be_bytes(bytes.as_ref().try_into().ok()?))))
    }

    /// The height and place of a command.
    pub(crate) fn place(&self, hash: &TransactionHash) -> Result<Option<(u32, u32)>, StoreError> {
        let bytes = self.db.get(keys::command(hash))?;
        Ok(bytes.and_then(|bytes| keys::read_place(&bytes)))
    }

    /// Heights and places of the commands that name a key.
    pub(crate) fn places_of(
        &self,
        key: &PublicKey,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<(u32, u32)>, StoreError> {
        let prefix = keys::party(key);
        let place = |found: sled::Result<sled::IVec>| -> Result<(u32, u32), StoreError> {
            let found = found?;
            let place = found.get(prefix.len()..).and_then(keys::read_place);
            place.ok_or(StoreError::Corrupt { what: "place" })
        };
        let found = self.db.scan_prefix(&prefix).keys();
        if newest_first {
            found.rev().take(limit).map(place).collect()
        } else {
            found.take(limit).map(place).collect()
        }
    }

    /// The heights of the last blocks with deposits for a key, newest first.
    pub(crate) fn deposits_to(
        &self,
        recipient: &PublicKey,
        limit: usize,
    ) -> Result<Vec<u32>, StoreError> {
        let prefix = keys::deposits(recipient);
        let height = |found: sled::Result<sled::IVec>| -> Result<u32, StoreError> {
            let found = found?;
            let height = found.get(prefix.len()..).and_then(|bytes| bytes.try_into().ok());
            height.map(u32::from_be_bytes).ok_or(StoreError::Corrupt { what: "deposit" })
        };
        self.db.scan_prefix(&prefix).keys().rev().take(limit).map(height).collect()
    }

    /// Closed batches from a number on.
    pub(crate) fn batches(&self, from: u64, limit: usize) -> Result<Vec<BatchRecord>, StoreError> {
        let end = keys::batch(u64::MAX);
        let found = self.db.range(keys::batch(from)..=end).values();
        found.take(limit).map(|bytes| read_json(&bytes?, "batch")).collect()
    }

    /// The batch that a block is in, if it is closed.
    pub(crate) fn batch_of(&self, height: u32) -> Result<Option<BatchRecord>, StoreError> {
        // Numbers without a gap, heights in the same order.
        let (mut first, mut end) = (0, self.last_batch()?.map_or(0, |number| number + 1));
        while first < end {
            let middle = first + (end - first) / 2;
            let Some(bytes) = self.db.get(keys::batch(middle))? else { return Ok(None) };
            let batch: BatchRecord = read_json(&bytes, "batch")?;
            if height < batch.first_height {
                end = middle;
            } else if height > batch.last_height {
                first = middle + 1;
            } else {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// The last closed batch.
    pub(crate) fn last_closed(&self) -> Result<Option<BatchRecord>, StoreError> {
        let last = self.db.scan_prefix(b"c").values().next_back().transpose()?;
        last.map(|bytes| read_json(&bytes, "batch")).transpose()
    }

    /// The last closed batch up to `most` that has come at least as far as `stage`.
    pub(crate) fn last_at(
        &self,
        stage: Stage,
        most: u64,
    ) -> Result<Option<BatchRecord>, StoreError> {
        for bytes in self.db.range(keys::batch(0)..=keys::batch(most)).values().rev() {
            let batch: BatchRecord = read_json(&bytes?, "batch")?;
            if batch.stage >= stage {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    fn last_batch(&self) -> Result<Option<u64>, StoreError> {
        let Some((key, _)) = self.db.scan_prefix(b"c").next_back().transpose()? else {
            return Ok(None);
        };
        let number = key.get(1..).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        number
            .map(|bytes| Some(u64::from_be_bytes(bytes)))
            .ok_or(StoreError::Corrupt { what: "number of a batch" })
    }

    /// Replaces the record of a batch, unless it is no longer `old`; on return it is on disk.
    pub(crate) fn replace_batch(
        &self,
        old: &BatchRecord,
        new: &BatchRecord,
    ) -> Result<bool, StoreError> {
        let key = keys::batch(old.number);
        let swapped = self.db.compare_and_swap(key, Some(json(old)), Some(json(new)))?.is_ok();
        self.db.flush()?;
        Ok(swapped)
    }

    /// Notes that a batch and all before it are final, unless it is no longer `last`; on return that is on
    /// disk.
    pub(crate) fn finalize(&self, last: &BatchRecord) -> Result<bool, StoreError> {
        let done = match last.number.checked_sub(1) {
            Some(before) => self.last_at(Stage::Final, before)?,
            None => None,
        };
        let first = done.map_or(0, |batch| batch.number.saturating_add(1));
        // The oldest first: if this ends half-way, all before a final one are still final.
        for number in first..last.number {
            let Some(bytes) = self.db.get(keys::batch(number))? else { return Ok(false) };
            let batch: BatchRecord = read_json(&bytes, "batch")?;
            let new = json(&BatchRecord { stage: Stage::Final, ..batch });
            if self.db.compare_and_swap(keys::batch(number), Some(bytes), Some(new))?.is_err() {
                return Ok(false);
            }
        }
        self.replace_batch(last, &BatchRecord { stage: Stage::Final, ..last.clone() })
    }

    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

/// Whom the deposits that a block consumes are for.
fn recipients(block: &Block) -> impl Iterator<Item = PublicKey> + '_ {
    block.messages.iter().filter_map(|consumed| match consumed.message {
        Message::Deposit(deposit) => Some(deposit.recipient),
        Message::Unopened(_) => None,
    })
}

/// Every key that a command names, once.
pub(crate) fn parties(command: &Command) -> Vec<PublicKey> {
    let mut parties = match command {
        Command::Signed(command) => vec![command.payload.fee_payer, command.payload.receiver()],
        Command::Zkapp(zkapp) => {
            let updates = zkapp.account_updates.updates().map(|update| update.body.public_key);
            std::iter::once(zkapp.fee_payer.body.public_key).chain(updates).collect()
        }
    };
    let mut index = 0;
    while let Some(party) = parties.get(index).copied() {
        index += 1;
        let mut position = 0;
        parties.retain(|other| {
            position += 1;
            position <= index || *other != party
        });
    }
    parties
}

fn chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Lengths and chunks: the block without its commands, then each command and its failures.
fn encode_block(block: &Block, generation: u32) -> Vec<u8> {
    let meta = BlockMeta {
        hash: to_decimal(block.state_hash),
        parent: to_decimal(block.parent),
        slot: block.slot.get(),
        timestamp_ms: block.timestamp_ms,
        producer: block.producer,
        ledger: to_decimal(block.ledger_hash),
        generation,
        messages: block.messages.iter().map(StoredMessage::from).collect(),
    };
    let mut out = Vec::new();
    chunk(&mut out, &json(&meta));
    for included in &block.commands {
        chunk(&mut out, &included.command.to_bytes());
        match &included.failures {
            None => chunk(&mut out, &[]),
            Some(failures) => chunk(&mut out, &json(failures)),
        }
    }
    out
}

fn decode_block(bytes: &[u8], height: u32, era: Era) -> Result<(Block, u32), StoreError> {
    let corrupt = || StoreError::Corrupt { what: "block" };
    let mut rest = bytes;
    let mut next = || -> Option<&[u8]> {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (chunk, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = tail;
        Some(chunk)
    };
    let meta: BlockMeta = read_json(next().ok_or_else(corrupt)?, "block")?;
    let mut commands = Vec::new();
    while let Some(bytes) = next() {
        let command = Command::from_bytes(bytes, era).map_err(|_| corrupt())?;
        let failures = match next().ok_or_else(corrupt)? {
            [] => None,
            table => Some(read_failures(table)?),
        };
        commands.push(Included { hash: command.hash(), command: command.into(), failures });
    }
    let slot = Slot::new(meta.slot);
    let messages = meta.messages.iter().map(StoredMessage::read).collect::<Option<_>>();
    let block = Block {
        state_hash: field(&meta.hash)?,
        parent: field(&meta.parent)?,
        height: Length::new(height.saturating_add(1)),
        slot,
        timestamp_ms: meta.timestamp_ms,
        producer: meta.producer,
        ledger_hash: field(&meta.ledger)?,
        view: view_on(height.saturating_add(1), slot),
        messages: messages.ok_or_else(corrupt)?,
        commands,
        coinbase: Amount::ZERO,
        coinbase_receiver: None,
        fee_transfers: Vec::new(),
    };
    Ok((block, meta.generation))
}

/// The protocol-state view of the block at `height` in `slot`: nothing else counts.
pub(crate) fn view_on(height: u32, slot: Slot) -> ProtocolStateView {
    ProtocolStateView {
        blockchain_length: Length::new(height),
        global_slot_since_genesis: slot,
        ..ProtocolStateView::default()
    }
}

/// Reads what a table of failures serializes to: names, with an index for one of them.
fn read_failures(bytes: &[u8]) -> Result<FailureTable, StoreError> {
    let table: Vec<Vec<Vec<String>>> = read_json(bytes, "failures")?;
    let failure = |parts: &Vec<String>| {
        let index = parts.get(1).and_then(|index| index.parse().ok());
        TransactionFailure::from_name(parts.first()?, index)
    };
    let bucket = |bucket: &Vec<Vec<String>>| bucket.iter().map(failure).collect::<Option<_>>();
    let table: Option<FailureTable> = table.iter().map(bucket).collect();
    table.ok_or(StoreError::Corrupt { what: "failures" })
}
