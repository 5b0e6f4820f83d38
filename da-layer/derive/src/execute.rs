//! Re-execution of batches.

use alloc::vec::Vec;

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::{CommandHashes, command_hashes, command_hashes_many},
    ledger::{Ledger, LedgerError, Mask},
    logic::{
        ApplyError, AuthorizationError, Context, FailureTable, Malformed, ProofVerifier,
        apply_signed_command, apply_zkapp_command, check_proofs, check_signed_command,
        check_zkapp_command,
    },
    rollup::{
        BlockHeader, BridgeParameters, BridgeRule, ChainId, CommandReceipt, DataCommitment, Hashed,
        Message, MessageReceipt, bridge_id, credit_fees,
    },
    signature::{BatchItem, SignatureError, verify_batch},
    types::{
        AccountId, Amount, Length, ProtocolStateView, PublicKey, SignedAmount, SignedCommand, Slot,
        ZkappCommand,
    },
};

use crate::{
    batch::{Batch, Block, Command, Item},
    observe::BatchObserver,
};

/// The version of the protocol that this crate implements.
pub(crate) const PROTOCOL_VERSION: u32 = 1;

/// The constants of an L2.
#[derive(Clone, Debug)]
pub struct ChainParameters {
    /// The L1 that it settles on.
    pub l1_network: ChainId,
    /// The account there.
    pub rollup_account: PublicKey,
    /// Its own id.
    pub chain: ChainId,
    /// The domain of its users' signatures, and its era.
    pub domain: Domain,
    /// The fee for creating an account.
    pub account_creation_fee: Amount,
    /// The least fee of a command.
    pub minimum_fee: Amount,
    /// The bridge.
    pub bridge: BridgeParameters,
    /// Most messages of the L1 in a batch.
    pub message_quota: u32,
    /// Who may send batches; anybody if there are none. Validators sign one batch per number and
    /// generation, so a stranger's batch must not get in first.
    pub sequencers: Vec<PublicKey>,
}

impl ChainParameters {
    /// The version of the protocol.
    pub const PROTOCOL_VERSION: u32 = PROTOCOL_VERSION;

    /// What commands of the block at `height` in `slot` are executed in.
    pub fn block(&self, height: Length, slot: Slot) -> BlockContext<'_> {
        let view = ProtocolStateView {
            blockchain_length: height,
            global_slot_since_genesis: slot,
            ..ProtocolStateView::default()
        };
        BlockContext { parameters: self, slot, view, rule: BridgeRule { parameters: self.bridge } }
    }
}

/// What the commands of a block are executed in.
#[derive(Clone, Debug)]
pub struct BlockContext<'a> {
    parameters: &'a ChainParameters,
    slot: Slot,
    view: ProtocolStateView,
    rule: BridgeRule,
}

impl BlockContext<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            era: self.parameters.domain.era(),
            account_creation_fee: self.parameters.account_creation_fee,
            slot: self.slot,
            view: &self.view,
            rule: Some(&self.rule),
        }
    }
}

/// Where an L2 stands after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainState {
    /// Batches so far: the number of the next one.
    pub batches: u64,
    /// The generation of the last batch.
    pub generation: u32,
    /// Blocks so far: the height of the next one.
    pub blocks: Length,
    /// The slot of the last block.
    pub slot: Slot,
    /// The hash of the last block; zero at genesis.
    pub block: Fp,
    /// The prefix of the inbox that has been consumed.
    pub inbox: Fp,
    /// The outbox.
    pub outbox: Fp,
    /// The root of the ledger.
    pub ledger: Fp,
    /// The data of the last batch; zero at genesis.
    pub data: DataCommitment,
}

impl ChainState {
    /// The state of a chain that starts with `ledger`.
    ///
    /// # Errors
    /// [`LedgerError`], also if the ledger has no bridge account.
    pub fn genesis<L: Ledger>(ledger: &mut L) -> Result<Self, LedgerError> {
        let (inbox, outbox) = bridge_state(ledger)?;
        Ok(Self {
            batches: 0,
            generation: 0,
            blocks: Length::ZERO,
            slot: Slot::ZERO,
            block: Fp::default(),
            inbox,
            outbox,
            ledger: ledger.root()?,
            data: DataCommitment::default(),
        })
    }
}

/// Inbox and outbox, as the bridge account has them.
pub(crate) fn bridge_state<L: Ledger>(ledger: &L) -> Result<(Fp, Fp), LedgerError> {
    let zkapp = ledger.get(&bridge_id())?.and_then(|account| account.zkapp.as_deref());
    let inbox = zkapp.and_then(|zkapp| zkapp.app_state.first().copied());
    let empty = mina_ledger::types::ZkappAccount::new(ledger.era()).action_state;
    let [outbox, ..] = zkapp.map_or(empty, |zkapp| zkapp.action_state);
    Ok((inbox.unwrap_or_default(), outbox))
}

/// What a validator knows of the L1's inbox.
pub trait InboxView {
    /// The hash of the action that follows `prefix`; `None` if the L1 has none there yet, as deep as
    /// it must be.
    fn next(&self, prefix: Fp) -> Option<Fp>;

    /// Whether it is known what that action says.
    fn is_open(&self, prefix: Fp) -> bool;
}

/// An inbox that is known as a list of action hashes behind a prefix, none of which is open.
impl InboxView for (Fp, Vec<Fp>) {
    fn next(&self, prefix: Fp) -> Option<Fp> {
        let mut state = self.0;
        self.1.iter().copied().find(|action| {
            let here = state == prefix;
            state = mina_ledger::hash::push_actions(state, *action);
            here
        })
    }

    fn is_open(&self, _: Fp) -> bool {
        false
    }
}

/// Why a batch is not what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// It is of another protocol, network, rollup or chain.
    #[error("the batch is of another {what}")]
    Other {
        /// Of what.
        what: &'static str,
    },
    /// It does not follow the state that it is applied to.
    #[error("the batch does not follow: its {what} is another")]
    Source {
        /// What differs.
        what: &'static str,
    },
    /// A batch without blocks, or with more messages than the quota.
    #[error("{what}: expected {expected}, got {got}")]
    Count {
        /// Of what.
        what: &'static str,
        /// The bound.
        expected: usize,
        /// What there is.
        got: usize,
    },
    /// A block before the one before it.
    #[error("block {block}: slot: expected at least {expected}, got {got}")]
    Slot {
        /// The block, counted from 0.
        block: usize,
        /// The slot before it.
        expected: Slot,
        /// Its slot.
        got: Slot,
    },
    /// A command that no node lets through.
    #[error("block {block}, item {item}: {error}")]
    Malformed {
        /// The block.
        block: usize,
        /// The item.
        item: usize,
        /// Why.
        error: Malformed,
    },
    /// A signature that does not verify.
    #[error("block {block}, item {item}: {error}")]
    Signature {
        /// The block.
        block: usize,
        /// The item.
        item: usize,
        /// Why.
        error: SignatureError,
    },
    /// A proof that does not verify.
    #[error("block {block}, item {item}: {error}")]
    Authorization {
        /// The block.
        block: usize,
        /// The item.
        item: usize,
        /// Why.
        error: AuthorizationError,
    },
    /// A command that has no place in a block.
    #[error("block {block}, item {item}: {error}")]
    Command {
        /// The block.
        block: usize,
        /// The item.
        item: usize,
        /// Why.
        error: ApplyError,
    },
    /// A receipt that says something else than what happened.
    #[error("block {block}, item {item}: the receipt is forged")]
    Receipt {
        /// The block.
        block: usize,
        /// The item.
        item: usize,
    },
    /// A message that is not the next one on the L1.
    #[error("block {block}, item {item}: the L1 has another message there")]
    Message {
        /// The block.
        block: usize,
        /// The item.
        item: usize,
    },
    /// A message that the L1 does not have, or not deep enough yet.
    #[error("block {block}, item {item}: the L1 has no such message yet")]
    MessageNotSeen {
        /// The block.
        block: usize,
        /// The item.
        item: usize,
    },
    /// The ledger after a block has another root.
    #[error("block {block}: another ledger")]
    BlockLedger {
        /// The block.
        block: usize,
    },
    /// The batch leads somewhere else than it says.
    #[error("the batch does not lead to its {what}")]
    Target {
        /// What differs.
        what: &'static str,
    },
    /// The fees do not fit, or their recipient has no account.
    #[error("the fees cannot be credited")]
    Fees,
    /// The ledger cannot tell.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl ExecuteError {
    /// Whether the same batch may be valid later, when more of the L1 is known.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::MessageNotSeen { .. })
    }
}

/// What an item did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOutcome<R> {
    /// Its receipt.
    pub receipt: R,
    /// Fees, creation fees included, to be credited when the batch closes.
    pub fees: Amount,
    /// Why a command was not applied in full.
    pub failures: Option<FailureTable>,
}

/// What is left for the fee recipient.
fn fees(excess: SignedAmount, supply_increase: SignedAmount) -> Option<Amount> {
    let magnitude = |amount: SignedAmount, negative| {
        (amount.is_zero() || amount.is_negative() == negative).then_some(amount.magnitude)
    };
    magnitude(excess, false)?.checked_add(magnitude(supply_increase, true)?)
}

/// Applies a command whose authorizations have been checked. The sequencer's block builder and
/// re-execution both come here.
///
/// # Errors
/// [`ApplyError`]: the ledger is then unchanged.
pub fn apply_command<L: Ledger>(
    ledger: &mut L,
    command: &Command,
    block: &BlockContext<'_>,
) -> Result<BlockOutcome<CommandReceipt>, ApplyError> {
    match command {
        Command::Zkapp(zkapp) => {
            let hashes = command_hashes(zkapp, &block.parameters.domain);
            apply_zkapp(ledger, zkapp, &hashes, block, &mut ())
        }
        Command::Signed(signed) => apply_signed(ledger, signed, block, &mut ()),
    }
}

fn apply_signed<L: Ledger, O: BatchObserver>(
    ledger: &mut L,
    command: &SignedCommand,
    block: &BlockContext<'_>,
    observer: &mut O,
) -> Result<BlockOutcome<CommandReceipt>, ApplyError> {
    observer.payment(ledger, command)?;
    let applied = apply_signed_command(ledger, &command.payload, &block.context())?;
    observer.paid(ledger, &applied)?;
    outcome(ledger, applied.failures, applied.fee_excess, applied.supply_increase)
}

fn apply_zkapp<L: Ledger, O: BatchObserver>(
    ledger: &mut L,
    command: &ZkappCommand,
    hashes: &CommandHashes,
    block: &BlockContext<'_>,
    observer: &mut O,
) -> Result<BlockOutcome<CommandReceipt>, ApplyError> {
    let mut seen = observer.command(command, hashes);
    let applied = apply_zkapp_command(ledger, command, hashes, &block.context(), &mut seen)?;
    observer.applied(ledger, seen, &applied)?;
    outcome(ledger, applied.failures, applied.fee_excess, applied.supply_increase)
}

fn outcome<L: Ledger>(
    ledger: &L,
    failures: Option<FailureTable>,
    excess: SignedAmount,
    supply_increase: SignedAmount,
) -> Result<BlockOutcome<CommandReceipt>, ApplyError> {
    let fees = fees(excess, supply_increase).ok_or(mina_ledger::logic::RejectReason::Overflow)?;
    let (_, outbox) = bridge_state(ledger)?;
    Ok(BlockOutcome {
        receipt: CommandReceipt { applied: failures.is_none(), outbox },
        fees,
        failures,
    })
}

/// Consumes the next message of the inbox.
///
/// # Errors
/// [`LedgerError`].
pub fn apply_message<L: Ledger>(
    ledger: &mut L,
    message: &Message,
    block: &BlockContext<'_>,
) -> Result<BlockOutcome<MessageReceipt>, LedgerError> {
    let (bridge, context) = (&block.parameters.bridge, block.context());
    let outcome = mina_ledger::rollup::apply_message(ledger, message, bridge, &context)?;
    Ok(BlockOutcome { receipt: outcome.receipt, fees: outcome.fees(), failures: None })
}

/// The closing step of a batch: credits the collected fees to an account that exists.
///
/// # Errors
/// [`ExecuteError::Fees`], [`ExecuteError::Ledger`].
pub fn close_batch<L: Ledger>(
    ledger: &mut L,
    fee_recipient: &PublicKey,
    fees: Amount,
) -> Result<(), ExecuteError> {
    let credited = credit_fees(ledger, *fee_recipient, fees)?;
    if credited { Ok(()) } else { Err(ExecuteError::Fees) }
}

/// The accounts that executing a batch reads or writes: what a witness for it has to show.
pub fn batch_accounts(batch: &Batch) -> Vec<AccountId> {
    let mut ids = Vec::from([bridge_id(), AccountId::of(batch.header.fee_recipient)]);
    for item in batch.blocks.iter().flat_map(|block| &block.items) {
        match item {
            Item::Command(Command::Zkapp(command), _) => ids.extend(command.accounts()),
            Item::Command(Command::Signed(command), _) => {
                ids.push(AccountId::of(command.payload.fee_payer));
                ids.push(AccountId::of(command.payload.receiver()));
            }
            Item::Message(deposit, _) => ids.push(AccountId::of(deposit.recipient)),
            Item::Unopened(_) => {}
        }
    }
    ids
}

/// Executes a batch on the ledger of `state` and compares everything that it claims: header,
/// signatures, proofs, messages against the L1, receipts, block hashes, ledgers, targets.
///
/// # Errors
/// [`ExecuteError`]: the ledger is then unchanged.
pub fn execute_batch<L: Ledger>(
    ledger: &mut L,
    state: &ChainState,
    batch: &Batch,
    data: DataCommitment,
    parameters: &ChainParameters,
    inbox: &dyn InboxView,
    proofs: &dyn ProofVerifier,
) -> Result<ChainState, ExecuteError> {
    execute_batch_observed(ledger, state, batch, data, parameters, inbox, proofs, &mut ())
}

/// [`execute_batch`], with an observer of what the batch does.
///
/// # Errors
/// As [`execute_batch`], and those of the observer.
#[allow(clippy::too_many_arguments)] // those of `execute_batch`
pub fn execute_batch_observed<L: Ledger, O: BatchObserver>(
    ledger: &mut L,
    state: &ChainState,
    batch: &Batch,
    data: DataCommitment,
    parameters: &ChainParameters,
    inbox: &dyn InboxView,
    proofs: &dyn ProofVerifier,
    observer: &mut O,
) -> Result<ChainState, ExecuteError> {
    check_header(batch, state, parameters)?;
    check_structure(batch, state, parameters)?;
    let hashes = check_signatures(batch, parameters)?;
    let mut run = Run {
        ledger: Mask::new(&mut *ledger),
        state: *state,
        fees: Amount::ZERO,
        hashes: hashes.into_iter(),
        parameters,
        inbox,
        proofs,
        observer,
    };
    run.state.generation = batch.header.generation;
    let mut first = None;
    for (index, block) in batch.blocks.iter().enumerate() {
        run.block(index, block)?;
        first.get_or_insert(run.state.block);
    }
    run.observer.closing(&mut run.ledger)?;
    close_batch(&mut run.ledger, &batch.header.fee_recipient, run.fees)?;
    let Run { ledger: mut mask, mut state, .. } = run;
    state.ledger = mask.root()?;
    state.batches = state.batches.saturating_add(1);
    state.data = data;
    check_target(batch, first, &state)?;
    mask.commit()?;
    Ok(state)
}

fn check_header(
    batch: &Batch,
    state: &ChainState,
    parameters: &ChainParameters,
) -> Result<(), ExecuteError> {
    let header = &batch.header;
    let ours = [
        ("protocol version", header.protocol_version == PROTOCOL_VERSION),
        ("L1 network", header.l1_network == parameters.l1_network),
        ("rollup account", header.rollup_account == parameters.rollup_account),
        ("chain", header.chain == parameters.chain),
    ];
    if let Some((what, _)) = ours.into_iter().find(|(_, same)| !same) {
        return Err(ExecuteError::Other { what });
    }
    let follows = [
        ("number", header.batch == state.batches),
        ("generation", header.generation >= state.generation),
        ("source ledger", header.source_ledger == state.ledger),
        ("inbox", header.inbox_before == state.inbox),
        ("outbox", header.outbox_before == state.outbox),
        ("first height", header.first_height == state.blocks),
        ("parent block", header.parent == state.block),
        ("previous data", header.previous_data == state.data),
    ];
    match follows.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(ExecuteError::Source { what }),
        None => Ok(()),
    }
}

fn check_structure(
    batch: &Batch,
    state: &ChainState,
    parameters: &ChainParameters,
) -> Result<(), ExecuteError> {
    if batch.blocks.is_empty() {
        return Err(ExecuteError::Count { what: "blocks", expected: 1, got: 0 });
    }
    let items = batch.blocks.iter().flat_map(|block| &block.items);
    let got = items.filter(|item| item.action_hash().is_some()).count();
    let expected = parameters.message_quota as usize;
    if got > expected {
        return Err(ExecuteError::Count { what: "messages", expected, got });
    }
    let mut slot = state.slot;
    for (index, block) in batch.blocks.iter().enumerate() {
        if block.slot < slot {
            let (expected, got) = (slot, block.slot);
            return Err(ExecuteError::Slot { block: index, expected, got });
        }
        slot = block.slot;
    }
    let era = parameters.domain.era();
    for (block, item, content) in items_of(batch) {
        let checked = match content {
            Item::Command(Command::Zkapp(command), _) => {
                check_zkapp_command(command, era, parameters.minimum_fee)
            }
            Item::Command(Command::Signed(command), _) => {
                check_signed_command(command, parameters.minimum_fee)
            }
            Item::Message(..) | Item::Unopened(_) => Ok(()),
        };
        checked.map_err(|error| ExecuteError::Malformed { block, item, error })?;
    }
    Ok(())
}

fn items_of(batch: &Batch) -> impl Iterator<Item = (usize, usize, &Item)> {
    batch.blocks.iter().enumerate().flat_map(|(block, content)| {
        content.items.iter().enumerate().map(move |(item, content)| (block, item, content))
    })
}

/// Checks all signatures at once; the hashes of the zkApp commands, in order.
fn check_signatures(
    batch: &Batch,
    parameters: &ChainParameters,
) -> Result<Vec<CommandHashes>, ExecuteError> {
    let zkapps = items_of(batch).filter_map(|(_, _, item)| match item {
        Item::Command(Command::Zkapp(command), _) => Some(command),
        _ => None,
    });
    let hashes = command_hashes_many(&zkapps.collect::<Vec<_>>(), &parameters.domain);
    let mut known = hashes.iter();
    let mut items = Vec::new();
    let mut places = Vec::new();
    for (block, item, content) in items_of(batch) {
        match content {
            Item::Command(Command::Zkapp(command), _) => {
                // There are hashes for each zkApp command.
                let Some(hashes) = known.next() else { break };
                items.extend(BatchItem::zkapp_command(command, hashes));
            }
            Item::Command(Command::Signed(command), _) => {
                items.push(BatchItem::signed_command(command));
            }
            Item::Message(..) | Item::Unopened(_) => {}
        }
        places.resize(items.len(), (block, item));
    }
    verify_batch(&items, &parameters.domain).map_err(|(index, error)| {
        let (block, item) = places.get(index).copied().unwrap_or_default();
        ExecuteError::Signature { block, item, error }
    })?;
    Ok(hashes)
}

/// A batch under way.
struct Run<'a, P, O> {
    ledger: Mask<P>,
    state: ChainState,
    fees: Amount,
    hashes: alloc::vec::IntoIter<CommandHashes>,
    parameters: &'a ChainParameters,
    inbox: &'a dyn InboxView,
    proofs: &'a dyn ProofVerifier,
    observer: &'a mut O,
}

impl<P: Ledger, O: BatchObserver> Run<'_, P, O> {
    fn block(&mut self, index: usize, block: &Block) -> Result<(), ExecuteError> {
        let height = self.state.blocks;
        let context = self.parameters.block(height, block.slot);
        self.observer.block(height, block.slot);
        for (item, content) in block.items.iter().enumerate() {
            self.item(index, item, content, &context)?;
        }
        (self.state.inbox, self.state.outbox) = bridge_state(&self.ledger)?;
        let ledger = self.ledger.root()?;
        if ledger != block.ledger {
            return Err(ExecuteError::BlockLedger { block: index });
        }
        let header = BlockHeader {
            chain: self.parameters.chain,
            generation: self.state.generation,
            height,
            parent: self.state.block,
            slot: block.slot,
            ledger,
            body: BlockHeader::body_hash(block.items.iter().map(Item::body_entry)),
        };
        self.state.block = header.digest();
        self.state.slot = block.slot;
        let got = usize::MAX;
        let full = ExecuteError::Count { what: "blocks", expected: u32::MAX as usize, got };
        self.state.blocks = height.checked_add(Length::new(1)).ok_or(full)?;
        Ok(())
    }

    fn item(
        &mut self,
        block: usize,
        item: usize,
        content: &Item,
        context: &BlockContext<'_>,
    ) -> Result<(), ExecuteError> {
        let (same, fees) = match content {
            Item::Command(command, receipt) => {
                let outcome = self.command(block, item, command, context)?;
                (outcome.receipt == *receipt, outcome.fees)
            }
            Item::Message(deposit, receipt) => {
                self.check_message(block, item, deposit.action_hash())?;
                let outcome = self.message(&Message::Deposit(*deposit), context)?;
                (outcome.receipt == *receipt, outcome.fees)
            }
            Item::Unopened(hash) => {
                self.check_message(block, item, *hash)?;
                (true, self.message(&Message::Unopened(*hash), context)?.fees)
            }
        };
        if !same {
            return Err(ExecuteError::Receipt { block, item });
        }
        self.fees = self.fees.checked_add(fees).ok_or(ExecuteError::Fees)?;
        Ok(())
    }

    fn message(
        &mut self,
        message: &Message,
        context: &BlockContext<'_>,
    ) -> Result<BlockOutcome<MessageReceipt>, ExecuteError> {
        self.observer.message(&mut self.ledger, message)?;
        let outcome = apply_message(&mut self.ledger, message, context)?;
        self.observer.consumed(&mut self.ledger, outcome.receipt, outcome.fees)?;
        Ok(outcome)
    }

    fn command(
        &mut self,
        block: usize,
        item: usize,
        command: &Command,
        context: &BlockContext<'_>,
    ) -> Result<BlockOutcome<CommandReceipt>, ExecuteError> {
        let outcome = match command {
            Command::Zkapp(zkapp) => {
                let hashes = self.hashes.next();
                let hashes =
                    hashes.unwrap_or_else(|| command_hashes(zkapp, &self.parameters.domain));
                check_proofs(zkapp, &hashes, &self.ledger, self.proofs)
                    .map_err(|error| ExecuteError::Authorization { block, item, error })?;
                apply_zkapp(&mut self.ledger, zkapp, &hashes, context, self.observer)
            }
            Command::Signed(signed) => {
                apply_signed(&mut self.ledger, signed, context, self.observer)
            }
        };
        outcome.map_err(|error| match error {
            ApplyError::Ledger(error) => error.into(),
            error => ExecuteError::Command { block, item, error },
        })
    }

    fn check_message(&self, block: usize, item: usize, action: Fp) -> Result<(), ExecuteError> {
        let (prefix, _) = bridge_state(&self.ledger)?;
        match self.inbox.next(prefix) {
            Some(next) if next == action => Ok(()),
            Some(_) => Err(ExecuteError::Message { block, item }),
            None => Err(ExecuteError::MessageNotSeen { block, item }),
        }
    }
}

fn check_target(batch: &Batch, first: Option<Fp>, state: &ChainState) -> Result<(), ExecuteError> {
    let header = &batch.header;
    let reached = [
        ("first block", first == Some(header.first_block)),
        ("last block", state.block == header.last_block),
        ("target ledger", state.ledger == header.target_ledger),
        ("inbox", state.inbox == header.inbox_after),
        ("outbox", state.outbox == header.outbox_after),
    ];
    match reached.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(ExecuteError::Target { what }),
        None => Ok(()),
    }
}
