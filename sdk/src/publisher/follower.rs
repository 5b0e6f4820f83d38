//! The sequencer's chain as validators derive it.

use std::{sync::Arc, time::Instant};

use mina_curves::Fp;
use mina_ledger::{
    hash::derive_token_id,
    ledger::{FullLedger, Mask},
    rollup::{BatchStatement, DataCommitment, Root, Side},
    types::{Account, AccountId, Era, Length, to_decimal},
};
use zeko_bridge::Beginning;
use zeko_circuits::{accounts::AccountSet, program::Sizes};
use zeko_derive::{Batch, BatchBuilder, ChainParameters, ChainState, Command, Item, Wire};
use zeko_sequencer::{
    BatchRecord, PicklesVerifier, SequencerHandle, Stage, StoreError,
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

/// What comes next.
pub(super) enum Next {
    /// Batches from here on; before the first of all, and behind a rollback.
    Begin(Beginning),
    /// The next batch.
    Batch(Box<Closed>),
    /// None is closed.
    Nothing,
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
    /// Whether it has been said where it begins.
    has_begun: bool,
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

/// Whether a batch has not been rolled back.
pub(crate) fn is_there(sequencer: &SequencerHandle, record: &BatchRecord) -> bool {
    sequencer.batch(record.number).is_some_and(|now| same_blocks(&now, record))
}

/// The data of a batch that was sent.
pub(crate) fn read_data(record: &BatchRecord) -> Option<DataCommitment> {
    let hex = record.data.as_deref()?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
    DataCommitment::from_bytes(&bytes?).ok()
}

impl Follower {
    /// Follows from where nothing can change any more: behind the last batch that is final, or if
    /// batches are not settled, certified. `sizes`: of the proofs of batches, if there are to be any.
    pub(super) fn new(
        parameters: ChainParameters,
        sequencer: SequencerHandle,
        sizes: Option<Sizes>,
    ) -> Result<Self, PublisherError> {
        let stage = if sizes.is_some() { Stage::Final } else { Stage::DaCertified };
        Self::behind(parameters, sequencer, sizes, |sequencer| {
            sequencer.last_batch(stage, u64::MAX)
        })
    }

    /// Follows behind the batch that `find` says, from what the sequencer's store has of it; from genesis
    /// on if there is none, or if too much has happened since.
    fn behind(
        parameters: ChainParameters,
        sequencer: SequencerHandle,
        sizes: Option<Sizes>,
        find: impl Fn(&SequencerHandle) -> Result<Option<BatchRecord>, StoreError>,
    ) -> Result<Self, PublisherError> {
        while let Some(record) = find(&sequencer)? {
            let start = Instant::now();
            let accounts = sequencer.accounts_behind(&record)?;
            let block = Self::block_at(&sequencer, record.last_height);
            if !is_there(&sequencer, &record) {
                continue;
            }
            let Some(accounts) = accounts else { break };
            let (number, height) = (record.number, record.last_height);
            let block = block.ok_or(PublisherError::Missing { batch: number, height })?;
            let this = Self::at(parameters.clone(), sequencer.clone(), sizes, accounts, |state| {
                Ok(ChainState {
                    batches: number.saturating_add(1),
                    generation: record.generation,
                    blocks: Length::new(height.saturating_add(1)),
                    slot: block.slot,
                    block: block.state_hash,
                    data: read_data(&record).ok_or(PublisherError::Data { batch: number })?,
                    ..state
                })
            })?;
            differs(number, "ledger", record.target_ledger.clone(), to_decimal(this.state.ledger))?;
            let seconds = start.elapsed().as_secs_f64();
            tracing::info!(batch = number, seconds, "following behind a batch");
            return Ok(Self { last: Some(record), ..this });
        }
        tracing::info!("following from genesis");
        let accounts = sequencer.config().genesis.ledger()?;
        Self::at(parameters, sequencer, sizes, accounts, Ok)
    }

    /// `state` corrects the state that a chain which begins with these accounts would have.
    fn at(
        parameters: ChainParameters,
        sequencer: SequencerHandle,
        sizes: Option<Sizes>,
        accounts: Vec<Account>,
        state: impl FnOnce(ChainState) -> Result<ChainState, PublisherError>,
    ) -> Result<Self, PublisherError> {
        let planner = |sizes| -> Result<Planner, PublisherError> {
            let ids: Vec<AccountId> = accounts.iter().map(Account::id).collect();
            let accounts = AccountSet::new(&ids)?;
            Ok(Planner { sizes, proofs: PicklesVerifier::default(), accounts })
        };
        let planner = sizes.map(planner).transpose()?;
        let mut ledger = FullLedger::from_accounts(accounts, Era::Berkeley)?;
        let state = state(ChainState::genesis(&mut ledger)?)?;
        Ok(Self { parameters, sequencer, ledger, state, last: None, planner, has_begun: false })
    }

    fn block_at(sequencer: &SequencerHandle, height: u32) -> Option<Arc<Block>> {
        sequencer.block(BlockSelector::Height(Length::new(height.saturating_add(1))))
    }

    /// What comes next. After a rollback, that is behind the last batch that is still there.
    pub(super) fn next(&mut self) -> Result<Next, PublisherError> {
        if let Some(last) = self.last.clone()
            && !is_there(&self.sequencer, &last)
        {
            self.start_over(&last)?;
        }
        if !self.has_begun {
            self.has_begun = true;
            return Ok(Next::Begin(self.beginning()));
        }
        let next = self.sequencer.batches(self.state.batches, 1).into_iter().next();
        let Some(record) = next.filter(|record| record.number == self.state.batches) else {
            return Ok(Next::Nothing);
        };
        match self.build(record.clone()) {
            Ok(closed) => {
                self.last = Some(record);
                Ok(Next::Batch(closed.into()))
            }
            // Its blocks went away while it was built.
            Err(_) if !is_there(&self.sequencer, &record) => {
                self.start_over(&record)?;
                Ok(Next::Nothing)
            }
            Err(error) => Err(error),
        }
    }

    /// Where it stands, as settlement needs it.
    fn beginning(&self) -> Beginning {
        let ChainState { batches, inbox, outbox, block, ledger, data, .. } = self.state;
        // Without proofs, nobody asks for it.
        let accounts = self.planner.as_ref().map_or(Fp::default(), |one| one.accounts.root());
        let state = Side { root: Root { ledger, accounts }, inbox, outbox, block };
        Beginning { batch: batches, state, data }
    }

    fn start_over(&mut self, gone: &BatchRecord) -> Result<(), PublisherError> {
        tracing::warn!(batch = gone.number, "rolled back");
        let sizes = self.planner.as_ref().map(|planner| planner.sizes);
        let (generation, number) = (gone.generation, gone.number);
        // What has been built since then is of a later generation.
        let find = |sequencer: &SequencerHandle| {
            let mut most = number;
            while let Some(batch) = sequencer.last_batch(Stage::Included, most)? {
                let is_older = batch.generation <= generation;
                match batch.number.checked_sub(1) {
                    _ if is_older => return Ok(Some(batch)),
                    Some(before) => most = before,
                    None => break,
                }
            }
            Ok(None)
        };
        *self = Self::behind(self.parameters.clone(), self.sequencer.clone(), sizes, find)?;
        Ok(())
    }

    fn build(&mut self, record: BatchRecord) -> Result<Closed, PublisherError> {
        let number = record.number;
        let source = self.state;
        let mut ledger = Mask::new(&mut self.ledger);
        let BatchRecord { generation, fee_recipient, .. } = record;
        let mut builder = BatchBuilder::new(&self.parameters, source, generation, fee_recipient);
        for height in record.first_height..=record.last_height {
            let missing = PublisherError::Missing { batch: number, height };
            let block = Self::block_at(&self.sequencer, height).ok_or(missing)?;
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
        next.message(consumed.message)?;
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

#[cfg(test)]
mod tests;
