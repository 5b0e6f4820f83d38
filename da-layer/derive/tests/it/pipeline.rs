use mina_curves::Fp;
use mina_ledger::{
    ledger::Ledger,
    logic::NoProofs,
    rollup::{DataCommitment, Message},
    types::AccountId,
};
use zeko_derive::{
    Batch, BatchError, ChainState, EntryKind, Envelope, ExecuteError, InboxView, Item, L1Provider,
    Pipeline, Positioned, Refusal, StepOutcome,
};

use crate::kit::{
    GENESIS_INBOX, MINA, Plan, Sequencer, chain, deposit, envelope, genesis, inbox, parameters,
    payment, rich_batch, secret, user,
};

type Inbox = (Fp, Vec<Fp>);

fn no_inbox() -> Inbox {
    (Fp::from(GENESIS_INBOX), Vec::new())
}

fn pipeline() -> Pipeline {
    let (ledger, state) = genesis();
    Pipeline::new(parameters(), ledger, state).unwrap()
}

fn entry(batch: &Batch) -> Envelope {
    let namespace = parameters().chain.field();
    envelope(EntryKind::Batch, namespace, batch.encode().unwrap())
}

fn placed(entries: &[Envelope]) -> Vec<(Positioned, Envelope)> {
    let places = (1..).map(|height| Positioned { height, index: 0 });
    places.zip(entries.iter().cloned()).collect()
}

/// Everything that happens until the chain is idle.
fn run(
    pipeline: &mut Pipeline,
    entries: &[(Positioned, Envelope)],
    inbox: &Inbox,
) -> Vec<StepOutcome> {
    let mut da = entries;
    let mut outcomes = Vec::new();
    loop {
        match pipeline.step(&mut da, inbox, &NoProofs).unwrap() {
            StepOutcome::Idle => return outcomes,
            outcome => outcomes.push(outcome),
        }
    }
}

fn refusals(outcomes: &[StepOutcome]) -> Vec<String> {
    let refusal = |outcome: &StepOutcome| match outcome {
        StepOutcome::Refused { refusal, .. } => Some(refusal.to_string()),
        _ => None,
    };
    outcomes.iter().filter_map(refusal).collect()
}

/// Three batches of one payment each.
fn three() -> (Vec<Batch>, Vec<ChainState>) {
    let mut sequencer = Sequencer::new();
    let mut states = Vec::new();
    let mut make = |nonce: u32| {
        let commands = vec![payment(0, 1, MINA, nonce)];
        let batch = sequencer.batch(0, &[Plan { slot: nonce, commands, ..Plan::default() }]);
        states.push(sequencer.state);
        batch
    };
    let batches = (0..3).map(&mut make).collect();
    (batches, states)
}

#[test]
fn batches_in_order_reproduce_every_block() {
    let (batches, states) = three();
    let entries: Vec<_> = batches.iter().map(entry).collect();
    let mut pipeline = pipeline();
    let outcomes = run(&mut pipeline, &placed(&entries), &no_inbox());
    for (outcome, state) in outcomes.iter().zip(&states) {
        let StepOutcome::Adopted(derived) = outcome else { panic!("{outcome:?}") };
        assert_eq!(derived.state, *state);
        assert_eq!(derived.attestation.last_block, state.block);
        assert_eq!(derived.replaced, 0);
    }
    assert_eq!(outcomes.len(), 3);
    assert_eq!(pipeline.state(), states.last().unwrap());
}

#[test]
fn every_order_leads_to_the_same_chain() {
    let (batches, states) = three();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let entries: Vec<_> = order.iter().map(|i: &usize| entry(&batches[*i])).collect();
        let mut pipeline = pipeline();
        let outcomes = run(&mut pipeline, &placed(&entries), &no_inbox());
        assert_eq!(pipeline.state(), states.last().unwrap(), "{order:?}");
        assert!(refusals(&outcomes).is_empty());
        assert!(pipeline.queue().is_empty());
    }
}

#[test]
fn truncated_foreign_and_duplicate_batches_change_nothing() {
    let (batches, states) = three();
    let mut cut = batches[0].encode().unwrap();
    cut.truncate(cut.len() - 1);
    let namespace = parameters().chain.field();
    let stranger = Envelope::sign(
        chain(),
        EntryKind::Batch,
        namespace,
        batches[0].encode().unwrap(),
        &secret(1),
    );
    let commands = vec![payment(2, 1, MINA, 0)];
    let twin = Sequencer::new().batch(0, &[Plan { slot: 0, commands, ..Plan::default() }]);
    let mut far = batches[1].clone();
    far.header.batch = 65;
    let entries = [
        envelope(EntryKind::Batch, namespace, cut),
        stranger.unwrap(),
        envelope(EntryKind::Blob, namespace, batches[0].encode().unwrap()),
        envelope(EntryKind::Batch, Fp::from(1u64), batches[0].encode().unwrap()),
        entry(&far),
        entry(&batches[0]),
        entry(&batches[0]),
        entry(&twin),
        entry(&batches[1]),
    ];
    let mut pipeline = pipeline();
    let outcomes = run(&mut pipeline, &placed(&entries), &no_inbox());
    let reasons = refusals(&outcomes);
    let expected = ["the bytes end", "may not send batches", "too far", "is there already"];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason}");
    }
    assert!(matches!(
        &outcomes[0],
        StepOutcome::Refused { refusal: Refusal::Batch(BatchError::Decode(_)), .. }
    ));
    let skipped = outcomes.iter().filter(|outcome| matches!(outcome, StepOutcome::Skipped(_)));
    assert_eq!(skipped.count(), 3);
    assert_eq!(*pipeline.state(), states[1]);
}

#[test]
fn an_invalid_batch_leaves_its_number_to_the_next() {
    let (batches, states) = three();
    let mut wrong = batches[0].clone();
    wrong.header.target_ledger += Fp::from(1u64);
    let entries = [entry(&wrong), entry(&batches[0])];
    let mut pipeline = pipeline();
    let outcomes = run(&mut pipeline, &placed(&entries), &no_inbox());
    let error = ExecuteError::Target { what: "target ledger" };
    assert!(matches!(
        &outcomes[0],
        StepOutcome::Refused { refusal: Refusal::Execute(e), .. } if *e == error
    ));
    assert_eq!(*pipeline.state(), states[0]);
}

#[test]
fn a_higher_generation_replaces_what_is_there() {
    let mut sequencer = Sequencer::new();
    let plan = |slot, nonce| {
        let commands = vec![payment(0, 1, MINA, nonce)];
        [Plan { slot, commands, ..Plan::default() }]
    };
    let first = sequencer.batch(0, &plan(1, 0));
    let mut other = sequencer.clone();
    let old: Vec<_> = [(2, 1), (3, 2)].map(|(s, n)| sequencer.batch(0, &plan(s, n))).into();
    let rebuilt: Vec<_> = [(7, 1), (8, 2)].map(|(s, n)| other.batch(1, &plan(s, n))).into();
    let mut broken = rebuilt[0].clone();
    broken.header.target_ledger += Fp::from(1u64);
    let entries = [&first, &old[0], &old[1], &broken, &rebuilt[0], &old[1], &rebuilt[1]].map(entry);
    let mut pipeline = pipeline();
    let outcomes = run(&mut pipeline, &placed(&entries), &no_inbox());
    let adopted: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            StepOutcome::Adopted(derived) => {
                Some((derived.state.batches, derived.state.generation, derived.replaced))
            }
            _ => None,
        })
        .collect();
    assert_eq!(adopted, [(1, 0, 0), (2, 0, 0), (3, 0, 0), (2, 1, 2), (3, 1, 0)]);
    // The broken one and the leftover of the old generation.
    assert_eq!(refusals(&outcomes).len(), 2);
    assert_eq!(*pipeline.state(), other.state);
    let mut ledger = pipeline.ledger().clone();
    assert_eq!(ledger.root().unwrap(), other.state.ledger);
    let account = ledger.get(&AccountId::of(user(1))).unwrap().unwrap();
    assert_eq!(account.balance.get(), 1003 * MINA);
}

#[test]
fn a_batch_waits_until_the_l1_has_its_message() {
    let mut sequencer = Sequencer::new();
    let message = deposit(3, 5 * MINA, 100);
    let plan = Plan { slot: 1, messages: vec![Message::Deposit(message)], ..Plan::default() };
    let batch = sequencer.batch(0, &[plan]);
    let entries = placed(&[entry(&batch)]);
    let mut pipeline = pipeline();
    let outcomes = run(&mut pipeline, &entries, &no_inbox());
    assert!(matches!(outcomes[..], [StepOutcome::Waiting { for_l1: Some(_), .. }]), "{outcomes:?}");
    assert_eq!(pipeline.state().batches, 0);
    let outcomes = run(&mut pipeline, &entries, &inbox(&[message]));
    assert!(matches!(outcomes[..], [StepOutcome::Adopted(_)]), "{outcomes:?}");
    assert_eq!(*pipeline.state(), sequencer.state);
}

/// An inbox of which everything is open.
struct Open(Inbox);

impl InboxView for Open {
    fn next(&self, prefix: Fp) -> Option<Fp> {
        self.0.next(prefix)
    }

    fn is_open(&self, _: Fp) -> bool {
        true
    }
}

/// It is as valid as another, and whoever could have opened the message does not sign for it.
#[test]
fn a_message_that_is_left_unopened_without_need_is_seen() {
    let (batch, inbox, sequencer) = rich_batch();
    let entries = placed(&[entry(&batch)]);
    let unopened = batch.blocks.iter().flat_map(|block| &block.items).find_map(|item| match item {
        Item::Unopened(hash) => Some(*hash),
        _ => None,
    });
    assert!(unopened.is_some());
    let seen = |inbox: &dyn L1Provider| {
        let mut pipeline = pipeline();
        let outcome = pipeline.step(&mut entries.as_slice(), inbox, &NoProofs).unwrap();
        assert_eq!(*pipeline.state(), sequencer.state);
        let StepOutcome::Adopted(derived) = outcome else { panic!("{outcome:?}") };
        derived.unopened
    };
    assert_eq!(seen(&inbox), None);
    assert_eq!(seen(&Open(inbox)), unopened);
}

/// A rebuilt batch may consume a message that this reader's L1 does not have deep enough yet.
#[test]
fn a_replacement_waits_for_the_l1_too() {
    let mut sequencer = Sequencer::new();
    let mut other = sequencer.clone();
    let commands = vec![payment(0, 1, MINA, 0)];
    let old = sequencer.batch(0, &[Plan { slot: 1, commands, ..Plan::default() }]);
    let message = deposit(3, 5 * MINA, 100);
    let messages = vec![Message::Deposit(message)];
    let rebuilt = other.batch(1, &[Plan { slot: 2, messages, ..Plan::default() }]);
    let entries = placed(&[entry(&old), entry(&rebuilt)]);
    let mut pipeline = pipeline();
    let outcomes = run(&mut pipeline, &entries, &no_inbox());
    assert!(
        matches!(
            outcomes[..],
            [StepOutcome::Adopted(_), StepOutcome::Waiting { for_l1: Some(_), .. }]
        ),
        "{outcomes:?}"
    );
    assert_eq!(*pipeline.state(), sequencer.state);
    let outcomes = run(&mut pipeline, &entries, &inbox(&[message]));
    assert!(matches!(outcomes[..], [StepOutcome::Adopted(_)]), "{outcomes:?}");
    assert_eq!(*pipeline.state(), other.state);
}

#[test]
fn a_snapshot_must_fit_its_state() {
    let (ledger, state) = genesis();
    let other = ChainState { ledger: Fp::from(1u64), ..state };
    Pipeline::new(parameters(), ledger, other).unwrap_err();
    assert_eq!(state.data, DataCommitment::default());
}
