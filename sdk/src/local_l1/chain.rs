//! The chain: what a producer and a pool do, without clock, network or locks.

mod produce;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::{CommandHashes, TransactionHash, command_hashes},
    ledger::{FullLedger, Ledger, LedgerError},
    logic::{ApplyError, Context, RejectReason, apply_signed_command, apply_zkapp_command},
    rollup::{BlockHeader, ChainId, Hashed},
    types::{
        Account, AccountId, Amount, EpochDataView, EpochLedgerView, Length, ProtocolStateView,
        PublicKey, SignedCommandBody, Slot, TypeError,
    },
};
use zeko_sequencer::{
    Command,
    graphql::{Block, SubmitError},
};

/// The most commands that wait.
const MAX_POOL: usize = 3_000;

/// The most blocks that can be taken back: Mina's k. Older ledgers are forgotten.
pub(super) const K: u32 = 290;

/// The most commands of a block.
const MAX_COMMANDS: usize = 128;

/// What a chain begins with.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// The network and era.
    pub domain: Domain,
    /// Balances.
    pub accounts: Vec<(PublicKey, Amount)>,
    /// Who makes the blocks.
    pub producer: PublicKey,
    /// The reward of a block.
    pub coinbase: Amount,
    /// The fee for creating an account.
    pub account_creation_fee: Amount,
    /// The time of slot 0 in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Milliseconds of a slot.
    pub slot_ms: u64,
}

/// Why the chain cannot go on, or not so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The block reward or fees cannot be paid out.
    #[error("paying the producer: {0}")]
    Producer(ApplyError),
    /// The name of the chain.
    #[error(transparent)]
    Name(#[from] TypeError),
    /// A rollback would go past the first block, or past what is remembered.
    #[error("rollback of {got} blocks: {available} can be taken back")]
    Depth {
        /// How many can be.
        available: usize,
        /// How many were asked for.
        got: usize,
    },
}

/// A command that waits.
#[derive(Clone, Debug)]
pub(super) struct Pooled {
    pub(super) command: Arc<Command>,
    pub(super) hash: TransactionHash,
    /// Of zkApp commands.
    pub(super) hashes: Option<CommandHashes>,
}

/// The chain, its pool, and the ledger after everything that waits.
#[derive(Debug)]
pub struct Chain {
    genesis: Genesis,
    id: ChainId,
    /// From genesis on; never empty.
    blocks: Vec<Arc<Block>>,
    /// After each of the last blocks; never empty.
    ledgers: VecDeque<Arc<FullLedger>>,
    by_hash: BTreeMap<Fp, usize>,
    included: BTreeMap<TransactionHash, usize>,
    pool: Vec<Pooled>,
    speculative: Arc<FullLedger>,
    /// Rollbacks so far: part of block hashes, so that a block that is made again is another one.
    forks: u32,
}

impl Chain {
    /// The chain with its genesis block.
    ///
    /// # Errors
    /// [`ChainError::Ledger`] if the accounts do not fit the ledger.
    pub fn new(genesis: Genesis) -> Result<Self, ChainError> {
        let era = genesis.domain.era();
        let account =
            |(key, balance): &(PublicKey, Amount)| Account::new(AccountId::of(*key), *balance, era);
        let mut ledger = FullLedger::from_accounts(genesis.accounts.iter().map(account), era)?;
        let root = ledger.root()?;
        let total = genesis
            .accounts
            .iter()
            .fold(0u64, |sum, (_, balance)| sum.saturating_add(balance.get()));
        let id = ChainId::new(&format!("local-l1-{}", genesis.timestamp_ms))?;
        let height = Length::new(1);
        let view = view(root, Amount::new(total), height, Slot::ZERO);
        let header = BlockHeader {
            chain: id,
            generation: 0,
            height,
            parent: Fp::default(),
            slot: Slot::ZERO,
            ledger: root,
            body: Fp::default(),
        };
        let block = Block {
            state_hash: header.digest(),
            parent: Fp::default(),
            height,
            slot: Slot::ZERO,
            timestamp_ms: genesis.timestamp_ms,
            producer: genesis.producer,
            ledger_hash: root,
            view,
            messages: Vec::new(),
            commands: Vec::new(),
            coinbase: Amount::ZERO,
            coinbase_receiver: None,
            fee_transfers: Vec::new(),
        };
        let ledger = Arc::new(ledger);
        let by_hash = BTreeMap::from([(block.state_hash, 0)]);
        Ok(Self {
            genesis,
            id,
            blocks: vec![Arc::new(block)],
            ledgers: VecDeque::from([Arc::clone(&ledger)]),
            by_hash,
            included: BTreeMap::new(),
            pool: Vec::new(),
            speculative: ledger,
            forks: 0,
        })
    }

    /// What it began with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The newest block.
    pub fn tip(&self) -> Arc<Block> {
        // There is always the genesis block.
        Arc::clone(&self.blocks[self.blocks.len() - 1])
    }

    /// The ledger after the newest block.
    pub fn ledger(&self) -> Arc<FullLedger> {
        Arc::clone(&self.ledgers[self.ledgers.len() - 1])
    }

    /// The ledger after everything that waits.
    pub fn speculative(&self) -> Arc<FullLedger> {
        Arc::clone(&self.speculative)
    }

    /// The blocks of the best chain, newest first.
    pub fn blocks(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.blocks.iter().rev()
    }

    /// The block at a height.
    pub fn block_at(&self, height: Length) -> Option<Arc<Block>> {
        let index = usize::try_from(height.get()).ok()?.checked_sub(1)?;
        self.blocks.get(index).cloned()
    }

    /// The block with a hash, if it is on the best chain.
    pub fn block(&self, state_hash: &Fp) -> Option<Arc<Block>> {
        self.by_hash.get(state_hash).map(|index| Arc::clone(&self.blocks[*index]))
    }

    /// Whether a command is in a block of the best chain.
    pub fn is_included(&self, hash: &TransactionHash) -> bool {
        self.included.contains_key(hash)
    }

    /// Whether a command waits.
    pub fn is_pending(&self, hash: &TransactionHash) -> bool {
        self.pool.iter().any(|pooled| pooled.hash == *hash)
    }

    /// What waits, in the order in which it came.
    pub fn pool(&self) -> impl Iterator<Item = (&TransactionHash, &Arc<Command>)> {
        self.pool.iter().map(|pooled| (&pooled.hash, &pooled.command))
    }

    fn context<'a>(&self, view: &'a ProtocolStateView, slot: Slot) -> Context<'a> {
        let era = self.genesis.domain.era();
        let account_creation_fee = self.genesis.account_creation_fee;
        Context { era, account_creation_fee, slot, view, rule: None }
    }

    /// What [`Self::admit`] would say before signatures and proofs are looked at.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn precheck(&self, command: &Command, slot: Slot) -> Result<(), SubmitError> {
        let hash = command.hash();
        if self.is_included(&hash) || self.is_pending(&hash) {
            return Err(SubmitError::Duplicate);
        }
        if self.pool.len() >= MAX_POOL {
            return Err(SubmitError::Overloaded { reason: "pool" });
        }
        if command.valid_until() < slot {
            return Err(SubmitError::Expired);
        }
        let payer =
            self.speculative.get(&command.fee_payer_id()).map_err(|error| unavailable(&error))?;
        let payer = payer.ok_or(SubmitError::FeePayerNotFound)?;
        let (expected, got) = (payer.nonce, command.nonce());
        if expected != got {
            return Err(SubmitError::InvalidNonce { expected, got });
        }
        let needed = needed(command);
        if payer.balance < needed {
            return Err(SubmitError::InsufficientFunds { balance: payer.balance, needed });
        }
        Ok(())
    }

    /// Puts a command into the pool. Its signatures and proofs are taken as checked.
    ///
    /// # Errors
    /// [`SubmitError`] if it has no place after what waits already.
    pub fn admit(&mut self, command: Command, slot: Slot) -> Result<TransactionHash, SubmitError> {
        self.precheck(&command, slot)?;
        let pooled = Pooled::new(command, &self.genesis.domain);
        let tip = self.tip();
        let context = self.context(&tip.view, slot);
        apply_alone(Arc::make_mut(&mut self.speculative), &pooled, &context)
            .map_err(|error| refusal(&error, &pooled.command))?;
        let hash = pooled.hash;
        self.pool.push(pooled);
        Ok(hash)
    }

    /// The ledger after everything that waits, again; what has no place any more is dropped.
    fn respeculate(&mut self, slot: Slot) {
        let tip = self.tip();
        self.speculative = self.ledger();
        let context = self.context(&tip.view, slot);
        let mut pool = std::mem::take(&mut self.pool);
        let ledger = Arc::make_mut(&mut self.speculative);
        pool.retain(|pooled| match apply_alone(ledger, pooled, &context) {
            Ok(()) => true,
            Err(error) => {
                tracing::info!(hash = %pooled.hash, %error, "a command has no place any more");
                false
            }
        });
        self.pool = pool;
    }
}

impl Pooled {
    fn new(command: Command, domain: &Domain) -> Self {
        let hashes = match &command {
            Command::Zkapp(command) => Some(command_hashes(command, domain)),
            Command::Signed(_) => None,
        };
        Self { hash: command.hash(), command: Arc::new(command), hashes }
    }
}

fn unavailable(error: &LedgerError) -> SubmitError {
    SubmitError::Unavailable { reason: error.to_string() }
}

/// What the fee payer must have.
fn needed(command: &Command) -> Amount {
    let amount = match command {
        Command::Signed(command) => match command.payload.body {
            SignedCommandBody::Payment { amount, .. } => amount,
            SignedCommandBody::Delegation { .. } => Amount::ZERO,
        },
        Command::Zkapp(_) => Amount::ZERO,
    };
    amount.checked_add(command.fee()).unwrap_or(Amount::MAX)
}

/// Applies one command as if it were alone in its block.
fn apply_alone(
    ledger: &mut FullLedger,
    pooled: &Pooled,
    context: &Context<'_>,
) -> Result<(), ApplyError> {
    match (&*pooled.command, &pooled.hashes) {
        (Command::Zkapp(command), Some(hashes)) => {
            apply_zkapp_command(ledger, command, hashes, context, &mut ()).map(drop)
        }
        (Command::Signed(command), _) => {
            apply_signed_command(ledger, &command.payload, context).map(drop)
        }
        // zkApp commands are pooled with their hashes.
        (Command::Zkapp(_), None) => Err(RejectReason::Reserved.into()),
    }
}

/// What the transaction logic says, in the words of Mina's pool.
fn refusal(error: &ApplyError, command: &Command) -> SubmitError {
    match error {
        ApplyError::Rejected(RejectReason::Expired) => SubmitError::Expired,
        ApplyError::Rejected(RejectReason::NoFeePayer) => SubmitError::FeePayerNotFound,
        ApplyError::Rejected(RejectReason::Nonce { expected, got }) => {
            SubmitError::InvalidNonce { expected: *expected, got: *got }
        }
        ApplyError::Rejected(RejectReason::Permission(_)) => SubmitError::FeePayerNotPermitted,
        ApplyError::Rejected(RejectReason::InsufficientFunds) => {
            SubmitError::InsufficientFunds { balance: Amount::ZERO, needed: needed(command) }
        }
        other => SubmitError::Malformed { reason: other.to_string() },
    }
}

/// What network preconditions see: of the ledger snapshots, genesis.
fn view(root: Fp, total_currency: Amount, height: Length, slot: Slot) -> ProtocolStateView {
    let epoch = EpochDataView {
        ledger: EpochLedgerView { hash: root, total_currency },
        epoch_length: Length::new(1),
        ..EpochDataView::default()
    };
    ProtocolStateView {
        snarked_ledger_hash: root,
        blockchain_length: height,
        min_window_density: Length::new(77),
        total_currency,
        global_slot_since_genesis: slot,
        staking_epoch_data: epoch,
        next_epoch_data: epoch,
    }
}
