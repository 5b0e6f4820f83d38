//! The rollup program: one proof for many commands.
//!
//! | rule | shows that | rests on |
//! |---|---|---|
//! | [`Commands`] | so many account updates, one after another, lead from one point to another | nothing |
//! | [`Merge`] | two proofs, the second from where the first ends, lead from the first to the last | two of these |
//! | [`Close`] | a batch leads from one state of the chain to another, as the L1 knows them | one of these |
//!
//! A [`Point`] is where the chain stands between two account updates, inside a command or between two
//! of them. What a proof shows is a [`Segment`]: two points. The statement of a proof is one element,
//! the hash of its segment.

mod close;
mod commands;
mod merge;
mod segment;
mod statement;

use mina_ledger::{
    rollup::ChainId,
    types::{Length, Slot},
};
use pickles::{CompileError, KeyCache, Program, ProofsVerified, RuleHandle};

pub use close::{Close, CloseInput, Opening};
pub use commands::{Commands, CommandsError, CommandsInput};
pub use merge::Merge;
pub use segment::{Point, PointVar, Segment, SegmentVar};

pub(crate) use self::statement::{BatchStatementVar, SideVar};
use crate::update::{RecordedUpdate, Rules};

/// Updates that a step circuit of 2^16 rows has room for.
pub const MAX_UPDATES: usize = 20;

/// The compiled program.
#[derive(Debug)]
pub struct Rollup {
    /// The program.
    pub program: Program,
    /// [`Commands`].
    pub commands: RuleHandle<Commands>,
    /// [`Merge`].
    pub merge: RuleHandle<Merge>,
    /// [`Close`].
    pub close: RuleHandle<Close>,
    /// How many updates [`Commands`] has room for.
    updates: usize,
}

impl Rollup {
    /// Compiles the program for proofs of up to `updates` account updates, with keys from `cache` if
    /// there is one.
    ///
    /// # Errors
    /// [`CompileError`], for example if so many updates do not fit a circuit.
    pub fn compile(
        rules: &Rules,
        updates: usize,
        cache: Option<KeyCache>,
    ) -> Result<Self, CompileError> {
        let mut builder = Program::builder(ProofsVerified::N2);
        if let Some(cache) = cache {
            builder.cache(cache);
        }
        let commands = builder.rule(Commands::new(rules.clone(), updates));
        let merge = builder.rule(Merge);
        let close = builder.rule(Close::new(rules.domain.era()));
        Ok(Self { program: builder.compile()?, commands, merge, close, updates })
    }

    /// The input of [`Commands`] for updates that follow each other in a block.
    ///
    /// # Errors
    /// [`CommandsError::Count`].
    pub fn commands_input(
        &self,
        chain: ChainId,
        height: Length,
        slot: Slot,
        updates: Vec<RecordedUpdate>,
    ) -> Result<CommandsInput, CommandsError> {
        CommandsInput::new(chain, height, slot, updates, self.updates)
    }
}
