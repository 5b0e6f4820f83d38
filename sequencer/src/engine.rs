//! Execution: commands into blocks, blocks into batches. The same code runs when the log is
//! replayed, so that a restart leads to the same blocks.

use std::sync::{Arc, MutexGuard};

use mina_curves::Fp;
use mina_ledger::{
    hash::{CommandHashes, command_hashes},
    ledger::{FullLedger, Ledger, LedgerError, Location, Mask},
    logic::{ApplyError, Context, FailureTable, apply_signed_command, apply_zkapp_command},
    rollup::{BlockHeader, CommandReceipt, Hashed, bridge_id, credit_fees},
    types::{
        Account, AccountId, Amount, Length, ProtocolStateView, SignedAmount, Slot, to_decimal,
    },
};

use crate::{
    command::Command,
    config::BatchConfig,
    graphql::{Block, Included},
    log::Opening,
    pool::Checked,
    shared::Shared,
    store::{BatchRecord, BlockWrite, OpenBatch, Stage, StoreError, Tip, field, view_on},
};

/// Bytes of commands after which a block is full and a batch is closed: together they stay below the
/// 6 MiB that a batch may have on the DA layer, receipts and empty blocks included.
pub(crate) const FULL_BYTES: u64 = 2 << 20;

/// Blocks after which a batch is closed even if they are empty: the DA layer takes 65,536.
const MAX_EMPTY_BLOCKS: u32 = 10_000;

/// Why execution cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The ledger contradicts itself.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// MINA has appeared or vanished.
    #[error("block {height}: balances changed by {balances}, collected fees by {fees}")]
    Conservation {
        /// Of which block.
        height: u32,
        /// The change of all balances.
        balances: i128,
        /// The change of the fees not yet credited.
        fees: i128,
    },
    /// Replaying the log leads elsewhere than the first time.
    #[error("replay: {what}: expected {expected}, got {got}")]
    Replay {
        /// What differs.
        what: &'static str,
        /// According to the log.
        expected: String,
        /// This time.
        got: String,
    },
    /// No block is open, or one is already.
    #[error("blocks out of order in the log")]
    Order,
}

/// The open block.
struct OpenBlock {
    opening: Opening,
    view: ProtocolStateView,
    commands: Vec<Included>,
    receipts: Vec<Fp>,
    fees: Amount,
    /// Of its commands.
    bytes: u64,
}

/// What executing some commands did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) included: Vec<Included>,
    touched: Vec<AccountId>,
}

impl Outcome {
    /// The accounts that may have changed, as they are now.
    pub(crate) fn accounts(&self, ledger: &Mask<FullLedger>) -> Vec<Account> {
        let mut ids = self.touched.clone();
        ids.sort_unstable_by_key(|id| (id.public_key.x, id.public_key.is_odd, id.token_id.0));
        ids.dedup();
        ids.iter().filter_map(|id| ledger.get(id).ok().flatten().cloned()).collect()
    }
}

/// Where the chain stands, and the open block.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    pub(crate) tip: Tip,
    parent: Fp,
    open: Option<OpenBlock>,
    /// The last receipt with its hash: most are alike.
    receipt: Option<(CommandReceipt, Fp)>,
}

impl Engine {
    pub(crate) fn new(shared: Arc<Shared>, tip: Tip) -> Result<Self, EngineError> {
        let parent = field(&tip.block)?;
        Ok(Self { shared, tip, parent, open: None, receipt: None })
    }

    pub(crate) fn opening(&self) -> Option<Opening> {
        self.open.as_ref().map(|open| open.opening)
    }

    pub(crate) fn parent(&self) -> Fp {
        self.parent
    }

    /// Commands in the open block so far.
    pub(crate) fn executed(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.commands.len())
    }

    /// Whether the open block has as many bytes as it may.
    pub(crate) fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.bytes >= FULL_BYTES)
    }

    /// What the next block is to be opened with.
    pub(crate) fn next_opening(&self, now_ms: u64) -> Opening {
        // Neither time nor slots run backwards.
        let timestamp_ms = now_ms.max(self.tip.timestamp_ms);
        Opening {
            height: Length::new(self.tip.blocks),
            slot: self.shared.slot_at(timestamp_ms).max(Slot::new(self.tip.slot)),
            timestamp_ms,
            generation: self.tip.generation,
        }
    }

    pub(crate) fn open(&mut self, opening: Opening) -> Result<(), EngineError> {
        let fits = self.open.is_none()
            && opening.height.get() == self.tip.blocks
            && opening.generation == self.tip.generation;
        if !fits {
            return Err(EngineError::Order);
        }
        self.open = Some(OpenBlock {
            opening,
            view: view_on(opening.height.get(), opening.slot),
            commands: Vec::new(),
            receipts: Vec::new(),
            fees: Amount::ZERO,
            bytes: 0,
        });
        let mut view = self.shared.view.write();
        view.open_block(opening.generation, opening.height.get(), self.parent);
        Ok(())
    }

    /// Executes a command in the open block. The ledger is as it was if that is refused.
    pub(crate) fn execute(
        &mut self,
        ledger: &mut Mask<FullLedger>,
        checked: &Checked,
        outcome: &mut Outcome,
    ) -> Result<(), ApplyError> {
        let Some(open) = &mut self.open else {
            // The callers open a block first.
            return Err(mina_ledger::logic::RejectReason::Expired.into());
        };
        let context = Context {
            era: self.shared.domain.era(),
            account_creation_fee: self.shared.config.genesis.account_creation_fee,
            slot: open.opening.slot,
            view: &open.view,
            rule: Some(&self.shared.rule),
        };
        let (failures, excess, supply) = match checked.command.as_ref() {
            Command::Signed(command) => {
                let applied = apply_signed_command(ledger, &command.payload, &context)?;
                outcome.touched.push(AccountId::of(command.payload.fee_payer));
                outcome.touched.push(AccountId::of(command.payload.receiver()));
                (applied.failures, applied.fee_excess, applied.supply_increase)
            }
            Command::Zkapp(command) => {
                let computed: CommandHashes;
                let hashes = match &checked.hashes {
                    Some(hashes) => hashes,
                    None => {
                        computed = command_hashes(command, &self.shared.domain);
                        &computed
                    }
                };
                let applied = apply_zkapp_command(ledger, command, hashes, &context, &mut ())?;
                outcome.touched.push(AccountId::of(command.fee_payer.body.public_key));
                let updates = command.account_updates.updates();
                outcome.touched.extend(updates.map(|update| update.body.account_id()));
                (applied.failures, applied.fee_excess, applied.supply_increase)
            }
        };
        open.fees = open.fees.checked_add(collected(excess, supply)).unwrap_or(Amount::MAX);
        let receipt = CommandReceipt { applied: failures.is_none(), outbox: outbox(ledger)? };
        let digest = match self.receipt {
            Some((known, digest)) if known == receipt => digest,
            _ => receipt.digest(),
        };
        self.receipt = Some((receipt, digest));
        open.receipts.push(digest);
        open.bytes = open.bytes.saturating_add(checked.bytes.len() as u64);
        let command = Arc::clone(&checked.command);
        let included = Included { hash: checked.hash, command, failures };
        open.commands.push(included.clone());
        outcome.included.push(included);
        Ok(())
    }

    /// Closes the open block: its root, its hash, and the batch if it is time. Nothing is visible
    /// until [`Engine::commit`].
    pub(crate) fn close(&mut self, ledger: &mut Mask<FullLedger>) -> Result<Closing, EngineError> {
        let OpenBlock { opening, commands, receipts, fees, bytes, .. } =
            self.open.take().ok_or(EngineError::Order)?;
        let height = opening.height.get();
        let root = ledger.root()?;
        let entries = commands.iter().map(|included| included.hash).zip(receipts);
        let header = BlockHeader {
            chain: self.shared.chain,
            generation: opening.generation,
            height: opening.height,
            parent: self.parent,
            slot: opening.slot,
            ledger: root,
            body: BlockHeader::body_hash(entries),
        };
        let hash = header.digest();
        let previous = self.tip.clone();
        let mut batch = previous.batch.clone();
        batch.commands += commands.len() as u64;
        batch.bytes = batch.bytes.saturating_add(bytes);
        let collected = batch.fees;
        batch.fees = batch.fees.checked_add(fees).unwrap_or(Amount::MAX);
        let closed_batch = self.close_batch(ledger, &mut batch, opening, root)?;
        let ledger_after = ledger.root()?;
        let (accounts, before) = changes(ledger)?;
        conservation(height, &accounts, &before, collected, batch.fees)?;
        let block = Block {
            state_hash: hash,
            parent: self.parent,
            height: Length::new(height.saturating_add(1)),
            slot: opening.slot,
            timestamp_ms: opening.timestamp_ms,
            producer: self.shared.producer,
            ledger_hash: root,
            view: view_on(height.saturating_add(1), opening.slot),
            commands,
            coinbase: Amount::ZERO,
            coinbase_receiver: None,
            fee_transfers: Vec::new(),
        };
        self.parent = hash;
        self.tip = Tip {
            record: previous.record,
            generation: opening.generation,
            blocks: height.saturating_add(1),
            block: to_decimal(hash),
            ledger: to_decimal(ledger_after),
            slot: opening.slot.get(),
            timestamp_ms: opening.timestamp_ms,
            batch,
        };
        Ok(Closing { block, accounts, before, closed_batch, previous })
    }

    /// Closes the batch with the block at hand, if it is full or old and has commands.
    fn close_batch(
        &self,
        ledger: &mut Mask<FullLedger>,
        batch: &mut OpenBatch,
        opening: Opening,
        root: Fp,
    ) -> Result<Option<BatchRecord>, EngineError> {
        let config = &self.shared.config.batch;
        let height = opening.height.get();
        if batch.commands == 0 {
            // Blocks without commands do not make a batch older.
            if height == batch.first_height {
                batch.first_timestamp_ms = opening.timestamp_ms;
            }
        }
        if !is_due(config, batch, height, opening.timestamp_ms) {
            return Ok(None);
        }
        // They are kept for the next batch if there is no account for them.
        let credited = credit_fees(ledger, self.shared.fee_recipient, batch.fees)?;
        let target = if credited { ledger.root()? } else { root };
        let closed = BatchRecord {
            number: batch.number,
            generation: opening.generation,
            first_height: batch.first_height,
            last_height: height,
            source_ledger: batch.source_ledger.clone(),
            target_ledger: to_decimal(target),
            commands: batch.commands,
            fees: if credited { batch.fees } else { Amount::ZERO },
            stage: Stage::Included,
            data: None,
        };
        *batch = OpenBatch {
            number: batch.number + 1,
            first_height: height.saturating_add(1),
            first_timestamp_ms: opening.timestamp_ms,
            commands: 0,
            bytes: 0,
            fees: if credited { Amount::ZERO } else { batch.fees },
            source_ledger: to_decimal(target),
        };
        Ok(Some(closed))
    }

    /// Makes a closed block part of the ledger and visible. What the store has to write is
    /// returned. `record`: the number of its record in the log.
    pub(crate) fn commit(
        &mut self,
        ledger: MutexGuard<'_, Mask<FullLedger>>,
        closing: Closing,
        record: u64,
    ) -> Result<(Arc<Block>, BlockWrite), EngineError> {
        self.tip.record = record;
        let Closing { block, accounts, before, closed_batch, previous } = closing;
        commit_mask(ledger)?;
        let shared = Arc::new(block.clone());
        let generation = self.tip.generation;
        self.shared.view.write().closed(Arc::clone(&shared), generation, accounts.iter().cloned());
        let write = BlockWrite {
            block,
            generation,
            accounts,
            before,
            closed_batch,
            tip: self.tip.clone(),
            previous,
            undo_from: self.tip.blocks.saturating_sub(self.shared.config.rollback_depth),
        };
        Ok((shared, write))
    }

    /// Forgets the open block and goes back to an earlier tip.
    pub(crate) fn reset(&mut self, tip: Tip) -> Result<(), EngineError> {
        self.parent = field(&tip.block)?;
        self.tip = tip;
        self.open = None;
        Ok(())
    }
}

/// Whether a batch is closed with the block at `height`: it is full or old and has commands, or its
/// empty blocks have become too many.
fn is_due(config: &BatchConfig, batch: &OpenBatch, height: u32, timestamp_ms: u64) -> bool {
    let blocks = height.saturating_sub(batch.first_height).saturating_add(1);
    let age = timestamp_ms.saturating_sub(batch.first_timestamp_ms);
    let due = blocks >= config.max_blocks || age >= config.max_age_ms || batch.bytes >= FULL_BYTES;
    blocks >= MAX_EMPTY_BLOCKS || (batch.commands > 0 && due)
}

/// A block that has been closed and is not yet visible.
pub(crate) struct Closing {
    pub(crate) block: Block,
    accounts: Vec<(u64, Account)>,
    before: Vec<(u64, Option<Account>)>,
    closed_batch: Option<BatchRecord>,
    previous: Tip,
}

/// Fee and account-creation fees.
fn collected(excess: SignedAmount, supply: SignedAmount) -> Amount {
    // Neither is more than what there is of MINA.
    excess.magnitude.checked_add(supply.magnitude).unwrap_or(Amount::MAX)
}

/// The action state of the bridge account.
fn outbox(ledger: &Mask<FullLedger>) -> Result<Fp, LedgerError> {
    let zkapp = ledger.get(&bridge_id())?.and_then(|account| account.zkapp.as_deref());
    let [outbox, ..] = zkapp.map_or_else(
        || mina_ledger::types::ZkappAccount::new(ledger.era()).action_state,
        |zkapp| zkapp.action_state,
    );
    Ok(outbox)
}

type Changed = (Vec<(u64, Account)>, Vec<(u64, Option<Account>)>);

/// The accounts that a block has changed, after and before it.
fn changes(ledger: &Mask<FullLedger>) -> Result<Changed, LedgerError> {
    let old = |location: Location| ledger.parent().account(location).ok().cloned();
    let changed = ledger.changed().iter();
    Ok(changed
        .map(|(location, account)| {
            let index = location.index();
            ((index, account.clone()), (index, old(*location)))
        })
        .unzip())
}

/// The sum of all balances and of the fees not yet credited does not change.
fn conservation(
    height: u32,
    after: &[(u64, Account)],
    before: &[(u64, Option<Account>)],
    fees_before: Amount,
    fees_after: Amount,
) -> Result<(), EngineError> {
    let value = |account: &Account| {
        if account.token_id.is_default() { i128::from(account.balance.get()) } else { 0 }
    };
    let sum = after.iter().map(|(_, account)| value(account)).sum::<i128>();
    let old = before.iter().filter_map(|(_, account)| account.as_ref()).map(value).sum::<i128>();
    let (balances, fees) =
        (sum - old, i128::from(fees_after.get()) - i128::from(fees_before.get()));
    if balances + fees == 0 {
        Ok(())
    } else {
        Err(EngineError::Conservation { height, balances, fees })
    }
}

/// Writes a mask into its ledger and puts a new one on top.
fn commit_mask(mut ledger: MutexGuard<'_, Mask<FullLedger>>) -> Result<(), LedgerError> {
    let empty = Mask::new(FullLedger::new(ledger.era()));
    let mask = std::mem::replace(&mut *ledger, empty);
    *ledger = Mask::new(mask.commit()?);
    Ok(())
}

/// Whether a command was applied as the log says.
pub(crate) fn check_result(
    failures: Option<&FailureTable>,
    expected: bool,
) -> Result<(), EngineError> {
    let got = failures.is_none();
    if got == expected {
        return Ok(());
    }
    let (expected, got) = (expected.to_string(), got.to_string());
    Err(EngineError::Replay { what: "result of a command", expected, got })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(commands: u64, bytes: u64) -> OpenBatch {
        OpenBatch {
            number: 3,
            first_height: 100,
            first_timestamp_ms: 5000,
            commands,
            bytes,
            fees: Amount::ZERO,
            source_ledger: String::new(),
        }
    }

    #[test]
    fn a_batch_is_closed_when_it_is_full_or_old() {
        let config = BatchConfig { max_blocks: 50, max_age_ms: 1000 };
        let due =
            |commands, bytes, height, time| is_due(&config, &batch(commands, bytes), height, time);
        // Bytes, in its first block.
        assert!(!due(9, FULL_BYTES - 1, 100, 5000));
        assert!(due(9, FULL_BYTES, 100, 5000));
        // Blocks, its first included.
        assert!(!due(1, 100, 148, 5000));
        assert!(due(1, 100, 149, 5000));
        // Age; the clock of an earlier block does not count.
        assert!(!due(1, 100, 101, 5999));
        assert!(due(1, 100, 101, 6000));
        assert!(!due(1, 100, 101, 4000));
    }

    #[test]
    fn empty_blocks_alone_close_a_batch_late_and_surely() {
        let config = BatchConfig { max_blocks: 1, max_age_ms: 1 };
        let last = 100 + MAX_EMPTY_BLOCKS - 1;
        assert!(!is_due(&config, &batch(0, 0), last - 1, u64::MAX));
        assert!(is_due(&config, &batch(0, 0), last, 5000));
        // Whatever the configuration says: the DA layer takes no more.
        let never = BatchConfig { max_blocks: u32::MAX, max_age_ms: u64::MAX };
        assert!(!is_due(&never, &batch(1, FULL_BYTES - 1), last - 1, 5000));
        assert!(is_due(&never, &batch(1, 1), last, 5000));
    }
}
