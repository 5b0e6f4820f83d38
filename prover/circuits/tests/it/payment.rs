//! Payments and delegations: what a proof of them shows is what the logic does.

use std::sync::LazyLock;

use kimchi::builder::testing::{self, rng};
use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    ledger::{FullLedger, Ledger, Mask},
    logic::{Context, FailureTable, TransactionFailure as Failure, apply_signed_command},
    rollup::{BridgeParameters, BridgeRule, ChainId, bridge_account},
    signature::{sign_payload, verify_payload},
    types::{
        Account, AccountId, Amount, AuthRequired, DelegationJson, Length, Memo, NetworkId, Nonce,
        PaymentJson, PrivateKey, ProtocolStateView, PublicKey, SignatureJson, SignedCommand,
        SignedCommandBody, SignedCommandPayload, Slot, SlotSpan, Timing,
    },
};
use rand::Rng;
use zeko_circuits::{
    program::{CommandsError, Payment, PaymentInput, PaymentRecorder, RecordedPayments, Sizes},
    update::{Rules, State},
};

use crate::program::MINA;

pub(crate) type Lab = testing::Lab<Fp, PaymentInput>;

pub(crate) const SLOT: Slot = Slot::new(50);

/// The fee of every command here.
pub(crate) const FEE: u64 = MINA / 100;

/// The fee for a new account.
pub(crate) const CREATION: u64 = MINA / 10;

pub(crate) fn rules(domain: Domain) -> Rules {
    let bridge = BridgeParameters { minimum_withdrawal: MINA.into(), deposit_fee: Amount::ZERO };
    Rules { domain, account_creation_fee: CREATION.into(), bridge: Some(bridge) }
}

pub(crate) fn key(index: u64) -> PrivateKey {
    PrivateKey::new(Fq::from(9_000 + index)).unwrap()
}

pub(crate) fn user(index: u64) -> PublicKey {
    key(index).to_public_key()
}

pub(crate) fn id(index: u64) -> AccountId {
    AccountId::of(user(index))
}

/// A schedule under which `minimum` MINA may not be spent before the slot `cliff`.
fn until(cliff: u32, minimum: u64) -> Option<Timing> {
    Some(Timing {
        initial_minimum_balance: (minimum * MINA).into(),
        cliff_time: Slot::new(cliff),
        cliff_amount: (minimum * MINA).into(),
        vesting_period: SlotSpan::new(1),
        vesting_increment: Amount::ZERO,
    })
}

/// Users of the chain, each with 100 MINA and something of its own.
pub(crate) const PLAIN: u64 = 0;
pub(crate) const OTHER: u64 = 1;
/// Nobody can be paid.
pub(crate) const CLOSED: u64 = 2;
/// Whoever pays would have to sign.
const SIGNED_ACCESS: u64 = 3;
/// 60 MINA may not be spent yet.
pub(crate) const TIMED: u64 = 4;
/// Everything may be spent.
const VESTED: u64 = 5;
const ALSO_VESTED: u64 = 6;
/// The delegate cannot be changed.
pub(crate) const FIXED_DELEGATE: u64 = 7;
/// As much as there can be, but for 1 MINA.
pub(crate) const RICH: u64 = 8;
/// The nonce is the last one.
const LAST_NONCE: u64 = 9;
/// Cannot send.
pub(crate) const MUTE: u64 = 10;
/// Cannot increment the nonce by a signature.
pub(crate) const STUCK: u64 = 11;
/// No account.
pub(crate) const NOBODY: u64 = 20;

pub(crate) fn ledger() -> FullLedger {
    let era = Domain::default().era();
    let mut accounts = vec![bridge_account(Fp::from(9u64), era)];
    for index in PLAIN..=STUCK {
        let mut account = Account::new(id(index), (100 * MINA).into(), era);
        let permissions = &mut account.permissions;
        match index {
            CLOSED => permissions.receive = AuthRequired::Impossible,
            SIGNED_ACCESS => permissions.access = AuthRequired::Signature,
            TIMED => account.timing = until(90, 60),
            VESTED | ALSO_VESTED => account.timing = until(50, 60),
            FIXED_DELEGATE => permissions.set_delegate = AuthRequired::Impossible,
            RICH => account.balance = Amount::new(u64::MAX - MINA),
            LAST_NONCE => account.nonce = Nonce::new(u32::MAX),
            MUTE => permissions.send = AuthRequired::Proof,
            STUCK => permissions.increment_nonce = AuthRequired::Proof,
            _ => (),
        }
        accounts.push(account);
    }
    FullLedger::from_accounts(accounts, era).unwrap()
}

pub(crate) fn with_context<T>(rules: &Rules, run: impl FnOnce(&Context<'_>) -> T) -> T {
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

pub(crate) fn payload(from: u64, nonce: u32, body: SignedCommandBody) -> SignedCommandPayload {
    SignedCommandPayload {
        fee: FEE.into(),
        fee_payer: user(from),
        nonce: Nonce::new(nonce),
        valid_until: Slot::MAX,
        memo: Memo::from_text("for you").unwrap(),
        body,
    }
}

pub(crate) fn sign(payload: SignedCommandPayload, from: u64) -> SignedCommand {
    let signature = sign_payload(&payload, &key(from), &Domain::default()).unwrap();
    SignedCommand { payload, signature }
}

pub(crate) fn pays(to: u64, amount: u64) -> SignedCommandBody {
    SignedCommandBody::Payment { receiver: user(to), amount: amount.into() }
}

pub(crate) fn delegates(to: u64) -> SignedCommandBody {
    SignedCommandBody::Delegation { new_delegate: user(to) }
}

/// Commands of users, with the nonces that they have.
pub(crate) fn commands(bodies: &[(u64, SignedCommandBody)]) -> Vec<SignedCommand> {
    let mut ledger = ledger();
    let signed = bodies.iter().map(|(from, body)| {
        let mut account = ledger.get(&id(*from)).unwrap().unwrap().clone();
        let command = sign(payload(*from, account.nonce.get(), *body), *from);
        account.nonce = account.nonce.successor();
        ledger.set(account).unwrap();
        command
    });
    signed.collect()
}

/// Applies commands and records them.
pub(crate) fn record(
    ledger: &mut FullLedger,
    commands: &[SignedCommand],
    rules: &Rules,
    before: State,
) -> (RecordedPayments, Vec<Option<FailureTable>>) {
    let mut recorder = PaymentRecorder::new(ledger, before).unwrap();
    let failures = commands.iter().map(|command| {
        recorder.before(ledger, command).unwrap();
        let applied = with_context(rules, |context| {
            apply_signed_command(ledger, &command.payload, context).unwrap()
        });
        recorder.after(ledger, &applied).unwrap();
        applied.failures
    });
    let failures = failures.collect();
    (recorder.finish(), failures)
}

pub(crate) fn input(
    recorded: RecordedPayments,
    room: usize,
) -> Result<PaymentInput, CommandsError> {
    let chain = ChainId::new("payments").unwrap();
    PaymentInput::new(chain, Length::new(7), SLOT, recorded, room)
}

/// Exposes the ends of the segment.
pub(crate) fn lab_of(rules: Rules, room: usize) -> Lab {
    Lab::new(|cs| {
        let segment = Payment::new(rules, room).segment(cs, |input: &PaymentInput| input);
        for point in [segment.source, segment.target] {
            let fees = point.fees.linear().clone();
            for x in [point.ledger, point.accounts, fees] {
                cs.expose(x);
            }
        }
    })
}

/// With room for one.
pub(crate) fn lab() -> &'static Lab {
    static LAB: LazyLock<Lab> = LazyLock::new(|| lab_of(rules(Domain::default()), 1));
    &LAB
}

pub(crate) fn fields(state: &State) -> [Fp; 3] {
    [state.ledger, state.accounts, state.fees]
}

/// Records commands in proofs with some room, and compares each end with what the circuit says.
fn proved(
    lab: &Lab,
    room: usize,
    ledger: &mut FullLedger,
    commands: &[SignedCommand],
) -> (State, Vec<Option<FailureTable>>, Vec<bool>) {
    let rules = rules(Domain::default());
    let mut state = State { fees: Fp::from(5u64), accounts: Fp::from(6u64), ..State::default() };
    let (mut failures, mut reverted) = (Vec::new(), Vec::new());
    for commands in commands.chunks(room) {
        let (recorded, failed) = record(ledger, commands, &rules, state);
        let (before, after) = (recorded.before, recorded.after);
        failures.extend(failed);
        reverted.extend(recorded.entries.iter().map(|entry| entry.reverts));
        assert!(recorded.entries.iter().all(|entry| entry.is_new && entry.is_first));
        let input = input(recorded, room).unwrap();
        assert_eq!(lab.public(&input), [fields(&before), fields(&after)].concat());
        state = after;
    }
    (state, failures, reverted)
}

/// Commands of every kind, and how each fails.
fn kinds() -> Vec<(u64, SignedCommandBody, Option<Failure>)> {
    use Failure::{
        AmountInsufficientToCreateAccount, Overflow, ReceiverNotPresent, UpdateNotPermittedBalance,
        UpdateNotPermittedDelegate,
    };
    let denied = Some(UpdateNotPermittedBalance);
    vec![
        (PLAIN, pays(OTHER, MINA), None),
        (PLAIN, pays(OTHER, 0), None),
        // New accounts: enough, nothing left of it, not enough.
        (PLAIN, pays(NOBODY, 3 * MINA), None),
        (PLAIN, pays(NOBODY + 1, CREATION), None),
        (PLAIN, pays(NOBODY + 2, CREATION - 1), Some(AmountInsufficientToCreateAccount)),
        (PLAIN, pays(NOBODY + 2, 0), Some(AmountInsufficientToCreateAccount)),
        (PLAIN, pays(NOBODY, MINA), None),
        // To itself.
        (PLAIN, pays(PLAIN, 2 * MINA), None),
        (CLOSED, pays(CLOSED, MINA), denied),
        (RICH, pays(RICH, u64::MAX - 2 * MINA), None),
        // To accounts that cannot be paid.
        (PLAIN, pays(CLOSED, MINA), denied),
        (PLAIN, pays(SIGNED_ACCESS, MINA), denied),
        (PLAIN, pays(RICH, 2 * MINA), Some(Overflow)),
        // Vesting.
        (TIMED, pays(OTHER, 40 * MINA - FEE), None),
        (VESTED, pays(OTHER, 90 * MINA), None),
        (ALSO_VESTED, pays(CLOSED, 90 * MINA), Some(UpdateNotPermittedBalance)),
        // Everything there is.
        (OTHER, pays(PLAIN, 231 * MINA - 2 * FEE), None),
        // Delegations.
        (PLAIN, delegates(CLOSED), None),
        (PLAIN, delegates(PLAIN), None),
        (PLAIN, delegates(NOBODY), None),
        (PLAIN, delegates(NOBODY + 3), Some(ReceiverNotPresent)),
        (FIXED_DELEGATE, delegates(PLAIN), Some(UpdateNotPermittedDelegate)),
        (FIXED_DELEGATE, delegates(NOBODY + 3), Some(ReceiverNotPresent)),
        (LAST_NONCE, delegates(RICH), None),
        (LAST_NONCE, pays(RICH, FEE), None),
    ]
}

/// In one proof or several, with places left over or not.
#[test]
fn payments_do_what_the_logic_does() {
    let kinds = kinds();
    let bodies: Vec<_> = kinds.iter().map(|(from, body, _)| (*from, *body)).collect();
    let mut commands = commands(&bodies);
    // A memo of ones, the last slot in which the command is valid.
    commands[0].payload.memo = Memo([0xff; Memo::LEN]);
    commands[0].payload.valid_until = SLOT;
    commands[0] = sign(commands[0].payload, PLAIN);
    let expected: Vec<_> =
        kinds.into_iter().map(|(_, _, failure)| failure.map(|f| vec![vec![f]])).collect();

    let mut native = ledger();
    with_context(&rules(Domain::default()), |context| {
        for command in &commands {
            verify_payload(&command.signature, &command.payload, &Domain::default()).unwrap();
            apply_signed_command(&mut native, &command.payload, context).unwrap();
        }
    });
    let three = lab_of(rules(Domain::default()), 3);
    let ends = [(lab(), 1), (&three, 3)].map(|(lab, room)| {
        let mut ledger = ledger();
        let (end, failures, reverted) = proved(lab, room, &mut ledger, &commands);
        assert_eq!(failures, expected);
        assert_eq!(reverted, [false, false, true, true, true, true]);
        assert_eq!(end.ledger, native.root().unwrap());
        let collected = commands.len() as u64 * FEE + 2 * CREATION;
        assert_eq!(end.fees, Fp::from(5 + collected));
        end
    });
    assert_eq!(ends[0], ends[1]);
    let rows = [lab(), &three].map(|lab| lab.circuit.rows());
    assert_eq!(rows, [7_651, 22_870]);
    let part = |path: &str| lab().circuit.rows_in(&format!("payment/{path}"));
    assert_eq!(
        ["signature", "payer", "payer/receipt", "receiver"].map(part),
        [2_634, 2_714, 1_892, 780]
    );
    let each = (rows[1] - rows[0]) / 2;
    assert!(rows[0] + (Sizes::MAX.payments - 1) * each + 800 < 1 << 16);
    assert!(rows[0] + Sizes::MAX.payments * each > 1 << 16, "no more fit");

    let too_many =
        record(&mut ledger(), &commands[..3], &rules(Domain::default()), State::default());
    let count = |got| CommandsError::Count { what: "payments", expected: 2, got };
    assert_eq!(input(too_many.0, 2).err(), Some(count(3)));
    let none = record(&mut ledger(), &[], &rules(Domain::default()), State::default());
    assert_eq!(input(none.0, 2).err(), Some(count(0)));
}

/// Random commands, of which some fail and some have no place in a block.
#[test]
fn random_payments() {
    let seed = 46;
    println!("seed {seed}");
    let mut rng = rng(seed);
    let mut ledger = ledger();
    let (mut outcomes, mut rejected) = ([0, 0], 0);
    for _ in 0..60 {
        let (from, to) = (rng.gen_range(PLAIN..=STUCK), rng.gen_range(PLAIN..NOBODY + 4));
        let amount = [0, CREATION - 1, CREATION, rng.gen_range(0..60 * MINA), rng.r#gen::<u64>()]
            [rng.gen_range(0..5)];
        let body = if rng.gen_bool(0.7) { pays(to, amount) } else { delegates(to) };
        let nonce = ledger.get(&id(from)).unwrap().unwrap().nonce;
        let mut memo = [0; Memo::LEN];
        rng.fill(&mut memo[..]);
        let payload = SignedCommandPayload {
            fee: rng.gen_range(0..MINA).into(),
            memo: Memo(memo),
            valid_until: Slot::new(SLOT.get() + rng.gen_range(0..3)),
            ..payload(from, nonce.get(), body)
        };
        let applies = with_context(&rules(Domain::default()), |context| {
            apply_signed_command(&mut Mask::new(&mut ledger), &payload, context).is_ok()
        });
        if !applies {
            rejected += 1;
            continue;
        }
        let (_, failures, _) = proved(lab(), 1, &mut ledger, &[sign(payload, from)]);
        outcomes[usize::from(failures[0].is_some())] += 1;
    }
    assert!(outcomes.iter().all(|count| *count > 8) && rejected > 8, "{outcomes:?} {rejected}");
}

/// mina-signer's payments and delegations, on every network that it has them for.
#[test]
fn upstream_signatures() {
    let json = include_str!("../../../../tests/vectors/signatures/legacy.json");
    let file: serde_json::Value = serde_json::from_str(json).unwrap();
    let flat = |vector: &serde_json::Value, to: &str| {
        let mut json = vector["common"].clone();
        json["from"] = json["feePayer"].clone();
        json["to"] = vector["body"][to].clone();
        json["amount"] = vector["body"]["amount"].clone();
        json
    };
    let list = |name: &str| file[name].as_array().unwrap();
    let payments = list("payments").iter().map(|vector| {
        let json: PaymentJson = serde_json::from_value(flat(vector, "receiver")).unwrap();
        json.to_payload().unwrap()
    });
    let delegations = list("delegations").iter().map(|vector| {
        let json: DelegationJson = serde_json::from_value(flat(vector, "newDelegate")).unwrap();
        json.to_payload().unwrap()
    });
    let payloads: Vec<SignedCommandPayload> = payments.chain(delegations).collect();
    assert_eq!(payloads.len(), 6);
    let networks = file["signatures"].as_object().unwrap();
    assert!(networks.len() >= 2);
    for (network, signatures) in networks {
        let era = Domain::default().era();
        let rules = rules(Domain::new(NetworkId::from_name(network).unwrap(), era));
        let lab = lab_of(rules.clone(), 1);
        let signatures = signatures.as_array().unwrap();
        for (payload, signature) in payloads.iter().zip(signatures) {
            let json: SignatureJson = serde_json::from_value(signature.clone()).unwrap();
            let command = SignedCommand { payload: *payload, signature: json.into() };
            let account = |key, nonce| {
                let mut account = Account::new(AccountId::of(key), (u64::MAX / 4).into(), era);
                account.nonce = nonce;
                account
            };
            let mut accounts = vec![account(payload.fee_payer, payload.nonce)];
            if payload.receiver() != payload.fee_payer {
                accounts.push(account(payload.receiver(), Nonce::ZERO));
            }
            let mut ledger = FullLedger::from_accounts(accounts, era).unwrap();
            let slot = payload.valid_until.min(SLOT);
            assert_eq!(slot, SLOT, "valid here");
            let (recorded, failures) = record(&mut ledger, &[command], &rules, State::default());
            assert_eq!(failures, [None]);
            let after = recorded.after;
            let input = input(recorded, 1).unwrap();
            assert_eq!(lab.public(&input)[3..], fields(&after));
        }
    }
}
