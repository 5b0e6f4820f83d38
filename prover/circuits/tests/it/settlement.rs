//! The contract and the fold program: against their native twins, and forged.

mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use ark_ff::UniformRand;
use kimchi::builder::testing::{Cell, Lab, rng};
use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    hash::{body_hash, command_hashes, constants::EMPTY_ACTION_STATE},
    rollup::{
        Attestation, BatchStatement, Certified, ChainId, Commit, CommitOrder, Committee,
        CommitteeMember, Configuration, DataCommitment, Deposit, Fold, Hashed, OutboxEntry, Payout,
        PayoutState, Progress, RollupAccount, Root, Sequencer, SettlementError,
        SettlementParameters, Side, SignedStatement, Waiting,
    },
    types::{
        AccountUpdate, Amount, Authorization, Body, CallForest, Era, FeePayer, FeePayerBody, Memo,
        Nonce, PrivateKey, Proof, PublicKey, Signature, Slot, SlotSpan, ZkappCommand,
    },
};
use zeko_circuits::{
    Linear,
    contract::{CommitInput, CommitRule, DepositInput, DepositRule, PayoutInput, PayoutRule},
    fold::{AttestInput, AttestRule, CertifiedInbox, FoldError, FoldInput, FoldRule, FoldVar},
};

const MINA: u64 = 1_000_000_000;

fn parameters() -> SettlementParameters {
    SettlementParameters {
        domain: Domain::default(),
        l1_network: ChainId::new("testnet").unwrap(),
        chain: ChainId::new("settled").unwrap(),
        minimum_deposit: MINA.into(),
        deposit_timeout: SlotSpan::new(40),
        window: SlotSpan::new(20),
        message_quota: 3,
    }
}

fn secret(seed: u64) -> PrivateKey {
    PrivateKey::new(Fq::rand(&mut rng(1000 + seed))).unwrap()
}

fn user(seed: u64) -> PublicKey {
    secret(seed).to_public_key()
}

fn element(seed: u64) -> Fp {
    Fp::rand(&mut rng(2000 + seed))
}

fn account() -> RollupAccount {
    RollupAccount { public_key: user(1), key_hash: element(1) }
}

/// A key that no rule here looks into.
fn any_key() -> pickles::VerificationKey {
    let point = PrivateKey::new(Fq::from(7u64)).unwrap().to_point();
    pickles::VerificationKey {
        max_proofs_verified: pickles::ProofsVerified::N1,
        wrap_domain: pickles::ProofsVerified::N1,
        sigma: [point; 7],
        coefficients: [point; 15],
        selectors: [point; 6],
    }
}

fn fold_elements(fold: &FoldVar) -> [Linear; 2] {
    [fold.from.clone(), fold.to.clone()]
}

/// What Mina takes as the statement of an update's proof: the hash of the update, and that of the
/// forest below it.
fn statement(update: Body, children: Vec<AccountUpdate>) -> [Fp; 2] {
    let hash = body_hash(&update, &Domain::default());
    let authorization = Authorization::Proof(Proof(vec![].into()));
    let mut account_updates = CallForest::flat([AccountUpdate { body: update, authorization }]);
    for child in children {
        account_updates.push(child, 1).unwrap();
    }
    let body =
        FeePayerBody { public_key: user(0), fee: 1.into(), valid_until: None, nonce: Nonce::ZERO };
    let fee_payer = FeePayer { body, authorization: Signature::DUMMY };
    let updates = account_updates.len();
    let command = ZkappCommand { fee_payer, account_updates, memo: Memo::EMPTY };
    let hashes = command_hashes(&command, &Domain::default());
    [hash, hashes.forest.forest(1, updates)]
}

fn deposit() -> Deposit {
    Deposit {
        recipient: user(2),
        amount: (3 * MINA).into(),
        refund_to: user(3),
        valid_until: Slot::new(100),
    }
}

fn deposit_lab() -> Lab<Fp, DepositInput> {
    Lab::new(|cs| {
        let rule = DepositRule::new(parameters());
        rule.update(cs, |input: &DepositInput| input).into_iter().for_each(|x| cs.expose(x));
    })
}

#[test]
fn deposits() {
    let lab = deposit_lab();
    for amount in [MINA, 3 * MINA, u64::MAX] {
        let deposit = Deposit { amount: amount.into(), ..deposit() };
        let body = deposit.body(&account(), &parameters()).unwrap();
        assert_eq!(body.actions, [deposit.action(&parameters()).unwrap().to_fields()]);
        let input = DepositInput { account: account(), deposit };
        assert_eq!(lab.public(&input), statement(body, vec![]));
    }
    for (deposit, error) in [
        (
            Deposit { amount: (MINA - 1).into(), ..deposit() },
            SettlementError::TooSmall { expected: MINA.into(), got: (MINA - 1).into() },
        ),
        (
            Deposit { valid_until: Slot::new(u32::MAX - 39), ..deposit() },
            SettlementError::Overflow { what: "the deposit's timeout" },
        ),
    ] {
        assert_eq!(deposit.body(&account(), &parameters()), Err(error));
        let regions = lab.rejects(&DepositInput { account: account(), deposit });
        assert!(regions.iter().all(|region| region == "amount and timeout"), "{regions:?}");
    }
}

fn payout(entries: usize, left: bool) -> Payout {
    let entry = |index: u64| {
        let (recipient, amount) = (user(index), Amount::new(index * MINA));
        match index % 2 {
            0 => OutboxEntry::Withdrawal { recipient, amount },
            _ => OutboxEntry::Refund { recipient, amount },
        }
    };
    let entries: Vec<_> = (0..entries as u64).map(entry).collect();
    let paid = EMPTY_ACTION_STATE;
    let all = entries.iter().fold(paid, |outbox, entry| entry.append_to(outbox));
    let outbox = if left { entry(20).append_to(all) } else { all };
    let before = PayoutState { snapshot: paid, paid, parked: element(4) };
    Payout { before, outbox, entries }
}

fn payout_lab() -> Lab<Fp, PayoutInput> {
    Lab::new(|cs| {
        let rule = PayoutRule::new(parameters(), any_key());
        let payout = rule.update(cs, |input: &PayoutInput| input);
        let fold = fold_elements(&payout.fold);
        payout.update.into_iter().chain(fold).for_each(|x| cs.expose(x));
    })
}

#[test]
fn payouts() {
    let lab = payout_lab();
    for (entries, left) in [(0, false), (1, true), (3, false), (8, true)] {
        let mut payout = payout(entries, left);
        for takes_snapshot in [true, false] {
            if !takes_snapshot {
                payout.before.snapshot = element(5);
            }
            assert_eq!(payout.takes_snapshot(), takes_snapshot);
            let body = payout.body(&account(), Era::default()).unwrap();
            let children = payout.children(Era::default()).unwrap();
            assert_eq!(children.len(), entries);
            let [update, calls] = statement(body, children);
            let Fold { from, to } = payout.fold();
            assert_eq!(from == to, takes_snapshot && !left);
            let input = PayoutInput::new(account(), &payout).unwrap();
            assert_eq!(lab.public(&input), [update, calls, from, to]);
        }
    }
    let error = |payout: &Payout| PayoutInput::new(account(), payout).unwrap_err();
    let nine = payout(9, false);
    assert_eq!(error(&nine), SettlementError::Entries { expected: 8, got: 9 });
    let mut unopened = payout(2, false);
    unopened.entries[1] = OutboxEntry::Unopened { action_hash: element(6) };
    assert_eq!(error(&unopened), SettlementError::Unopened { index: 1 });
    // More than there is.
    let mut rich = payout(2, false);
    let recipient = user(1);
    rich.entries = vec![OutboxEntry::Refund { recipient, amount: Amount::MAX }; 2];
    let overflow = SettlementError::Overflow { what: "the sum of the payments" };
    assert_eq!(rich.body(&account(), Era::default()), Err(overflow));
    let regions = lab.rejects(&PayoutInput::new(account(), &rich).unwrap());
    assert!(regions.iter().all(|region| region == "sum"), "{regions:?}");
}

fn committee() -> (Committee, Vec<PrivateKey>) {
    let keys: Vec<_> = (10..14).map(secret).collect();
    let member = |key: &PrivateKey| CommitteeMember { key: key.to_public_key(), power: 5 };
    (Committee::new(keys.iter().map(member).collect()).unwrap(), keys)
}

/// A batch that can be committed.
fn commit() -> Commit {
    let sequencer = secret(5);
    let side = |seed: u64| Side {
        root: Root { ledger: element(seed), accounts: element(seed + 4) },
        inbox: element(seed + 1),
        outbox: element(seed + 2),
        block: element(seed + 3),
    };
    let (source, target) = (side(30), side(40));
    let batch = BatchStatement {
        chain: parameters().chain,
        source,
        target,
        first_slot: Slot::new(60),
        last_slot: Slot::new(70),
    };
    let attestation = Attestation {
        protocol_version: 1,
        l1_network: parameters().l1_network,
        rollup_account: account().public_key,
        chain: parameters().chain,
        committee_epoch: 2,
        generation: 3,
        batch: 4,
        source_ledger: source.root.ledger,
        target_ledger: target.root.ledger,
        inbox_before: source.inbox,
        inbox_after: target.inbox,
        outbox_before: source.outbox,
        outbox_after: target.outbox,
        first_height: 11.into(),
        first_block: element(50),
        last_height: 13.into(),
        last_block: target.block,
        first_slot: batch.first_slot,
        last_slot: batch.last_slot,
        fee_recipient: user(6),
        previous_data: DataCommitment::new(b"before"),
        data: DataCommitment::new(b"data"),
        byte_length: 17,
    };
    let order = CommitOrder { attestation: attestation.digest() };
    let sequencer_key = Sequencer { key: sequencer.to_public_key() };
    Commit {
        batch,
        attestation,
        configuration: Configuration {
            sequencer: sequencer_key.digest(),
            committee: committee().0.digest(),
            epoch: 2,
            governance: user(7),
            pending: element(51),
        },
        progress: Progress { batch: 4, height: 11.into(), last_slot: Slot::new(60) },
        action_state: element(52),
        earliest: Slot::new(70),
        is_full: false,
        sequencer: sequencer_key,
        order: order.sign(&sequencer).unwrap(),
    }
}

/// Signs again what has been changed.
fn signed(mut commit: Commit) -> Commit {
    let order = CommitOrder { attestation: commit.attestation.digest() };
    commit.order = order.sign(&secret(5)).unwrap();
    commit
}

fn commit_lab() -> Lab<Fp, CommitInput> {
    Lab::new(|cs| {
        let rule = CommitRule::new(parameters(), any_key(), any_key()).unwrap();
        let settled = rule.update(cs, |input: &CommitInput| input);
        let certified = settled.certified;
        let [update, calls] = settled.update;
        for x in [
            update,
            calls,
            settled.batch,
            certified.attestation,
            certified.committee,
            certified.inbox_before,
            certified.inbox_after,
            certified.action_state,
            certified.earliest.linear().clone(),
            certified.is_full.into(),
        ] {
            cs.expose(x);
        }
    })
}

/// The parts of a certificate's statement, in order.
fn certified_elements(certified: &Certified) -> [Fp; 7] {
    [
        certified.attestation,
        certified.committee,
        certified.inbox_before,
        certified.inbox_after,
        certified.action_state,
        certified.earliest.get().into(),
        certified.is_full.into(),
    ]
}

fn commit_statement(commit: &Commit) -> Vec<Fp> {
    let body = commit.body(&account(), &parameters()).unwrap();
    let [update, calls] = statement(body, vec![]);
    let certified = certified_elements(&commit.certified());
    [update, calls, commit.batch.digest()].into_iter().chain(certified).collect()
}

#[test]
fn commits() {
    let lab = commit_lab();
    let public = |commit: &Commit| lab.public(&CommitInput::new(account(), *commit).unwrap());
    assert_eq!(public(&commit()), commit_statement(&commit()));
    // One slot, one block.
    let mut short = commit();
    short.attestation.last_height = 11.into();
    short.batch.last_slot = Slot::new(60);
    short.attestation.last_slot = Slot::new(60);
    let short = signed(short);
    assert_eq!(public(&short), commit_statement(&short));
    // Behind a full quota, anything may wait.
    let full = Commit { earliest: Slot::ZERO, is_full: true, ..commit() };
    assert_eq!(public(&full), commit_statement(&full));
}

/// What the native twin refuses; the circuit has no place for it, or says no.
#[test]
fn commits_that_do_not_fit() {
    let lab = commit_lab();
    let refused = |edit: &dyn Fn(&mut Commit), error: SettlementError, region: &str| {
        let mut commit = commit();
        edit(&mut commit);
        let commit = signed(commit);
        assert_eq!(commit.body(&account(), &parameters()), Err(error.clone()));
        let input = CommitInput::new(account(), commit).unwrap();
        if region.is_empty() {
            // The circuit has one variable for both, so what it proves is about another batch or
            // another attestation than the one that was changed.
            let shown = lab.witness(&input)[0][2..4].to_vec();
            assert_ne!(shown, [commit.batch.digest(), commit.attestation.digest()], "{error}");
        } else {
            let regions = lab.rejects(&input);
            assert!(regions.iter().any(|r| r.starts_with(region)), "{error}: {regions:?}");
        }
    };
    let differs = |what| SettlementError::Differs { what };
    for (edit, error) in [
        (
            (|c| c.batch.chain = ChainId::new("other").unwrap()) as fn(&mut Commit),
            differs("the chain of the batch"),
        ),
        (|c| c.attestation.chain = ChainId::new("other").unwrap(), differs("the chain")),
        (|c| c.attestation.l1_network = ChainId::new("other").unwrap(), differs("the L1 network")),
        (|c| c.attestation.protocol_version = 2, differs("the protocol version")),
        (|c| c.attestation.rollup_account = user(9), differs("the rollup account")),
        (|c| c.attestation.committee_epoch = 3, differs("the committee's epoch")),
        (|c| c.attestation.batch = 3, SettlementError::Batch { expected: 4, got: 3 }),
        (|c| c.attestation.source_ledger = element(90), differs("the source ledger")),
        (|c| c.attestation.target_ledger = element(90), differs("the target ledger")),
        (|c| c.attestation.inbox_before = element(90), differs("the inbox before")),
        (|c| c.attestation.inbox_after = element(90), differs("the inbox after")),
        (|c| c.attestation.outbox_before = element(90), differs("the outbox before")),
        (|c| c.attestation.outbox_after = element(90), differs("the outbox after")),
        (|c| c.attestation.first_height = 12.into(), differs("the first height")),
        (|c| c.attestation.last_block = element(90), differs("the last block")),
        (|c| c.attestation.first_slot = Slot::new(61), differs("the first slot")),
        (|c| c.attestation.last_slot = Slot::new(71), differs("the last slot")),
    ] {
        refused(&edit, error, "");
    }
    let order = "order of slots and heights";
    let slots = |first: u32, last: u32| {
        move |c: &mut Commit| {
            c.batch.first_slot = Slot::new(first);
            c.batch.last_slot = Slot::new(last);
            c.attestation.first_slot = Slot::new(first);
            c.attestation.last_slot = Slot::new(last);
            c.earliest = Slot::MAX;
        }
    };
    let slot = |expected: u32, got: u32| SettlementError::Slot {
        expected: Slot::new(expected),
        got: Slot::new(got),
    };
    refused(&slots(59, 70), slot(60, 59), order);
    refused(&slots(65, 64), slot(65, 64), order);
    let overflow = |what| SettlementError::Overflow { what };
    refused(&slots(65, u32::MAX - 19), overflow("the last slot"), order);
    refused(&|c| c.attestation.last_height = 10.into(), differs("the last height"), order);
    let overdue = |timeout: u32| SettlementError::Overdue {
        timeout: Slot::new(timeout),
        last_slot: Slot::new(70),
    };
    for timeout in [0, 69] {
        refused(&|c| c.earliest = Slot::new(timeout), overdue(timeout), "timeouts");
    }
    let most = |c: &mut Commit| c.attestation.last_height = u32::MAX.into();
    refused(&most, overflow("the number of blocks"), "body");
    let most = |c: &mut Commit| {
        c.progress.batch = u64::MAX;
        c.attestation.batch = u64::MAX;
    };
    refused(&most, overflow("the number of batches"), "body");

    // Somebody else's order, and an order for something else.
    let forged = |commit: Commit| {
        assert_eq!(commit.body(&account(), &parameters()), Err(SettlementError::Unsigned));
        let regions = lab.rejects(&CommitInput::new(account(), commit).unwrap());
        assert!(regions.iter().all(|region| region.starts_with("sequencer")), "{regions:?}");
    };
    let attestation = commit().attestation.digest();
    let other = CommitOrder { attestation }.sign(&secret(6)).unwrap();
    forged(Commit { order: other, ..commit() });
    let other = CommitOrder { attestation: element(91) }.sign(&secret(5)).unwrap();
    forged(Commit { order: other, ..commit() });
    let other = commit().attestation.sign(&secret(5)).unwrap();
    forged(Commit { order: other, ..commit() });
}

fn fold_lab(actions: usize) -> Lab<Fp, FoldInput> {
    Lab::new(|cs| {
        let folds = FoldRule { actions }.folds(cs, |input: &FoldInput| input);
        folds.iter().flat_map(fold_elements).for_each(|x| cs.expose(x));
    })
}

#[test]
fn folds() {
    let lab = fold_lab(3);
    for count in 0..=3 {
        let actions: Vec<_> = (0..count).map(element).collect();
        let earlier = Fold { from: element(60), to: element(61) };
        let input = FoldInput::new(earlier, &actions, 3);
        let fold = input.fold();
        let pushed = |state, hash: &Fp| mina_ledger::hash::push_actions(state, *hash);
        assert_eq!(fold.to, actions.iter().fold(earlier.to, pushed));
        assert_eq!(lab.public(&input), [earlier.from, earlier.to, fold.from, fold.to]);
    }
}

fn attest_rule() -> AttestRule {
    AttestRule::new(4, 3).unwrap()
}

fn attest_lab() -> Lab<Fp, AttestInput> {
    Lab::new(|cs| {
        let certified = attest_rule().certified(cs, |input: &AttestInput| input);
        for x in [
            certified.attestation,
            certified.committee,
            certified.inbox_before,
            certified.inbox_after,
            certified.action_state,
            certified.earliest.linear().clone(),
            certified.is_full.into(),
        ] {
            cs.expose(x);
        }
    })
}

/// An inbox in which nothing leads anywhere.
fn any_inbox() -> CertifiedInbox {
    let waiting = Waiting { from: element(71), to: element(72), earliest: Slot::new(9) };
    CertifiedInbox { before: element(70), consumed: vec![], waiting }
}

/// Who of the committee signs what.
fn attest_input(
    committee: &Committee,
    signers: [Option<&PrivateKey>; 4],
    signed: &Attestation,
) -> AttestInput {
    let signatures = signers.map(|key| key.map(|key| signed.sign(key).unwrap()));
    let attestation = commit().attestation.digest();
    AttestInput::new(&attest_rule(), committee, &signatures, attestation, &any_inbox()).unwrap()
}

#[test]
fn certificates() {
    let lab = attest_lab();
    let (committee, keys) = committee();
    let attestation = commit().attestation;
    let [hash, members] = [attestation.digest(), committee.digest()];
    let inboxes = [element(70), element(71), element(72), Fp::from(9u64), Fp::from(0u64)];
    let expected: Vec<_> = [hash, members].into_iter().chain(inboxes).collect();
    let stranger = secret(5);
    let [a, b, c, d] = [0, 1, 2, 3].map(|index| Some(&keys[index]));
    for signers in [[a, b, c, d], [a, b, c, None], [None, b, c, d]] {
        assert!(committee.has_quorum(&signers.map(|k| k.unwrap_or(&secret(0)).to_public_key())));
        assert_eq!(lab.public(&attest_input(&committee, signers, &attestation)), expected);
    }
    let refused = |committee: &Committee, signers, signed: &Attestation, region: &str| {
        let regions = lab.rejects(&attest_input(committee, signers, signed));
        assert!(regions.iter().all(|found| found.starts_with(region)), "{regions:?}");
    };
    // Half, somebody twice, somebody else, and something else.
    refused(&committee, [a, b, None, None], &attestation, "quorum");
    refused(&committee, [a, b, b, None], &attestation, "member");
    refused(&committee, [a, b, Some(&stranger), None], &attestation, "member");
    let other = Attestation { generation: 4, ..attestation };
    refused(&committee, [a, b, c, None], &other, "member");

    // Exactly two thirds are not enough, and power counts.
    let with = |powers: &[u32]| {
        let members = keys.iter().zip(powers);
        let member = |(key, power): (&PrivateKey, &u32)| CommitteeMember {
            key: key.to_public_key(),
            power: *power,
        };
        Committee::new(members.map(member).collect()).unwrap()
    };
    let three = with(&[5, 5, 5]);
    refused(&three, [a, b, None, None], &attestation, "quorum");
    let accepted = lab.public(&attest_input(&three, [a, b, c, None], &attestation));
    assert_eq!(accepted[1], three.digest());
    let heavy = with(&[u32::MAX, 1, 1, 1]);
    refused(&heavy, [None, b, c, d], &attestation, "quorum");
    let accepted = lab.public(&attest_input(&heavy, [a, None, None, None], &attestation));
    assert_eq!(accepted[1], heavy.digest());

    let small = AttestRule::new(3, 3).unwrap();
    let too_many = AttestInput::new(&small, &committee, &[], element(1), &any_inbox());
    assert_eq!(too_many.unwrap_err().to_string(), "expected at most 3 members, got 4");
    for quota in [0, 257] {
        let none = AttestRule::new(4, quota).unwrap_err();
        assert!(matches!(none, FoldError::Quota { expected: 256, got } if got == quota), "{none}");
    }
}

#[test]
fn rows() {
    let rows = [
        deposit_lab().circuit.rows(),
        commit_lab().circuit.rows(),
        payout_lab().circuit.rows(),
        fold_lab(1).circuit.rows(),
        fold_lab(2).circuit.rows(),
        attest_lab().circuit.rows(),
        waiting::waiting_lab(1).circuit.rows(),
        waiting::waiting_lab(2).circuit.rows(),
    ];
    assert_eq!(rows, [344, 969, 3344, 20, 35, 1384, 78, 145]);
}

/// Cells that nothing notices, named by region, gate and column.
pub(crate) fn free<I>(lab: &Lab<Fp, I>, input: &I) -> BTreeMap<String, usize> {
    let mut named = BTreeMap::new();
    // What is exposed as it is given, anything can be.
    let given = |cell: &Cell| cell.0 < lab.circuit.public_inputs();
    let private = |cells: BTreeSet<Cell>| -> BTreeSet<Cell> {
        cells.into_iter().filter(|cell| !given(cell)).collect()
    };
    let cells = private(lab.unnoticed_cells(input));
    let classes = private(lab.unnoticed_classes(input));
    assert_eq!(classes, cells, "classes");
    for (row, column) in cells {
        let kind = lab.circuit.gates()[row].kind;
        let region = lab.circuit.region(row, usize::from(column >= 3));
        *named.entry(format!("{region} {kind:?} {column}")).or_default() += 1;
    }
    named
}

/// The regions that notice a lie about the first variable with a value, everything after it computed
/// as the circuit says; none do if the lie gives another statement that is true.
fn notice<I>(lab: &Lab<Fp, I>, input: &I, value: Fp) -> BTreeSet<String> {
    let variable = lab.values(input).into_iter().position(|other| other == value);
    lab.noticed_lie(input, variable.unwrap(), element(99))
}

#[test]
fn forged_deposits() {
    let (lab, input) = (deposit_lab(), DepositInput { account: account(), deposit: deposit() });
    assert_eq!(free(&lab, &input), BTreeMap::new());
    // Every variable: what can be chosen is in the statement.
    let RollupAccount { public_key, key_hash } = account();
    let Deposit { recipient, refund_to, .. } = deposit();
    let chosen: Vec<Fp> = lab
        .values(&input)
        .into_iter()
        .enumerate()
        .filter(|(variable, _)| lab.noticed_lie(&input, *variable, element(99)).is_empty())
        .map(|(_, value)| value)
        .collect();
    let mut expected = vec![public_key.x, key_hash, recipient.x, refund_to.x];
    // Of each range check, the number once more, which is in no cell: the amount, the last slot, how
    // much more than the minimum it is, the timeout.
    expected.extend([3 * MINA, 100, 2 * MINA, 140].map(Fp::from));
    assert_eq!(chosen, expected);
}

#[test]
fn forged_commits() {
    let (lab, commit) = (commit_lab(), commit());
    let input = CommitInput::new(account(), commit).unwrap();
    // In the doublings of the signature, cells that are multiplied by zero.
    let doubling = |column| (format!("sequencer/multiplications CompleteAdd {column}"), 2);
    assert_eq!(free(&lab, &input), [9, 10].map(doubling).into());
    let Commit { batch, attestation, configuration, .. } = commit;
    // What the sequencer has signed.
    for attested in [
        account().public_key.x,
        batch.source.root.ledger,
        batch.source.inbox,
        batch.source.outbox,
        batch.target.root.ledger,
        batch.target.inbox,
        batch.target.outbox,
        batch.target.block,
        attestation.first_block,
        attestation.fee_recipient.x,
        attestation.previous_data.field(),
        attestation.data.field(),
        commit.sequencer.key.x,
    ] {
        let regions = notice(&lab, &input, attested);
        assert!(regions.iter().any(|region| region.starts_with("sequencer")), "{regions:?}");
    }
    // What it has not is in what the proofs of the batch and of the certificate are about, or in what
    // is asked of the account.
    for other in [
        account().key_hash,
        batch.source.root.accounts,
        batch.target.root.accounts,
        batch.source.block,
        configuration.committee,
        configuration.governance.x,
        configuration.pending,
        commit.action_state,
    ] {
        assert_eq!(notice(&lab, &input, other), BTreeSet::new());
    }
}

#[test]
fn forged_payouts() {
    let lab = payout_lab();
    // The inverse by which the snapshot is shown to be used up.
    let input = PayoutInput::new(account(), &payout(3, true)).unwrap();
    assert_eq!(free(&lab, &input), [(" Generic 1".to_owned(), 1)].into());
    let mut rest = payout(8, true);
    rest.before.snapshot = element(5);
    let input = PayoutInput::new(account(), &rest).unwrap();
    assert_eq!(free(&lab, &input), BTreeMap::new());
}

#[test]
fn forged_folds() {
    let (lab, earlier) = (fold_lab(2), Fold { from: element(60), to: element(61) });
    let input = FoldInput::new(earlier, &[element(62)], 2);
    assert_eq!(free(&lab, &input), BTreeMap::new());
}

#[test]
fn forged_certificates() {
    let lab = attest_lab();
    let (committee, keys) = committee();
    let [a, b, c] = [0, 1, 2].map(|index| Some(&keys[index]));
    let attestation = commit().attestation;
    let input = attest_input(&committee, [a, b, c, None], &attestation);
    // Two for each doubling, whether there is a signature or not.
    let doubling = |column| (format!("member/multiplications CompleteAdd {column}"), 8);
    assert_eq!(free(&lab, &input), [9, 10].map(doubling).into());
    for signed in [attestation.digest(), committee.members()[0].key.x] {
        let regions = notice(&lab, &input, signed);
        assert!(regions.iter().all(|region| region.starts_with("member")), "{regions:?}");
        assert!(!regions.is_empty());
    }
    // The statement has them.
    for other in [element(70), element(71), element(72), committee.members()[3].key.x] {
        assert_eq!(notice(&lab, &input, other), BTreeSet::new());
    }
}
