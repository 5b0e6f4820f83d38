//! Preconditions, each holding and each not.

use mina_curves::Fp;
use mina_ledger::{
    hash::constants::EMPTY_ACTION_STATE,
    logic::TransactionFailure as F,
    types::{
        Body, Bounds, EpochDataPrecondition, EpochDataView, EpochLedgerView, NetworkPrecondition,
        ProtocolStateView, PublicKey, ZkappAccount,
    },
};

use super::kit::{CREATION_FEE, World, body, id, minus, plain, signed, transfer, user};

/// Runs one update that asks for something, and expects the failures.
fn check(world: &mut World, ask: impl FnOnce(&mut Body), failures: &[F]) {
    let mut update = body(id(1));
    ask(&mut update);
    assert_eq!(world.outcome(plain(update)), failures);
}

fn zkapp() -> ZkappAccount {
    let mut zkapp = ZkappAccount::new(Default::default());
    zkapp.action_state = [11u64, 12, 13, 14, 15].map(Fp::from);
    zkapp.app_state[2] = Fp::from(9u64);
    zkapp.proved_state = true;
    zkapp
}

fn world_with_zkapp() -> World {
    let mut world = World::new();
    world.edit(id(1), |account| {
        account.zkapp = Some(zkapp().into());
        account.nonce = 5.into();
        account.balance = 100.into();
        account.delegate = None;
    });
    world
}

#[test]
fn item_30_each_account_precondition() {
    let world = &mut world_with_zkapp();
    for (lower, upper, holds) in
        [(100, 100, true), (0, 100, true), (100, u64::MAX, true), (101, 200, false), (0, 99, false)]
    {
        let failures = if holds { vec![] } else { vec![F::AccountBalancePrecondition] };
        let bounds = Bounds { lower: lower.into(), upper: upper.into() };
        check(world, |b| b.preconditions.account.balance = Some(bounds), &failures);
    }
    for (lower, upper, holds) in
        [(5, 5, true), (0, 5, true), (6, 9, false), (0, 4, false), (9, 0, false)]
    {
        let failures = if holds { vec![] } else { vec![F::AccountNoncePrecondition] };
        let bounds = Bounds { lower: lower.into(), upper: upper.into() };
        check(world, |b| b.preconditions.account.nonce = Some(bounds), &failures);
    }
    let receipt = world.account(id(1)).receipt_chain_hash;
    check(world, |b| b.preconditions.account.receipt_chain_hash = Some(receipt), &[]);
    check(
        world,
        |b| b.preconditions.account.receipt_chain_hash = Some(receipt + Fp::from(1u64)),
        &[F::AccountReceiptChainHashPrecondition],
    );
    // No delegate is the empty key.
    check(world, |b| b.preconditions.account.delegate = Some(PublicKey::EMPTY), &[]);
    check(
        world,
        |b| b.preconditions.account.delegate = Some(user(1)),
        &[F::AccountDelegatePrecondition],
    );
    for index in 0..8u32 {
        let value = if index == 2 { 9u64 } else { 0 };
        let at = index as usize;
        check(world, |b| b.preconditions.account.state[at] = Some(Fp::from(value)), &[]);
        check(
            world,
            |b| b.preconditions.account.state[at] = Some(Fp::from(value + 1)),
            &[F::AccountAppStatePrecondition(index)],
        );
    }
    check(world, |b| b.preconditions.account.proved_state = Some(true), &[]);
    check(
        world,
        |b| b.preconditions.account.proved_state = Some(false),
        &[F::AccountProvedStatePrecondition],
    );
    check(world, |b| b.preconditions.account.is_new = Some(false), &[]);
    check(world, |b| b.preconditions.account.is_new = Some(true), &[F::AccountIsNewPrecondition]);
}

/// An account that does not exist yet is checked as it would be created.
#[test]
fn item_30_preconditions_of_a_new_account() {
    let world = &mut World::new();
    let mut update = body(id(30));
    let account = &mut update.preconditions.account;
    account.is_new = Some(true);
    account.delegate = Some(user(30));
    account.balance = Some(Bounds::exactly(0.into()));
    account.action_state = Some(EMPTY_ACTION_STATE);
    account.proved_state = Some(false);
    account.state = vec![Some(Fp::from(0u64)); 8];
    world.succeed([signed(transfer(id(1), minus(CREATION_FEE))), plain(update)]);
    assert!(world.exists(id(30)));
}

#[test]
fn item_29_any_of_the_five_action_states() {
    let world = &mut world_with_zkapp();
    for state in 11u64..=15 {
        check(world, |b| b.preconditions.account.action_state = Some(Fp::from(state)), &[]);
    }
    for state in [Fp::from(10u64), Fp::from(16u64), EMPTY_ACTION_STATE] {
        check(
            world,
            |b| b.preconditions.account.action_state = Some(state),
            &[F::AccountActionStatePrecondition],
        );
    }
}

fn view() -> ProtocolStateView {
    let epoch = |n: u64| EpochDataView {
        ledger: EpochLedgerView { hash: Fp::from(n), total_currency: (n + 1).into() },
        seed: Fp::from(n + 2),
        start_checkpoint: Fp::from(n + 3),
        lock_checkpoint: Fp::from(n + 4),
        epoch_length: (n as u32 + 5).into(),
    };
    ProtocolStateView {
        snarked_ledger_hash: Fp::from(1u64),
        blockchain_length: 2.into(),
        min_window_density: 3.into(),
        total_currency: 4.into(),
        global_slot_since_genesis: 5.into(),
        staking_epoch_data: epoch(20),
        next_epoch_data: epoch(40),
    }
}

type Ask = fn(&mut NetworkPrecondition, u64);

#[test]
fn item_31_each_network_precondition() {
    let world = &mut World::new();
    world.view = view();
    // Each takes an offset from the value that holds.
    let plain: [(Ask, &str); 5] = [
        (|n, x| n.snarked_ledger_hash = Some(Fp::from(1 + x)), "snarked ledger"),
        (|n, x| n.blockchain_length = Some(Bounds::exactly((2 + x as u32).into())), "length"),
        (|n, x| n.min_window_density = Some(Bounds::exactly((3 + x as u32).into())), "density"),
        (|n, x| n.total_currency = Some(Bounds::exactly((4 + x).into())), "currency"),
        (|n, x| n.global_slot_since_genesis = Some(Bounds::exactly((5 + x as u32).into())), "slot"),
    ];
    let fails = [F::ProtocolStatePrecondition];
    for (ask, name) in plain {
        check(world, |b| ask(&mut b.preconditions.network, 0), &[]);
        let mut update = body(id(1));
        ask(&mut update.preconditions.network, 1);
        assert_eq!(world.outcome(super::kit::plain(update)), fails, "{name}");
    }
    type AskEpoch = fn(&mut EpochDataPrecondition, u64);
    let epochs: [(AskEpoch, bool); 6] = [
        (|e, x| e.ledger.hash = Some(Fp::from(x)), true),
        (|e, x| e.ledger.total_currency = Some(Bounds::exactly((x + 1).into())), true),
        // The seed is never looked at.
        (|e, x| e.seed = Some(Fp::from(x + 2)), false),
        (|e, x| e.start_checkpoint = Some(Fp::from(x + 3)), true),
        (|e, x| e.lock_checkpoint = Some(Fp::from(x + 4)), true),
        (|e, x| e.epoch_length = Some(Bounds::exactly((x as u32 + 5).into())), true),
    ];
    for (ask, is_checked) in epochs {
        let wrong: &[F] = if is_checked { &fails } else { &[] };
        check(world, |b| ask(&mut b.preconditions.network.staking_epoch_data, 20), &[]);
        check(world, |b| ask(&mut b.preconditions.network.staking_epoch_data, 21), wrong);
        check(world, |b| ask(&mut b.preconditions.network.next_epoch_data, 40), &[]);
        check(world, |b| ask(&mut b.preconditions.network.next_epoch_data, 41), wrong);
    }
}

/// `validWhile` goes by the slot of the block, network preconditions by that of the view.
#[test]
fn item_31_valid_while() {
    let world = &mut World::new();
    world.view = view();
    world.slot = 100.into();
    for (lower, upper, holds) in
        [(100, 100, true), (0, 100, true), (100, u32::MAX, true), (0, 99, false), (101, 200, false)]
    {
        let failures = if holds { vec![] } else { vec![F::ValidWhilePrecondition] };
        let bounds = Bounds { lower: lower.into(), upper: upper.into() };
        check(world, |b| b.preconditions.valid_while = Some(bounds), &failures);
    }
}
