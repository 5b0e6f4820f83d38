//! A ledger of accounts that send each other MINA, which tests and benchmarks share.

use ark_ff::AdditiveGroup;
use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    hash::{CommandHashes, command_hashes},
    ledger::{FullLedger, Ledger, LedgerError},
    logic::{ApplyError, Context, apply_signed_command, apply_zkapp_command},
    rollup::{
        BridgeParameters, BridgeRule, ChainId, OutboxEntry, bridge_account, bridge_id, credit_fees,
    },
    signature::{SignatureError, sign_payload, sign_zkapp_command},
    types::{
        Account, AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body,
        CallForest, Era, FeePayer, FeePayerBody, Length, Memo, PrivateKey, ProtocolStateView,
        PublicKey, Signature, SignedAmount, SignedCommand, SignedCommandBody, SignedCommandPayload,
        Slot, TypeError, ZkappCommand,
    },
};

use crate::{
    accounts::{AccountSet, AccountSetError},
    program::{Message, Opening, PaymentRecorder, Point, RecordedInbox, RecordedPayments, Segment},
    update::{NewAccount, RecordedUpdate, Recorder, Rules, State},
};

const MINA: u64 = 1_000_000_000;

/// The fee of every command.
const FEE: Amount = Amount::new(MINA / 100);

/// Why the example cannot go on; no use of it here leads to any.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExampleError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A key or a forest.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// Signing.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A command has no place in a block.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The set of accounts.
    #[error(transparent)]
    Accounts(#[from] AccountSetError),
}

/// The chain: one block that commands are added to.
#[derive(Debug)]
pub struct Transfers {
    /// What its circuits are made for.
    pub rules: Rules,
    /// Its name.
    pub chain: ChainId,
    /// The height of the block.
    pub height: Length,
    /// The slot of the block.
    pub slot: Slot,
    /// The set of the accounts before the batch.
    pub set: AccountSet,
    /// The list of new accounts of the batch.
    pub created: Vec<NewAccount>,
    ledger: FullLedger,
    state: State,
    users: Vec<PrivateKey>,
}

/// The account of a key.
fn id(key: &PrivateKey) -> AccountId {
    AccountId::of(key.to_public_key())
}

/// An update that changes a balance, signed for if it takes.
fn change(id: AccountId, amount: SignedAmount, era: Era) -> AccountUpdate {
    let mut body = Body::new(id, era);
    body.balance_change = amount;
    let authorization = if amount.is_negative() {
        body.authorization_kind = AuthorizationKind::Signature;
        body.use_full_commitment = true;
        Authorization::Signature(Signature::DUMMY)
    } else {
        Authorization::None
    };
    AccountUpdate { body, authorization }
}

impl Transfers {
    /// A chain with the bridge account and `users` accounts of 100 MINA.
    ///
    /// # Errors
    /// [`ExampleError`]; none is expected.
    pub fn new(users: u64) -> Result<Self, ExampleError> {
        let era = Era::Berkeley;
        let keys = (0..users).map(|i| PrivateKey::new(Fq::from(1_000 + i)));
        let users = keys.collect::<Result<Vec<_>, _>>()?;
        let mut accounts = vec![bridge_account(Fp::ZERO, era)];
        accounts.extend(users.iter().map(|key| Account::new(id(key), (100 * MINA).into(), era)));
        let ids: Vec<_> = accounts.iter().map(Account::id).collect();
        let set = AccountSet::new(&ids)?;
        let mut ledger = FullLedger::from_accounts(accounts, era)?;
        let state = State { ledger: ledger.root()?, ..State::default() };
        let bridge =
            BridgeParameters { minimum_withdrawal: MINA.into(), deposit_fee: Amount::ZERO };
        let rules = Rules {
            domain: Domain::default(),
            account_creation_fee: (MINA / 10).into(),
            bridge: Some(bridge),
        };
        let (chain, height, slot) = (ChainId::new("example")?, Length::new(7), Slot::new(50));
        let created = Vec::new();
        Ok(Self { rules, chain, height, slot, set, created, ledger, state, users })
    }

    /// The number of users.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// The ledger.
    pub fn ledger(&self) -> &FullLedger {
        &self.ledger
    }

    /// The state between commands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The key of user `index`.
    pub fn user(&self, index: usize) -> PublicKey {
        self.users[index].to_public_key()
    }

    /// An account as it is now, with its path.
    ///
    /// # Errors
    /// [`ExampleError`], also if there is no such account.
    pub fn opening(&mut self, id: &AccountId) -> Result<Opening, ExampleError> {
        let location = self.ledger.location(id)?.ok_or(LedgerError::NoAccount { index: 0 })?;
        let account = self.ledger.get(id)?.ok_or(LedgerError::NoAccount { index: 0 })?.clone();
        Ok(Opening { account, path: self.ledger.path(location)? })
    }

    /// Credits the fees to a user, as the end of a batch does; the root of the ledger afterwards.
    ///
    /// # Errors
    /// [`ExampleError`].
    pub fn close(&mut self, user: usize) -> Result<Fp, ExampleError> {
        let fees = mina_curves::PastaField::to_limbs(self.state.fees)[0];
        let recipient = self.user(user);
        credit_fees(&mut self.ledger, recipient, fees.into())?;
        self.state = State { ledger: self.ledger.root()?, ..State::default() };
        Ok(self.state.ledger)
    }

    /// Where the chain stands at a state in its block.
    pub fn point(&self, state: &State) -> Point {
        // Fees in this example are far below the bound.
        let fees = mina_curves::PastaField::to_limbs(state.fees)[0];
        Point::new(state, fees.into(), self.height, self.slot)
    }

    /// The segment between two states.
    pub fn segment(&self, source: &State, target: &State) -> Segment {
        let (source, target) = (self.point(source), self.point(target));
        Segment { chain: self.chain, source, target }
    }

    /// User `from` sends `amount` to user `to`: three updates, the fee payer's included.
    ///
    /// # Errors
    /// [`ExampleError`].
    pub fn send(
        &mut self,
        from: usize,
        to: usize,
        amount: u64,
    ) -> Result<Vec<RecordedUpdate>, ExampleError> {
        let receiver = id(&self.users[to]);
        self.pay(from, receiver, amount, Vec::new())
    }

    /// User `from` opens an account with `amount` for a key that has none.
    ///
    /// # Errors
    /// [`ExampleError`].
    pub fn open(
        &mut self,
        from: usize,
        key: &PrivateKey,
        amount: u64,
    ) -> Result<Vec<RecordedUpdate>, ExampleError> {
        let era = self.rules.domain.era();
        let mut update = change(id(key), SignedAmount::positive(amount.into()), era);
        update.body.implicit_account_creation_fee = true;
        let payer = change(id(&self.users[from]), SignedAmount::negative(amount.into()), era);
        self.run(from, [payer, update])
    }

    /// User `from` withdraws `amount` to the L1.
    ///
    /// # Errors
    /// [`ExampleError`].
    pub fn withdraw(
        &mut self,
        from: usize,
        amount: u64,
    ) -> Result<Vec<RecordedUpdate>, ExampleError> {
        let recipient = self.users[from].to_public_key();
        let entry = OutboxEntry::Withdrawal { recipient, amount: amount.into() };
        self.pay(from, bridge_id(), amount, entry.to_actions())
    }

    fn pay(
        &mut self,
        from: usize,
        to: AccountId,
        amount: u64,
        actions: Vec<Vec<Fp>>,
    ) -> Result<Vec<RecordedUpdate>, ExampleError> {
        let era = self.rules.domain.era();
        let payer = change(id(&self.users[from]), SignedAmount::negative(amount.into()), era);
        let mut receiver = change(to, SignedAmount::positive(amount.into()), era);
        receiver.body.actions = actions;
        self.run(from, [payer, receiver])
    }

    /// Signs and applies updates that user `payer` pays for. They may fail, which costs the fee.
    ///
    /// # Errors
    /// [`ExampleError`].
    pub fn run(
        &mut self,
        payer: usize,
        updates: impl IntoIterator<Item = AccountUpdate>,
    ) -> Result<Vec<RecordedUpdate>, ExampleError> {
        let key = &self.users[payer];
        let nonce = self.ledger.get(&id(key))?.map(|account| account.nonce).unwrap_or_default();
        let body =
            FeePayerBody { public_key: key.to_public_key(), fee: FEE, valid_until: None, nonce };
        let mut command = ZkappCommand {
            fee_payer: FeePayer { body, authorization: Signature::DUMMY },
            account_updates: CallForest::flat(updates),
            memo: Memo::EMPTY,
        };
        let hashes = command_hashes(&command, &self.rules.domain);
        for key in &self.users {
            sign_zkapp_command(&mut command, &hashes, key, &self.rules.domain)?;
        }
        self.apply(&command, &hashes)
    }

    /// User `from` sends `amount` to user `to` by a payment, as wallets sign it.
    ///
    /// # Errors
    /// [`ExampleError`].
    pub fn payment(
        &mut self,
        from: usize,
        to: usize,
        amount: u64,
    ) -> Result<RecordedPayments, ExampleError> {
        let (key, receiver) = (&self.users[from], self.user(to));
        let nonce = self.ledger.get(&id(key))?.map(|account| account.nonce).unwrap_or_default();
        let payload = SignedCommandPayload {
            fee: FEE,
            fee_payer: key.to_public_key(),
            nonce,
            valid_until: Slot::MAX,
            memo: Memo::EMPTY,
            body: SignedCommandBody::Payment { receiver, amount: amount.into() },
        };
        let signature = sign_payload(&payload, key, &self.rules.domain)?;
        let (rules, view) = (self.rules.clone(), self.view());
        let rule = rules.bridge.map(|parameters| BridgeRule { parameters });
        let context = context(&rules, rule.as_ref(), &view);
        let mut recorder = PaymentRecorder::new(&mut self.ledger, self.state)?;
        recorder.before(&mut self.ledger, &SignedCommand { payload, signature })?;
        let applied = apply_signed_command(&mut self.ledger, &payload, &context)?;
        recorder.after(&mut self.ledger, &applied)?;
        let recorded = recorder.finish();
        self.state = recorded.after;
        self.created.extend(&recorded.entries);
        Ok(recorded)
    }

    /// Consumes messages of the L1.
    ///
    /// # Errors
    /// [`ExampleError`].
    pub fn receive(&mut self, messages: &[Message]) -> Result<RecordedInbox, ExampleError> {
        let (rules, state) = (self.rules.clone(), self.state);
        let view = self.view();
        let rule = rules.bridge.map(|parameters| BridgeRule { parameters });
        let context = context(&rules, rule.as_ref(), &view);
        let recorded = RecordedInbox::consume(&mut self.ledger, messages, &rules, &context, state)?;
        self.state = recorded.after;
        self.created.extend(&recorded.entries);
        Ok(recorded)
    }

    fn view(&self) -> ProtocolStateView {
        ProtocolStateView {
            blockchain_length: self.height,
            global_slot_since_genesis: self.slot,
            ..ProtocolStateView::default()
        }
    }

    fn apply(
        &mut self,
        command: &ZkappCommand,
        hashes: &CommandHashes,
    ) -> Result<Vec<RecordedUpdate>, ExampleError> {
        let view = self.view();
        let rule = self.rules.bridge.map(|parameters| BridgeRule { parameters });
        let context = context(&self.rules, rule.as_ref(), &view);
        let mut recorder = Recorder::new(command, hashes, self.state);
        let applied =
            apply_zkapp_command(&mut self.ledger, command, hashes, &context, &mut recorder)?;
        let magnitude = |amount: SignedAmount| Fp::from(amount.magnitude.get());
        self.state.ledger = self.ledger.root()?;
        self.state.fees += magnitude(applied.fee_excess) + magnitude(applied.supply_increase);
        let recorded = recorder.finish(applied.failures.is_some());
        self.state.accounts = recorded.accounts;
        self.created.extend(recorded.entries);
        Ok(recorded.updates)
    }
}

fn context<'a>(
    rules: &Rules,
    rule: Option<&'a BridgeRule>,
    view: &'a ProtocolStateView,
) -> Context<'a> {
    Context {
        era: rules.domain.era(),
        account_creation_fee: rules.account_creation_fee,
        slot: view.global_slot_since_genesis,
        view,
        rule: rule.map(|rule| rule as _),
    }
}
