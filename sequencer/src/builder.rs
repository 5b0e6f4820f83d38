//! The thread that makes blocks: it executes what the mempool has every few milliseconds, closes a
//! block when its time has come, and undoes blocks when it is told to.

use std::{
    sync::{Arc, atomic::Ordering, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use mina_ledger::{
    ledger::{FullLedger, Ledger, Mask},
    rollup::{Message, PreConfirmation},
    types::Length,
};

use crate::{
    crash::crash_point,
    engine::{Engine, EngineError, Outcome},
    graphql::{Block, NodeEvent},
    handle::Confirmations,
    log::Record,
    pool::{Checked, Dropped},
    shared::{Guard, Shared, consumed_inbox, now_ms},
    store::{BlockWrite, Stage, StoreError, Tip, field},
};

/// Blocks that the store may lag behind.
const STORE_LAG: usize = 64;

/// What the builder can be asked for.
pub(crate) enum Control {
    /// Undo all blocks from this height on.
    RollBack { height: u32, done: tokio::sync::oneshot::Sender<Result<u32, String>> },
}

/// Work for the thread of the store.
pub(crate) enum StoreWork {
    Block(Box<BlockWrite>),
    Sync(mpsc::SyncSender<()>),
}

pub(crate) struct Builder {
    shared: Arc<Shared>,
    engine: Engine,
    store: mpsc::SyncSender<StoreWork>,
    control: mpsc::Receiver<Control>,
    /// When the open block is to be closed.
    deadline: Instant,
}

/// The threads of block building, and how to talk to them.
pub(crate) struct Running {
    pub(crate) control: mpsc::Sender<Control>,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

impl Builder {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        engine: Engine,
        pending_writes: Vec<BlockWrite>,
    ) -> std::io::Result<Running> {
        let (store, work) = mpsc::sync_channel(STORE_LAG);
        let (control, requests) = mpsc::channel();
        let for_store = Arc::clone(shared);
        let writer = std::thread::Builder::new().name("store".into()).spawn(move || {
            let guard = Guard::new(&for_store, "store");
            run_store(&for_store, &pending_writes, &work);
            drop(guard);
        })?;
        let block_time = Duration::from_millis(shared.config.block_ms);
        let builder = Self {
            shared: Arc::clone(shared),
            engine,
            store,
            control: requests,
            deadline: Instant::now() + block_time,
        };
        let blocks = std::thread::Builder::new().name("blocks".into()).spawn(move || {
            let guard = Guard::new(&builder.shared, "blocks");
            builder.run();
            drop(guard);
        })?;
        Ok(Running { control, threads: vec![blocks, writer] })
    }

    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while !shared.stop.is_cancelled() {
            if let Err(reason) = self.turn() {
                shared.fail(reason);
            }
        }
        // What has been executed is in the log; the block is closed after the next start.
    }

    /// Executes once, closes the block if it is time, and waits.
    fn turn(&mut self) -> Result<(), String> {
        let tick = Duration::from_millis(self.shared.config.tick_ms.max(1));
        let next = Instant::now() + tick;
        let block_time = Duration::from_millis(self.shared.config.block_ms.max(1));
        if self.rests().map_err(|error| error.to_string())? {
            self.deadline = Instant::now() + block_time;
            self.shared.last_block_ms.store(now_ms(), Ordering::Relaxed);
        } else {
            self.ensure_open().map_err(|error| error.to_string())?;
            self.execute()?;
        }
        if Instant::now() >= self.deadline {
            self.close()?;
            self.deadline += block_time;
            // After a pause there is no catching up.
            self.deadline = self.deadline.max(Instant::now());
        }
        let wake = next.min(self.deadline);
        match self.control.recv_timeout(wake.saturating_duration_since(Instant::now())) {
            Ok(Control::RollBack { height, done }) => {
                let result = self.roll_back(height);
                let fatal = result.as_ref().err().filter(|(_, fatal)| *fatal).cloned();
                // Whoever asked may be gone.
                let _ = done.send(result.map_err(|(reason, _)| reason));
                fatal.map_or(Ok(()), |(reason, _)| Err(reason))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(()),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                // There is no admin endpoint, or the end is near.
                let slice = Duration::from_millis(50);
                while Instant::now() < wake && !self.shared.stop.is_cancelled() {
                    std::thread::sleep(slice.min(wake.saturating_duration_since(Instant::now())));
                }
                Ok(())
            }
        }
    }

    /// Whether no block is to be made: nothing has happened for a long time, or the batch is as long as
    /// it may be and those before it are not committed.
    fn rests(&self) -> Result<bool, StoreError> {
        if !self.engine.is_long() {
            return Ok(false);
        }
        if self.engine.is_empty() {
            return Ok(self.shared.pool().len() == 0 && self.next_messages().is_empty());
        }
        let busy = self.provers_are_busy()?;
        metrics::gauge!("zeko_waiting_for_settlement").set(f64::from(busy));
        Ok(busy)
    }

    /// Messages of the L1 that the next block is to begin with.
    fn next_messages(&self) -> Vec<Message> {
        let quota = self.engine.message_quota();
        let Some(bridge) = self.shared.bridge().filter(|_| quota > 0) else {
            return Vec::new();
        };
        // All of them: one behind the quota may be overdue before those that it holds.
        let mut messages = bridge.messages(consumed_inbox(&self.shared));
        messages.truncate(self.engine.message_room(&messages));
        messages
    }

    /// Consumes messages at the beginning of the block that has just been opened.
    fn consume(&mut self) -> Result<Option<Record>, EngineError> {
        let messages = self.next_messages();
        if messages.is_empty() {
            return Ok(None);
        }
        let shared = Arc::clone(&self.shared);
        let mut outcome = Outcome::default();
        let mut ledger = shared.ledger();
        self.engine.consume(&mut ledger, &messages, &mut outcome)?;
        let accounts = outcome.accounts(&ledger);
        drop(ledger);
        shared.view.write().executed([], accounts);
        metrics::counter!("zeko_messages_consumed_total").increment(messages.len() as u64);
        Ok(Some(Record::Consumed(messages)))
    }

    fn ensure_open(&mut self) -> Result<(), EngineError> {
        if self.engine.opening().is_some() {
            return Ok(());
        }
        let opening = self.engine.next_opening(now_ms());
        {
            // Whoever asks for one of them finds it here or among the dropped.
            let mut pool = self.shared.pool();
            let late = pool.expire(opening.slot);
            self.drop_commands(late);
        }
        self.engine.open(opening)?;
        let opened = std::iter::once(Record::Opened(opening));
        let records: Vec<Record> = opened.chain(self.consume()?).collect();
        self.shared.log.append(&records, None);
        crash_point("block/opened");
        Ok(())
    }

    /// Executes what the mempool has, until the deadline, and makes it known once it is safe.
    fn execute(&mut self) -> Result<(), String> {
        let start = Instant::now();
        let mut outcome = Outcome::default();
        let mut failed: Vec<(Checked, String)> = Vec::new();
        let accounts = {
            let shared = Arc::clone(&self.shared);
            let mut ledger = shared.ledger();
            let most = self.shared.config.max_block_commands;
            while self.engine.executed() < most {
                let mut pool = self.shared.pool();
                let Some(next) = pool.peek() else { break };
                let has_room = self.engine.has_room(&ledger, next);
                if !has_room.map_err(|error| error.to_string())? {
                    break;
                }
                let Some(checked) = pool.pop() else { break };
                drop(pool);
                if let Err(error) = self.engine.execute(&mut ledger, &checked, &mut outcome) {
                    failed.push((checked, error.to_string()));
                }
                if Instant::now() >= self.deadline {
                    break;
                }
            }
            outcome.accounts(&ledger)
        };
        if outcome.included.is_empty() && failed.is_empty() {
            return Ok(());
        }
        crash_point("block/executed");
        let results = outcome.included.iter().map(|one| (one.hash, one.failures.is_none()));
        let mut records = vec![Record::Executed(results.collect())];
        let dropped = self.fail_commands(failed);
        records.extend(dropped.iter().map(drop_record));
        self.shared.log.append_and_wait(&records)?;
        crash_point("block/executed-logged");
        self.confirm(&outcome);
        metrics::counter!("zeko_commands_executed_total").increment(outcome.included.len() as u64);
        metrics::histogram!("zeko_execution_seconds").record(start.elapsed().as_secs_f64());
        {
            // The mempool first, then the view: as everywhere.
            let mut pool = self.shared.pool();
            let mut view = self.shared.view.write();
            view.executed(outcome.included, accounts);
            for Dropped { hash, reason } in dropped {
                view.dropped(hash, reason);
            }
            pool.settle();
        }
        Ok(())
    }

    /// Commands that turned out impossible, and those behind them.
    fn fail_commands(&self, failed: Vec<(Checked, String)>) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        for (checked, reason) in failed {
            let id = checked.command.fee_payer_id();
            dropped.push(Dropped { hash: checked.hash, reason });
            let behind = "a command before it could not be executed";
            dropped.extend(self.shared.pool().drop_account(&id, behind));
        }
        dropped
    }

    fn drop_commands(&self, dropped: Vec<Dropped>) {
        if dropped.is_empty() {
            return;
        }
        metrics::counter!("zeko_commands_dropped_total").increment(dropped.len() as u64);
        let records: Vec<Record> = dropped.iter().map(drop_record).collect();
        self.shared.log.append(&records, None);
        let mut view = self.shared.view.write();
        for Dropped { hash, reason } in dropped {
            view.dropped(hash, reason);
        }
    }

    /// Tells subscribers where commands are; signed by whoever passes it on.
    fn confirm(&self, outcome: &Outcome) {
        if self.shared.confirmations.receiver_count() == 0 {
            return;
        }
        let Some(opening) = self.engine.opening() else { return };
        let first = self.engine.executed() - outcome.included.len();
        let confirmed = |(index, included): (usize, &crate::graphql::Included)| PreConfirmation {
            chain: self.shared.chain,
            generation: opening.generation,
            height: opening.height,
            parent: self.engine.parent(),
            index: (first + index) as u32,
            command: included.hash,
            applied: included.failures.is_none(),
        };
        let all = outcome.included.iter().enumerate().map(confirmed).collect();
        // There may be nobody any more.
        let _ = self.shared.confirmations.send(Arc::new(Confirmations::new(all)));
    }

    /// Whether the batch before the last ones is not committed yet: they are, in order.
    fn provers_are_busy(&self) -> Result<bool, StoreError> {
        let ahead = self.shared.ahead.load(Ordering::Relaxed);
        let number = self.engine.tip.batch.number;
        let Some(waited_for) = number.checked_sub(ahead).filter(|_| ahead > 0) else {
            return Ok(false);
        };
        let batch = self.shared.store.batches(waited_for, 1)?.into_iter().next();
        // What the store does not have yet has been closed just now.
        Ok(batch.is_none_or(|batch| batch.stage < Stage::Committed))
    }

    fn close(&mut self) -> Result<(), String> {
        let start = Instant::now();
        crash_point("block/closing");
        let shared = Arc::clone(&self.shared);
        let busy = self.provers_are_busy().map_err(|error| error.to_string())?;
        // Until those before it are committed, what does not fit any more waits.
        metrics::gauge!("zeko_waiting_for_settlement")
            .set(f64::from(busy && self.engine.is_full()));
        let ends_batch = self.engine.ends_batch(busy).then_some(shared.fee_recipient);
        let mut ledger = shared.ledger();
        let closing = self.engine.close(&mut ledger, ends_batch);
        let closing = closing.map_err(|error| error.to_string())?;
        let hash = state_hash_bytes(&closing.block);
        let record = self.shared.log.append_and_wait(&[Record::Closed { hash, ends_batch }])?;
        crash_point("block/closed-logged");
        let (block, write) =
            self.engine.commit(ledger, closing, record).map_err(|error| error.to_string())?;
        crash_point("block/committed");
        self.store
            .send(StoreWork::Block(Box::new(write)))
            .map_err(|_| "the thread of the store has ended".to_owned())?;
        self.shared.last_block_ms.store(now_ms(), Ordering::Relaxed);
        metrics::counter!("zeko_blocks_total").increment(1);
        metrics::gauge!("zeko_block_height").set(f64::from(block.height.get()));
        metrics::histogram!("zeko_block_commands").record(block.commands.len() as f64);
        metrics::histogram!("zeko_block_close_seconds").record(start.elapsed().as_secs_f64());
        // Nobody has to listen.
        let _ = self.shared.events.send(NodeEvent::NewBlock(block));
        if self.shared.log.length() > self.shared.config.log_rewrite_bytes {
            self.rewrite_log()?;
        }
        Ok(())
    }

    /// Waits until the store has everything, and is safe.
    fn sync_store(&self) -> Result<(), String> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.store
            .send(StoreWork::Sync(sender))
            .map_err(|_| "the thread of the store has ended".to_owned())?;
        receiver.recv().map_err(|_| "the thread of the store has ended".to_owned())?;
        self.shared.store.flush().map_err(|error| error.to_string())
    }

    /// Keeps only the mempool in the log: everything else is in the store.
    fn rewrite_log(&self) -> Result<(), String> {
        self.sync_store()?;
        // Nothing may be accepted in between.
        let pool = self.shared.pool();
        let accepted = |(command, first)| Record::Accepted { command, first };
        let records: Vec<Record> = pool.snapshot().into_iter().map(accepted).collect();
        self.shared.log.rewrite(&records)?;
        drop(pool);
        tracing::info!(commands = records.len(), "the log has been rewritten");
        Ok(())
    }

    /// Undoes all blocks from `height` on, in a new generation; their commands go first again, in
    /// the same order. The number of commands. The flag of an error says whether it is fatal.
    fn roll_back(&mut self, height: u32) -> Result<u32, (String, bool)> {
        let kept = self.engine.tip.blocks;
        if height > kept || kept - height > self.shared.config.rollback_depth {
            return Err((format!("height {height} is not among the last blocks"), false));
        }
        let fatal = |reason: String| (reason, true);
        self.sync_store().map_err(fatal)?;
        let undone = undone_blocks(&self.shared, height, kept)
            .map_err(|error| (error.to_string(), false))?;
        let generation = self.engine.tip.generation.saturating_add(1);
        let open = self.shared.view.read().open.commands.clone();
        let again: Vec<Checked> = undone
            .iter()
            .rev()
            .flat_map(|(block, _, _)| block.commands.iter())
            .chain(open.iter())
            .map(|included| Checked::new(included.command.as_ref().clone(), None))
            .collect();
        let mut pool = self.shared.pool();
        let waiting = pool.take_all();
        let height_length = Length::new(height);
        let mut records = vec![Record::RolledBack { height: height_length, generation }];
        let all = || again.iter().map(|one| (one, true)).chain(waiting.iter().map(|w| (w, false)));
        records.extend(all().map(|(checked, first)| Record::Accepted {
            command: Arc::clone(&checked.bytes),
            first,
        }));
        let last = self.shared.log.append_and_wait(&records).map_err(fatal)?;
        crash_point("rollback/logged");
        let record = last - (records.len() as u64 - 1);
        for (checked, first) in all() {
            pool.restore(checked.clone(), first);
        }
        let count = again.len() as u32;
        let tip = undo_blocks(&self.shared, &undone, &self.engine.tip, generation, record)
            .map_err(|error| fatal(error.to_string()))?;
        rewind(&self.shared, &mut self.engine, tip).map_err(|error| fatal(error.to_string()))?;
        // Until here nothing could be accepted: accounts and mempool did not fit each other.
        drop(pool);
        tracing::warn!(height, generation, commands = count, "blocks have been rolled back");
        metrics::counter!("zeko_rollbacks_total").increment(1);
        // Nobody has to listen.
        let _ = self.shared.events.send(NodeEvent::Reorganization);
        Ok(count)
    }
}

/// Blocks from the newest on, with what is needed to undo them.
pub(crate) type Undone = Vec<(Block, Vec<crate::store::Before>, Tip)>;

pub(crate) fn undone_blocks(shared: &Shared, height: u32, end: u32) -> Result<Undone, EngineError> {
    let missing = || crate::store::StoreError::Corrupt { what: "block to undo" };
    (height..end)
        .rev()
        .map(|height| {
            let (block, _) = shared.store.block(height)?.ok_or_else(missing)?;
            let (before, tip) = shared.store.undo(height)?.ok_or_else(missing)?;
            Ok((block, before, tip))
        })
        .collect()
}

/// Takes blocks out of the store; the tip that is left. `record`: that of the rollback.
pub(crate) fn undo_blocks(
    shared: &Shared,
    undone: &Undone,
    tip: &Tip,
    generation: u32,
    record: u64,
) -> Result<Tip, EngineError> {
    let is_rebuilt = tip.is_rebuilt;
    let mut left = Tip { generation, record, ..tip.clone() };
    for (position, (block, before, tip)) in undone.iter().enumerate() {
        // Until the last is gone, the rollback is still to be replayed, and nothing before it.
        let before_it = record.saturating_sub(1);
        // Whether the chain is being rebuilt is not of that time.
        left = Tip { record: before_it, is_rebuilt, ..tip.clone() };
        if position + 1 == undone.len() {
            left = Tip { generation, record, ..left };
        }
        shared.store.remove_block(tip.blocks, before, &left, block)?;
    }
    if undone.is_empty() {
        shared.store.set_tip(&left)?;
    }
    shared.store.flush()?;
    Ok(left)
}

/// Brings everything in memory back to what the store has.
pub(crate) fn rewind(shared: &Shared, engine: &mut Engine, tip: Tip) -> Result<(), EngineError> {
    let accounts = shared.store.accounts()?;
    let mut full = FullLedger::from_accounts(accounts.iter().cloned(), shared.domain.era())?;
    let (root, expected) = (full.root()?, field(&tip.ledger)?);
    if root != expected {
        let (expected, got) = (tip.ledger, mina_ledger::types::to_decimal(root));
        return Err(EngineError::Replay { what: "ledger after a rollback", expected, got });
    }
    *shared.ledger() = Mask::new(full);
    let last = match tip.blocks.checked_sub(1) {
        Some(last) => shared.store.block(last)?.map(|(block, _)| Arc::new(block)),
        None => None,
    };
    {
        let mut view = shared.view.write();
        let last = last.unwrap_or_else(|| Arc::clone(&view.genesis));
        view.rolled_back(tip.blocks, tip.generation, last, accounts);
    }
    engine.reset(tip)
}

fn drop_record(dropped: &Dropped) -> Record {
    Record::Dropped { hash: dropped.hash, reason: dropped.reason.clone() }
}

pub(crate) fn state_hash_bytes(block: &Block) -> [u8; 32] {
    use mina_curves::PastaField;
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(block.state_hash.to_limbs()) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}

/// Writes blocks, one after the other.
fn run_store(shared: &Shared, pending: &[BlockWrite], work: &mpsc::Receiver<StoreWork>) {
    let write = |write: &BlockWrite| {
        crash_point("store/before");
        if let Err(error) = shared.store.write_block(write) {
            shared.fail(error.to_string());
        }
        crash_point("store/after");
    };
    pending.iter().for_each(write);
    while let Ok(next) = work.recv() {
        match next {
            StoreWork::Block(block) => write(&block),
            StoreWork::Sync(done) => {
                // Whoever asked waits.
                let _ = done.send(());
            }
        }
    }
    if let Err(error) = shared.store.flush() {
        shared.fail(error.to_string());
    }
}
