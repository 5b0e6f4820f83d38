//! Batches: blocks with their commands, messages and receipts, as bytes.

use alloc::vec::Vec;

use mina_curves::Fp;
use mina_ledger::{
    binprot::{
        ReadError, read_signed_command, read_zkapp_command, write_signed_command,
        write_zkapp_command,
    },
    hash::TransactionHash,
    rollup::{
        Attestation, ChainId, CommandReceipt, DataCommitment, DepositAction, Hashed, Message,
        MessageReceipt, OutboxEntry, RefundReason, bridge_id,
    },
    types::{Era, Length, PublicKey, SignedCommand, Slot, ZkappCommand},
};

use crate::{
    codec::{DecodeError, Reader, Wire, Writer},
    entry::{MAX_DATA_BYTES, expect_version},
    proof::PackedProofs,
};

/// Most bytes of a batch.
pub const MAX_BATCH_BYTES: usize = MAX_DATA_BYTES;

/// Most blocks of a batch, and most items of a block: what bytes can hold bounds both anyway.
const MAX_ITEMS: usize = 1 << 16;

/// Why a batch cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Not the bytes of one.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A command that has no encoding.
    #[error("block {block}, item {item}: {error}")]
    Command {
        /// The block, counted from 0.
        block: usize,
        /// The item in it.
        item: usize,
        /// Why.
        error: ReadError,
    },
}

/// A command of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // they live in lists of blocks, where a box would cost more
pub enum Command {
    /// A zkApp command, proofs and signatures included.
    Zkapp(ZkappCommand),
    /// A payment or delegation.
    Signed(SignedCommand),
}

impl Command {
    /// The hash by which it is known.
    pub fn hash(&self) -> TransactionHash {
        match self {
            Self::Zkapp(command) => TransactionHash::of_zkapp_command(command),
            Self::Signed(command) => TransactionHash::of_signed_command(&command.payload),
        }
    }
}

/// One thing that a block does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // as Command
pub enum Item {
    /// Applies a command.
    Command(Command, CommandReceipt),
    /// Consumes a message of the L1 whose plaintext is known.
    Message(DepositAction, MessageReceipt),
    /// Consumes a message of which only the hash of the action is known.
    Unopened(Fp),
}

impl Item {
    /// What stands for the item in the block's body: the hash of the command, or the bytes of the
    /// action's hash for a message; and the hash of the receipt.
    pub fn body_entry(&self) -> (TransactionHash, Fp) {
        match self {
            Self::Command(command, receipt) => (command.hash(), receipt.digest()),
            Self::Message(deposit, receipt) => {
                (Message::Deposit(*deposit).block_entry(), receipt.digest())
            }
            Self::Unopened(hash) => {
                (Message::Unopened(*hash).block_entry(), MessageReceipt::Unopened.digest())
            }
        }
    }

    /// What it appends to the outbox, in order.
    pub fn outbox_entries(&self) -> Vec<OutboxEntry> {
        match self {
            Self::Command(Command::Zkapp(command), receipt) if receipt.applied => {
                let updates = command.account_updates.updates().map(|update| &update.body);
                let withdrawals = updates.filter(|body| body.account_id() == bridge_id());
                // By the rule of the bridge account, an update of it has one action or does nothing.
                let entries = withdrawals.flat_map(|body| &body.actions);
                entries.filter_map(|fields| OutboxEntry::from_fields(fields)).collect()
            }
            Self::Command(..) | Self::Message(_, MessageReceipt::Fulfilled) => Vec::new(),
            Self::Message(deposit, _) => {
                let DepositAction { refund_to: recipient, amount, .. } = *deposit;
                Vec::from([OutboxEntry::Refund { recipient, amount }])
            }
            Self::Unopened(action_hash) => {
                Vec::from([OutboxEntry::Unopened { action_hash: *action_hash }])
            }
        }
    }

    /// The hash of the action, if it is a message.
    pub fn action_hash(&self) -> Option<Fp> {
        match self {
            Self::Command(..) => None,
            Self::Message(deposit, _) => Some(deposit.action_hash()),
            Self::Unopened(hash) => Some(*hash),
        }
    }
}

/// A block as a batch carries it; chain, generation, height and parent follow from its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its slot.
    pub slot: Slot,
    /// The root of the ledger after it.
    pub ledger: Fp,
    /// What it does, in order.
    pub items: Vec<Item>,
}

/// What a batch says of itself; everything of it is checked by executing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in `Attestation`
pub struct BatchHeader {
    pub protocol_version: u32,
    pub l1_network: ChainId,
    pub rollup_account: PublicKey,
    pub chain: ChainId,
    pub generation: u32,
    pub batch: u64,
    pub source_ledger: Fp,
    pub target_ledger: Fp,
    pub inbox_before: Fp,
    pub inbox_after: Fp,
    pub outbox_before: Fp,
    pub outbox_after: Fp,
    pub first_height: Length,
    /// The hash of the block before the first.
    pub parent: Fp,
    pub first_block: Fp,
    pub last_block: Fp,
    pub fee_recipient: PublicKey,
    pub previous_data: DataCommitment,
}

impl Wire for BatchHeader {
    fn write(&self, w: &mut Writer) {
        w.put(&self.protocol_version).put(&self.l1_network).put(&self.rollup_account);
        w.put(&self.chain).put(&self.generation).put(&self.batch);
        w.put(&self.source_ledger).put(&self.target_ledger);
        w.put(&self.inbox_before).put(&self.inbox_after);
        w.put(&self.outbox_before).put(&self.outbox_after);
        w.put(&self.first_height).put(&self.parent).put(&self.first_block).put(&self.last_block);
        w.put(&self.fee_recipient).put(&self.previous_data);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol_version: r.get()?,
            l1_network: r.get()?,
            rollup_account: r.get()?,
            chain: r.get()?,
            generation: r.get()?,
            batch: r.get()?,
            source_ledger: r.get()?,
            target_ledger: r.get()?,
            inbox_before: r.get()?,
            inbox_after: r.get()?,
            outbox_before: r.get()?,
            outbox_after: r.get()?,
            first_height: r.get()?,
            parent: r.get()?,
            first_block: r.get()?,
            last_block: r.get()?,
            fee_recipient: r.get()?,
            previous_data: r.get()?,
        })
    }
}

/// A batch. It has at least one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What it says of itself.
    pub header: BatchHeader,
    /// Its blocks.
    pub blocks: Vec<Block>,
}

impl Batch {
    /// The canonical bytes: what the data commitment is over.
    ///
    /// # Errors
    /// [`BatchError`] for a proof that has no encoding, or if it gets too long.
    pub fn encode(&self) -> Result<Vec<u8>, BatchError> {
        let mut w = Writer::new();
        w.put(&crate::ENTRY_VERSION).put(&self.header).put(&(self.blocks.len() as u32));
        for (index, block) in self.blocks.iter().enumerate() {
            w.put(&block.slot).put(&block.ledger).put(&(block.items.len() as u32));
            for (item, content) in block.items.iter().enumerate() {
                write_item(content, &mut w).map_err(|error| BatchError::Command {
                    block: index,
                    item,
                    error,
                })?;
            }
        }
        let bytes = w.into_bytes();
        match bytes.len() {
            got if got > MAX_BATCH_BYTES => {
                let expected = MAX_BATCH_BYTES;
                Err(DecodeError::TooLarge { what: "batch", expected, got }.into())
            }
            _ => Ok(bytes),
        }
    }

    /// What it appends to the outbox, in order.
    pub fn outbox_entries(&self) -> Vec<OutboxEntry> {
        let items = self.blocks.iter().flat_map(|block| &block.items);
        items.flat_map(Item::outbox_entries).collect()
    }

    /// Reads a batch from its canonical bytes, and refuses any other encoding of it.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn decode(bytes: &[u8], era: Era) -> Result<Self, BatchError> {
        if bytes.len() > MAX_BATCH_BYTES {
            let (expected, got) = (MAX_BATCH_BYTES, bytes.len());
            return Err(DecodeError::TooLarge { what: "batch", expected, got }.into());
        }
        let mut r = Reader::new(bytes);
        expect_version(&mut r)?;
        let header = r.get()?;
        let count = bounded(&mut r, "blocks")?;
        let mut blocks = Vec::new();
        for block in 0..count {
            let (slot, ledger) = (r.get()?, r.get()?);
            let mut items = Vec::new();
            for item in 0..bounded(&mut r, "items")? {
                items.push(read_item(&mut r, era, block, item)?);
            }
            blocks.push(Block { slot, ledger, items });
        }
        r.finish()?;
        let batch = Self { header, blocks };
        // Commands have other encodings too: bin_prot's numbers are not unique.
        if batch.encode()? == bytes { Ok(batch) } else { Err(DecodeError::NotCanonical.into()) }
    }

    /// The slot of the last block; of a batch without blocks, zero.
    pub fn last_slot(&self) -> Slot {
        self.blocks.last().map_or(Slot::ZERO, |block| block.slot)
    }

    /// What a validator signs of this batch once it has executed it.
    pub fn attestation(&self, data: DataCommitment, byte_length: u64, epoch: u32) -> Attestation {
        let header = &self.header;
        let blocks = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        let last_height = header.first_height.get().saturating_add(blocks.saturating_sub(1));
        Attestation {
            protocol_version: header.protocol_version,
            l1_network: header.l1_network,
            rollup_account: header.rollup_account,
            chain: header.chain,
            committee_epoch: epoch,
            generation: header.generation,
            batch: header.batch,
            source_ledger: header.source_ledger,
            target_ledger: header.target_ledger,
            inbox_before: header.inbox_before,
            inbox_after: header.inbox_after,
            outbox_before: header.outbox_before,
            outbox_after: header.outbox_after,
            first_height: header.first_height,
            first_block: header.first_block,
            last_height: Length::new(last_height),
            last_block: header.last_block,
            first_slot: self.blocks.first().map_or(Slot::ZERO, |block| block.slot),
            last_slot: self.last_slot(),
            fee_recipient: header.fee_recipient,
            previous_data: header.previous_data,
            data,
            byte_length,
        }
    }
}

fn bounded(r: &mut Reader<'_>, what: &'static str) -> Result<usize, DecodeError> {
    let got = r.get::<u32>()? as usize;
    if got > MAX_ITEMS {
        return Err(DecodeError::TooLarge { what, expected: MAX_ITEMS, got });
    }
    Ok(got)
}

fn write_item(item: &Item, w: &mut Writer) -> Result<(), ReadError> {
    match item {
        Item::Command(command, receipt) => {
            match command {
                Command::Zkapp(command) => {
                    w.put(&1u8).string(&write_zkapp_command(command, &PackedProofs)?);
                }
                Command::Signed(command) => {
                    w.put(&2u8).string(&write_signed_command(command));
                }
            }
            w.put(&receipt.applied).put(&receipt.outbox);
        }
        Item::Message(deposit, receipt) => {
            let code: u8 = match receipt {
                MessageReceipt::Fulfilled => 0,
                MessageReceipt::Refunded(RefundReason::TimedOut) => 1,
                MessageReceipt::Refunded(RefundReason::BridgeAccount) => 2,
                MessageReceipt::Refunded(RefundReason::NotCreditable) => 3,
                MessageReceipt::Unopened => 4,
            };
            w.put(&3u8).put(deposit).put(&code);
        }
        Item::Unopened(hash) => {
            w.put(&4u8).put(hash);
        }
    }
    Ok(())
}

fn read_item(r: &mut Reader<'_>, era: Era, block: usize, item: usize) -> Result<Item, BatchError> {
    let failed = |error| BatchError::Command { block, item, error };
    let kind = r.get::<u8>()?;
    let command = match kind {
        1 => {
            let bytes = r.string(MAX_BATCH_BYTES, "zkApp command")?;
            Command::Zkapp(read_zkapp_command(bytes, era, &PackedProofs).map_err(failed)?)
        }
        2 => {
            let bytes = r.string(MAX_BATCH_BYTES, "signed command")?;
            Command::Signed(read_signed_command(bytes).map_err(failed)?)
        }
        3 => {
            let deposit = r.get()?;
            let receipt = match r.get::<u8>()? {
                0 => MessageReceipt::Fulfilled,
                1 => MessageReceipt::Refunded(RefundReason::TimedOut),
                2 => MessageReceipt::Refunded(RefundReason::BridgeAccount),
                3 => MessageReceipt::Refunded(RefundReason::NotCreditable),
                // A message that is opened is not left unopened.
                _ => return Err(DecodeError::Value { what: "receipt" }.into()),
            };
            return Ok(Item::Message(deposit, receipt));
        }
        4 => return Ok(Item::Unopened(r.get()?)),
        _ => return Err(DecodeError::Value { what: "item" }.into()),
    };
    Ok(Item::Command(command, CommandReceipt { applied: r.get()?, outbox: r.get()? }))
}
