//! Which proofs a batch needs: a graph whose nodes are known by what they will have proved.

use std::{fmt, sync::Arc};

use mina_curves::{Fp, PastaField};
use mina_ledger::{
    rollup::{BatchStatement, ChainId, Hashed},
    types::{Length, Slot},
};
use zeko_circuits::{
    program::{CloseInput, Merge, Point, Segment},
    update::{RecordedUpdate, State},
};

use crate::trace::{Trace, TraceError, TracedBlock, amount};

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
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Commands, Self::Merge, Self::Close];

    /// What the program calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Merge => "merge",
            Self::Close => "close",
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
    /// The statements of the proofs that it rests on, in the rule's order.
    pub previous: Vec<StatementHash>,
}

impl Job {
    /// Its rule.
    pub fn rule(&self) -> Rule {
        match &self.input {
            JobInput::Commands { .. } => Rule::Commands,
            JobInput::Merge(_) => Rule::Merge,
            JobInput::Close(_) => Rule::Close,
        }
    }
}

/// Why there is no plan for a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Proofs with room for no updates.
    #[error("a proof must have room for an account update")]
    NoRoom,
    /// Nothing happens in the batch, so there is nothing that its end could rest on.
    #[error("a batch without commands cannot be proved")]
    Empty,
    /// The program has no rule for something that the batch does.
    #[error("there is no rule that proves {what}")]
    Unsupported {
        /// What.
        what: &'static str,
    },
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
    /// The plan for a batch with proofs of up to `room` account updates: `commands`, then a tree of
    /// `merge`s over them, then `close`.
    ///
    /// A segment is filled across the ends of commands, not across those of blocks; blocks without
    /// commands have none. The tree is as low as can be: n segments need ⌈log₂ n⌉ levels.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(trace: &Trace, room: usize) -> Result<Self, PlanError> {
        if room == 0 {
            return Err(PlanError::NoRoom);
        }
        let mut jobs = Vec::new();
        let mut level = Vec::new();
        for block in &trace.blocks {
            for (segment, job) in segments(trace.chain, block, room)? {
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
        let (statement, job) = close(trace, segment)?;
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
fn segments(
    chain: ChainId,
    block: &TracedBlock,
    room: usize,
) -> Result<Vec<(Segment, Job)>, PlanError> {
    let mut chunks = block.updates.chunks(room).peekable();
    let mut segments = Vec::new();
    while let Some(chunk) = chunks.next() {
        let Some(first) = chunk.first() else { break };
        let next = chunks.peek().and_then(|next| next.first());
        let end = next.map_or(&block.end, |next| &next.before);
        let (source, target) = (point(&first.before, block)?, point(end, block)?);
        let segment = Segment { chain, source, target };
        let TracedBlock { height, slot, .. } = *block;
        let input = JobInput::Commands { chain, height, slot, updates: chunk.to_vec() };
        let statement = StatementHash(segment.digest());
        segments.push((segment, Job { statement, input, previous: Vec::new() }));
    }
    Ok(segments)
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

fn close(trace: &Trace, segment: Segment) -> Result<(BatchStatement, Job), PlanError> {
    if segment.target.accounts != Fp::default() {
        return Err(PlanError::Unsupported { what: "new accounts" });
    }
    let ends = trace.blocks.first().zip(trace.blocks.last());
    let (first, last) = ends.ok_or(PlanError::Empty)?;
    let input = CloseInput {
        segment,
        bridge_before: trace.bridge_before.clone(),
        bridge_after: trace.bridge_after.clone(),
        fee_account: trace.fee_account.clone(),
        blocks: trace.block_hashes,
        slots: [first.slot, last.slot],
    };
    let statement = input.statement(trace.ledger, trace.era);
    let job = Job {
        statement: StatementHash(statement.digest()),
        input: JobInput::Close(input.into()),
        previous: vec![StatementHash(segment.digest())],
    };
    Ok((statement, job))
}
