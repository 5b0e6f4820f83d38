//! Messages from the L1.

mod record;

use ark_ff::AdditiveGroup;
use kimchi::builder::Boolean;
use mina_curves::Fp;
use mina_ledger::{
    ledger::{DEPTH, Location, MerklePath},
    rollup::{BridgeParameters, ChainId, DepositAction, OutboxEntry},
    types::{Account, AccountId, Amount, Length, PublicKey, Slot},
};
use pickles::{Rule, RuleStatement, StepBuilder, StepInput, StepKey};

pub use mina_ledger::rollup::Message;

pub use self::record::{InboxRecorder, RecordedInbox};
use super::{CommandsError, Opening, Point, PointVar, SegmentVar, close::open_bridge};
use crate::{
    Cs, Linear,
    account::AccountVar,
    alloc::{constant, witness},
    key::PublicKeyVar,
    merkle::MerklePathVar,
    message::{DepositActionVar, NO_DEPOSIT, entry_fields, one_action, push},
    number::{AmountVar, NumberValue, U32Var},
    update::{BlockVar, Credit, CreditWitness, NewAccountVar, Rules, State, credit},
};

/// A message with the account that it is for.
#[derive(Clone, Debug)]
pub struct RecordedMessage {
    /// The message.
    pub message: Message,
    /// The recipient's account; of a message that is not looked into, a new one of nobody.
    pub recipient: CreditWitness,
}

impl RecordedMessage {
    /// In place of a message.
    fn none(rules: &Rules) -> Self {
        Self { message: Message::Unopened(Fp::ZERO), recipient: nobody(rules) }
    }

    /// The deposit; one of nothing in place of a message that is not opened.
    fn deposit(&self) -> &DepositAction {
        match &self.message {
            Message::Deposit(deposit) => deposit,
            Message::Unopened(_) => &NO_DEPOSIT,
        }
    }
}

fn nobody(rules: &Rules) -> CreditWitness {
    CreditWitness {
        account: Account::new(AccountId::of(PublicKey::EMPTY), Amount::ZERO, rules.domain.era()),
        is_new: true,
        path: MerklePath::new(Location::new(0), vec![Fp::ZERO; DEPTH]),
    }
}

/// What a chain without a rule for its bridge account keeps of deposits is nothing.
fn bridge_parameters(rules: &Rules) -> BridgeParameters {
    let none = BridgeParameters { minimum_withdrawal: Amount::ZERO, deposit_fee: Amount::ZERO };
    rules.bridge.unwrap_or(none)
}

/// The next messages of the inbox, in order, each of which credits its recipient or leads to an entry of
/// the outbox. The bridge account is opened before the first and written after the last.
#[derive(Clone, Debug)]
pub struct Inbox {
    rules: Rules,
    messages: usize,
}

/// What a proof of [`Inbox`] is made from.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // named as in `RecordedInbox`
pub struct InboxInput {
    chain: ChainId,
    height: Length,
    slot: Slot,
    pub before: State,
    pub bridge: Opening,
    pub bridge_path: MerklePath,
    /// As many as the circuit has room for, each with whether it counts.
    pub messages: Vec<(bool, RecordedMessage)>,
}

impl Inbox {
    /// The rule for up to `messages` messages.
    pub fn new(rules: Rules, messages: usize) -> Self {
        Self { rules, messages }
    }
}

impl InboxInput {
    /// The input of a circuit with room for `room` messages.
    ///
    /// # Errors
    /// [`CommandsError::Count`].
    pub fn new(
        chain: ChainId,
        height: Length,
        slot: Slot,
        recorded: RecordedInbox,
        rules: &Rules,
        room: usize,
    ) -> Result<Self, CommandsError> {
        let RecordedInbox { before, bridge, bridge_path, messages, .. } = recorded;
        let got = messages.len();
        if !(1..=room).contains(&got) {
            return Err(CommandsError::Count { what: "messages", expected: room, got });
        }
        let mut messages: Vec<_> = messages.into_iter().map(|message| (true, message)).collect();
        messages.resize(room, (false, RecordedMessage::none(rules)));
        Ok(Self { chain, height, slot, before, bridge, bridge_path, messages })
    }
}

/// Where the chain stands between two messages, the bridge account not yet written.
struct Progress {
    ledger: Linear,
    accounts: Linear,
    fees: Linear,
    bridge: AccountVar,
}

impl Rule for Inbox {
    type Input = InboxInput;

    fn name(&self) -> &'static str {
        "inbox"
    }

    fn constrain(&self, cs: &mut StepBuilder<InboxInput>, _: &[StepKey]) -> RuleStatement {
        let segment = self.segment(cs, StepInput::<InboxInput>::rule);
        RuleStatement { app_state: vec![segment.digest(cs)], previous: vec![] }
    }
}

impl Inbox {
    /// The constraints; what is shown.
    pub fn segment<I: 'static>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &InboxInput + Clone + Send + Sync + 'static,
    ) -> SegmentVar {
        let era = self.rules.domain.era();
        let given = source.clone();
        let [chain, height, slot, ledger, accounts, fees] = cs.witnesses(move |v| {
            let InboxInput { chain, height, slot, before, .. } = given(v.input());
            let State { ledger, accounts, fees, .. } = *before;
            [chain.field(), height.value(), slot.value(), ledger, accounts, fees]
        });
        let [height, slot] = [height, slot].map(|x| U32Var::assert(cs, x));
        let block = BlockVar::new(cs, &height, &slot, era);
        let point = |cs: &mut Cs<I>, [ledger, accounts, fees]: [Linear; 3]| PointVar {
            ledger,
            accounts,
            local: Point::local_between_commands().into(),
            fees: AmountVar::assert(cs, fees),
            height: height.clone(),
            slot: slot.clone(),
        };
        let before = [ledger, accounts, fees].map(Linear::from);
        let start = point(cs, before.clone());

        let given = source.clone();
        let (bridge, leaf) = cs.region("bridge before", |cs| {
            let (bridge, leaf, root) = open_bridge(cs, era, move |input| &given(input).bridge);
            cs.assert_equal(root, ledger);
            (bridge, leaf)
        });
        let [ledger, accounts, fees] = before;
        let mut progress = Progress { ledger, accounts, fees, bridge };
        for index in 0..self.messages {
            let given = source.clone();
            progress = cs.region("message", |cs| {
                self.consume(cs, &block, progress, move |input| &given(input).messages[index])
            });
        }
        let Progress { ledger, accounts, fees, bridge } = progress;
        let ledger = cs.region("bridge after", |cs| {
            let path = MerklePathVar::first(cs, move |input| &source(input).bridge_path);
            let root = path.root(cs, &leaf);
            cs.assert_equal(root, &ledger);
            let leaf = bridge.hash(cs);
            path.root(cs, &leaf)
        });
        let target = point(cs, [ledger, accounts, fees]);
        SegmentVar { chain: chain.into(), source: start, target }
    }

    /// Consumes a message, if there is one.
    fn consume<I: 'static>(
        &self,
        cs: &mut Cs<I>,
        block: &BlockVar,
        before: Progress,
        source: impl Fn(&I) -> &(bool, RecordedMessage) + Clone + Send + Sync + 'static,
    ) -> Progress {
        let era = self.rules.domain.era();
        let Progress { ledger, accounts, fees, mut bridge } = before;
        let given = source.clone();
        let counts = Boolean::witness(cs, move |v| given(v.input()).0);
        let given = source.clone();
        let is_deposit = Boolean::witness(cs, move |v| {
            matches!(given(v.input()).1.message, Message::Deposit(_))
        });
        let given = source.clone();
        let none = RecordedMessage::none(&self.rules);
        let deposit: DepositActionVar =
            witness(cs, era, none.deposit(), move |input| given(input).1.deposit());
        let given = source.clone();
        let unopened = cs.witness(move |v| match given(v.input()).1.message {
            Message::Deposit(_) => Fp::ZERO,
            Message::Unopened(hash) => hash,
        });
        let hash = cs.region("prefix", |cs| {
            let opened = one_action(cs, &deposit.to_fields());
            let hash = Linear::from(is_deposit.select(cs, opened, unopened));
            let prefix = bridge.zkapp.app_state[0].clone();
            let longer = push(cs, &prefix, &hash);
            bridge.zkapp.app_state[0] = counts.select(cs, longer, prefix).into();
            hash
        });

        // Whether the recipient's account decides.
        let parameters = bridge_parameters(&self.rules);
        let fee = Fp::from(parameters.deposit_fee.get());
        let in_time = block.slot.at_most(cs, &deposit.timeout);
        let is_bridge = deposit.recipient.is_equal(cs, &bridge.id.public_key);
        // Its account would be an empty leaf.
        let nobody: PublicKeyVar = constant(cs, era, &PublicKey::EMPTY);
        let is_nobody = deposit.recipient.is_equal(cs, &nobody);
        let amount = deposit.amount.linear();
        let (received, covers_fee) = AmountVar::wrap(cs, amount.clone() - fee);
        let (left, is_there) = AmountVar::wrap(cs, bridge.balance.linear().clone() - amount);
        let mut is_tried = counts.and(cs, &is_deposit);
        for condition in [in_time, is_bridge.not(), is_nobody.not(), covers_fee, is_there] {
            is_tried = is_tried.and(cs, &condition);
        }
        let Credit { succeeds, ledger: credited, is_new, owned_token, place } =
            cs.region("credit", |cs| {
                credit(
                    cs,
                    &self.rules,
                    block,
                    &ledger,
                    &deposit.recipient,
                    &received,
                    &is_tried,
                    move |input| &source(input).1.recipient,
                )
            });
        let is_fulfilled = is_tried.and(cs, &succeeds);
        let opens = is_tried.and(cs, &is_new);
        let accounts = cs.region("new account", |cs| {
            let entry = NewAccountVar {
                others: accounts.clone(),
                owned_token,
                place,
                is_new: Boolean::constant(true),
                is_first: Boolean::constant(true),
                reverts: is_fulfilled.not(),
            };
            let longer = entry.digest(cs);
            opens.select(cs, longer, accounts).into()
        });
        let creation_fee = Fp::from(self.rules.account_creation_fee.get());
        let kept = Linear::from(fee) + Linear::from(&opens) * creation_fee;
        let fees = fees + cs.mul(&is_fulfilled, kept);

        bridge.balance = AmountVar::select(cs, &is_fulfilled, &left, &bridge.balance);
        cs.region("entry", |cs| {
            let fails = counts.and(cs, &is_fulfilled.not());
            let [refund, unopened] = [OutboxEntry::REFUND, OutboxEntry::UNOPENED].map(Fp::from);
            let kind = is_deposit.select(cs, refund, unopened);
            let x = Linear::from(is_deposit.select(cs, &deposit.refund_to.x, &hash));
            let is_odd = is_deposit.and(cs, &deposit.refund_to.is_odd);
            let amount = AmountVar::assume(cs.mul(&is_deposit, amount.clone()));
            let entry = entry_fields(kind, &x, &is_odd, &amount);
            let entry = one_action(cs, &entry);
            bridge.zkapp.push_actions(cs, &entry, &fails, &block.slot);
        });
        let ledger = is_fulfilled.select(cs, credited, ledger).into();
        Progress { ledger, accounts, fees, bridge }
    }
}
