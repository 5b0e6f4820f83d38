//! What a batch did: the witnesses of its account updates, and what its end is proved from.

use mina_curves::{Fp, PastaField};
use mina_ledger::{
    Domain,
    hash::CommandHashes,
    ledger::{Ledger, LedgerError, Mask},
    logic::{Observer, ProofVerifier, SignedCommandApplied, UpdateRecord, ZkappApplied},
    rollup::{ChainId, DataCommitment, MessageReceipt, bridge_id},
    types::{
        AccountId, Amount, Era, Length, PublicKey, SignedAmount, SignedCommand, Slot, ZkappCommand,
    },
};
use zeko_circuits::{
    program::{
        CommandsError, InboxRecorder, Message, Opening, PaymentRecorder, RecordedInbox,
        RecordedPayments, Sizes,
    },
    update::{NewAccount, RecordedUpdate, Recorder, Rules, State},
};
use zeko_derive::{
    Batch, BatchObserver, ChainParameters, ChainState, ExecuteError, InboxView,
    execute_batch_observed,
};

/// Why a batch was not traced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// It is not what it claims to be.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The ledger cannot tell.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The program has no rule for something in it.
    #[error("block {block}: there is no rule that proves {what}")]
    Unsupported {
        /// The block, counted from 0.
        block: usize,
        /// What there is no rule for.
        what: &'static str,
    },
    /// A proof that authorises an update verifies, but not inside of a circuit.
    #[error("block {block}: {source}")]
    Proof {
        /// The block, counted from 0.
        block: usize,
        /// What is wrong with the proof or its key.
        source: CommandsError,
    },
    /// More fees than an amount holds; the transaction logic refuses that before.
    #[error("the fees that have been collected do not fit an amount")]
    Fees,
}

/// A block with what its commands did.
#[derive(Clone, Debug)]
pub struct TracedBlock {
    /// The number of blocks before it.
    pub height: Length,
    /// Its slot.
    pub slot: Slot,
    /// What it does, in order.
    pub parts: Vec<TracedPart>,
}

/// Commands, messages or payments that follow each other in a block.
#[derive(Clone, Debug)]
pub enum TracedPart {
    /// Commands.
    Commands {
        /// Their updates, each with the state before it; of a command that failed, those up to the
        /// first failure.
        updates: Vec<RecordedUpdate>,
        /// The state after them, between commands.
        end: Box<State>,
    },
    /// No more messages than a proof has room for.
    Messages(Box<RecordedInbox>),
    /// No more payments and delegations than a proof has room for.
    Payments(Box<RecordedPayments>),
}

/// A batch with what it did.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The era, which decides how accounts are hashed.
    pub era: Era,
    /// The chain.
    pub chain: ChainId,
    /// How much the proofs have room for that it was recorded for.
    pub sizes: Sizes,
    /// The blocks, also those in which nothing happens.
    pub blocks: Vec<TracedBlock>,
    /// The list of new accounts.
    pub entries: Vec<NewAccount>,
    /// The bridge account in the ledger before the batch.
    pub bridge_before: Opening,
    /// The bridge account before the fees are credited.
    pub bridge_after: Opening,
    /// The account that the fees go to, then; without fees, some account of MINA.
    pub fee_account: Opening,
    /// The hash of the last block before the batch, and of its own last block.
    pub block_hashes: [Fp; 2],
    /// The root of the ledger after the batch, fees included.
    pub ledger: Fp,
}

impl Trace {
    /// Executes a batch on the ledger of `state`, compares everything that it claims, and records what
    /// it did. The ledger is then that after the batch; the chain's state there is returned too.
    ///
    /// The ledger may be a sparse one of [`zeko_derive::batch_accounts`], so that a node need not copy
    /// its own, and the batch one that was fetched from the DA layer: a batch is proved by whoever has
    /// it. Signatures are verified on all cores, everything else runs on one; a few thousand updates
    /// take seconds, so an async caller wants a thread for it.
    ///
    /// # Errors
    /// [`TraceError`]: the ledger is then unchanged.
    #[allow(clippy::too_many_arguments)] // those of executing it, and for which proofs
    pub fn record<L: Ledger>(
        ledger: &mut L,
        state: &ChainState,
        batch: &Batch,
        data: DataCommitment,
        parameters: &ChainParameters,
        inbox: &dyn InboxView,
        proofs: &dyn ProofVerifier,
        sizes: Sizes,
    ) -> Result<(Self, ChainState), TraceError> {
        let mut mask = Mask::new(&mut *ledger);
        let root = mask.root()?;
        let mut tracer = Tracer {
            rules: Rules {
                domain: parameters.domain.clone(),
                account_creation_fee: parameters.account_creation_fee,
                bridge: Some(parameters.bridge),
            },
            room: sizes,
            state: State { ledger: root, ..State::default() },
            blocks: Vec::new(),
            entries: Vec::new(),
            inbox: None,
            payments: None,
            fee_recipient: batch.header.fee_recipient,
            known: None,
            credited: None,
            closing: None,
        };
        let bridge_before = open(&mut mask, &bridge_id())?;
        let era = mask.era();
        let after = execute_batch_observed(
            &mut mask,
            state,
            batch,
            data,
            parameters,
            inbox,
            proofs,
            &mut tracer,
        )?;
        let Tracer { blocks, entries, closing, .. } = tracer;
        usable(&blocks, &parameters.domain)?;
        let Some([bridge_after, fee_account]) = closing else {
            // Nothing was paid for, nobody was credited, and there is no recipient of fees.
            return Err(TraceError::Unsupported { block: 0, what: "a batch without accounts" });
        };
        mask.commit()?;
        let trace = Self {
            era,
            chain: parameters.chain,
            sizes,
            blocks,
            entries,
            bridge_before,
            bridge_after,
            fee_account,
            block_hashes: [state.block, after.block],
            ledger: after.ledger,
        };
        Ok((trace, after))
    }
}

/// Refuses proofs that are of no use to the circuit. Those behind a command's first failure need not be
/// proved.
fn usable(blocks: &[TracedBlock], domain: &Domain) -> Result<(), TraceError> {
    for (block, content) in blocks.iter().enumerate() {
        for part in &content.parts {
            let TracedPart::Commands { updates, .. } = part else { continue };
            for update in updates.iter().filter(|update| update.is_proved()) {
                update.zkapp_proof(domain).map_err(|source| TraceError::Proof { block, source })?;
            }
        }
    }
    Ok(())
}

/// An account that exists, with its path.
fn open<L: Ledger>(ledger: &mut L, id: &AccountId) -> Result<Opening, LedgerError> {
    let location = ledger.location(id)?.ok_or(LedgerError::NoAccount { index: 0 })?;
    let account = ledger.account(location)?.clone();
    Ok(Opening { account, path: ledger.path(location)? })
}

/// Fees as an amount: a state has them as an element.
pub(crate) fn amount(fees: Fp) -> Result<Amount, TraceError> {
    match fees.to_limbs() {
        [fees, 0, 0, 0] => Ok(fees.into()),
        _ => Err(TraceError::Fees),
    }
}

/// Records a batch while it is executed.
struct Tracer {
    rules: Rules,
    /// What a proof has room for.
    room: Sizes,
    /// Between commands.
    state: State,
    blocks: Vec<TracedBlock>,
    entries: Vec<NewAccount>,
    /// Messages that follow each other, as far as a proof has room for them.
    inbox: Option<InboxRecorder>,
    /// Payments and delegations that follow each other, as far as a proof has room for them.
    payments: Option<PaymentRecorder>,
    fee_recipient: PublicKey,
    /// Who paid for some command or was credited, and so has an account.
    known: Option<AccountId>,
    /// Who the message under way is for.
    credited: Option<AccountId>,
    /// The bridge account and the one that fees go to, before they do.
    closing: Option<[Opening; 2]>,
}

/// Records a command.
struct Recording<'c> {
    recorder: Recorder<'c>,
    payer: AccountId,
}

impl Observer for Recording<'_> {
    fn observe(
        &mut self,
        ledger: &mut dyn Ledger,
        record: &UpdateRecord<'_>,
    ) -> Result<(), LedgerError> {
        self.recorder.observe(ledger, record)
    }
}

impl Tracer {
    /// What comes next is no message, or is for another proof.
    fn end_messages(&mut self) {
        let Some((inbox, block)) = self.inbox.take().zip(self.blocks.last_mut()) else { return };
        let recorded = inbox.finish();
        self.entries.extend(&recorded.entries);
        block.parts.push(TracedPart::Messages(recorded.into()));
    }

    /// What comes next is no payment, or is for another proof.
    fn end_payments(&mut self) {
        let Some((payments, block)) = self.payments.take().zip(self.blocks.last_mut()) else {
            return;
        };
        let recorded = payments.finish();
        self.entries.extend(&recorded.entries);
        block.parts.push(TracedPart::Payments(recorded.into()));
    }

    /// What comes next is of another rule.
    fn end_part(&mut self) {
        self.end_messages();
        self.end_payments();
    }
}

impl BatchObserver for Tracer {
    type Command<'c> = Recording<'c>;

    fn block(&mut self, height: Length, slot: Slot) {
        self.end_part();
        self.blocks.push(TracedBlock { height, slot, parts: Vec::new() });
    }

    fn command<'c>(
        &mut self,
        command: &'c ZkappCommand,
        hashes: &'c CommandHashes,
    ) -> Recording<'c> {
        self.end_part();
        let payer = AccountId::of(command.fee_payer.body.public_key);
        Recording { recorder: Recorder::new(command, hashes, self.state), payer }
    }

    fn applied<L: Ledger>(
        &mut self,
        ledger: &mut L,
        seen: Recording<'_>,
        applied: &ZkappApplied,
    ) -> Result<(), LedgerError> {
        let magnitude = |amount: SignedAmount| Fp::from(amount.magnitude.get());
        self.known = Some(seen.payer);
        let recorded = seen.recorder.finish(applied.failures.is_some());
        let state = &mut self.state;
        state.ledger = ledger.root()?;
        state.fees += magnitude(applied.fee_excess) + magnitude(applied.supply_increase);
        state.accounts = recorded.accounts;
        self.entries.extend(recorded.entries);
        if let Some(block) = self.blocks.last_mut() {
            match block.parts.last_mut() {
                Some(TracedPart::Commands { updates, end }) => {
                    updates.extend(recorded.updates);
                    **end = self.state;
                }
                _ => block.parts.push(TracedPart::Commands {
                    updates: recorded.updates,
                    end: self.state.into(),
                }),
            }
        }
        Ok(())
    }

    fn payment<L: Ledger>(
        &mut self,
        ledger: &mut L,
        command: &SignedCommand,
    ) -> Result<(), LedgerError> {
        self.end_messages();
        let room = self.room.payments.max(1);
        if self.payments.as_ref().is_some_and(|payments| payments.len() == room) {
            self.end_payments();
        }
        let payments = match &mut self.payments {
            Some(payments) => payments,
            none => none.insert(PaymentRecorder::new(ledger, self.state)?),
        };
        self.known = Some(AccountId::of(command.payload.fee_payer));
        payments.before(ledger, command)
    }

    fn paid<L: Ledger>(
        &mut self,
        ledger: &mut L,
        applied: &SignedCommandApplied,
    ) -> Result<(), LedgerError> {
        let Some(payments) = &mut self.payments else { return Ok(()) };
        payments.after(ledger, applied)?;
        self.state = *payments.state();
        Ok(())
    }

    fn message<L: Ledger>(&mut self, ledger: &mut L, message: &Message) -> Result<(), LedgerError> {
        self.end_payments();
        let room = self.room.messages.max(1);
        if self.inbox.as_ref().is_some_and(|inbox| inbox.len() == room) {
            self.end_messages();
        }
        let slot = self.blocks.last().map_or(Slot::ZERO, |block| block.slot);
        let inbox = match &mut self.inbox {
            Some(inbox) => inbox,
            none => none.insert(InboxRecorder::new(ledger, self.rules.clone(), slot, self.state)?),
        };
        if let Message::Deposit(deposit) = message {
            self.credited = Some(AccountId::of(deposit.recipient));
        }
        inbox.before(ledger, *message)
    }

    fn consumed<L: Ledger>(
        &mut self,
        ledger: &mut L,
        receipt: MessageReceipt,
        fees: Amount,
    ) -> Result<(), LedgerError> {
        let Some(inbox) = &mut self.inbox else { return Ok(()) };
        inbox.after(ledger, receipt, fees)?;
        self.state = *inbox.state();
        if receipt == MessageReceipt::Fulfilled {
            self.known = self.credited.take().or(self.known.take());
        }
        Ok(())
    }

    fn closing<L: Ledger>(&mut self, ledger: &mut L) -> Result<(), LedgerError> {
        self.end_part();
        let bridge = bridge_id();
        let recipient = Some(AccountId::of(self.fee_recipient));
        // Nothing is credited to the recipient if there are no fees, so it need not exist.
        for id in [recipient, self.known].into_iter().flatten() {
            if id.public_key.x != bridge.public_key.x && ledger.location(&id)?.is_some() {
                self.closing = Some([open(ledger, &bridge)?, open(ledger, &id)?]);
                break;
            }
        }
        Ok(())
    }
}
