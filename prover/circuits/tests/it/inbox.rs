//! Messages from the L1: what a proof of them shows is what the logic does.

use ark_ff::AdditiveGroup;
use kimchi::builder::testing::Lab;
use mina_curves::Fp;
use mina_ledger::{
    Domain,
    ledger::{FullLedger, Ledger, Location},
    logic::Context,
    rollup::{
        BridgeParameters, BridgeRule, ChainId, DepositAction, Hashed, apply_deposit,
        apply_unopened, bridge_account, bridge_public_key,
    },
    types::{
        Account, AccountId, Amount, AuthRequired, Length, ProtocolStateView, PublicKey, Slot,
        Timing,
    },
};
use zeko_circuits::{
    program::{CommandsError, Inbox, InboxInput, Message, RecordedInbox, Sizes},
    update::{NewAccount, Rules, State},
};

use crate::program::MINA;

type InboxLab = Lab<Fp, InboxInput>;

const FEE: u64 = 1_000;
const SLOT: Slot = Slot::new(50);

fn rules() -> Rules {
    let bridge =
        BridgeParameters { minimum_withdrawal: MINA.into(), deposit_fee: Amount::new(FEE) };
    Rules {
        domain: Domain::default(),
        account_creation_fee: (MINA / 10).into(),
        bridge: Some(bridge),
    }
}

fn user(x: u64) -> PublicKey {
    PublicKey { x: Fp::from(x), is_odd: x % 2 == 1 }
}

fn account(x: u64) -> Account {
    Account::new(AccountId::of(user(x)), (100 * MINA).into(), rules().domain.era())
}

/// The bridge account, two that can be credited, one that cannot, and one with a vesting schedule that
/// has ended.
fn ledger() -> FullLedger {
    let era = rules().domain.era();
    let mut closed = account(3);
    closed.permissions.receive = AuthRequired::Impossible;
    let mut vested = account(4);
    vested.timing = Some(Timing { cliff_time: Slot::new(1), ..Timing::DUMMY });
    let accounts = [bridge_account(Fp::from(9u64), era), account(1), account(2), closed, vested];
    FullLedger::from_accounts(accounts, era).unwrap()
}

fn deposit(recipient: PublicKey, amount: u64) -> DepositAction {
    let refund_to = user(8);
    DepositAction { recipient, amount: amount.into(), timeout: SLOT, refund_to }
}

fn to(x: u64, amount: u64) -> Message {
    Message::Deposit(deposit(user(x), amount))
}

/// Everything that can become of a message.
fn messages() -> Vec<Message> {
    let late = DepositAction { timeout: Slot::new(SLOT.get() - 1), ..deposit(user(1), MINA) };
    vec![
        to(1, 2 * MINA),
        to(20, 3 * MINA),
        Message::Deposit(late),
        Message::Deposit(deposit(bridge_public_key(), MINA)),
        to(3, MINA),
        to(4, MINA),
        to(2, FEE - 1),
        to(21, MINA / 10),
        Message::Unopened(Fp::from(77u64)),
        // More than there is, and once more to the account that is new.
        to(2, u64::MAX),
        to(20, MINA),
        Message::Deposit(deposit(PublicKey::EMPTY, MINA)),
    ]
}

fn with_context<T>(run: impl FnOnce(&Context<'_>) -> T) -> T {
    let rules = rules();
    let view = ProtocolStateView {
        blockchain_length: Length::new(7),
        global_slot_since_genesis: SLOT,
        ..ProtocolStateView::default()
    };
    let rule = rules.bridge.map(|parameters| BridgeRule { parameters });
    run(&Context {
        era: rules.domain.era(),
        account_creation_fee: rules.account_creation_fee,
        slot: SLOT,
        view: &view,
        rule: rule.as_ref().map(|rule| rule as _),
    })
}

fn record(ledger: &mut FullLedger, messages: &[Message], before: State) -> RecordedInbox {
    with_context(|context| RecordedInbox::consume(ledger, messages, &rules(), context, before))
        .unwrap()
}

fn input(recorded: RecordedInbox, room: usize) -> Result<InboxInput, CommandsError> {
    let chain = ChainId::new("inbox").unwrap();
    InboxInput::new(chain, Length::new(7), SLOT, recorded, &rules(), room)
}

/// Exposes the ends of the segment.
fn lab(room: usize) -> InboxLab {
    Lab::new(|cs| {
        let segment = Inbox::new(rules(), room).segment(cs, |input: &InboxInput| input);
        for point in [segment.source, segment.target] {
            let fees = point.fees.linear().clone();
            for x in [point.ledger, point.accounts, fees] {
                cs.expose(x);
            }
        }
    })
}

fn fields(state: &State) -> [Fp; 3] {
    [state.ledger, state.accounts, state.fees]
}

/// In one proof or several, with places left over or not.
#[test]
fn messages_do_what_the_logic_does() {
    let messages = messages();
    let mut native = ledger();
    with_context(|context| {
        for message in &messages {
            let parameters = rules().bridge.unwrap();
            match message {
                Message::Deposit(deposit) => {
                    apply_deposit(&mut native, deposit, &parameters, context)
                }
                Message::Unopened(hash) => apply_unopened(&mut native, *hash, context),
            }
            .unwrap();
        }
    });
    let mut ends = Vec::new();
    for room in [3, 13] {
        let lab = lab(room);
        let mut ledger = ledger();
        let mut state = State { fees: Fp::from(5u64), ..State::default() };
        let mut opened = Vec::new();
        for messages in messages.chunks(room) {
            let recorded = record(&mut ledger, messages, state);
            let (before, after) = (recorded.before, recorded.after);
            opened.extend(recorded.entries.clone());
            let input = input(recorded, room).unwrap();
            lab.accepts(&input);
            assert_eq!(lab.public(&input), [fields(&before), fields(&after)].concat());
            state = after;
        }
        assert_eq!(state.ledger, native.root().unwrap());
        // Three deposits were credited, and a fourth to an account that is new.
        assert_eq!(state.fees, Fp::from(5 + 4 * FEE + MINA / 10));
        // The one that does not cover the fee for a new account was taken to be new as well.
        let reverted: Vec<bool> = opened.iter().map(|entry| entry.reverts).collect();
        assert_eq!(reverted, [false, true]);
        assert!(opened.iter().all(|entry| entry.is_new && entry.is_first));
        ends.push(state);
    }
    assert_eq!(ends[0], ends[1]);
    let too_many = record(&mut ledger(), &messages, State::default());
    let count = |got| CommandsError::Count { what: "messages", expected: 2, got };
    assert_eq!(input(too_many, 2).err(), Some(count(messages.len())));
    let none = record(&mut ledger(), &[], State::default());
    assert_eq!(input(none, 2).err(), Some(count(0)));
}

/// Another witness for the same messages; where it is refused.
fn refused(edit: &dyn Fn(&mut InboxInput)) -> Vec<String> {
    let lab = lab(2);
    let recorded = record(&mut ledger(), &[to(1, 2 * MINA), to(20, 3 * MINA)], State::default());
    let mut input = input(recorded, 2).unwrap();
    edit(&mut input);
    lab.rejects(&input)
}

#[test]
fn accounts_are_those_of_the_ledger() {
    let within = |region: &str, edit: &dyn Fn(&mut InboxInput)| {
        let found = refused(edit);
        assert!(found.iter().any(|path| path.starts_with(region)), "{region}: {found:?}");
    };
    within("bridge before", &|input| input.bridge.account.balance = MINA.into());
    within("bridge before", &|input| input.bridge.account = account(1));
    within("bridge before", &|input| {
        input.bridge.path = input.messages[0].1.recipient.path.clone()
    });
    within("bridge after", &|input| input.bridge_path = input.bridge.path.clone());
    let message = "message/credit/account";
    within(message, &|input| input.messages[0].1.recipient.account.balance = MINA.into());
    within(message, &|input| input.messages[0].1.recipient.account = account(2));
    within(message, &|input| input.messages[0].1.recipient.is_new = true);
    within(message, &|input| input.messages[1].1.recipient.is_new = false);
    within(message, &|input| {
        input.messages[1].1.recipient.path = input.messages[0].1.recipient.path.clone();
    });
    // Out of order, the second comes first to a ledger without the first.
    within(message, &|input| input.messages.swap(0, 1));
}

/// Where the prover chooses, the inbox, the outbox or the list of new accounts tells.
#[test]
fn what_becomes_of_a_message_is_not_the_provers_choice() {
    let lab = lab(1);
    let honest = {
        let recorded = record(&mut ledger(), &[to(1, 2 * MINA)], State::default());
        input(recorded, 1).unwrap()
    };
    let public = lab.public(&honest);
    let elsewhere = |edit: &dyn Fn(&mut InboxInput)| {
        let mut input = honest.clone();
        edit(&mut input);
        assert_ne!(lab.witness(&input)[0][3..6], public[3..]);
    };
    // Another message, or none: another prefix of the inbox than the L1's.
    elsewhere(&|input| input.messages[0].0 = false);
    elsewhere(&|input| input.messages[0].1.message = to(1, 3 * MINA));
    elsewhere(&|input| input.messages[0].1.message = Message::Unopened(Fp::from(1u64)));
}

/// A recipient that exists and is taken to be new could not be credited with less than the fee for an
/// account; then it is on the list, as everybody who is taken to be new.
#[test]
fn nobody_is_refunded_as_a_new_account() {
    let lab = lab(1);
    let recorded = record(&mut ledger(), &[to(1, MINA / 10)], State::default());
    let mut input = input(recorded, 1).unwrap();
    let credited = lab.public(&input);
    let mut ledger = ledger();
    let id = AccountId::of(user(1));
    let recipient = &mut input.messages[0].1.recipient;
    recipient.path = ledger.path(Location::new(ledger.len())).unwrap();
    recipient.account = Account::new(id, Amount::ZERO, ledger.era());
    recipient.is_new = true;
    input.bridge_path = input.bridge.path.clone();
    lab.accepts(&input);
    let refunded = lab.public(&input);
    assert_eq!((credited[4], refunded[5]), (Fp::ZERO, Fp::ZERO));
    let created = (id, Location::new(ledger.len()));
    let entry = NewAccount::of(Fp::ZERO, Fp::ZERO, Some(&created), true).unwrap();
    assert_eq!(refunded[4], entry.digest());
}

/// Only inverses of zero are free, and what is exposed as it is given.
#[test]
fn forged_messages() {
    let lab = lab(1);
    for (message, expected) in [
        (to(1, 2 * MINA), 27),
        (to(20, 2 * MINA), 27),
        (to(3, 2 * MINA), 26),
        (Message::Unopened(Fp::from(1u64)), 29),
    ] {
        let recorded = record(&mut ledger(), &[message], State::default());
        let input = input(recorded, 1).unwrap();
        let witness = lab.witness(&input);
        let mut inverses = 0;
        for (row, column) in lab.unnoticed_cells(&input) {
            if row >= lab.circuit.public_inputs() {
                assert!(matches!(column, 1 | 4), "row {row}, column {column}");
                // By inverses bits are shown to be zero where something is.
                let zeros = [column - 1, column + 1].map(|other| witness[other][row] == Fp::ZERO);
                assert!(zeros.contains(&true), "row {row}, column {column}");
                inverses += 1;
            }
        }
        assert_eq!(inverses, expected, "{message:?}");
    }
    // The bridge account, and a message.
    let rows = [1, 2].map(|room| self::lab(room).circuit.rows());
    assert_eq!(rows, [3_907, 5_935]);
    let rest = 800;
    assert!(rows[0] + (Sizes::MAX.messages - 1) * (rows[1] - rows[0]) + rest < 1 << 16);
}
