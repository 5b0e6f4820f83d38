//! The sequencer's chain as validators derive it.

use mina_curves::Fp;
use mina_ledger::{
    hash::derive_token_id,
    ledger::{FullLedger, Mask},
    rollup::{BatchStatement, DataCommitment, Message, Root, Side},
    types::{Account, AccountId, Era, Length, to_decimal},
};
use zeko_circuits::{accounts::AccountSet, program::Sizes};
use zeko_derive::{Batch, BatchBuilder, ChainParameters, ChainState, Command, Item};
use zeko_sequencer::{
    BatchRecord, PicklesVerifier, SequencerHandle, Stage,
    graphql::{Block, BlockSelector, MinaNode},
};
use zeko_worker::{Plan, Trace};

use super::PublisherError;

/// A closed batch.
pub(super) struct Closed {
    /// As the sequencer knows it.
    pub(super) record: BatchRecord,
    /// As validators get it.
    pub(super) batch: Batch,
    /// The same, encoded.
    pub(super) bytes: Vec<u8>,
    /// What it is settled with, if it is.
    pub(super) settling: Option<Settling>,
}

/// What a batch is settled with.
pub(super) struct Settling {
    /// What its proof shows.
    pub(super) statement: BatchStatement,
    /// What its proof is made from; `None` if nothing can undo the batch any more.
    pub(super) plan: Option<Plan>,
}

/// Follows the sequencer's batches on a ledger of its own.
pub(super) struct Follower {
    parameters: ChainParameters,
    sequencer: SequencerHandle,
    ledger: FullLedger,
    state: ChainState,
    /// The batch that the state is behind.
    last: Option<BatchRecord>,
    planner: Option<Planner>,
}

/// Plans the proofs of batches.
struct Planner {
    sizes: Sizes,
    proofs: PicklesVerifier,
    accounts: AccountSet,
}

/// Whether two records are of the same blocks.
pub(crate) fn same_blocks(one: &BatchRecord, other: &BatchRecord) -> bool {
    (one.generation, one.last_height, &one.target_ledger)
        == (other.generation, other.last_height, &other.target_ledger)
}

impl Follower {
    /// Follows from genesis on. `sizes`: of the proofs of batches, if there are to be any.
    pub(super) fn new(
        parameters: ChainParameters,
        sequencer: SequencerHandle,
        sizes: Option<Sizes>,
    ) -> Result<Self, PublisherError> {
        let accounts = sequencer.config().genesis.ledger()?;
        let ids: Vec<AccountId> = accounts.iter().map(Account::id).collect();
        let mut ledger = FullLedger::from_accounts(accounts, Era::Berkeley)?;
        let state = ChainState::genesis(&mut ledger)?;
        let planner = |sizes| -> Result<Planner, PublisherError> {
            let accounts = AccountSet::new(&ids)?;
            Ok(Planner { sizes, proofs: PicklesVerifier::default(), accounts })
        };
        let planner = sizes.map(planner).transpose()?;
        Ok(Self { parameters, sequencer, ledger, state, last: None, planner })
    }

    /// The next closed batch, if there is one. After a rollback behind the last one, that is the
    /// first again.
    pub(super) fn next(&mut self) -> Result<Option<Closed>, PublisherError> {
        if let Some(last) = self.last.clone()
            && !self.is_there(&last)
        {
            self.start_over(&last)?;
        }
        let next = self.sequencer.batches(self.state.batches, 1).into_iter().next();
        let Some(record) = next.filter(|record| record.number == self.state.batches) else {
            return Ok(None);
        };
        match self.build(record.clone()) {
            Ok(closed) => {
                self.last = Some(record);
                Ok(Some(closed))
            }
            // Its blocks went away while it was built.
            Err(_) if !self.is_there(&record) => {
                self.start_over(&record)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a batch has not been rolled back.
    fn is_there(&self, record: &BatchRecord) -> bool {
        let now = self.sequencer.batches(record.number, 1).into_iter().next();
        now.is_some_and(|now| same_blocks(&now, record))
    }

    fn start_over(&mut self, record: &BatchRecord) -> Result<(), PublisherError> {
        tracing::warn!(batch = record.number, "rolled back: following from the start");
        let sizes = self.planner.as_ref().map(|planner| planner.sizes);
        *self = Self::new(self.parameters.clone(), self.sequencer.clone(), sizes)?;
        Ok(())
    }

    fn build(&mut self, record: BatchRecord) -> Result<Closed, PublisherError> {
        let number = record.number;
        let recipient = self.sequencer.fee_recipient();
        let source = self.state;
        let mut ledger = Mask::new(&mut self.ledger);
        let mut builder = BatchBuilder::new(&self.parameters, source, record.generation, recipient);
        for height in record.first_height..=record.last_height {
            let selector = BlockSelector::Height(Length::new(height.saturating_add(1)));
            let missing = PublisherError::Missing { batch: number, height };
            let block = self.sequencer.block(selector).ok_or(missing)?;
            build_block(number, &mut builder, &mut ledger, &block)?;
        }
        let (batch, state) = builder
            .close(&mut ledger)
            .map_err(|error| PublisherError::Execute { batch: number, error })?;
        let expected = record.target_ledger.clone();
        differs(number, "ledger", expected, to_decimal(state.ledger))?;
        let bytes =
            batch.encode().map_err(|error| PublisherError::Encode { batch: number, error })?;
        let data = DataCommitment::new(&bytes);
        self.state = ChainState { data, ..state };
        let settling = match &mut self.planner {
            // No rollback of the L1 brings it back.
            Some(planner) if record.stage == Stage::Final => {
                ledger.commit()?;
                let states = [source, self.state];
                let statement = planner.statement(&self.ledger, &states, &batch)?;
                Some(Settling { statement, plan: None })
            }
            Some(planner) => {
                ledger.discard();
                let plan =
                    planner.plan(&mut self.ledger, &source, &batch, data, &self.parameters)?;
                Some(Settling { statement: *plan.statement(), plan: Some(plan) })
            }
            None => {
                ledger.commit()?;
                None
            }
        };
        Ok(Closed { record, batch, bytes, settling })
    }
}

fn build_block(
    batch: u64,
    builder: &mut BatchBuilder<'_>,
    ledger: &mut Mask<&mut FullLedger>,
    block: &Block,
) -> Result<(), PublisherError> {
    let mut next = builder.block(ledger, block.slot);
    for consumed in &block.messages {
        next.message(match consumed.message {
            Message::Deposit(deposit) => Ok(deposit),
            Message::Unopened(hash) => Err(hash),
        })?;
    }
    for included in &block.commands {
        let command = match included.command.as_ref() {
            zeko_sequencer::Command::Zkapp(command) => Command::Zkapp((**command).clone()),
            zeko_sequencer::Command::Signed(command) => Command::Signed(*command),
        };
        next.command(command).map_err(|error| PublisherError::Apply { batch, error })?;
    }
    let hash = next.close()?;
    differs(batch, "hash of a block", to_decimal(block.state_hash), to_decimal(hash))
}

impl Planner {
    /// Executes a batch once more, on the ledger before it, and plans its proof.
    fn plan(
        &mut self,
        ledger: &mut FullLedger,
        source: &ChainState,
        batch: &Batch,
        data: DataCommitment,
        parameters: &ChainParameters,
    ) -> Result<Plan, PublisherError> {
        let number = batch.header.batch;
        // That the L1 has these messages is for validators to say.
        let items = batch.blocks.iter().flat_map(|block| &block.items);
        let messages: Vec<Fp> = items.filter_map(Item::action_hash).collect();
        let inbox = (source.inbox, messages);
        let (trace, _) = Trace::record(
            ledger,
            source,
            batch,
            data,
            parameters,
            &inbox,
            &self.proofs,
            self.sizes,
        )
        .map_err(|error| PublisherError::Trace { batch: number, error })?;
        Plan::new(&trace, &mut self.accounts)
            .map_err(|error| PublisherError::Plan { batch: number, error })
    }

    /// What the proof of a batch showed, whose new accounts join the set.
    fn statement(
        &mut self,
        ledger: &FullLedger,
        states: &[ChainState; 2],
        batch: &Batch,
    ) -> Result<BatchStatement, PublisherError> {
        let before = self.accounts.root();
        let new = ledger.accounts().get(self.accounts.len()..).unwrap_or_default();
        for account in new {
            self.accounts.insert(derive_token_id(&account.id()).0)?;
        }
        let side = |state: &ChainState, accounts| Side {
            root: Root { ledger: state.ledger, accounts },
            inbox: state.inbox,
            outbox: state.outbox,
            block: state.block,
        };
        let [source, target] = states;
        let slot = |block: Option<&zeko_derive::Block>| block.map_or(source.slot, |one| one.slot);
        Ok(BatchStatement {
            chain: batch.header.chain,
            source: side(source, before),
            target: side(target, self.accounts.root()),
            first_slot: slot(batch.blocks.first()),
            last_slot: slot(batch.blocks.last()),
        })
    }
}

fn differs(
    batch: u64,
    what: &'static str,
    expected: String,
    got: String,
) -> Result<(), PublisherError> {
    if expected == got {
        return Ok(());
    }
    Err(PublisherError::Differs { batch, what, expected, got })
}
