//! Building batches: what a sequencer does, with the code that re-execution checks it by.

use alloc::vec::Vec;

use mina_curves::Fp;
use mina_ledger::{
    ledger::{Ledger, LedgerError, Mask},
    logic::ApplyError,
    rollup::{BlockHeader, Hashed, Message},
    types::{Amount, Length, PublicKey, Slot},
};

use crate::{
    batch::{Batch, BatchHeader, Block, Command, Item},
    execute::{
        BlockContext, ChainParameters, ChainState, ExecuteError, PROTOCOL_VERSION, apply_command,
        apply_message, bridge_state, close_batch,
    },
};

/// A batch under way, on top of the ledger that the batch before it led to.
#[derive(Debug)]
pub struct BatchBuilder<'a> {
    parameters: &'a ChainParameters,
    source: ChainState,
    state: ChainState,
    fee_recipient: PublicKey,
    fees: Amount,
    first_block: Option<Fp>,
    blocks: Vec<Block>,
}

impl<'a> BatchBuilder<'a> {
    /// The batch after `source`, in `generation`.
    pub fn new(
        parameters: &'a ChainParameters,
        source: ChainState,
        generation: u32,
        fee_recipient: PublicKey,
    ) -> Self {
        Self {
            parameters,
            source,
            state: ChainState { generation, ..source },
            fee_recipient,
            fees: Amount::ZERO,
            first_block: None,
            blocks: Vec::new(),
        }
    }

    /// Opens a block in `slot` on `ledger`.
    pub fn block<L: Ledger>(&mut self, ledger: L, slot: Slot) -> BlockBuilder<'_, 'a, L> {
        let context = self.parameters.block(self.state.blocks, slot);
        let mask = Mask::new(ledger);
        BlockBuilder {
            batch: self,
            context,
            slot,
            ledger: mask,
            items: Vec::new(),
            fees: Amount::ZERO,
        }
    }

    /// Blocks so far.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Credits the fees and closes the batch; the state behind it, but for its data.
    ///
    /// # Errors
    /// [`ExecuteError`].
    pub fn close<L: Ledger>(mut self, ledger: &mut L) -> Result<(Batch, ChainState), ExecuteError> {
        let Some(first_block) = self.first_block else {
            return Err(ExecuteError::Count { what: "blocks", expected: 1, got: 0 });
        };
        close_batch(ledger, &self.fee_recipient, self.fees)?;
        self.state.ledger = ledger.root()?;
        self.state.batches = self.state.batches.saturating_add(1);
        let (source, target) = (&self.source, &self.state);
        let header = BatchHeader {
            protocol_version: PROTOCOL_VERSION,
            l1_network: self.parameters.l1_network,
            rollup_account: self.parameters.rollup_account,
            chain: self.parameters.chain,
            generation: target.generation,
            batch: source.batches,
            source_ledger: source.ledger,
            target_ledger: target.ledger,
            inbox_before: source.inbox,
            inbox_after: target.inbox,
            outbox_before: source.outbox,
            outbox_after: target.outbox,
            first_height: source.blocks,
            parent: source.block,
            first_block,
            last_block: target.block,
            fee_recipient: self.fee_recipient,
            previous_data: source.data,
        };
        Ok((Batch { header, blocks: self.blocks }, self.state))
    }
}

/// A block under way. Dropped, it leaves the ledger as it was.
#[derive(Debug)]
pub struct BlockBuilder<'b, 'a, L> {
    batch: &'b mut BatchBuilder<'a>,
    context: BlockContext<'a>,
    slot: Slot,
    ledger: Mask<L>,
    items: Vec<Item>,
    fees: Amount,
}

impl<L: Ledger> BlockBuilder<'_, '_, L> {
    /// Applies a command whose authorizations have been checked; whether all of it was applied.
    ///
    /// # Errors
    /// [`ApplyError`]: the block is then as it was.
    pub fn command(&mut self, command: Command) -> Result<bool, ApplyError> {
        let outcome = apply_command(&mut self.ledger, &command, &self.context)?;
        self.fees = self.fees.checked_add(outcome.fees).unwrap_or(Amount::MAX);
        self.items.push(Item::Command(command, outcome.receipt));
        Ok(outcome.receipt.applied)
    }

    /// Consumes the next message of the inbox.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn message(&mut self, message: Message) -> Result<(), LedgerError> {
        let outcome = apply_message(&mut self.ledger, &message, &self.context)?;
        self.fees = self.fees.checked_add(outcome.fees).unwrap_or(Amount::MAX);
        self.items.push(match message {
            Message::Deposit(deposit) => Item::Message(deposit, outcome.receipt),
            Message::Unopened(hash) => Item::Unopened(hash),
        });
        Ok(())
    }

    /// Closes the block and writes it into the ledger; its hash.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn close(self) -> Result<Fp, LedgerError> {
        let Self { batch, slot, mut ledger, items, fees, .. } = self;
        let root = ledger.root()?;
        let state = &mut batch.state;
        (state.inbox, state.outbox) = bridge_state(&ledger)?;
        let header = BlockHeader {
            chain: batch.parameters.chain,
            generation: state.generation,
            height: state.blocks,
            parent: state.block,
            slot,
            ledger: root,
            body: BlockHeader::body_hash(items.iter().map(Item::body_entry)),
        };
        ledger.commit()?;
        state.block = header.digest();
        state.slot = slot;
        state.blocks = Length::new(state.blocks.get().saturating_add(1));
        batch.fees = batch.fees.checked_add(fees).unwrap_or(Amount::MAX);
        batch.first_block.get_or_insert(batch.state.block);
        batch.blocks.push(Block { slot, ledger: root, items });
        Ok(batch.state.block)
    }
}
