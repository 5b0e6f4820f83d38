//! Messages, as they are consumed.

use mina_curves::Fp;
use mina_ledger::{
    ledger::{Ledger, LedgerError, Location, Mask, MerklePath},
    logic::Context,
    rollup::{DepositAction, Hashed, MessageReceipt, apply_message, bridge_id},
    types::{Account, AccountId, Amount, PublicKey, Slot},
};

use super::{Message, RecordedMessage, bridge_parameters, nobody};
use crate::{
    program::Opening,
    update::{CreditWitness, NewAccount, Rules, State},
};

/// Messages that have been consumed, one after another.
#[derive(Clone, Debug)]
pub struct RecordedInbox {
    /// The state between commands before them.
    pub before: State,
    /// The state after them.
    pub after: State,
    /// The bridge account before them.
    pub bridge: Opening,
    /// The bridge account's path after them.
    pub bridge_path: MerklePath,
    /// The messages.
    pub messages: Vec<RecordedMessage>,
    /// What they add to the list of new accounts.
    pub entries: Vec<NewAccount>,
}

/// Records messages while they are consumed.
///
/// The circuit writes the bridge account once, behind the last message, so that recipients' paths are
/// those of a ledger with the bridge account as it was before the first.
#[derive(Debug)]
pub struct InboxRecorder {
    rules: Rules,
    slot: Slot,
    /// Up to the last message.
    recorded: RecordedInbox,
    /// The message under way, and the account that it takes to be new.
    pending: Option<(RecordedMessage, Option<(AccountId, Location)>)>,
}

impl InboxRecorder {
    /// A recorder of messages in a block with this slot. Of `before`, fees and new accounts count.
    ///
    /// # Errors
    /// [`LedgerError`], also if the ledger has no bridge account.
    pub fn new<L: Ledger + ?Sized>(
        ledger: &mut L,
        rules: Rules,
        slot: Slot,
        before: State,
    ) -> Result<Self, LedgerError> {
        let account = bridge(ledger)?;
        let path = ledger.path(Location::new(0))?;
        let before = State { ledger: ledger.root()?, ..before };
        let recorded = RecordedInbox {
            before,
            after: before,
            bridge: Opening { account, path: path.clone() },
            bridge_path: path,
            messages: Vec::new(),
            entries: Vec::new(),
        };
        Ok(Self { rules, slot, recorded, pending: None })
    }

    /// How many messages have been recorded.
    pub fn len(&self) -> usize {
        self.recorded.messages.len()
    }

    /// Whether no message has been recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sees a message before it is consumed. The ledger comes back as it was.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn before<L: Ledger + ?Sized>(
        &mut self,
        ledger: &mut L,
        message: Message,
    ) -> Result<(), LedgerError> {
        let current = bridge(ledger)?;
        let tried = self.is_tried(&message, &current);
        ledger.set(self.recorded.bridge.account.clone())?;
        let recipient = match &message {
            Message::Deposit(deposit) => open(ledger, deposit)?,
            Message::Unopened(_) => nobody(&self.rules),
        };
        ledger.set(current)?;
        let created = (recipient.account.id(), recipient.path.location());
        let created = Some(created).filter(|_| tried && recipient.is_new);
        self.pending = Some((RecordedMessage { message, recipient }, created));
        Ok(())
    }

    /// Sees what became of the message, and the fees that it left. The ledger comes back as it was.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn after<L: Ledger + ?Sized>(
        &mut self,
        ledger: &mut L,
        receipt: MessageReceipt,
        fees: Amount,
    ) -> Result<(), LedgerError> {
        let Some((message, created)) = self.pending.take() else { return Ok(()) };
        let RecordedInbox { after, messages, entries, .. } = &mut self.recorded;
        let list = after.accounts;
        let fails = receipt != MessageReceipt::Fulfilled;
        if let Some(entry) = NewAccount::of(list, list, created.as_ref(), fails) {
            after.accounts = entry.digest();
            entries.push(entry);
        }
        after.fees += Fp::from(fees.get());
        messages.push(message);
        let current = bridge(ledger)?;
        ledger.set(self.recorded.bridge.account.clone())?;
        self.recorded.bridge_path = ledger.path(Location::new(0))?;
        ledger.set(current)?;
        self.recorded.after.ledger = ledger.root()?;
        Ok(())
    }

    /// The state behind the last message.
    pub fn state(&self) -> &State {
        &self.recorded.after
    }

    /// What has been recorded.
    pub fn finish(self) -> RecordedInbox {
        self.recorded
    }

    /// Whether the recipient's account decides what becomes of a message.
    fn is_tried(&self, message: &Message, bridge: &Account) -> bool {
        let Message::Deposit(deposit) = message else { return false };
        self.slot <= deposit.timeout
            && deposit.recipient != bridge.public_key
            && deposit.recipient != PublicKey::EMPTY
            && deposit.amount >= bridge_parameters(&self.rules).deposit_fee
            && bridge.balance >= deposit.amount
    }
}

impl RecordedInbox {
    /// Consumes messages as [`apply_message`] does, and records them.
    ///
    /// # Errors
    /// [`LedgerError`], with the ledger as it was.
    pub fn consume<L: Ledger>(
        ledger: &mut L,
        messages: &[Message],
        rules: &Rules,
        context: &Context<'_>,
        before: State,
    ) -> Result<Self, LedgerError> {
        let parameters = bridge_parameters(rules);
        let mut ledger = Mask::new(ledger);
        let mut recorder = InboxRecorder::new(&mut ledger, rules.clone(), context.slot, before)?;
        for message in messages {
            recorder.before(&mut ledger, *message)?;
            let outcome = apply_message(&mut ledger, message, &parameters, context)?;
            recorder.after(&mut ledger, outcome.receipt, outcome.fees())?;
        }
        ledger.commit()?;
        Ok(recorder.finish())
    }
}

fn bridge<L: Ledger + ?Sized>(ledger: &L) -> Result<Account, LedgerError> {
    let missing = LedgerError::NoAccount { index: Location::new(0).index() };
    ledger.get(&bridge_id())?.cloned().ok_or(missing)
}

fn open<L: Ledger + ?Sized>(
    ledger: &mut L,
    deposit: &DepositAction,
) -> Result<CreditWitness, LedgerError> {
    let id = AccountId::of(deposit.recipient);
    let account = ledger.get(&id)?.cloned();
    let place = ledger.location(&id)?.unwrap_or(Location::new(ledger.len()));
    Ok(CreditWitness {
        is_new: account.is_none(),
        account: account.unwrap_or_else(|| Account::new(id, Amount::ZERO, ledger.era())),
        path: ledger.path(place)?,
    })
}
