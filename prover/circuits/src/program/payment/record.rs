//! Payments and delegations, as they are applied.

use mina_curves::Fp;
use mina_ledger::{
    ledger::{Ledger, LedgerError, Location},
    logic::SignedCommandApplied,
    rollup::Hashed,
    types::{Account, AccountId, Amount, SignedCommand, SignedCommandBody},
};

use super::PaymentWitness;
use crate::{
    program::Opening,
    schnorr::SignatureWitness,
    update::{CreditWitness, NewAccount, State},
};

/// Payments and delegations that have been applied, one after another.
#[derive(Clone, Debug)]
pub struct RecordedPayments {
    /// The state between commands before them.
    pub before: State,
    /// The state after them.
    pub after: State,
    /// The payments and delegations.
    pub payments: Vec<PaymentWitness>,
    /// What they add to the list of new accounts.
    pub entries: Vec<NewAccount>,
}

/// Records payments and delegations while they are applied.
#[derive(Debug)]
pub struct PaymentRecorder {
    /// Up to the last one.
    recorded: RecordedPayments,
    pending: Option<Pending>,
}

/// A command under way.
#[derive(Debug)]
struct Pending {
    command: SignedCommand,
    payer: Opening,
    /// The receiver before, if it exists.
    receiver: Option<Account>,
}

impl PaymentRecorder {
    /// A recorder of commands on a ledger. Of `before`, fees and new accounts count.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn new<L: Ledger + ?Sized>(ledger: &mut L, before: State) -> Result<Self, LedgerError> {
        let before = State { ledger: ledger.root()?, ..before };
        let recorded =
            RecordedPayments { before, after: before, payments: Vec::new(), entries: Vec::new() };
        Ok(Self { recorded, pending: None })
    }

    /// How many commands have been recorded.
    pub fn len(&self) -> usize {
        self.recorded.payments.len()
    }

    /// Whether no command has been recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sees a command before it is applied.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn before<L: Ledger + ?Sized>(
        &mut self,
        ledger: &mut L,
        command: &SignedCommand,
    ) -> Result<(), LedgerError> {
        let payer = AccountId::of(command.payload.fee_payer);
        let receiver = AccountId::of(command.payload.receiver());
        // Without a payer the command has no place in a block.
        let Some(place) = ledger.location(&payer)? else { return Ok(()) };
        let payer = Opening { account: ledger.account(place)?.clone(), path: ledger.path(place)? };
        let receiver = ledger.get(&receiver)?.cloned();
        self.pending = Some(Pending { command: *command, payer, receiver });
        Ok(())
    }

    /// Sees what the command did.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn after<L: Ledger + ?Sized>(
        &mut self,
        ledger: &mut L,
        applied: &SignedCommandApplied,
    ) -> Result<(), LedgerError> {
        let Some(Pending { command, payer, receiver }) = self.pending.take() else { return Ok(()) };
        let payload = command.payload;
        let fails = applied.failures.is_some();
        let id = AccountId::of(payload.receiver());
        let place = ledger.location(&id)?.unwrap_or(Location::new(ledger.len()));
        let is_new = receiver.is_none();
        let account = if payload.receiver() == payload.fee_payer {
            // As it is between the two writes: without what it sends to itself.
            let mut account = ledger.get(&id)?.cloned().unwrap_or_else(|| payer.account.clone());
            if let (SignedCommandBody::Payment { amount, .. }, false) = (payload.body, fails) {
                account.balance = account.balance.checked_sub(amount).unwrap_or_default();
            }
            account
        } else {
            receiver.unwrap_or_else(|| Account::new(id, Amount::ZERO, ledger.era()))
        };
        // The receiver is written last, and its path does not depend on its own leaf.
        let receiver = CreditWitness { account, is_new, path: ledger.path(place)? };
        // Without such a point no signature holds.
        let signature = SignatureWitness::new(&payload.fee_payer, command.signature);
        let signature = signature.unwrap_or_else(SignatureWitness::none);

        let RecordedPayments { after, payments, entries, .. } = &mut self.recorded;
        payments.push(PaymentWitness { payload, signature, payer, receiver });
        let list = after.accounts;
        let created = is_new.then_some((id, place));
        if let Some(entry) = NewAccount::of(list, list, created.as_ref(), fails) {
            after.accounts = entry.digest();
            entries.push(entry);
        }
        let fees = [applied.fee_excess, applied.supply_increase];
        after.fees += fees.iter().map(|amount| Fp::from(amount.magnitude.get())).sum::<Fp>();
        after.ledger = ledger.root()?;
        Ok(())
    }

    /// The state behind the last command.
    pub fn state(&self) -> &State {
        &self.recorded.after
    }

    /// What has been recorded.
    pub fn finish(self) -> RecordedPayments {
        self.recorded
    }
}
