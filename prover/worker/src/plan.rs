//! Which proofs a batch needs: a graph whose nodes are known by what they will have proved.

use std::{fmt, sync::Arc};

use mina_curves::{Fp, PastaField};
use mina_ledger::{
    rollup::{BatchStatement, ChainId, Hashed},
    types::{Length, Slot},
};
use zeko_circuits::{
    accounts::{AccountSet, AccountSetError},
    program::{
        AccountsInput, CloseInput, Creations, Merge, Point, RecordedInbox, RecordedPayments,
        Segment, Sizes,
    },
    update::{RecordedUpdate, State},
};

use crate::trace::{Trace, TraceError, TracedBlock, TracedPart, amount};

/// The hash of a statement: what its proof is known by before there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementHash(pub Fp);

impl StatementHash {
    /// 32 bytes, little-endian.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let limbs = self.0.to_limbs().into_iter().flat_map(u64::to_le_bytes);
        bytes.iter_mut().zip(limbs).for_each(|(byte, limb)| *byte = limb);
        bytes
    }

    /// The hash that these bytes are, if they are one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (limbs, []) = bytes.as_chunks::<8>() else { return None };
        let limbs: Vec<u64> = limbs.iter().map(|limb| u64::from_le_bytes(*limb)).collect();
        Fp::from_limbs(limbs.try_into().ok()?).map(Self)
    }
}

/// Hexadecimal, highest digits first.
impl fmt::Display for StatementHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.to_bytes().iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The rules that jobs are of. The numbers are those of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rule {
    /// Some account updates of a block.
    Commands = 0,
    /// Two segments that follow each other.
    Merge = 1,
    /// The end of a batch.
    Close = 2,
    /// Some messages of a block.
    Inbox = 3,
    /// New accounts.
    Accounts = 4,
    /// Some account updates of a block, one of which a proof authorises.
    Proved = 5,
    /// Some payments and delegations of a block.
    Payment = 6,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Commands,
        Self::Merge,
        Self::Close,
        Self::Inbox,
        Self::Accounts,
        Self::Proved,
        Self::Payment,
    ];

    /// Its place in [`ALL`](Self::ALL), which is not its number: numbers need not follow each other.
    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|rule| *rule == self).unwrap_or(Self::ALL.len())
    }

    /// What the program calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Merge => "merge",
            Self::Close => "close",
            Self::Inbox => "inbox",
            Self::Accounts => "accounts",
            Self::Proved => "proved",
            Self::Payment => "payment",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a proof is made from, but for the proofs that it rests on. A rule that is added to the program
/// becomes a variant here and a [`Rule`]; what its proofs rest on is in [`Job::previous`].
#[derive(Clone, Debug)]
pub enum JobInput {
    /// For [`Rule::Commands`].
    Commands {
        /// The chain.
        chain: ChainId,
        /// The height of the block.
        height: Length,
        /// The slot of the block.
        slot: Slot,
        /// The updates, at least one.
        updates: Vec<RecordedUpdate>,
    },
    /// For [`Rule::Proved`].
    Proved {
        /// The chain.
        chain: ChainId,
        /// The height of the block.
        height: Length,
        /// The slot of the block.
        slot: Slot,
        /// The updates, one of which has a proof: that is not one of [`Job::previous`].
        updates: Vec<RecordedUpdate>,
    },
    /// For [`Rule::Inbox`].
    Inbox {
        /// The chain.
        chain: ChainId,
        /// The height of the block.
        height: Length,
        /// The slot of the block.
        slot: Slot,
        /// The messages, at least one.
        messages: Box<RecordedInbox>,
    },
    /// For [`Rule::Payment`].
    Payment {
        /// The chain.
        chain: ChainId,
        /// The height of the block.
        height: Length,
        /// The slot of the block.
        slot: Slot,
        /// The payments and delegations, at least one.
        payments: Box<RecordedPayments>,
    },
    /// For [`Rule::Accounts`].
    Accounts(Box<AccountsInput>),
    /// For [`Rule::Merge`].
    Merge(Box<[Segment; 2]>),
    /// For [`Rule::Close`].
    Close(Box<CloseInput>),
}

/// A proof to be made.
#[derive(Clone, Debug)]
pub struct Job {
    /// What it will prove. Two jobs with the same statement are the same job.
    pub statement: StatementHash,
    /// What it is made from.
    pub input: JobInput,
    /// The statements of the proofs that it rests on, in the rule's order; fewer than the rule has
    /// places for where there is nothing to show.
    pub previous: Vec<StatementHash>,
}

impl Job {
    /// Its rule.
    pub fn rule(&self) -> Rule {
        match &self.input {
            JobInput::Commands { .. } => Rule::Commands,
            JobInput::Proved { .. } => Rule::Proved,
            JobInput::Merge(_) => Rule::Merge,
            JobInput::Inbox { .. } => Rule::Inbox,
            JobInput::Accounts(_) => Rule::Accounts,
            JobInput::Payment { .. } => Rule::Payment,
            JobInput::Close(_) => Rule::Close,
        }
    }
}

/// Why there is no plan for a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Proofs with room for nothing.
    #[error("a proof must have room for one account update, message, new account and payment")]
    NoRoom,
    /// Nothing happens in the batch, so there is nothing that its end could rest on.
    #[error("a batch in which nothing happens cannot be proved")]
    Empty,
    /// A new account that is in the set of accounts: the set is not that before the batch.
    #[error(transparent)]
    Accounts(#[from] AccountSetError),
    /// The trace contradicts itself.
    #[error("two parts of the batch do not follow each other: {statement}")]
    Order {
        /// The part behind.
        statement: StatementHash,
    },
    /// A state of the trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

/// The jobs of a batch. The same trace leads to the same plan.
#[derive(Clone, Debug)]
pub struct Plan {
    jobs: Vec<Arc<Job>>,
    root: StatementHash,
    statement: BatchStatement,
}

impl Plan {
    /// The plan for a batch: `commands`, `proved`, `inbox` and `payment`, then a tree of `merge`s over them, `accounts` one
    /// behind the other, then `close`. `set` is the set of accounts before the batch, and then that
    /// behind it.
    ///
    /// A segment is filled across the ends of commands, not across those of blocks; blocks in which
    /// nothing happens have none. The tree is as low as can be: n segments need ⌈log₂ n⌉ levels.
    ///
    /// # Errors
    /// [`PlanError`]: the set is then as it was.
    pub fn new(trace: &Trace, set: &mut AccountSet) -> Result<Self, PlanError> {
        let Sizes { updates, proved, messages, accounts, payments } = trace.sizes;
        if [updates, proved, messages, accounts, payments].contains(&0) {
            return Err(PlanError::NoRoom);
        }
        let len = set.len();
        Self::of_trace(trace, set).inspect_err(|_| set.truncate(len))
    }

    fn of_trace(trace: &Trace, set: &mut AccountSet) -> Result<Self, PlanError> {
        let mut jobs = Vec::new();
        let mut level = Vec::new();
        for block in &trace.blocks {
            for (segment, job) in segments(trace, block)? {
                level.push(segment);
                jobs.push(Arc::new(job));
            }
        }
        while level.len() > 1 {
            let mut joined = Vec::with_capacity(level.len().div_ceil(2));
            for pair in level.chunks(2) {
                let (whole, job) = match pair {
                    [first, second] => merge(first, second)?,
                    rest => {
                        joined.extend(rest);
                        continue;
                    }
                };
                joined.push(whole);
                jobs.push(Arc::new(job));
            }
            level = joined;
        }
        let segment = level.first().copied().ok_or(PlanError::Empty)?;
        let mut creations = Creations::none(set.root());
        let mut shown = None;
        for input in AccountsInput::of_batch(set, &trace.entries, trace.sizes.accounts)? {
            creations = *input.creations();
            let statement = StatementHash(creations.digest());
            let previous = shown.replace(statement).into_iter().collect();
            let input = JobInput::Accounts(input.into());
            jobs.push(Arc::new(Job { statement, input, previous }));
        }
        let (statement, job) = close(trace, segment, creations, shown)?;
        let root = job.statement;
        jobs.push(Arc::new(job));
        Ok(Self { jobs, root, statement })
    }

    /// All jobs, each behind those that it rests on.
    pub fn jobs(&self) -> &[Arc<Job>] {
        &self.jobs
    }

    /// What the last proof proves, as hash.
    pub fn root(&self) -> StatementHash {
        self.root
    }

    /// What the last proof proves: what the L1 is shown.
    pub fn statement(&self) -> &BatchStatement {
        &self.statement
    }
}

fn point(state: &State, block: &TracedBlock) -> Result<Point, TraceError> {
    Ok(Point::new(state, amount(state.fees)?, block.height, block.slot))
}

/// The segments of a block.
fn segments(trace: &Trace, block: &TracedBlock) -> Result<Vec<(Segment, Job)>, PlanError> {
    let (chain, sizes) = (trace.chain, trace.sizes);
    let TracedBlock { height, slot, .. } = *block;
    let mut segments = Vec::new();
    let mut add = |source: &State, target: &State, input| -> Result<(), PlanError> {
        let (source, target) = (point(source, block)?, point(target, block)?);
        let segment = Segment { chain, source, target };
        let statement = StatementHash(segment.digest());
        segments.push((segment, Job { statement, input, previous: Vec::new() }));
        Ok(())
    };
    for part in &block.parts {
        match part {
            TracedPart::Commands { updates, end } => {
                let mut left = updates.as_slice();
                while let Some(first) = left.first() {
                    let (count, is_proved) = next_segment(left, sizes);
                    let (own, rest) = left.split_at_checked(count).unwrap_or((left, &[]));
                    let end = rest.first().map_or(end.as_ref(), |next| &next.before);
                    let updates = own.to_vec();
                    let input = match is_proved {
                        true => JobInput::Proved { chain, height, slot, updates },
                        false => JobInput::Commands { chain, height, slot, updates },
                    };
                    add(&first.before, end, input)?;
                    left = rest;
                }
            }
            TracedPart::Messages(inbox) => {
                let messages = inbox.clone();
                let input = JobInput::Inbox { chain, height, slot, messages };
                add(&inbox.before, &inbox.after, input)?;
            }
            TracedPart::Payments(recorded) => {
                let payments = recorded.clone();
                let input = JobInput::Payment { chain, height, slot, payments };
                add(&recorded.before, &recorded.after, input)?;
            }
        }
    }
    Ok(segments)
}

/// How many of the updates that are left the next segment has, and whether one of them has a proof: as
/// many as can be, which is what gives the fewest segments, since a part of a segment is one too.
fn next_segment(left: &[RecordedUpdate], sizes: Sizes) -> (usize, bool) {
    let mut proofs = left.iter().enumerate().filter(|(_, update)| update.is_proved());
    let [first, second] =
        [proofs.next(), proofs.next()].map(|proof| proof.map_or(left.len(), |(index, _)| index));
    let is_proved = first < left.len().min(sizes.proved);
    let count = if is_proved { second.min(sizes.proved) } else { first.min(sizes.updates) };
    (count.max(1), is_proved)
}

fn merge(first: &Segment, second: &Segment) -> Result<(Segment, Job), PlanError> {
    let statements = [first, second].map(|segment| StatementHash(segment.digest()));
    let [_, statement] = statements;
    let whole = Merge::join(first, second).ok_or(PlanError::Order { statement })?;
    let job = Job {
        statement: StatementHash(whole.digest()),
        input: JobInput::Merge([*first, *second].into()),
        previous: statements.into(),
    };
    Ok((whole, job))
}

fn close(
    trace: &Trace,
    segment: Segment,
    creations: Creations,
    shown: Option<StatementHash>,
) -> Result<(BatchStatement, Job), PlanError> {
    let ends = trace.blocks.first().zip(trace.blocks.last());
    let (first, last) = ends.ok_or(PlanError::Empty)?;
    let input = CloseInput {
        segment,
        bridge_before: trace.bridge_before.clone(),
        bridge_after: trace.bridge_after.clone(),
        fee_account: trace.fee_account.clone(),
        blocks: trace.block_hashes,
        slots: [first.slot, last.slot],
        creations,
    };
    let statement = input.statement(trace.ledger, trace.era);
    let job = Job {
        statement: StatementHash(statement.digest()),
        input: JobInput::Close(input.into()),
        previous: [StatementHash(segment.digest())].into_iter().chain(shown).collect(),
    };
    Ok((statement, job))
}
