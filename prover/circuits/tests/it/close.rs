//! The end of a batch, and batches of several blocks.

use std::sync::OnceLock;

use kimchi::builder::WitnessError;
use mina_curves::{Fp, Fq};
use mina_ledger::{
    ledger::{FullLedger, Ledger},
    rollup::{DepositAction, Hashed, bridge_id, credit_fees},
    types::{Account, AccountId, Amount, Era, Length, PrivateKey, Slot, ZkappAccount},
};
use pickles::{ProveError, ProvedStatement, verify};
use rand::rngs::OsRng;
use zeko_circuits::{
    accounts::AccountSet,
    example::Transfers,
    program::{CloseInput, Creations, Merge, Message, Segment},
};

use crate::program::{MINA, ROLLUP, prove};

/// A withdrawal that has been proved, and what its batch is closed with.
fn withdrawal() -> &'static (CloseInput, ProvedStatement, Fp) {
    static WITHDRAWAL: OnceLock<(CloseInput, ProvedStatement, Fp)> = OnceLock::new();
    WITHDRAWAL.get_or_init(|| {
        let mut chain = Transfers::new(2).unwrap();
        let start = *chain.state();
        let bridge_before = chain.opening(&bridge_id()).unwrap();
        let updates = chain.withdraw(0, 3 * MINA).unwrap();
        let segment = chain.segment(&start, chain.state());
        let proof = prove(&chain, updates).unwrap();
        let input = CloseInput {
            segment,
            bridge_before,
            bridge_after: chain.opening(&bridge_id()).unwrap(),
            fee_account: chain.opening(&AccountId::of(chain.user(1))).unwrap(),
            blocks: [Fp::from(10u64), Fp::from(11u64)],
            // Empty blocks before and behind the one with commands.
            slots: [Slot::new(chain.slot.get() - 1), Slot::new(chain.slot.get() + 2)],
            creations: Creations::none(chain.set.root()),
        };
        let target = chain.close(1).unwrap();
        (input, proof, target)
    })
}

/// Proves the end of a batch whose segment has `proof`.
fn close(input: CloseInput, proof: &ProvedStatement) -> Result<ProvedStatement, ProveError> {
    ROLLUP.program.prove(ROLLUP.close, input, &[Some(proof.clone()), None], &mut OsRng)
}

#[test]
fn a_batch_is_closed() {
    let (input, proof, target) = withdrawal();
    let statement = input.statement(*target, Era::Berkeley);
    assert_ne!(statement.source.outbox, statement.target.outbox);
    assert_eq!(statement.source.inbox, statement.target.inbox);
    let closed = close(input.clone(), proof).unwrap();
    assert_eq!(closed.app_state, [statement.digest()]);
    verify(ROLLUP.program.verification_key(), &closed.app_state, &closed.proof, &mut OsRng)
        .unwrap();
}

/// Another witness for the end of the same batch, which its circuit must refuse where it says.
fn refused(region: &str, edit: impl FnOnce(&mut CloseInput)) {
    let (input, proof, _) = withdrawal();
    let mut input = input.clone();
    edit(&mut input);
    let reason = match close(input, proof) {
        Err(ProveError::Unsatisfied { reason, .. }) => reason,
        Err(ProveError::Witness { error: WitnessError::Unequal { region }, .. }) => region,
        other => panic!("{region}: {:?}", other.map(|proof| proof.app_state)),
    };
    assert!(reason.contains(region), "{region}: {reason}");
}

#[test]
fn a_batch_ends_between_commands_with_nothing_left_over() {
    // Values wired to constants are missed wherever the constant is used first.
    refused("", |input| input.segment.source.local = Fp::from(1u64));
    refused("", |input| input.segment.target.local = Fp::from(1u64));
    refused("", |input| input.segment.source.fees = 1.into());
    refused("", |input| input.segment.source.accounts = Fp::from(1u64));
}

#[test]
fn the_set_of_accounts_is_the_lists() {
    // A list that nobody has gone through, and a set that changes without one.
    refused("", |input| input.segment.target.accounts = Fp::from(1u64));
    refused("", |input| input.creations.list = Fp::from(1u64));
    refused("new accounts", |input| input.creations.to = Fp::from(1u64));
    // What is said of a list must have been proved.
    let (honest, proof, _) = withdrawal();
    let mut input = honest.clone();
    (input.segment.target.accounts, input.creations.list) = (Fp::from(1u64), Fp::from(1u64));
    assert!(close(input, proof).is_err());
}

/// Deposits that open accounts, one of which cannot pay for it.
#[test]
fn a_batch_of_deposits_is_closed() {
    let mut chain = Transfers::new(1).unwrap();
    let start = *chain.state();
    let bridge_before = chain.opening(&bridge_id()).unwrap();
    let key = |x: u64| PrivateKey::new(Fq::from(x)).unwrap().to_public_key();
    let deposit = |x: u64, amount: u64| {
        Message::Deposit(DepositAction {
            recipient: key(x),
            amount: amount.into(),
            timeout: chain.slot,
            refund_to: key(x),
        })
    };
    let messages = [deposit(77, 3 * MINA), deposit(78, 1)];
    let recorded = chain.receive(&messages).unwrap();
    let segment = chain.segment(&start, chain.state());
    let input = ROLLUP.inbox_input(chain.chain, chain.height, chain.slot, recorded).unwrap();
    let inbox = ROLLUP.program.prove(ROLLUP.inbox, input, &[], &mut OsRng).unwrap();
    assert_eq!(inbox.app_state, [segment.digest()]);

    let mut set = chain.set.clone();
    let inputs = ROLLUP.accounts_inputs(&mut set, &chain.created).unwrap();
    let creations = *inputs.last().unwrap().creations();
    assert_eq!((inputs.len(), creations.list), (2, segment.target.accounts));
    let accounts = inputs.into_iter().fold(None, |earlier, input| {
        let digest = input.creations().digest();
        let proof = ROLLUP.program.prove(ROLLUP.accounts, input, &[earlier], &mut OsRng).unwrap();
        assert_eq!(proof.app_state, [digest]);
        Some(proof)
    });

    let input = CloseInput {
        segment,
        bridge_before,
        bridge_after: chain.opening(&bridge_id()).unwrap(),
        fee_account: chain.opening(&AccountId::of(key(77))).unwrap(),
        blocks: [Fp::from(10u64), Fp::from(11u64)],
        slots: [chain.slot, chain.slot],
        creations,
    };
    let mut ledger = chain.ledger().clone();
    let fees = mina_curves::PastaField::to_limbs(chain.state().fees)[0];
    assert!(credit_fees(&mut ledger, key(77), fees.into()).unwrap());
    let statement = input.statement(ledger.root().unwrap(), Era::Berkeley);
    let ids: Vec<_> = ledger.accounts().iter().map(Account::id).collect();
    assert_eq!(statement.target.root.accounts, AccountSet::new(&ids).unwrap().root());
    assert_ne!(statement.target.root, statement.source.root);
    assert_ne!(statement.target.inbox, statement.source.inbox);
    assert_ne!(statement.target.outbox, statement.source.outbox);
    let refused = |previous: &[Option<ProvedStatement>]| {
        ROLLUP.program.prove(ROLLUP.close, input.clone(), previous, &mut OsRng).is_err()
    };
    assert!(refused(&[Some(inbox.clone()), None]));
    assert!(refused(&[accounts.clone(), Some(inbox.clone())]));
    let previous = [Some(inbox), accounts];
    let closed = ROLLUP.program.prove(ROLLUP.close, input.clone(), &previous, &mut OsRng).unwrap();
    assert_eq!(closed.app_state, [statement.digest()]);
    verify(ROLLUP.program.verification_key(), &closed.app_state, &closed.proof, &mut OsRng)
        .unwrap();
}

#[test]
fn the_bridge_account_is_the_one_at_leaf_0() {
    let (honest, ..) = withdrawal();
    let (before, after) = (honest.bridge_before.clone(), honest.bridge_after.clone());
    refused("bridge before", |input| input.bridge_before = after);
    refused("bridge after", |input| input.bridge_after = before);
    refused("bridge after", |input| input.bridge_after = input.fee_account.clone());
    refused("bridge after", |input| input.bridge_after.account.balance = Amount::ZERO);
    refused("bridge before", |input| {
        let new = ZkappAccount::new(Era::Berkeley);
        let zkapp = input.bridge_before.account.zkapp.get_or_insert(new.into());
        zkapp.app_state[0] = Fp::from(1u64);
    });
    // The bridge account's other fields are below its hash.
    refused("bridge after", |input| {
        let zkapp = input.bridge_after.account.zkapp.as_mut().unwrap();
        zkapp.action_state[0] = zkapp.action_state[1];
    });
}

#[test]
fn fees_go_to_another_account_that_exists() {
    refused("fees", |input| input.fee_account = input.bridge_after.clone());
    refused("fees", |input| input.fee_account.account.balance = (1u64 << 50).into());
    refused("fees", |input| input.fee_account.path = input.bridge_after.path.clone());
    // An empty leaf is the account of the empty key.
    let (honest, ..) = withdrawal();
    let mut ledger = FullLedger::new(Era::Berkeley);
    let mut empty = honest.fee_account.clone();
    empty.account = Account::empty(Era::Berkeley);
    refused("fees", |input| input.fee_account = empty);

    // What the native twin does not credit either.
    let (bridge, user) = (bridge_id(), honest.fee_account.account.id());
    let credit =
        |ledger: &mut FullLedger, key, fees: u64| credit_fees(ledger, key, fees.into()).unwrap();
    assert!(!credit(&mut ledger, user.public_key, 1), "no account");
    ledger.set(honest.bridge_after.account.clone()).unwrap();
    ledger.set(honest.fee_account.account.clone()).unwrap();
    assert!(!credit(&mut ledger, bridge.public_key, 1));
    assert!(!credit(&mut ledger, user.public_key, u64::MAX));
    let balance = honest.fee_account.account.balance;
    assert_eq!(ledger.get(&user).unwrap().unwrap().balance, balance);
    assert!(credit(&mut ledger, user.public_key, 7));
    let credited = balance.checked_add(7.into()).unwrap();
    assert_eq!(ledger.get(&user).unwrap().unwrap().balance, credited);
}

#[test]
fn commands_are_between_the_first_and_the_last_slot() {
    let (honest, ..) = withdrawal();
    let after = |slot: Slot| Slot::new(slot.get() + 1);
    refused("slots", |input| input.slots[0] = after(honest.segment.source.slot));
    refused("slots", |input| {
        input.slots[1] = Slot::new(honest.segment.target.slot.get() - 1);
    });
}

/// Only the segment that was proved is closed.
#[test]
fn what_is_closed_has_been_proved() {
    let (input, proof, _) = withdrawal();
    let mut other = input.clone();
    other.segment.target.slot = Slot::new(input.segment.target.slot.get() + 1);
    assert!(close(other, proof).is_err());
}

#[test]
fn segments_follow_each_other_in_later_blocks() {
    let mut chain = Transfers::new(2).unwrap();
    let start = *chain.state();
    let inside = chain.send(0, 1, MINA).unwrap()[1].before;
    let middle = *chain.state();
    let first = chain.segment(&start, &middle);
    chain.height = Length::new(chain.height.get() + 2);
    chain.slot = Slot::new(chain.slot.get() + 1);
    chain.send(1, 0, MINA).unwrap();
    let second = chain.segment(&middle, chain.state());
    let joined = Merge::join(&first, &second).unwrap();
    assert_eq!((joined.source, joined.target), (first.source, second.target));
    follows(&first, &second, true);

    let with = |edit: &dyn Fn(&mut Segment)| {
        let mut second = second;
        edit(&mut second);
        second
    };
    follows(&first, &with(&|s| s.source.slot = first.target.slot), true);
    follows(&first, &with(&|s| s.source.height = first.target.height), false);
    follows(&first, &with(&|s| s.source.slot = Slot::new(first.target.slot.get() - 1)), false);
    follows(&first, &with(&|s| s.source.height = Length::new(0)), false);
    follows(&first, &with(&|s| s.source.fees = 1.into()), false);
    follows(&first, &with(&|s| s.source.ledger = Fp::from(1u64)), false);
    follows(&first, &with(&|s| s.source.accounts = Fp::from(1u64)), false);
    // A block does not end inside a command.
    let mut cut = first;
    cut.target.local = chain.point(&inside).local;
    follows(&cut, &with(&|s| s.source.local = cut.target.local), false);
    follows(&cut, &Segment { source: cut.target, ..second }, true);
}

/// Whether two segments follow each other, for the logic and for the circuit.
fn follows(first: &Segment, second: &Segment, expected: bool) {
    assert_eq!(Merge::join(first, second).is_some(), expected);
    let lab = kimchi::builder::testing::Lab::<Fp, [Segment; 2]>::new(|cs| {
        let [first, second] = [0, 1].map(|index| {
            zeko_circuits::program::SegmentVar::witness(cs, move |input: &[Segment; 2]| {
                &input[index]
            })
        });
        first.target.assert_followed(cs, &second.source);
    });
    let witness = lab.generator.witness(&[*first, *second]);
    let satisfied = witness.is_ok_and(|witness| lab.violated(&witness).is_empty());
    assert_eq!(satisfied, expected);
}
