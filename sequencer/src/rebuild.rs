//! A chain from its batches, as the DA layer has them: what is left when a sequencer's disk is gone.

use std::{fs::File, sync::Arc};

use mina_curves::Fp;
use mina_ledger::{
    rollup::Message,
    types::{PrivateKey, PublicKey, Slot, to_decimal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    builder::{rewind, undo_blocks, undone_blocks},
    command::Command,
    config::SequencerConfig,
    engine::{Engine, Outcome},
    log::Opening,
    pool::Checked,
    service::{SequencerError, restore},
    shared::{Shared, now_ms},
    store::Tip,
};

/// A batch that this sequencer has published.
#[derive(Clone, Debug)]
pub struct PublishedBatch {
    /// Its number.
    pub number: u64,
    /// The generation of its blocks.
    pub generation: u32,
    /// Who got its fees.
    pub fee_recipient: PublicKey,
    /// The commitment to its data, in hexadecimal.
    pub data: String,
    /// Its blocks, in order.
    pub blocks: Vec<PublishedBlock>,
    /// The hash of the last block: it binds all of them and all results in them.
    pub last_block: Fp,
    /// The ledger behind it, fees credited.
    pub target_ledger: Fp,
}

/// A block of it.
#[derive(Clone, Debug)]
pub struct PublishedBlock {
    /// Its slot.
    pub slot: Slot,
    /// The messages of the L1 that it consumes, before the commands.
    pub messages: Vec<Message>,
    /// Its commands, in order.
    pub commands: Vec<Command>,
}

/// Where a chain stands that has been built again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Batches that are closed.
    pub batches: u64,
    /// Blocks.
    pub blocks: u32,
    /// The root of the ledger.
    pub ledger: Fp,
}

/// A chain that is being built again in a data directory, which is locked until then. Every block is
/// executed, and has to come out as it was published.
///
/// Killed on the way, it goes on behind the last block that is on disk; a sequencer does not start on
/// the directory before [`Rebuild::finish`].
pub struct Rebuild {
    shared: Arc<Shared>,
    engine: Engine,
    _lock: File,
}

impl std::fmt::Debug for Rebuild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rebuild").field("tip", &self.engine.tip).finish_non_exhaustive()
    }
}

impl Rebuild {
    /// Opens the directory of a sequencer. `None` if it has a chain of its own already.
    ///
    /// # Errors
    /// [`SequencerError`].
    pub fn open(config: SequencerConfig, key: PrivateKey) -> Result<Option<Self>, SequencerError> {
        let (shared, mut engine, writes, lock) = restore(config, key, CancellationToken::new())?;
        let is_ours = engine.tip.blocks == 0 || engine.tip.is_rebuilt;
        if !is_ours || !writes.is_empty() || engine.opening().is_some() {
            return Ok(None);
        }
        // From here on no sequencer begins anew in it.
        engine.tip.is_rebuilt = true;
        shared.store.set_tip(&engine.tip)?;
        shared.store.flush()?;
        Ok(Some(Self { shared, engine, _lock: lock }))
    }

    /// Whether a batch, next in the order of the DA layer, counts: one that is there already does not,
    /// nor does one of a generation that has been replaced.
    pub fn wants(&self, number: u64, generation: u32) -> bool {
        let tip = &self.engine.tip;
        generation > tip.generation || generation == tip.generation && number >= tip.batch.number
    }

    /// The number of the next batch.
    pub fn next(&self) -> u64 {
        self.engine.tip.batch.number
    }

    /// Takes the next batch that counts. One of a later generation replaces all from its number on.
    ///
    /// # Errors
    /// [`SequencerError::Rebuild`] if it does not follow, or does not come out as published: the chain
    /// then ends before it.
    pub fn take(&mut self, batch: &PublishedBatch) -> Result<(), SequencerError> {
        let tip = &self.engine.tip;
        let known = self.shared.store.batches(batch.number, 1)?.into_iter().next();
        let known = known.filter(|known| known.number == batch.number);
        let from = known.map_or(tip.batch.first_height, |known| known.first_height);
        // Behind a replaced batch, or of the batch that was being taken when the process ended.
        let generation = tip.generation;
        if from < tip.blocks {
            self.undo(from)?;
        }
        let taken = self.execute(batch);
        if taken.is_err() {
            self.engine.tip.generation = generation;
            self.undo(from)?;
        }
        taken
    }

    fn execute(&mut self, batch: &PublishedBatch) -> Result<(), SequencerError> {
        let failed = |reason: String| SequencerError::Rebuild { batch: batch.number, reason };
        let expected = self.engine.tip.batch.number;
        if batch.number != expected {
            return Err(failed(format!("expected batch {expected}")));
        }
        self.engine.tip.generation = batch.generation;
        for (index, block) in batch.blocks.iter().enumerate() {
            let is_last = index + 1 == batch.blocks.len();
            self.block(batch, block, is_last.then_some(batch.fee_recipient))?;
        }
        let tip = &self.engine.tip;
        let results = [
            ("hash of the last block", to_decimal(batch.last_block), &tip.block),
            ("ledger", to_decimal(batch.target_ledger), &tip.ledger),
        ];
        for (what, expected, got) in results {
            if expected != *got {
                return Err(failed(format!("{what}: expected {expected}, got {got}")));
            }
        }
        Ok(self.shared.store.flush()?)
    }

    fn undo(&mut self, height: u32) -> Result<(), SequencerError> {
        let Tip { blocks, generation, record, .. } = self.engine.tip;
        let undone = undone_blocks(&self.shared, height, blocks)?;
        let tip = undo_blocks(&self.shared, &undone, &self.engine.tip, generation, record)?;
        Ok(rewind(&self.shared, &mut self.engine, tip)?)
    }

    fn block(
        &mut self,
        batch: &PublishedBatch,
        block: &PublishedBlock,
        ends_batch: Option<PublicKey>,
    ) -> Result<(), SequencerError> {
        let failed = |reason: String| SequencerError::Rebuild { batch: batch.number, reason };
        let genesis = &self.shared.config.genesis;
        let since = u64::from(block.slot.get()).saturating_mul(genesis.slot_ms);
        let start = genesis.timestamp_ms.saturating_add(since);
        self.engine.open(Opening {
            // Only the slot was published.
            timestamp_ms: start.max(self.engine.tip.timestamp_ms),
            slot: block.slot,
            ..self.engine.next_opening(start)
        })?;
        let mut outcome = Outcome::default();
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.ledger();
        if !block.messages.is_empty() {
            self.engine.consume(&mut ledger, &block.messages, &mut outcome)?;
        }
        for command in &block.commands {
            let checked = Checked::new(command.clone(), None);
            self.engine
                .execute(&mut ledger, &checked, &mut outcome)
                .map_err(|error| failed(format!("{}: {error}", checked.hash.to_base58())))?;
        }
        let closing = self.engine.close(&mut ledger, ends_batch)?;
        let record = self.engine.tip.record;
        let (_, mut write) = self.engine.commit(ledger, closing, record)?;
        if let Some(closed) = &mut write.closed_batch {
            closed.data = Some(batch.data.clone());
        }
        Ok(self.shared.store.write_block(&write)?)
    }

    /// Makes it the chain of a sequencer, in a new generation: what the lost one has signed behind its
    /// last batch is not what will be there. How often that one has rolled back is not known, but not
    /// once a second: the new generation is the number of seconds since genesis.
    ///
    /// # Errors
    /// [`SequencerError::Store`].
    pub fn finish(self) -> Result<Rebuilt, SequencerError> {
        let Self { shared, engine, .. } = self;
        let tip = engine.tip.clone();
        let seconds = now_ms().saturating_sub(shared.config.genesis.timestamp_ms) / 1000;
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let generation = tip.generation.saturating_add(1).max(seconds);
        shared.store.set_tip(&Tip { generation, is_rebuilt: false, ..tip.clone() })?;
        shared.store.flush()?;
        let ledger = crate::store::field(&tip.ledger)?;
        Ok(Rebuilt { batches: tip.batch.number, blocks: tip.blocks, ledger })
    }
}
