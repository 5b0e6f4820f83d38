//! Execution: commands into blocks, blocks into batches. The same code runs when the log is
//! replayed, so that a restart leads to the same blocks.

use std::sync::{Arc, MutexGuard};

use mina_curves::Fp;
use mina_ledger::{
    hash::{CommandHashes, command_hashes},
    ledger::{FullLedger, Ledger, LedgerError, Location, Mask},
    logic::{
        ApplyError, AuthorizationError, Context, FailureTable, ProofClaim, ProofVerifier,
        RejectReason, apply_signed_command, apply_zkapp_command, check_proofs,
    },
    rollup::{BlockHeader, CommandReceipt, Hashed, Message, apply_message, bridge_id, credit_fees},
    types::{
        Account, AccountId, AccountUpdate, Amount, Authorization, Length, ProtocolStateView,
        PublicKey, SignedAmount, Slot, ZkappCommand, to_decimal,
    },
};

use crate::{
    bridge::Consumed,
    command::Command,
    config::BatchConfig,
    graphql::{Block, Included},
    log::Opening,
    pool::Checked,
    shared::Shared,
    store::{BatchRecord, BlockWrite, OpenBatch, Stage, StoreError, Tip, field, view_on},
    work::{Kind, ProvingConfig, Run, Work, missing_accounts},
};

/// Bytes of commands after which a block is full and a batch is closed: together they stay below the
/// 6 MiB that a batch may have on the DA layer, receipts and empty blocks included.
pub(crate) const FULL_BYTES: u64 = 2 << 20;

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
    messages: Vec<Consumed>,
    commands: Vec<Included>,
    /// Of messages and commands.
    receipts: Vec<Fp>,
    fees: Amount,
    /// Of its commands.
    bytes: u64,
    /// Of the batch up to here.
    work: Work,
    /// Whether something had to wait for the next batch.
    is_full: bool,
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

    /// Whether a command still has a place in the batch. If not, the batch ends with the open block, or,
    /// while provers are busy, nothing more comes into it.
    pub(crate) fn has_room(
        &mut self,
        ledger: &Mask<FullLedger>,
        checked: &Checked,
    ) -> Result<bool, LedgerError> {
        let (batch, proving) = (&self.tip.batch, self.shared.proving());
        let Some(open) = &mut self.open else { return Ok(false) };
        // What is too much by itself has a batch of its own.
        let is_first = batch.commands + batch.messages == 0 && open.receipts.is_empty();
        let mut has_room = batch.bytes.saturating_add(open.bytes) < FULL_BYTES;
        if let Some(sizes) = &proving.sizes
            && has_room
        {
            let mut work = open.work;
            work.add(Run::of(&checked.command), sizes);
            work.accounts += missing_accounts(ledger, &checked.command)?.len() as u64;
            has_room = work.fits(&proving);
        }
        let has_room = has_room || is_first;
        open.is_full |= !has_room;
        Ok(has_room)
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
            messages: Vec::new(),
            commands: Vec::new(),
            receipts: Vec::new(),
            fees: Amount::ZERO,
            bytes: 0,
            work: self.tip.batch.work,
            is_full: false,
        });
        let mut view = self.shared.view.write();
        view.open_block(opening.generation, opening.height.get(), self.parent);
        Ok(())
    }

    /// How many messages the batch may still consume.
    pub(crate) fn message_quota(&self) -> usize {
        let quota = self.shared.config.genesis.message_quota;
        u64::from(quota).saturating_sub(self.tip.batch.messages) as usize
    }

    /// How many of the messages that wait the open block consumes, as many as the quota has left at most:
    /// those that can be proved in time with the batch, one at least if it has nothing yet, and those up
    /// to the last that is past its timeout, or that nobody has opened. A batch without a full quota
    /// that leaves one of these out may have no commit that the L1 takes.
    pub(crate) fn message_room(&self, messages: &[Message]) -> usize {
        let most = messages.len().min(self.message_quota());
        let left = most as u64;
        let room = messages_that_fit(&self.tip.batch.work, &self.shared.proving(), left);
        let room = room.max(u64::from(self.is_empty()).min(left)) as usize;
        let slot = self.open.as_ref().map_or(Slot::ZERO, |open| open.opening.slot);
        room.max(overdue(messages, slot)).min(most)
    }

    /// Consumes messages of the L1 at the beginning of the open block.
    pub(crate) fn consume(
        &mut self,
        ledger: &mut Mask<FullLedger>,
        messages: &[Message],
        outcome: &mut Outcome,
    ) -> Result<(), EngineError> {
        let open = self.open.as_mut().filter(|open| open.receipts.is_empty());
        let open = open.ok_or(EngineError::Order)?;
        let context = context(&self.shared, open.opening.slot, &open.view);
        let sizes = self.shared.config.proving.sizes;
        if let Some(sizes) = &sizes {
            let items = messages.len() as u64;
            open.work.add(Run { kind: Kind::Messages, items, proofs: 0 }, sizes);
        }
        for message in messages {
            if let Message::Deposit(deposit) = message {
                let recipient = AccountId::of(deposit.recipient);
                let is_new = ledger.get(&recipient)?.is_none();
                open.work.accounts += u64::from(is_new && sizes.is_some());
                outcome.touched.push(recipient);
            }
            let applied = apply_message(ledger, message, &self.shared.rule.parameters, &context)?;
            open.fees = open.fees.checked_add(applied.fees()).unwrap_or(Amount::MAX);
            open.receipts.push(applied.receipt.digest());
            open.messages.push(Consumed { message: *message, receipt: applied.receipt });
        }
        outcome.touched.push(bridge_id());
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
            return Err(RejectReason::Expired.into());
        };
        let context = context(&self.shared, open.opening.slot, &open.view);
        let sizes = self.shared.config.proving.sizes;
        let missing = match &sizes {
            Some(_) => missing_accounts(ledger, &checked.command)?,
            None => Vec::new(),
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
                if !self.shared.config.unsafe_no_proofs {
                    check_keys(ledger, command, hashes)?;
                }
                let applied = apply_zkapp_command(ledger, command, hashes, &context, &mut ())?;
                outcome.touched.push(AccountId::of(command.fee_payer.body.public_key));
                let updates = command.account_updates.updates();
                outcome.touched.extend(updates.map(|update| update.body.account_id()));
                (applied.failures, applied.fee_excess, applied.supply_increase)
            }
        };
        open.fees = add_fees(open.fees, excess, supply);
        if let Some(sizes) = &sizes {
            open.work.add(Run::of(&checked.command), sizes);
        }
        for id in &missing {
            open.work.accounts += u64::from(ledger.get(id)?.is_some());
        }
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

    /// Whether the batch ends with the open block. `busy`: there is no prover for it yet.
    pub(crate) fn ends_batch(&self, busy: bool) -> bool {
        let Some(open) = &self.open else { return false };
        let batch = self.batch_with(open);
        let Opening { height, timestamp_ms, .. } = open.opening;
        let is_full = open.is_full;
        is_due(&self.shared.config.batch, &batch, height.get(), timestamp_ms, is_full) && !busy
    }

    /// Whether the batch has as many blocks as it may, and none is open.
    pub(crate) fn is_long(&self) -> bool {
        let blocks = self.tip.blocks.saturating_sub(self.tip.batch.first_height);
        self.open.is_none() && blocks >= self.shared.config.batch.most_blocks
    }

    /// Whether nothing has happened in the batch yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.tip.batch.commands == 0 && self.tip.batch.messages == 0
    }

    /// Whether something had to wait for the next batch.
    pub(crate) fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_full)
    }

    /// The batch under way with the open block.
    fn batch_with(&self, open: &OpenBlock) -> OpenBatch {
        let mut batch = self.tip.batch.clone();
        batch.commands += open.commands.len() as u64;
        batch.messages += open.messages.len() as u64;
        batch.bytes = batch.bytes.saturating_add(open.bytes);
        batch.work = open.work;
        if let Some(sizes) = &self.shared.config.proving.sizes {
            batch.work.end_block(sizes);
        }
        batch.fees = batch.fees.checked_add(open.fees).unwrap_or(Amount::MAX);
        if batch.commands == 0 && batch.messages == 0 {
            // Blocks in which nothing happens do not make a batch older.
            batch.first_timestamp_ms = open.opening.timestamp_ms;
        }
        batch
    }

    /// Closes the open block, and the batch with it if its fees have a recipient: its root and its hash. Nothing is visible
    /// until [`Engine::commit`].
    pub(crate) fn close(
        &mut self,
        ledger: &mut Mask<FullLedger>,
        ends_batch: Option<PublicKey>,
    ) -> Result<Closing, EngineError> {
        let open = self.open.take().ok_or(EngineError::Order)?;
        let mut batch = self.batch_with(&open);
        let OpenBlock { opening, messages, commands, receipts, .. } = open;
        let height = opening.height.get();
        let root = ledger.root()?;
        let ids = messages.iter().map(|consumed| consumed.message.block_entry());
        let ids = ids.chain(commands.iter().map(|included| included.hash));
        let entries = ids.zip(receipts);
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
        let collected = previous.batch.fees;
        let closed_batch = match ends_batch {
            Some(recipient) => {
                Some(self.close_batch(ledger, &mut batch, opening, root, recipient)?)
            }
            None => None,
        };
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
            messages,
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
            is_rebuilt: previous.is_rebuilt,
        };
        Ok(Closing { block, accounts, before, closed_batch, previous })
    }

    /// Closes the batch with the block at hand.
    fn close_batch(
        &self,
        ledger: &mut Mask<FullLedger>,
        batch: &mut OpenBatch,
        opening: Opening,
        root: Fp,
        fee_recipient: PublicKey,
    ) -> Result<BatchRecord, EngineError> {
        let height = opening.height.get();
        // They are kept for the next batch if there is no account for them.
        let credited = credit_fees(ledger, fee_recipient, batch.fees)?;
        let target = if credited { ledger.root()? } else { root };
        let closed = BatchRecord {
            number: batch.number,
            generation: opening.generation,
            first_height: batch.first_height,
            last_height: height,
            source_ledger: batch.source_ledger.clone(),
            target_ledger: to_decimal(target),
            commands: batch.commands,
            messages: batch.messages,
            fees: if credited { batch.fees } else { Amount::ZERO },
            fee_recipient,
            sequencer: self.shared.producer,
            outbox: to_decimal(outbox(ledger)?),
            stage: Stage::Included,
            data: None,
            settled_by: None,
        };
        *batch = OpenBatch {
            number: batch.number + 1,
            first_height: height.saturating_add(1),
            first_timestamp_ms: opening.timestamp_ms,
            commands: 0,
            messages: 0,
            bytes: 0,
            fees: if credited { Amount::ZERO } else { batch.fees },
            work: Work::default(),
            source_ledger: to_decimal(target),
        };
        Ok(closed)
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

/// How many messages, `most` at most, still fit into a batch. Each may open an account.
fn messages_that_fit(work: &Work, proving: &ProvingConfig, most: u64) -> u64 {
    let Some(sizes) = &proving.sizes else { return most };
    let fits = |items: u64| {
        let mut work = *work;
        work.add(Run { kind: Kind::Messages, items, proofs: 0 }, sizes);
        work.accounts += items;
        work.fits(proving)
    };
    let (mut fitting, mut most) = (0, most);
    while fitting < most {
        let middle = fitting + (most - fitting).div_ceil(2);
        if fits(middle) {
            fitting = middle;
        } else {
            most = middle - 1;
        }
    }
    fitting
}

/// How many messages there are up to the last that is past its timeout in a slot, or not opened.
fn overdue(messages: &[Message], slot: Slot) -> usize {
    let is_overdue = |message: &Message| match message {
        Message::Deposit(deposit) => deposit.timeout < slot,
        Message::Unopened(_) => true,
    };
    messages.iter().rposition(is_overdue).map_or(0, |last| last + 1)
}

/// Whether a batch in which something happens has to be closed with the block at `height`: because it
/// cannot be larger, or is large or old enough. `is_full`: something waits for the next one.
fn is_due(
    config: &BatchConfig,
    batch: &OpenBatch,
    height: u32,
    timestamp_ms: u64,
    is_full: bool,
) -> bool {
    let blocks = height.saturating_sub(batch.first_height).saturating_add(1);
    let age = timestamp_ms.saturating_sub(batch.first_timestamp_ms);
    let is_large = is_full || blocks >= config.most_blocks || batch.bytes >= FULL_BYTES;
    let is_due = blocks >= config.max_blocks || age >= config.max_age_ms;
    (batch.commands > 0 || batch.messages > 0) && (is_large || is_due)
}

/// A block that has been closed and is not yet visible.
pub(crate) struct Closing {
    pub(crate) block: Block,
    accounts: Vec<(u64, Account)>,
    before: Vec<(u64, Option<Account>)>,
    closed_batch: Option<BatchRecord>,
    previous: Tip,
}

/// Proofs that were verified when their command was admitted, under keys with the hashes that it names.
struct Admitted;

impl ProofVerifier for Admitted {
    fn verify(&self, _: &[ProofClaim<'_>]) -> Result<(), usize> {
        Ok(())
    }
}

/// Whether the accounts still have the keys that the proofs of a command were verified under: a command
/// before it may have set others, and what does not verify has no place in a block.
fn check_keys(
    ledger: &Mask<FullLedger>,
    command: &ZkappCommand,
    hashes: &CommandHashes,
) -> Result<(), ApplyError> {
    let is_proof = |update: &AccountUpdate| matches!(update.authorization, Authorization::Proof(_));
    if !command.account_updates.updates().any(is_proof) {
        return Ok(());
    }
    check_proofs(command, hashes, ledger, &Admitted).map_err(|error| match error {
        AuthorizationError::Ledger(error) => error.into(),
        _ => RejectReason::VerificationKey.into(),
    })
}

/// What a block executes in.
fn context<'a>(shared: &'a Shared, slot: Slot, view: &'a ProtocolStateView) -> Context<'a> {
    Context {
        era: shared.domain.era(),
        account_creation_fee: shared.config.genesis.account_creation_fee,
        slot,
        view,
        rule: Some(&shared.rule),
    }
}

/// Fees with those of one more: the fee, and fees for accounts that it created.
fn add_fees(fees: Amount, excess: SignedAmount, supply: SignedAmount) -> Amount {
    // All of them are less than what there is of MINA.
    let added = excess.magnitude.checked_add(supply.magnitude);
    added.and_then(|added| fees.checked_add(added)).unwrap_or(Amount::MAX)
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
    use crate::work::ProofSizes;

    fn batch(commands: u64, messages: u64, bytes: u64) -> OpenBatch {
        OpenBatch {
            number: 3,
            first_height: 100,
            first_timestamp_ms: 5000,
            commands,
            messages,
            bytes,
            fees: Amount::ZERO,
            work: Work::default(),
            source_ledger: String::new(),
        }
    }

    const CONFIG: BatchConfig = BatchConfig { max_blocks: 50, max_age_ms: 1000, most_blocks: 80 };

    #[test]
    fn a_batch_is_closed_when_it_is_large_or_old() {
        let due = |commands, bytes, height, time| {
            is_due(&CONFIG, &batch(commands, 0, bytes), height, time, false)
        };
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
        // Messages are as good as commands.
        assert!(is_due(&CONFIG, &batch(0, 1, 0), 149, 5000, false));
    }

    #[test]
    fn a_batch_is_closed_when_something_waits_for_the_next_one() {
        assert!(!is_due(&CONFIG, &batch(1, 0, 100), 100, 5000, false));
        assert!(is_due(&CONFIG, &batch(1, 0, 100), 100, 5000, true));
        assert!(is_due(&CONFIG, &batch(1, 0, 100), 179, 5000, false));
    }

    #[test]
    fn messages_are_bounded_by_the_time_and_the_accounts_of_their_proofs() {
        let sizes = ProofSizes { updates: 4, proved: 4, messages: 3, accounts: 2, payments: 2 };
        let config = ProvingConfig {
            most_seconds: 30,
            most_accounts: 100,
            segment_seconds: 8,
            merge_seconds: 0,
            accounts_seconds: 1,
            sizes: Some(sizes),
            ..ProvingConfig::default()
        };
        let fit = |config: &ProvingConfig, work, most| messages_that_fit(&work, config, most);
        // Three proofs of three messages, nine accounts in five, and the last proof: 30 seconds.
        assert_eq!(fit(&config, Work::default(), 32), 9);
        assert_eq!(fit(&config, Work::default(), 5), 5);
        assert_eq!(fit(&config, Work::default(), u64::from(u32::MAX)), 9);
        assert_eq!(fit(&ProvingConfig { most_accounts: 4, ..config }, Work::default(), 32), 4);
        let mut full = Work::default();
        full.accounts = 60;
        assert_eq!(fit(&config, full, 32), 0);
        assert_eq!(fit(&ProvingConfig { most_seconds: 0, ..config }, Work::default(), 32), 0);
        assert_eq!(fit(&ProvingConfig { sizes: None, ..config }, full, 32), 32);
    }

    #[test]
    fn a_batch_in_which_nothing_happens_is_never_closed() {
        assert!(!is_due(&CONFIG, &batch(0, 0, 0), u32::MAX, u64::MAX, true));
    }
}
