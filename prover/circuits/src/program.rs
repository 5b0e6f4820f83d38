//! The rollup program: one proof for many commands.
//!
//! | rule | shows that | rests on |
//! |---|---|---|
//! | [`Commands`] | so many account updates, one after another, lead from one point to another | nothing |
//! | [`Proved`] | so do account updates of which one is authorised by a proof | that proof |
//! | [`Inbox`] | so do messages from the L1, one after another | nothing |
//! | [`Payment`] | so do payments and delegations, one after another | nothing |
//! | [`Merge`] | two proofs, the second from where the first ends, lead from the first to the last | two of these |
//! | [`Accounts`] | the accounts on a list of new ones were missing before | one of these, if the list is longer than fits |
//! | [`Close`] | a batch leads from one state of the chain to another, as the L1 knows them | a segment, and its list of new accounts |
//!
//! A [`Point`] is where the chain stands between two account updates, inside a command or between two
//! of them. What a proof shows is a [`Segment`]: two points; [`Creations`], of a list of new accounts; or a
//! [`BatchStatement`](mina_ledger::rollup::BatchStatement). The statement of a proof is one element, the
//! hash of that, with a prefix for each of the three.

mod accounts;
mod close;
mod commands;
mod inbox;
mod merge;
mod payment;
mod proved;
mod segment;
mod statement;

use mina_ledger::{
    rollup::ChainId,
    types::{Length, Slot},
};
use pickles::{CompileError, KeyCache, Program, ProofsVerified, ProvedStatement, RuleHandle};

pub use accounts::{Accounts, AccountsInput, AccountsPlace, Creations, CreationsVar};
pub use close::{Close, CloseInput, Opening};
pub use commands::{Commands, CommandsError, CommandsInput, UpdatesVar};
pub use inbox::{Inbox, InboxInput, InboxRecorder, Message, RecordedInbox, RecordedMessage};
pub use merge::Merge;
pub use payment::{Payment, PaymentInput, PaymentRecorder, PaymentWitness, RecordedPayments};
pub use proved::{Proved, ProvedInput, one_proof};
pub use segment::{Point, PointVar, Segment, SegmentVar};

pub(crate) use self::statement::{BatchStatementVar, RootVar, SideVar};
use crate::{
    accounts::{AccountSet, AccountSetError},
    update::{NewAccount, RecordedUpdate, Rules},
};

/// The compiled program.
#[derive(Debug)]
pub struct Rollup {
    /// The program.
    pub program: Program,
    /// [`Commands`].
    pub commands: RuleHandle<Commands>,
    /// [`Inbox`].
    pub inbox: RuleHandle<Inbox>,
    /// [`Merge`].
    pub merge: RuleHandle<Merge>,
    /// [`Accounts`].
    pub accounts: RuleHandle<Accounts>,
    /// [`Close`].
    pub close: RuleHandle<Close>,
    /// [`Payment`].
    pub payment: RuleHandle<Payment>,
    /// [`Proved`].
    pub proved: RuleHandle<Proved>,
    rules: Rules,
    sizes: Sizes,
}

/// How much a proof of each rule has room for: one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Updates of [`Commands`].
    pub updates: usize,
    /// Updates of [`Proved`].
    pub proved: usize,
    /// Messages of [`Inbox`].
    pub messages: usize,
    /// Entries of [`Accounts`].
    pub accounts: usize,
    /// Payments and delegations of [`Payment`].
    pub payments: usize,
}

impl Sizes {
    /// What fits 2^16 rows.
    pub const MAX: Self = Self { updates: 20, proved: 16, messages: 30, accounts: 24, payments: 8 };
}

impl Rollup {
    /// Compiles the program for proofs of these sizes, with keys from `cache` if there is one.
    ///
    /// # Errors
    /// [`CompileError`], for example if a circuit does not fit 2^16 rows.
    pub fn compile(
        rules: &Rules,
        sizes: Sizes,
        cache: Option<KeyCache>,
    ) -> Result<Self, CompileError> {
        let Sizes { updates, proved, messages, accounts, payments } = sizes;
        let [updates, proved, messages, entries, payments] =
            [updates, proved, messages, accounts, payments].map(|size| size.max(1));
        let sizes = Sizes { updates, proved, messages, accounts: entries, payments };
        let mut builder = Program::builder(ProofsVerified::N2);
        if let Some(cache) = cache {
            builder.cache(cache);
        }
        let commands = builder.rule(Commands::new(rules.clone(), updates));
        let inbox = builder.rule(Inbox::new(rules.clone(), messages));
        let merge = builder.rule(Merge);
        let accounts = builder.rule(Accounts::new(entries));
        let close = builder.rule(Close::new(rules.domain.era()));
        let payment = builder.rule(Payment::new(rules.clone(), payments));
        let proved = builder.rule(Proved::new(rules.clone(), proved));
        Ok(Self {
            program: builder.compile()?,
            commands,
            inbox,
            merge,
            accounts,
            close,
            payment,
            proved,
            rules: rules.clone(),
            sizes,
        })
    }

    /// How much its proofs have room for.
    pub fn sizes(&self) -> Sizes {
        self.sizes
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
        CommandsInput::new(chain, height, slot, updates, self.sizes.updates)
    }

    /// The input of [`Proved`] for updates that follow each other in a block, and the proof that it
    /// rests on.
    ///
    /// # Errors
    /// [`CommandsError`].
    pub fn proved_input(
        &self,
        chain: ChainId,
        height: Length,
        slot: Slot,
        updates: Vec<RecordedUpdate>,
    ) -> Result<(ProvedInput, ProvedStatement), CommandsError> {
        ProvedInput::new(chain, height, slot, updates, self.sizes.proved, &self.rules.domain)
    }

    /// The input of [`Inbox`] for messages that follow each other in a block.
    ///
    /// # Errors
    /// [`CommandsError::Count`].
    pub fn inbox_input(
        &self,
        chain: ChainId,
        height: Length,
        slot: Slot,
        messages: RecordedInbox,
    ) -> Result<InboxInput, CommandsError> {
        InboxInput::new(chain, height, slot, messages, &self.rules, self.sizes.messages)
    }

    /// The input of [`Payment`] for payments and delegations that follow each other in a block.
    ///
    /// # Errors
    /// [`CommandsError::Count`].
    pub fn payment_input(
        &self,
        chain: ChainId,
        height: Length,
        slot: Slot,
        payments: RecordedPayments,
    ) -> Result<PaymentInput, CommandsError> {
        PaymentInput::new(chain, height, slot, payments, self.sizes.payments)
    }

    /// The inputs of [`Accounts`] for a batch's list of new accounts, in the order in which they rest on
    /// each other; none for an empty list. The accounts join `set`.
    ///
    /// # Errors
    /// [`AccountSetError`]; the set is then as it was.
    pub fn accounts_inputs(
        &self,
        set: &mut AccountSet,
        entries: &[NewAccount],
    ) -> Result<Vec<AccountsInput>, AccountSetError> {
        AccountsInput::of_batch(set, entries, self.sizes.accounts)
    }
}
