//! The sequencer as a node of GraphQL, and as what JSON-RPC answers from.

use std::sync::{Arc, OnceLock, PoisonError, atomic::Ordering, mpsc};

use futures_util::future::BoxFuture;
use mina_curves::Fp;
use mina_ledger::{
    hash::TransactionHash,
    ledger::{Ledger, Location, MerklePath, NodePosition},
    logic::FailureTable,
    rollup::{DepositAction, Message, MessageReceipt, PreConfirmation, SignedStatement},
    types::{Account, AccountId, Amount, Nonce, PublicKey, Signature, TokenId, ZkappCommand},
};
use tokio::sync::{broadcast, oneshot};

use crate::{
    admission::Admission,
    bridge::{Bridge, Consumed, DepositRequest, SettlementRefused},
    builder::Control,
    command::Command,
    config::SequencerConfig,
    graphql::{
        AccountRecord, Block, BlockSelector, HistoryEntry, HistoryQuery, Included, MinaNode,
        NodeEvent, NodeInfo, PoolFilter, SubmitError, SyncStatus, TransactionStatus,
    },
    rpc::{batch_json, status_json},
    shared::{Shared, consumed_inbox, now_ms},
    store::{BatchRecord, Stage, StoreError},
    work::Caution,
};

/// Blocks that `bestChain` answers at most.
const MAX_CHAIN: usize = 290;

/// o1js asks for the last 20 blocks every 20 s when it waits for a command. Mina's blocks take
/// minutes; of ours, those of this time are always among the answer.
const CHAIN_WINDOW_MS: u64 = 30_000;

/// What has become of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandStatus {
    /// In the mempool.
    Pending,
    /// In a block, or in the one under way.
    Included {
        /// The height, as in GraphQL: the first block has height 1.
        height: u32,
        /// The place in the block.
        index: u32,
        /// `None` if it was applied in full.
        failures: Option<FailureTable>,
        /// How far the block has come.
        stage: Stage,
    },
    /// It has left the mempool without a block.
    Rejected {
        /// Why.
        reason: String,
    },
    /// Nothing is known of it.
    Unknown,
}

/// A pre-confirmation with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedConfirmation {
    /// What is signed.
    pub statement: PreConfirmation,
    /// The signature.
    pub signature: Signature,
    /// Whose.
    pub signer: PublicKey,
}

/// Pre-confirmations, signed once they are wanted and once for everybody.
#[derive(Debug)]
pub struct Confirmations {
    statements: Vec<PreConfirmation>,
    signed: OnceLock<Vec<SignedConfirmation>>,
}

impl Confirmations {
    pub(crate) fn new(statements: Vec<PreConfirmation>) -> Self {
        Self { statements, signed: OnceLock::new() }
    }

    /// What is signed.
    pub fn statements(&self) -> &[PreConfirmation] {
        &self.statements
    }

    /// With the signatures; takes some microseconds each the first time.
    pub(crate) fn signed(&self, node: &SequencerHandle) -> &[SignedConfirmation] {
        let sign = |statement: &PreConfirmation| node.sign(*statement);
        self.signed.get_or_init(|| self.statements.iter().filter_map(sign).collect())
    }
}

/// A running sequencer, to ask and to send to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SequencerHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) admission: Admission,
    pub(crate) control: mpsc::Sender<Control>,
}

/// A deposit and what has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DepositStatus {
    /// On the L1, not yet in a block.
    Relayed,
    /// Consumed by a block.
    Consumed {
        /// What became of it.
        receipt: MessageReceipt,
        /// The height of the block, as in GraphQL.
        height: u32,
        /// How far the block has come.
        stage: Stage,
    },
}

impl SequencerHandle {
    fn stored_block(&self, height: u32) -> Option<Arc<Block>> {
        let found = self.shared.store.block(height);
        let found = found.inspect_err(|error| tracing::error!(%error, "reading a block"));
        found.ok().flatten().map(|(block, _)| Arc::new(block))
    }

    /// A block by the number of blocks before it.
    fn block_at(&self, height: u32) -> Option<Arc<Block>> {
        let recent = {
            let view = self.shared.view.read();
            view.recent.iter().rev().find(|block| block.height.get() == height + 1).cloned()
        };
        recent.or_else(|| self.stored_block(height))
    }

    fn place(&self, hash: &TransactionHash) -> Option<(u32, u32)> {
        let place = self.shared.view.read().place(hash).cloned();
        match place {
            Some(place) => Some((place.height, place.index)),
            None => self.shared.store.place(hash).ok().flatten(),
        }
    }

    /// How far the block with this many blocks before it has come.
    fn stage(&self, height: u32) -> Stage {
        let batch = self.shared.store.batch_of(height);
        let batch = batch.inspect_err(|error| tracing::error!(%error, "reading a batch"));
        batch.ok().flatten().map_or(Stage::Included, |batch| batch.stage)
    }

    /// What has become of a command.
    pub fn status(&self, hash: &TransactionHash) -> CommandStatus {
        if self.shared.pool().get(hash).is_some() {
            return CommandStatus::Pending;
        }
        let included = |height: u32, index: u32, failures: Option<FailureTable>| {
            let stage = self.stage(height);
            let height = height.saturating_add(1);
            CommandStatus::Included { height, index, failures, stage }
        };
        {
            let view = self.shared.view.read();
            if let Some(place) = view.place(hash)
                && let Some((one, _)) = view.included(place)
            {
                return included(place.height, place.index, one.failures.clone());
            }
            if let Some(reason) = view.drop_reason(hash) {
                return CommandStatus::Rejected { reason: reason.to_owned() };
            }
        }
        let Some((height, index)) = self.shared.store.place(hash).ok().flatten() else {
            return CommandStatus::Unknown;
        };
        let block = self.stored_block(height);
        match block.as_ref().and_then(|block| block.commands.get(index as usize)) {
            Some(one) => included(height, index, one.failures.clone()),
            None => CommandStatus::Unknown,
        }
    }

    /// The sequencer's signed word on where a command is.
    pub fn confirmation(&self, hash: &TransactionHash) -> Option<SignedConfirmation> {
        let (height, index) = self.place(hash)?;
        let open = {
            let view = self.shared.view.read();
            let one = view.open.commands.get(index as usize);
            let one = one.filter(|_| view.open.height == height);
            one.map(|one| (view.open.generation, view.open.parent, one.failures.is_none()))
        };
        let (generation, parent, applied) = match open {
            Some(open) => open,
            None => {
                let (block, generation) = self.generation_of(height)?;
                let included = block.commands.get(index as usize)?;
                (generation, block.parent, included.failures.is_none())
            }
        };
        let height = mina_ledger::types::Length::new(height);
        let chain = self.shared.chain;
        self.sign(PreConfirmation {
            chain,
            generation,
            height,
            parent,
            index,
            command: *hash,
            applied,
        })
    }

    fn generation_of(&self, height: u32) -> Option<(Arc<Block>, u32)> {
        if let Some((block, generation)) = self.shared.store.block(height).ok().flatten() {
            return Some((Arc::new(block), generation));
        }
        // The store is a few blocks behind at most, and all of them are of this generation.
        let block = self.block_at(height)?;
        Some((block, self.shared.view.read().generation))
    }

    pub(crate) fn sign(&self, statement: PreConfirmation) -> Option<SignedConfirmation> {
        let signature = statement.sign(&self.shared.key).ok()?;
        Some(SignedConfirmation { statement, signature, signer: self.shared.producer })
    }

    /// What is executed from now on, as soon as it is safe.
    pub fn confirmations(&self) -> broadcast::Receiver<Arc<Confirmations>> {
        self.shared.confirmations.subscribe()
    }

    /// Lets the sequencer consume messages of the L1 and prepare deposits, by this bridge instead of
    /// any other from now on.
    pub fn connect(&self, bridge: Arc<dyn Bridge>) {
        *self.shared.bridge.write().unwrap_or_else(PoisonError::into_inner) = Some(bridge);
    }

    /// No messages are consumed and no deposits prepared until there is another bridge.
    pub fn disconnect(&self) {
        *self.shared.bridge.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Says why batches are not being settled; nothing if they are. `/settlement` and the admin endpoint
    /// show it.
    pub fn report_settlement(&self, reasons: Vec<String>) {
        metrics::gauge!("zeko_settlement_running").set(f64::from(reasons.is_empty()));
        let mut shown = self.shared.settlement.write().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(reasons);
    }

    /// Lets rollbacks take whole batches only: where batches are published, the blocks of one must be of one
    /// generation.
    pub fn keep_batches_whole(&self) {
        self.shared.whole_batches.store(true, Ordering::Relaxed);
    }

    /// Lets batches stay open beyond their age and number of blocks while so many are closed and not
    /// committed on the L1.
    pub fn limit_uncommitted(&self, ahead: u64) {
        self.shared.ahead.store(ahead, Ordering::Relaxed);
    }

    /// Undoes all blocks but the first `height`, in a new generation; their commands go first again.
    /// The number of commands. Where batches are published, the whole batch goes.
    ///
    /// # Errors
    /// Why not: the blocks are too old, or the sequencer is about to stop.
    pub async fn roll_back(&self, height: u32) -> Result<u32, String> {
        let height = match self.shared.whole_batches.load(Ordering::Relaxed) {
            false => height,
            true => self.batch_start(height).map_err(|error| error.to_string())?,
        };
        let (done, result) = oneshot::channel();
        let stopping = || "stopping".to_owned();
        self.control.send(Control::RollBack { height, done }).map_err(|_| stopping())?;
        result.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// A command that makes a deposit on the L1; only the sender's signatures are missing.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn prepare_deposit(&self, request: DepositRequest) -> Result<ZkappCommand, String> {
        match self.shared.bridge() {
            Some(bridge) => bridge.prepare_deposit(request).await,
            None => Err("the bridge is not ready".into()),
        }
    }

    /// What a command does to the rollup account on the L1, by the name of the contract's rule, if the
    /// contract takes it; `None` without a bridge.
    ///
    /// # Errors
    /// [`SettlementRefused`].
    pub async fn check_settlement(
        &self,
        command: ZkappCommand,
    ) -> Option<Result<&'static str, SettlementRefused>> {
        Some(self.shared.bridge()?.check_settlement(command).await)
    }

    /// The last deposits for a key, newest first.
    pub fn deposits(&self, recipient: &PublicKey) -> Vec<(DepositAction, DepositStatus)> {
        let consumed = self.consumed_inbox();
        let waiting = self.shared.bridge().map_or_else(Vec::new, |b| b.waiting(consumed));
        let waiting = waiting.into_iter().rev().filter(|deposit| deposit.recipient == *recipient);
        let mut deposits: Vec<_> =
            waiting.map(|deposit| (deposit, DepositStatus::Relayed)).collect();
        let heights = self.shared.store.deposits_to(recipient, MAX_CHAIN);
        let heights = heights.inspect_err(|error| tracing::error!(%error, "reading deposits"));
        for height in heights.unwrap_or_default() {
            let Some(block) = self.block_at(height) else { continue };
            let stage = self.stage(height);
            let height = height.saturating_add(1);
            for Consumed { message, receipt } in block.messages.iter().rev().copied() {
                if let Message::Deposit(deposit) = message
                    && deposit.recipient == *recipient
                {
                    deposits.push((deposit, DepositStatus::Consumed { receipt, height, stage }));
                }
            }
        }
        deposits
    }

    /// The prefix of the L1's inbox that blocks have consumed.
    pub fn consumed_inbox(&self) -> Fp {
        consumed_inbox(&self.shared)
    }

    /// Closed batches from a number on.
    pub fn batches(&self, from: u64, limit: usize) -> Vec<BatchRecord> {
        self.shared.store.batches(from, limit.min(MAX_CHAIN)).unwrap_or_default()
    }

    /// The closed batch of this number.
    pub fn batch(&self, number: u64) -> Option<BatchRecord> {
        self.batches(number, 1).into_iter().next().filter(|batch| batch.number == number)
    }

    /// The last closed batch up to number `most` that has come at least as far as `stage`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_batch(&self, stage: Stage, most: u64) -> Result<Option<BatchRecord>, StoreError> {
        self.shared.store.last_at(stage, most)
    }

    /// All accounts as they were behind a closed batch, in order; `None` if blocks behind it can no
    /// longer be undone. Right only if the batch is still there afterwards, and not too fast.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn accounts_behind(&self, batch: &BatchRecord) -> Result<Option<Vec<Account>>, StoreError> {
        self.shared.store.accounts_behind(batch.last_height.saturating_add(1))
    }

    /// The balance of the bridge account behind the first `blocks` blocks; `None` if that can no longer be
    /// said.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bridge_balance_behind(&self, blocks: u32) -> Result<Option<Amount>, StoreError> {
        // Its place is the first.
        let account = self.shared.store.account_behind(0, blocks)?;
        Ok(account.map(|account| account.balance))
    }

    /// The prefix of the L1's inbox that the first `blocks` blocks have consumed; `None` if that can no
    /// longer be said.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn consumed_inbox_behind(&self, blocks: u32) -> Result<Option<Fp>, StoreError> {
        let account = self.shared.store.account_behind(0, blocks)?;
        let zkapp = account.and_then(|account| account.zkapp);
        Ok(zkapp.and_then(|zkapp| zkapp.app_state.first().copied()))
    }

    /// The batch that has the block behind `height` others, if the L1 has it, or its commit has been sent.
    /// Batches are settled in order: if this one is not, none behind it is.
    pub(crate) fn settling_at(&self, height: u32) -> Result<Option<BatchRecord>, StoreError> {
        let batch = self.shared.store.batch_of(height)?;
        Ok(batch.filter(|one| one.stage >= Stage::Committed || one.settled_by.is_some()))
    }

    /// The number of blocks before the batch that has the block behind `height` others.
    fn batch_start(&self, height: u32) -> Result<u32, StoreError> {
        if let Some(batch) = self.shared.store.batch_of(height)? {
            return Ok(batch.first_height);
        }
        let last = self.shared.store.last_closed()?;
        Ok(last.map_or(0, |batch| batch.last_height.saturating_add(1)))
    }

    /// Notes how far a batch has come, unless it is no longer `old`: blocks may have been rolled back.
    /// On return the note is on disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn replace_batch(&self, old: &BatchRecord, new: &BatchRecord) -> Result<bool, StoreError> {
        self.shared.store.replace_batch(old, new)
    }

    /// Says that a batch has missed its slots on the L1: those that follow are half as large, down to one
    /// command. On return that is on disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batch_missed(&self) -> Result<(), StoreError> {
        self.shared.change_caution(|caution| caution.missed(&self.shared.config.proving))?;
        let bounds = self.shared.proving();
        tracing::warn!(seconds = bounds.most_seconds, "batches are smaller from now on");
        Ok(())
    }

    /// Says that another batch is settled: with time, they may be as large as configured again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batch_settled(&self) -> Result<(), StoreError> {
        self.shared.change_caution(Caution::settled)
    }

    /// Notes that a closed batch and all before it are final, unless it is no longer `last`. On return
    /// the note is on disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn finalize(&self, last: &BatchRecord) -> Result<bool, StoreError> {
        self.shared.store.finalize(last)
    }

    /// What the chain is configured with.
    pub fn config(&self) -> &SequencerConfig {
        &self.shared.config
    }

    /// Whom the fees of a batch are for.
    pub fn fee_recipient(&self) -> PublicKey {
        self.shared.fee_recipient
    }

    fn history_at(
        &self,
        (height, index): (u32, u32),
        token: Option<&TokenId>,
    ) -> Option<HistoryEntry> {
        let block = self.block_at(height)?;
        let included = block.commands.get(index as usize)?;
        names_token(included, token)
            .then(|| HistoryEntry { included: included.clone(), timestamp_ms: block.timestamp_ms })
    }
}

fn names_token(included: &Included, token: Option<&TokenId>) -> bool {
    let Some(token) = token else { return true };
    match included.command.as_ref() {
        Command::Signed(_) => token.is_default(),
        Command::Zkapp(command) => {
            command.account_updates.updates().any(|update| update.body.token_id == *token)
        }
    }
}

impl MinaNode for SequencerHandle {
    fn info(&self) -> &NodeInfo {
        &self.shared.info
    }

    fn sync_status(&self) -> SyncStatus {
        if self.shared.ready.load(std::sync::atomic::Ordering::SeqCst) {
            SyncStatus::Synced
        } else {
            SyncStatus::Bootstrap
        }
    }

    fn tip(&self) -> Arc<Block> {
        Arc::clone(&self.shared.view.read().tip)
    }

    fn account_count(&self) -> u64 {
        self.shared.view.read().accounts.len() as u64
    }

    fn account(&self, id: &AccountId) -> Option<AccountRecord> {
        self.shared.view.read().account(id)
    }

    fn accounts_of(&self, key: &PublicKey) -> Vec<AccountRecord> {
        self.shared.view.read().accounts_of(key)
    }

    fn token_owner(&self, token: &TokenId) -> Option<AccountRecord> {
        self.shared.view.read().token_owner(token)
    }

    fn token_accounts(&self, token: &TokenId) -> Vec<AccountRecord> {
        self.shared.view.read().token_accounts(token)
    }

    fn merkle_path(&self, index: u64) -> Option<MerklePath> {
        let ledger = self.shared.ledger();
        let full = ledger.parent();
        full.account(Location::new(index)).ok()?;
        let mut position = NodePosition::new(0, index);
        let mut siblings = Vec::new();
        for _ in 0..mina_ledger::ledger::DEPTH {
            siblings.push(full.node(position.sibling()).ok()?);
            position = position.parent();
        }
        Some(MerklePath::new(Location::new(index), siblings))
    }

    fn inferred_nonce(&self, id: &AccountId) -> Option<Nonce> {
        // Both at once: what is executed in between would be in neither.
        let pool = self.shared.pool();
        let nonce = self.shared.view.read().latest(id)?.nonce;
        Some(pool.next_nonce(id, nonce))
    }

    fn best_chain(&self, max_length: Option<usize>) -> Vec<Arc<Block>> {
        let length = max_length.unwrap_or(MAX_CHAIN).clamp(1, MAX_CHAIN);
        let since = now_ms().saturating_sub(CHAIN_WINDOW_MS);
        let view = self.shared.view.read();
        let wanted = |(position, block): &(usize, &Arc<Block>)| {
            *position < length || (length > 1 && block.timestamp_ms >= since)
        };
        let recent = view.recent.iter().rev().enumerate().take_while(wanted);
        let mut blocks: Vec<_> =
            recent.take(MAX_CHAIN).map(|(_, block)| Arc::clone(block)).collect();
        drop(view);
        // After a start there is nothing recent yet.
        let mut next =
            blocks.last().map_or_else(|| self.tip().height.get(), |b| b.height.get() - 1);
        while blocks.len() < length
            && let Some(height) = next.checked_sub(1)
            && let Some(block) = self.stored_block(height)
        {
            blocks.push(block);
            next = height;
        }
        if blocks.len() < length && next == 0 {
            blocks.push(Arc::clone(&self.shared.view.read().genesis));
        }
        blocks
    }

    fn block(&self, selector: BlockSelector) -> Option<Arc<Block>> {
        let genesis = || Arc::clone(&self.shared.view.read().genesis);
        match selector {
            BlockSelector::Genesis => Some(genesis()),
            BlockSelector::Height(height) => match height.get().checked_sub(1) {
                Some(height) => self.block_at(height),
                None => Some(genesis()),
            },
            BlockSelector::StateHash(hash) => {
                let recent = {
                    let view = self.shared.view.read();
                    let mut known = view.recent.iter().chain([&view.genesis]);
                    known.find(|block| block.state_hash == hash).cloned()
                };
                recent.or_else(|| self.stored_block(self.shared.store.height_of(hash).ok()??))
            }
        }
    }

    /// The mempool, and what the open block has executed: neither is in `bestChain` yet.
    fn pool(&self, filter: &PoolFilter) -> Vec<Arc<Command>> {
        let wanted = |included: &&Included| {
            let payer = included.command.fee_payer();
            filter.fee_payer.is_none_or(|wanted| wanted == payer)
                && filter.hashes.as_ref().is_none_or(|hashes| hashes.contains(&included.hash))
        };
        // Both at once: what is executed in between would be in neither.
        let pool = self.shared.pool();
        let view = self.shared.view.read();
        let open = view.open.commands.iter().filter(wanted);
        let open = open.map(|included| Arc::clone(&included.command));
        open.chain(pool.select(filter)).collect()
    }

    /// As `bestChain` and the accounts have it: a command of the open block is confirmed on
    /// JSON-RPC, and still pending here.
    fn transaction_status(&self, hash: &TransactionHash) -> TransactionStatus {
        if self.shared.pool().get(hash).is_some() {
            return TransactionStatus::Pending;
        }
        match self.place(hash) {
            Some((height, _)) if height < self.tip().height.get() => TransactionStatus::Included,
            Some(_) => TransactionStatus::Pending,
            None => TransactionStatus::Unknown,
        }
    }

    fn progress(&self, hash: &TransactionHash) -> serde_json::Value {
        status_json(&self.status(hash))
    }

    fn batches(&self, from: u64, limit: usize) -> Option<Vec<serde_json::Value>> {
        Some(Self::batches(self, from, limit).iter().map(batch_json).collect())
    }

    fn submit(&self, command: Command) -> BoxFuture<'_, Result<TransactionHash, SubmitError>> {
        Box::pin(self.admission.submit(command))
    }

    fn history(&self, query: &HistoryQuery) -> Vec<HistoryEntry> {
        let HistoryQuery { public_key, token, limit, newest_first } = query;
        let places = self.shared.store.places_of(public_key, *newest_first, *limit);
        let places = places.inspect_err(|error| tracing::error!(%error, "reading a history"));
        let places = places.unwrap_or_default().into_iter();
        places.filter_map(|place| self.history_at(place, token.as_ref())).collect()
    }

    fn fee_for_weight(&self, weight: u32) -> Amount {
        self.shared.minimum_fee(weight)
    }

    fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        self.shared.events.subscribe()
    }
}
