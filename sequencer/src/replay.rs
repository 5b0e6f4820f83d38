//! From what is on disk to where the sequencer was.

use std::{collections::HashMap, sync::Arc};

use mina_curves::{Fp, PastaField};
use mina_ledger::{
    hash::TransactionHash,
    ledger::{FullLedger, Ledger},
    types::{Account, Amount, PublicKey, to_decimal},
};

use crate::{
    builder::{rewind, state_hash_bytes, undo_blocks, undone_blocks},
    command::Command,
    engine::{Engine, EngineError, Outcome, check_result},
    log::Record,
    pool::Checked,
    shared::Shared,
    store::{BlockWrite, OpenBatch, Tip},
    work::Work,
};

/// The tip of a chain without blocks.
pub(crate) fn genesis_tip(ledger: Fp, generation: u32) -> Tip {
    Tip {
        record: 0,
        generation,
        blocks: 0,
        block: to_decimal(Fp::default()),
        ledger: to_decimal(ledger),
        slot: 0,
        timestamp_ms: 0,
        batch: OpenBatch {
            number: 0,
            first_height: 0,
            first_timestamp_ms: 0,
            commands: 0,
            messages: 0,
            bytes: 0,
            fees: Amount::ZERO,
            work: Work::default(),
            source_ledger: to_decimal(ledger),
        },
        is_rebuilt: false,
    }
}

/// The ledger of the store, checked against the root that the store says it has.
pub(crate) fn load_ledger(
    accounts: &[Account],
    tip: &Tip,
    era: mina_ledger::types::Era,
) -> Result<FullLedger, EngineError> {
    let mut ledger = FullLedger::from_accounts(accounts.iter().cloned(), era)?;
    let (expected, got) = (tip.ledger.clone(), to_decimal(ledger.root()?));
    if expected == got {
        Ok(ledger)
    } else {
        Err(EngineError::Replay { what: "root of the stored ledger", expected, got })
    }
}

/// Accepted commands that are not yet in a block, in the order of the log.
#[derive(Default)]
struct Waiting {
    commands: Vec<Option<(Checked, bool)>>,
    positions: HashMap<TransactionHash, usize>,
}

impl Waiting {
    fn add(&mut self, checked: Checked, first: bool) {
        if let Some(old) = self.positions.insert(checked.hash, self.commands.len())
            && let Some(slot) = self.commands.get_mut(old)
        {
            *slot = None;
        }
        self.commands.push(Some((checked, first)));
    }

    fn take(&mut self, hash: &TransactionHash) -> Option<Checked> {
        let position = self.positions.remove(hash)?;
        self.commands.get_mut(position)?.take().map(|(checked, _)| checked)
    }
}

/// Runs the log on what the store has, and fills the mempool with what is left. The blocks that the
/// store does not have yet are returned.
pub(crate) fn replay(
    shared: &Arc<Shared>,
    engine: &mut Engine,
    records: Vec<(u64, Record)>,
) -> Result<Vec<BlockWrite>, EngineError> {
    let mut waiting = Waiting::default();
    let mut writes = Vec::new();
    let stored = engine.tip.record;
    for (number, record) in records {
        let is_new = number > stored;
        match record {
            Record::Start(_) => {}
            Record::Accepted { command, first } => {
                let unreadable = |_| EngineError::Replay {
                    what: "command of the log",
                    expected: "a command".into(),
                    got: "other bytes".into(),
                };
                let command =
                    Command::from_bytes(&command, shared.domain.era()).map_err(unreadable)?;
                waiting.add(Checked::new(command, None), first);
            }
            Record::Dropped { hash, reason } => {
                waiting.take(&hash);
                shared.view.write().dropped(hash, reason);
            }
            Record::Opened(opening) if is_new => engine.open(opening)?,
            Record::Consumed(messages) if is_new => {
                let mut outcome = Outcome::default();
                let mut ledger = shared.ledger();
                engine.consume(&mut ledger, &messages, &mut outcome)?;
                let accounts = outcome.accounts(&ledger);
                drop(ledger);
                shared.view.write().executed([], accounts);
            }
            Record::Executed(results) => {
                execute_again(shared, engine, &mut waiting, &results, is_new)?;
            }
            Record::Closed { hash, ends_batch } if is_new => {
                writes.push(close_again(shared, engine, (hash, ends_batch), number)?);
            }
            Record::RolledBack { height, generation } if is_new => {
                // What is to be undone has to be in the store.
                for write in writes.drain(..) {
                    shared.store.write_block(&write)?;
                }
                let undone = undone_blocks(shared, height.get(), engine.tip.blocks)?;
                let tip = undo_blocks(shared, &undone, &engine.tip, generation, number)?;
                rewind(shared, engine, tip)?;
            }
            Record::Opened(_)
            | Record::Consumed(_)
            | Record::Closed { .. }
            | Record::RolledBack { .. } => {}
        }
    }
    let mut pool = shared.pool();
    for (checked, first) in waiting.commands.into_iter().flatten() {
        pool.restore(checked, first);
    }
    Ok(writes)
}

fn execute_again(
    shared: &Arc<Shared>,
    engine: &mut Engine,
    waiting: &mut Waiting,
    results: &[(TransactionHash, bool)],
    is_new: bool,
) -> Result<(), EngineError> {
    let mut outcome = Outcome::default();
    let mut ledger = shared.ledger();
    for (hash, applied) in results {
        let checked = waiting.take(hash);
        if !is_new {
            continue;
        }
        let replay = |got: String| EngineError::Replay {
            what: "command of a block",
            expected: hash.to_base58(),
            got,
        };
        let checked = checked.ok_or_else(|| replay("nothing accepted with this hash".into()))?;
        engine
            .execute(&mut ledger, &checked, &mut outcome)
            .map_err(|error| replay(error.to_string()))?;
        let last = outcome.included.last();
        check_result(last.and_then(|included| included.failures.as_ref()), *applied)?;
    }
    let accounts = outcome.accounts(&ledger);
    drop(ledger);
    shared.view.write().executed(outcome.included, accounts);
    Ok(())
}

fn close_again(
    shared: &Arc<Shared>,
    engine: &mut Engine,
    (hash, ends_batch): ([u8; 32], Option<PublicKey>),
    number: u64,
) -> Result<BlockWrite, EngineError> {
    let mut ledger = shared.ledger();
    let closing = engine.close(&mut ledger, ends_batch)?;
    let got = state_hash_bytes(&closing.block);
    if got != hash {
        let text = |bytes: [u8; 32]| {
            let (limbs, _) = bytes.as_chunks::<8>();
            let mut value = [0; 4];
            for (slot, limb) in value.iter_mut().zip(limbs) {
                *slot = u64::from_le_bytes(*limb);
            }
            Fp::from_limbs(value).map_or_else(|| "no field element".into(), to_decimal)
        };
        let (expected, got) = (text(hash), text(got));
        return Err(EngineError::Replay { what: "hash of a block", expected, got });
    }
    let (_, write) = engine.commit(ledger, closing, number)?;
    Ok(write)
}
