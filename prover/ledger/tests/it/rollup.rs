//! The bridge account's rule, messages between the layers, and golden hashes of protocol types.

use std::collections::BTreeMap;

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::{TransactionHash, command_hashes, push_actions},
    ledger::{FullLedger, Ledger, Location},
    logic::{
        ApplyError, Context, RejectReason, TransactionFailure as F, apply_coinbase,
        apply_fee_transfer, apply_signed_command, apply_zkapp_command,
    },
    rollup::{
        Attestation, BRIDGE_SUPPLY, BatchStatement, BlobStatement, BlockHeader, BridgeParameters,
        BridgeRule, Certified, ChainId, CommandReceipt, CommitOrder, Committee, CommitteeMember,
        Configuration, DataCommitment, DepositAction, Fold, Hashed, MessageOutcome, MessageReceipt,
        OutboxEntry, PayoutState, PreConfirmation, Progress, RefundReason, Root, Sequencer, Side,
        SignedStatement, Waiting, WithdrawalReceipt, append_action, apply_deposit, apply_unopened,
        bridge_account, bridge_id, bridge_public_key,
    },
    types::{
        Account, AccountUpdate, Amount, AuthKind, AuthRequired, Body, CallForest, Coinbase, Era,
        FeePayer, FeePayerBody, FeeTransfer, FeeTransfers, Memo, Nonce, Permissions,
        ProtocolStateView, Signature, SignedAmount, SignedCommandBody, SignedCommandPayload, Slot,
        TokenId, ZkappAccount, ZkappCommand, to_decimal,
    },
};

use crate::{
    rules::kit::{MINA, authorized, body, id, minus, plain, plus, secret, signed, transfer, user},
    support::json,
};

const PARAMETERS: BridgeParameters =
    BridgeParameters { minimum_withdrawal: Amount::new(MINA), deposit_fee: Amount::new(1000) };

static RULE: BridgeRule = BridgeRule { parameters: PARAMETERS };

struct Rollup {
    ledger: FullLedger,
    view: ProtocolStateView,
    slot: Slot,
}

impl Rollup {
    fn new() -> Self {
        let mut accounts = vec![bridge_account(Fp::from(77u64), Era::Berkeley)];
        accounts.extend((0..4).map(|i| Account::new(id(i), (100 * MINA).into(), Era::Berkeley)));
        let ledger = FullLedger::from_accounts(accounts, Era::Berkeley).unwrap();
        Self { ledger, view: ProtocolStateView::default(), slot: 50.into() }
    }

    fn with<T>(&mut self, apply: impl FnOnce(&mut FullLedger, &Context<'_>) -> T) -> T {
        let context = Context {
            era: Era::Berkeley,
            account_creation_fee: MINA.into(),
            slot: self.slot,
            view: &self.view,
            rule: Some(&RULE),
        };
        apply(&mut self.ledger, &context)
    }

    /// The failures of a command of updates.
    fn run(&mut self, updates: Vec<(u32, AccountUpdate)>) -> Option<Vec<Vec<F>>> {
        let mut account_updates = CallForest::new();
        for (depth, update) in updates {
            account_updates.push(update, depth).unwrap();
        }
        let nonce = self.ledger.get(&id(0)).unwrap().unwrap().nonce;
        let command = ZkappCommand {
            fee_payer: FeePayer {
                body: FeePayerBody { public_key: user(0), fee: 1.into(), valid_until: None, nonce },
                authorization: Signature::DUMMY,
            },
            account_updates,
            memo: Memo::EMPTY,
        };
        let hashes = command_hashes(&command, &Domain::default());
        self.with(|ledger, context| {
            apply_zkapp_command(ledger, &command, &hashes, context, &mut ()).unwrap().failures
        })
    }

    fn bridge(&self) -> &Account {
        self.ledger.get(&bridge_id()).unwrap().unwrap()
    }

    fn bridge_zkapp(&self) -> &ZkappAccount {
        self.bridge().zkapp.as_deref().unwrap()
    }

    fn deposit(&mut self, deposit: &DepositAction) -> MessageOutcome {
        self.with(|ledger, context| apply_deposit(ledger, deposit, &PARAMETERS, context).unwrap())
    }
}

/// An update that withdraws `amount`, and the one that pays for it.
fn withdrawal(amount: u64) -> (Body, AccountUpdate, OutboxEntry) {
    let entry = OutboxEntry::Withdrawal { recipient: user(9), amount: amount.into() };
    let mut update = transfer(bridge_id(), plus(amount));
    update.actions = entry.to_actions();
    (update, signed(transfer(id(1), minus(amount))), entry)
}

#[test]
fn genesis_puts_the_bridge_account_first() {
    let rollup = Rollup::new();
    assert_eq!(rollup.ledger.location(&bridge_id()).unwrap(), Some(Location::new(0)));
    assert_eq!(rollup.bridge().balance, BRIDGE_SUPPLY);
    assert_eq!(rollup.bridge_zkapp().app_state[0], Fp::from(77u64));
    let Permissions { access, receive, edit_action_state, send, set_permissions, .. } =
        rollup.bridge().permissions;
    assert_eq!([access, receive, edit_action_state], [AuthRequired::None; 3]);
    assert_eq!([send, set_permissions], [AuthRequired::Impossible; 2]);
}

#[test]
fn withdrawals_go_to_the_outbox() {
    let mut rollup = Rollup::new();
    let before = rollup.bridge_zkapp().action_state[0];
    let (update, payer, entry) = withdrawal(3 * MINA);
    assert_eq!(rollup.run(vec![(0, payer), (0, plain(update))]), None);
    assert_eq!(rollup.bridge_zkapp().action_state[0], entry.append_to(before));
    assert_eq!(rollup.bridge().balance.get(), BRIDGE_SUPPLY.get() + 3 * MINA);
    // Only asking about the account is nobody's business.
    let mut ask = body(bridge_id());
    ask.preconditions.account.is_new = Some(false);
    assert_eq!(rollup.run(vec![(0, plain(ask))]), None);
}

#[test]
fn nothing_else_changes_the_bridge_account() {
    let refused = |edit: &dyn Fn(&mut Body)| {
        let mut rollup = Rollup::new();
        let (mut update, payer, _) = withdrawal(3 * MINA);
        edit(&mut update);
        let root = rollup.bridge().clone();
        let failures = rollup.run(vec![(0, payer), (0, plain(update))]).unwrap();
        assert!(failures[2].contains(&F::UpdateNotPermittedActionState), "{failures:?}");
        assert_eq!(rollup.bridge(), &root);
    };
    refused(&|b| b.actions.clear());
    refused(&|b| b.actions.push(b.actions[0].clone()));
    refused(&|b| b.actions[0].push(Fp::from(0u64)));
    refused(&|b| b.balance_change = plus(3 * MINA + 1));
    refused(&|b| b.balance_change = plus(0));
    refused(&|b| b.balance_change = minus(3 * MINA));
    refused(&|b| b.increment_nonce = true);
    refused(&|b| b.update.app_state[0] = Some(Fp::from(1u64)));
    refused(&|b| b.update.delegate = Some(user(1)));
    refused(&|b| b.update.voting_for = Some(Fp::from(1u64)));
    // Entries that only the chain makes.
    let refund = OutboxEntry::Refund { recipient: user(9), amount: (3 * MINA).into() };
    refused(&|b| b.actions = refund.to_actions());
    refused(&|b| b.actions = OutboxEntry::Unopened { action_hash: Fp::from(1u64) }.to_actions());

    // Too little, another token, children, a signature, the fee payer.
    let mut rollup = Rollup::new();
    let (update, payer, _) = withdrawal(MINA - 1);
    let failures = rollup.run(vec![(0, payer), (0, plain(update))]).unwrap();
    assert_eq!(failures[2], [F::UpdateNotPermittedActionState]);
    let (mut update, payer, _) = withdrawal(MINA);
    update.token_id = TokenId(Fp::from(5u64));
    let failures = rollup.run(vec![(0, payer), (0, plain(update))]).unwrap();
    assert!(failures[2].contains(&F::UpdateNotPermittedActionState));
    let (update, payer, _) = withdrawal(MINA);
    let updates = vec![(0, payer), (0, plain(update)), (1, plain(body(id(2))))];
    assert_eq!(rollup.run(updates).unwrap()[2], [F::UpdateNotPermittedActionState]);
    let (update, payer, _) = withdrawal(MINA);
    let update = authorized(update, AuthKind::Signature);
    let failures = rollup.run(vec![(0, payer), (0, update)]).unwrap();
    assert!(failures[2].contains(&F::UpdateNotPermittedActionState));
}

#[test]
fn signed_commands_do_not_name_the_bridge_account() {
    let mut rollup = Rollup::new();
    let reserved = |result: Result<(), ApplyError>| {
        assert_eq!(result, Err(ApplyError::Rejected(RejectReason::Reserved)));
    };
    let payload = |fee_payer, body| SignedCommandPayload {
        fee: 1.into(),
        fee_payer,
        nonce: Nonce::ZERO,
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body,
    };
    let bridge = bridge_public_key();
    let payment = SignedCommandBody::Payment { receiver: bridge, amount: 1.into() };
    let delegation = SignedCommandBody::Delegation { new_delegate: bridge };
    let from = SignedCommandBody::Payment { receiver: user(1), amount: 1.into() };
    for payload in [payload(user(1), payment), payload(user(1), delegation), payload(bridge, from)]
    {
        reserved(rollup.with(|ledger, c| apply_signed_command(ledger, &payload, c).map(|_| ())));
    }
    let fee = FeeTransfer { receiver: bridge, fee: 1.into() };
    let one = FeeTransfers::One(fee);
    reserved(rollup.with(|ledger, c| apply_fee_transfer(ledger, &one, c).map(|_| ())));
    let two = FeeTransfers::Two(FeeTransfer { receiver: user(1), ..fee }, fee);
    reserved(rollup.with(|ledger, c| apply_fee_transfer(ledger, &two, c).map(|_| ())));
    for (receiver, fee_transfer) in [(bridge, None), (user(1), Some(fee))] {
        let coinbase = Coinbase { receiver, amount: 5.into(), fee_transfer };
        reserved(rollup.with(|ledger, c| apply_coinbase(ledger, &coinbase, c).map(|_| ())));
    }
}

fn a_deposit(recipient: u64) -> DepositAction {
    DepositAction {
        recipient: user(recipient),
        amount: (5 * MINA).into(),
        timeout: 50.into(),
        refund_to: user(8),
    }
}

/// MINA in all accounts.
fn total(ledger: &FullLedger) -> u128 {
    ledger.accounts().iter().map(|account| u128::from(account.balance.get())).sum()
}

#[test]
fn deposits_are_credited() {
    let mut rollup = Rollup::new();
    let before = total(&rollup.ledger);
    let inbox = rollup.bridge_zkapp().app_state[0];
    let deposit = a_deposit(1);
    let outcome = rollup.deposit(&deposit);
    assert_eq!(outcome.receipt, MessageReceipt::Fulfilled);
    assert_eq!((outcome.fee.get(), outcome.supply_increase), (1000, SignedAmount::ZERO));
    assert_eq!(rollup.ledger.get(&id(1)).unwrap().unwrap().balance.get(), 105 * MINA - 1000);
    assert_eq!(rollup.bridge().balance.get(), BRIDGE_SUPPLY.get() - 5 * MINA);
    let inbox = append_action(inbox, &deposit.to_fields());
    assert_eq!(rollup.bridge_zkapp().app_state[0], inbox);
    assert_eq!(inbox, push_actions(Fp::from(77u64), deposit.action_hash()));
    // A new account pays for itself.
    let outcome = rollup.deposit(&a_deposit(20));
    assert_eq!(outcome.receipt, MessageReceipt::Fulfilled);
    assert_eq!(outcome.supply_increase, SignedAmount::negative(MINA.into()));
    assert_eq!(rollup.ledger.get(&id(20)).unwrap().unwrap().balance.get(), 4 * MINA - 1000);
    assert_eq!(total(&rollup.ledger) + 2000 + u128::from(MINA), before);
}

#[test]
fn deposits_that_cannot_be_credited_go_to_the_outbox() {
    let check = |edit: &dyn Fn(&mut Rollup, &mut DepositAction), reason| {
        let mut rollup = Rollup::new();
        let mut deposit = a_deposit(1);
        edit(&mut rollup, &mut deposit);
        let before = rollup.ledger.clone();
        let outbox = rollup.bridge_zkapp().action_state[0];
        let outcome = rollup.deposit(&deposit);
        assert_eq!(outcome.receipt, MessageReceipt::Refunded(reason));
        let entry = OutboxEntry::Refund { recipient: user(8), amount: deposit.amount };
        assert_eq!((outcome.entry, outcome.fee), (Some(entry), Amount::ZERO));
        assert_eq!(rollup.bridge_zkapp().action_state[0], entry.append_to(outbox));
        assert_ne!(rollup.bridge_zkapp().app_state[0], Fp::from(77u64));
        assert_eq!(total(&rollup.ledger), total(&before));
        assert_eq!(rollup.ledger.accounts()[1..], before.accounts()[1..]);
        outcome.failures
    };
    check(&|rollup, _| rollup.slot = 51.into(), RefundReason::TimedOut);
    check(&|_, deposit| deposit.recipient = bridge_public_key(), RefundReason::BridgeAccount);
    let cannot = RefundReason::NotCreditable;
    let failures = check(
        &|rollup, _| {
            let mut account = rollup.ledger.get(&id(1)).unwrap().unwrap().clone();
            account.permissions.receive = AuthRequired::Impossible;
            rollup.ledger.set(account).unwrap();
        },
        cannot,
    );
    assert_eq!(failures, [F::UpdateNotPermittedBalance]);
    check(&|_, deposit| deposit.amount = 999.into(), cannot);
    let failures = check(
        &|_, deposit| {
            deposit.recipient = user(21);
            deposit.amount = MINA.into();
        },
        cannot,
    );
    assert!(failures.contains(&F::AmountInsufficientToCreateAccount));
    check(&|_, deposit| deposit.amount = Amount::MAX, cannot);
}

#[test]
fn unopened_messages_are_parked_by_hash() {
    let mut rollup = Rollup::new();
    let deposit = a_deposit(1);
    let outbox = rollup.bridge_zkapp().action_state[0];
    let hash = deposit.action_hash();
    let outcome = rollup.with(|ledger, context| apply_unopened(ledger, hash, context).unwrap());
    assert_eq!(outcome.receipt, MessageReceipt::Unopened);
    let entry = OutboxEntry::Unopened { action_hash: hash };
    assert_eq!(rollup.bridge_zkapp().action_state[0], entry.append_to(outbox));
    // The same prefix as if it had been opened.
    let inbox = append_action(Fp::from(77u64), &deposit.to_fields());
    assert_eq!(rollup.bridge_zkapp().app_state[0], inbox);
}

#[test]
fn messages_round_trip() {
    let largest = DepositAction {
        recipient: user(1),
        amount: Amount::MAX,
        timeout: Slot::MAX,
        refund_to: user(2),
    };
    for deposit in [a_deposit(3), largest] {
        let fields = deposit.to_fields();
        assert_eq!(DepositAction::from_fields(&fields), Some(deposit));
        assert_eq!(DepositAction::from_fields(&fields[..2]), None);
        assert_eq!(DepositAction::from_fields(&[fields[0], fields[1], -Fp::from(1u64)]), None);
        assert_eq!(OutboxEntry::from_fields(&fields), None);
    }
    let amount = Amount::MAX;
    for entry in [
        OutboxEntry::Withdrawal { recipient: user(1), amount },
        OutboxEntry::Refund { recipient: user(2), amount },
        OutboxEntry::Unopened { action_hash: Fp::from(5u64) },
    ] {
        let fields = entry.to_fields();
        assert_eq!(OutboxEntry::from_fields(&fields), Some(entry));
        assert_eq!(OutboxEntry::from_fields(&[fields[0], Fp::from(1u64), fields[2]]), None);
        assert_eq!(OutboxEntry::from_fields(&fields[..2]), None);
    }
}

#[test]
fn committees() {
    let member = |index, power| CommitteeMember { key: user(index), power };
    let committee = Committee::new((0..4).map(|index| member(index, 1)).collect()).unwrap();
    let keys: Vec<_> = (0..4).map(user).collect();
    assert!(committee.has_quorum(&keys[..3]));
    assert!(!committee.has_quorum(&keys[..2]));
    // Each key counts once, strangers not at all.
    assert!(!committee.has_quorum(&[keys[0], keys[0], keys[0]]));
    assert!(!committee.has_quorum(&[keys[0], keys[1], user(9), user(10)]));
    // Exactly two thirds are not enough.
    let three = Committee::new((0..3).map(|index| member(index, 5)).collect()).unwrap();
    assert!(!three.has_quorum(&keys[..2]));
    assert!(Committee::new(vec![]).is_none());
    assert!(Committee::new(vec![member(1, 1), member(1, 1)]).is_none());
    assert!(Committee::new(vec![member(1, 0)]).is_none());
    assert!(Committee::new((0..17).map(|index| member(index, 1)).collect()).is_none());
}

fn chain() -> ChainId {
    ChainId::new("zeko-golden").unwrap()
}

fn attestation() -> Attestation {
    let f = |n: u64| Fp::from(n);
    Attestation {
        protocol_version: 1,
        l1_network: ChainId::new("testnet").unwrap(),
        rollup_account: user(1),
        chain: chain(),
        committee_epoch: 2,
        generation: 3,
        batch: 4,
        source_ledger: f(5),
        target_ledger: f(6),
        inbox_before: f(7),
        inbox_after: f(8),
        outbox_before: f(9),
        outbox_after: f(10),
        first_height: 11.into(),
        first_block: f(12),
        last_height: 13.into(),
        last_block: f(14),
        first_slot: 15.into(),
        last_slot: 16.into(),
        fee_recipient: user(2),
        previous_data: DataCommitment::new(b"before"),
        data: DataCommitment::new(b"data"),
        byte_length: 17,
    }
}

fn pre_confirmation() -> PreConfirmation {
    PreConfirmation {
        chain: chain(),
        generation: 1,
        height: 2.into(),
        parent: Fp::from(3u64),
        index: 4,
        command: TransactionHash([5; 32]),
        applied: true,
    }
}

fn blob() -> BlobStatement {
    let commitment = DataCommitment::new(b"blob");
    BlobStatement { chain: chain(), namespace: Fp::from(9u64), commitment, length: 4 }
}

#[test]
fn statements_are_signed_in_domains_of_their_own() {
    fn check<S: SignedStatement>(statement: &S) {
        let key = secret(1);
        let signature = statement.sign(&key).unwrap();
        statement.verify(&signature, &key.to_public_key()).unwrap();
        assert!(statement.verify(&signature, &user(2)).is_err());
        // Not good for a command of any network.
        let testnet = Domain::default();
        let message = [statement.digest()];
        let public = key.to_public_key();
        let other = mina_ledger::signature::verify_fields(&signature, &message, &public, &testnet);
        assert!(other.is_err());
    }
    check(&attestation());
    check(&blob());
    check(&pre_confirmation());
    check(&CommitOrder { attestation: Fp::from(1u64) });
    let changed = PreConfirmation { applied: false, ..pre_confirmation() };
    let signature = pre_confirmation().sign(&secret(1)).unwrap();
    assert!(changed.verify(&signature, &user(1)).is_err());
}

/// Every hashed type with fixed contents. A change of any of these hashes is a change of the
/// protocol.
fn golden() -> BTreeMap<&'static str, Fp> {
    let f = |n: u64| Fp::from(n);
    let side = |n: u64| Side {
        root: Root { ledger: f(n), accounts: f(n + 1) },
        inbox: f(n + 2),
        outbox: f(n + 3),
        block: f(n + 4),
    };
    let header = BlockHeader {
        chain: chain(),
        generation: 1,
        height: 2.into(),
        parent: f(3),
        slot: 4.into(),
        ledger: f(5),
        body: f(6),
    };
    let batch = BatchStatement {
        chain: chain(),
        source: side(10),
        target: side(20),
        first_slot: 30.into(),
        last_slot: 31.into(),
    };
    let members = (1..=4).map(|index| CommitteeMember { key: user(index), power: index as u32 });
    let committee = Committee::new(members.collect()).unwrap();
    let configuration = Configuration {
        sequencer: f(1),
        committee: committee.digest(),
        epoch: 2,
        governance: user(3),
        pending: f(4),
    };
    let payout = PayoutState { snapshot: f(1), paid: f(2), parked: f(3) };
    let progress = Progress { batch: 1, height: 2.into(), last_slot: 3.into() };
    let waiting = Waiting::none(f(1)).with(&a_deposit(1));
    let certified = Certified {
        attestation: f(1),
        committee: f(2),
        inbox_before: f(3),
        inbox_after: f(4),
        action_state: f(5),
        earliest: 6.into(),
        is_full: true,
    };
    let withdrawal = OutboxEntry::Withdrawal { recipient: user(1), amount: 2.into() };
    let refund = OutboxEntry::Refund { recipient: user(1), amount: 2.into() };
    let unopened = OutboxEntry::Unopened { action_hash: f(1) };
    let entries = [(TransactionHash([1; 32]), f(2)), (TransactionHash([3; 32]), f(4))];
    BTreeMap::from([
        ("bridge account key (x)", bridge_public_key().x),
        (
            "bridge account",
            mina_ledger::hash::account_hash(&bridge_account(f(1), Era::Berkeley), Era::Berkeley),
        ),
        ("chain id", chain().field()),
        ("block header", header.digest()),
        ("block body", BlockHeader::body_hash(entries)),
        ("batch statement", batch.digest()),
        ("deposit", a_deposit(1).action_hash()),
        ("inbox after a deposit", append_action(f(1), &a_deposit(1).to_fields())),
        ("outbox after a withdrawal", withdrawal.append_to(f(1))),
        ("outbox after a refund", refund.append_to(f(1))),
        ("outbox after an unopened message", unopened.append_to(f(1))),
        ("receipt: fulfilled", MessageReceipt::Fulfilled.digest()),
        ("receipt: refunded", MessageReceipt::Refunded(RefundReason::TimedOut).digest()),
        ("receipt: unopened", MessageReceipt::Unopened.digest()),
        ("receipt: withdrawal", WithdrawalReceipt { index: 1, outbox: f(2) }.digest()),
        ("receipt: command", CommandReceipt { applied: true, outbox: f(2) }.digest()),
        ("attestation", attestation().digest()),
        ("blob statement", blob().digest()),
        ("pre-confirmation", pre_confirmation().digest()),
        ("data commitment", DataCommitment::new(b"data").field()),
        ("committee", committee.digest()),
        ("configuration", configuration.digest()),
        ("payout state", payout.digest()),
        ("progress", progress.to_field()),
        ("sequencer", Sequencer { key: user(1) }.digest()),
        ("commit order", CommitOrder { attestation: f(1) }.digest()),
        ("fold", Fold { from: f(1), to: f(2) }.digest()),
        ("waiting", waiting.digest()),
        ("certified", certified.digest()),
    ])
}

#[test]
fn golden_hashes() {
    let computed: BTreeMap<_, _> =
        golden().into_iter().map(|(name, hash)| (name.to_owned(), to_decimal(hash))).collect();
    let file: BTreeMap<String, String> =
        serde_json::from_value(json("protocol/hashes.json")["hashes"].clone()).unwrap();
    assert_eq!(file, computed, "{}", serde_json::to_string_pretty(&computed).unwrap());
}
