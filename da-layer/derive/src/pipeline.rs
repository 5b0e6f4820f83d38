//! The derivation: L1 inbox and DA entries in, L2 blocks and state out.
//!
//! | stage | takes | gives |
//! |---|---|---|
//! | [`DaProvider`] | the DA chain | envelopes in its order |
//! | decoding | envelopes | batches of this rollup; what is truncated or of somebody else is dropped |
//! | [`BatchQueue`] | batches in any order | the batches that may come next, oldest entry first |
//! | execution | a batch, the state, the L1's inbox | the next state, or a refusal |
//!
//! The rules, the same for every reader: for each number the first batch in the order of the DA chain
//! that executes is the one; later ones of the same generation are duplicates. A batch of a higher
//! generation replaces the adopted one of its number and everything behind it. A batch that comes
//! before its predecessor waits for it.

use alloc::collections::{BTreeMap, VecDeque};

use mina_curves::Fp;
use mina_ledger::{
    hash::push_actions,
    ledger::{Changes, FullLedger, Ledger, LedgerError, Mask},
    logic::ProofVerifier,
    rollup::{Attestation, DataCommitment},
};

use crate::{
    batch::{Batch, BatchError, Item},
    entry::{EntryKind, Envelope},
    execute::{ChainParameters, ChainState, ExecuteError, InboxView, execute_batch},
};

/// The place of an entry on the DA chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Positioned {
    /// The height of its block.
    pub height: u64,
    /// Its place there.
    pub index: u32,
}

/// The DA chain, for the pipeline.
pub trait DaProvider {
    /// Why it cannot be read.
    type Error;

    /// The first entry behind `after`, or the first of all.
    ///
    /// # Errors
    /// [`Self::Error`].
    fn next(
        &mut self,
        after: Option<Positioned>,
    ) -> Result<Option<(Positioned, Envelope)>, Self::Error>;
}

/// The L1, for the pipeline.
pub trait L1Provider {
    /// The inbox, as deep as messages must be.
    fn inbox(&self) -> &dyn InboxView;
}

impl<T: InboxView> L1Provider for T {
    fn inbox(&self) -> &dyn InboxView {
        self
    }
}

/// Why a batch is not adopted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It cannot be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// It is not what it claims to be.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// Another batch has its number.
    #[error("batch {batch} of generation {generation} is there already")]
    Duplicate {
        /// The number.
        batch: u64,
        /// The generation of the one that is there.
        generation: u32,
    },
    /// Its sender is not a sequencer of the rollup.
    #[error("{} may not send batches", sender.to_base58())]
    Sender {
        /// Who sent it.
        sender: mina_ledger::types::PublicKey,
    },
    /// It is further ahead, or further back, than is kept.
    #[error("batch {got} is too far from the next one, {expected}")]
    TooFar {
        /// The next batch.
        expected: u64,
        /// Its number.
        got: u64,
    },
}

/// What a step of the pipeline found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // handled one at a time
pub enum StepOutcome {
    /// A batch was adopted.
    Adopted(Derived),
    /// A batch was refused.
    Refused {
        /// Where it is.
        position: Positioned,
        /// Its data.
        data: DataCommitment,
        /// Why.
        refusal: Refusal,
    },
    /// An entry that is no batch of this rollup, or a batch that was adopted before.
    Skipped(Positioned),
    /// A batch waits.
    Waiting {
        /// Where it is.
        position: Positioned,
        /// Its data.
        data: DataCommitment,
        /// What the L1 has to have first; `None` if it waits for its predecessor.
        for_l1: Option<ExecuteError>,
    },
    /// Nothing more on the DA chain.
    Idle,
}

/// An adopted batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Where it is.
    pub position: Positioned,
    /// What a validator may sign of it.
    pub attestation: Attestation,
    /// The hashes of its blocks are behind this state.
    pub state: ChainState,
    /// How many batches it replaced.
    pub replaced: u64,
    /// The first message that it leaves unopened though it is known here what it says: a validator does
    /// not sign for that, whereas the batch is as valid as another.
    pub unopened: Option<Fp>,
}

/// Why the pipeline cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError<E> {
    /// The DA chain cannot be read.
    #[error("the DA chain: {0}")]
    Da(E),
    /// The ledger contradicts itself.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A batch that has been read.
#[derive(Clone, Debug)]
struct Candidate {
    position: Positioned,
    batch: Batch,
    data: DataCommitment,
    byte_length: u64,
}

/// Batches that wait for their predecessor or for the L1, by number, then by their order.
#[derive(Clone, Debug, Default)]
pub struct BatchQueue {
    waiting: BTreeMap<(u64, Positioned), Candidate>,
    bytes: u64,
}

impl BatchQueue {
    /// How far ahead of the next batch a number may be.
    const MAX_AHEAD: u64 = 64;
    /// Most bytes of batches that wait.
    const MAX_BYTES: u64 = 256 << 20;

    /// Whether there was room for it.
    fn push(&mut self, candidate: Candidate) -> bool {
        let fits = self.bytes.saturating_add(candidate.byte_length) <= Self::MAX_BYTES;
        if fits {
            self.bytes += candidate.byte_length;
            self.waiting.insert((candidate.batch.header.batch, candidate.position), candidate);
        }
        fits
    }

    /// The oldest entry for batch `number`.
    fn pop(&mut self, number: u64) -> Option<Candidate> {
        let first = (number, Positioned::default());
        let last = (number, Positioned { height: u64::MAX, index: u32::MAX });
        let key = *self.waiting.range(first..=last).next()?.0;
        let candidate = self.waiting.remove(&key)?;
        self.bytes = self.bytes.saturating_sub(candidate.byte_length);
        Some(candidate)
    }

    /// The oldest entry for the first of the batches before `number`.
    fn pop_before(&mut self, number: u64) -> Option<Candidate> {
        let &(first, _) = self.waiting.keys().next()?;
        if first < number { self.pop(first) } else { None }
    }

    /// Batches that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// The ledger at some batch, and what the batches behind it changed, so that they can be replaced.
#[derive(Clone, Debug)]
struct History {
    base: FullLedger,
    base_state: ChainState,
    steps: VecDeque<(Changes, ChainState)>,
    tip: FullLedger,
}

impl History {
    /// How many batches can be replaced.
    const DEPTH: usize = 64;

    fn state(&self) -> &ChainState {
        self.steps.back().map_or(&self.base_state, |(_, state)| state)
    }

    fn push(&mut self, changes: Changes, state: ChainState) -> Result<(), LedgerError> {
        self.tip.write(changes.clone())?;
        self.tip.rehash()?;
        self.steps.push_back((changes, state));
        while self.steps.len() > Self::DEPTH {
            if let Some((changes, state)) = self.steps.pop_front() {
                self.base.write(changes)?;
                self.base.rehash()?;
                self.base_state = state;
            }
        }
        Ok(())
    }

    /// Undoes all batches from `number` on; how many. `None` if they are no longer kept.
    fn unwind(&mut self, number: u64) -> Result<Option<u64>, LedgerError> {
        let Some(keep) = number.checked_sub(self.base_state.batches) else { return Ok(None) };
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let undone = self.steps.len().saturating_sub(keep) as u64;
        self.steps.truncate(keep);
        self.tip = self.base.clone();
        for (changes, _) in &self.steps {
            self.tip.write(changes.clone())?;
        }
        self.tip.rehash()?;
        Ok(Some(undone))
    }

    /// The state before batch `number`, if it is kept.
    fn before(&self, number: u64) -> Option<&ChainState> {
        let index = number.checked_sub(self.base_state.batches)?;
        match index.checked_sub(1) {
            None => Some(&self.base_state),
            Some(index) => self.steps.get(usize::try_from(index).ok()?).map(|(_, state)| state),
        }
    }
}

/// The derivation of one L2.
#[derive(Clone, Debug)]
pub struct Pipeline {
    parameters: ChainParameters,
    history: History,
    queue: BatchQueue,
    cursor: Option<Positioned>,
}

impl Pipeline {
    /// Starts from a ledger and the state that belongs to it: genesis, or a trusted snapshot.
    ///
    /// # Errors
    /// [`LedgerError::Root`] if they do not belong together.
    pub fn new(
        parameters: ChainParameters,
        mut ledger: FullLedger,
        state: ChainState,
    ) -> Result<Self, LedgerError> {
        if ledger.root()? != state.ledger {
            return Err(LedgerError::Root);
        }
        let history = History {
            base: ledger.clone(),
            base_state: state,
            steps: VecDeque::new(),
            tip: ledger,
        };
        Ok(Self { parameters, history, queue: BatchQueue::default(), cursor: None })
    }

    /// Where the L2 stands.
    pub fn state(&self) -> &ChainState {
        self.history.state()
    }

    /// Its ledger.
    pub fn ledger(&self) -> &FullLedger {
        &self.history.tip
    }

    /// Its constants.
    pub fn parameters(&self) -> &ChainParameters {
        &self.parameters
    }

    /// The last entry that was read.
    pub fn cursor(&self) -> Option<Positioned> {
        self.cursor
    }

    /// Batches that wait.
    pub fn queue(&self) -> &BatchQueue {
        &self.queue
    }

    /// Takes one step: a waiting batch that may be next, or else the next entry of the DA chain.
    ///
    /// # Errors
    /// [`PipelineError`].
    pub fn step<D: DaProvider>(
        &mut self,
        da: &mut D,
        l1: &dyn L1Provider,
        proofs: &dyn ProofVerifier,
    ) -> Result<StepOutcome, PipelineError<D::Error>> {
        // The next one first, then those that would replace an adopted one and wait for the L1.
        let next = self.state().batches;
        for pop in [BatchQueue::pop, BatchQueue::pop_before] {
            if let Some(candidate) = pop(&mut self.queue, next) {
                let outcome = self.consider(candidate, l1, proofs)?;
                if !matches!(outcome, StepOutcome::Waiting { .. }) {
                    return Ok(outcome);
                }
            }
        }
        let Some((position, envelope)) = da.next(self.cursor).map_err(PipelineError::Da)? else {
            return Ok(StepOutcome::Idle);
        };
        self.cursor = Some(position);
        if envelope.kind != EntryKind::Batch || envelope.namespace != self.parameters.chain.field()
        {
            return Ok(StepOutcome::Skipped(position));
        }
        let data = envelope.commitment();
        let (sender, senders) = (envelope.sender, &self.parameters.sequencers);
        if !senders.is_empty() && !senders.contains(&sender) {
            let refusal = Refusal::Sender { sender };
            return Ok(StepOutcome::Refused { position, data, refusal });
        }
        match Batch::decode(&envelope.data, self.parameters.domain.era()) {
            Ok(batch) => {
                let byte_length = envelope.data.len() as u64;
                let candidate = Candidate { position, batch, data, byte_length };
                Ok(self.consider(candidate, l1, proofs)?)
            }
            Err(error) => Ok(StepOutcome::Refused { position, data, refusal: error.into() }),
        }
    }

    fn consider(
        &mut self,
        candidate: Candidate,
        l1: &dyn L1Provider,
        proofs: &dyn ProofVerifier,
    ) -> Result<StepOutcome, LedgerError> {
        let (position, data) = (candidate.position, candidate.data);
        let refuse = |refusal| Ok(StepOutcome::Refused { position, data, refusal });
        let number = candidate.batch.header.batch;
        let expected = self.state().batches;
        if number > expected {
            let far = Refusal::TooFar { expected, got: number };
            if number - expected > BatchQueue::MAX_AHEAD {
                return refuse(far);
            }
            let fits = self.queue.push(candidate);
            let waiting = StepOutcome::Waiting { position, data, for_l1: None };
            return if fits { Ok(waiting) } else { refuse(far) };
        }
        if number < expected {
            return self.replace(candidate, l1, proofs);
        }
        let state = *self.state();
        match self.execute(&candidate, &state, None, l1, proofs)? {
            Ok(derived) => Ok(StepOutcome::Adopted(derived)),
            Err(Refusal::Execute(error)) if error.is_transient() => self.wait(candidate, error),
            Err(refusal) => refuse(refusal),
        }
    }

    /// A batch whose number is taken: it counts only if its generation is higher.
    fn replace(
        &mut self,
        candidate: Candidate,
        l1: &dyn L1Provider,
        proofs: &dyn ProofVerifier,
    ) -> Result<StepOutcome, LedgerError> {
        let (position, data) = (candidate.position, candidate.data);
        let refuse = |refusal| Ok(StepOutcome::Refused { position, data, refusal });
        let header = candidate.batch.header;
        let expected = self.state().batches;
        let there = self.history.before(header.batch.saturating_add(1));
        let (Some(there), Some(before)) = (there, self.history.before(header.batch)) else {
            return refuse(Refusal::TooFar { expected, got: header.batch });
        };
        if there.data == data {
            // The same batch once more, sent through another node.
            return Ok(StepOutcome::Skipped(position));
        }
        let (generation, before) = (there.generation, *before);
        if header.generation <= generation {
            return refuse(Refusal::Duplicate { batch: header.batch, generation });
        }
        // Only a batch that executes undoes another.
        let mut trial = self.history.clone();
        trial.unwind(header.batch)?;
        match self.execute(&candidate, &before, Some(trial), l1, proofs)? {
            Ok(derived) => Ok(StepOutcome::Adopted(derived)),
            Err(Refusal::Execute(error)) if error.is_transient() => self.wait(candidate, error),
            Err(refusal) => refuse(refusal),
        }
    }

    /// Keeps a batch until more of the L1 is known.
    fn wait(
        &mut self,
        candidate: Candidate,
        error: ExecuteError,
    ) -> Result<StepOutcome, LedgerError> {
        let (position, data) = (candidate.position, candidate.data);
        Ok(match self.queue.push(candidate) {
            true => StepOutcome::Waiting { position, data, for_l1: Some(error) },
            false => StepOutcome::Refused { position, data, refusal: error.into() },
        })
    }

    /// Executes on the tip, or on a history that takes the place of the present one if the batch
    /// turns out well.
    fn execute(
        &mut self,
        candidate: &Candidate,
        state: &ChainState,
        mut other: Option<History>,
        l1: &dyn L1Provider,
        proofs: &dyn ProofVerifier,
    ) -> Result<Result<Derived, Refusal>, LedgerError> {
        let history = other.as_mut().unwrap_or(&mut self.history);
        let Candidate { position, batch, data, byte_length } = candidate;
        let mut mask = Mask::new(&mut history.tip);
        let inbox = l1.inbox();
        let result = execute_batch(&mut mask, state, batch, *data, &self.parameters, inbox, proofs);
        let next = match result {
            Ok(next) => next,
            Err(error) => return Ok(Err(error.into())),
        };
        let changes = Changes { accounts: mask.changed().clone(), nodes: None };
        drop(mask);
        history.push(changes, next)?;
        let replaced = match other {
            Some(history) => {
                let undone = self.state().batches.saturating_sub(state.batches);
                self.history = history;
                undone
            }
            None => 0,
        };
        let attestation = batch.attestation(*data, *byte_length, 0);
        let unopened = left_unopened(batch, inbox);
        Ok(Ok(Derived { position: *position, attestation, state: next, replaced, unopened }))
    }
}

/// The first message that a batch leaves unopened without need.
fn left_unopened(batch: &Batch, inbox: &dyn InboxView) -> Option<Fp> {
    let mut prefix = batch.header.inbox_before;
    for item in batch.blocks.iter().flat_map(|block| &block.items) {
        let Some(hash) = item.action_hash() else { continue };
        if matches!(item, Item::Unopened(_)) && inbox.is_open(prefix) {
            return Some(hash);
        }
        prefix = push_actions(prefix, hash);
    }
    None
}

/// A DA chain that is a list, for readers that have it all.
impl DaProvider for &[(Positioned, Envelope)] {
    type Error = core::convert::Infallible;

    fn next(
        &mut self,
        after: Option<Positioned>,
    ) -> Result<Option<(Positioned, Envelope)>, Self::Error> {
        Ok(self.iter().find(|(position, _)| Some(*position) > after).cloned())
    }
}
