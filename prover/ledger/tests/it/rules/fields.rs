//! State, actions, vesting, and zkApp parts that disappear.

use mina_curves::Fp;
use mina_ledger::{
    hash::{actions_hash, constants::EMPTY_ACTION_STATE, push_actions},
    logic::TransactionFailure as F,
    types::{
        AccountUpdate, AuthKind, AuthRequired, Body, Permissions, PublicKey, Slot, Timing,
        ZkappAccount, ZkappUri,
    },
};

use super::kit::{
    World, authorized, body, id, key, minus, plain, plus, proved, signed, transfer, user,
};

/// User 1 as a zkApp where everything is allowed.
fn zkapp_world() -> World {
    let mut world = World::new();
    let era = world.era;
    world.edit(id(1), |account| {
        account.permissions = Permissions::all(AuthRequired::None, era);
        let zkapp = ZkappAccount { verification_key: Some(key(0)), ..ZkappAccount::new(era) };
        account.zkapp = Some(zkapp.into());
    });
    world
}

fn set_state(count: usize, kind: AuthKind) -> AccountUpdate {
    let mut update = body(id(1));
    for element in update.update.app_state.iter_mut().take(count) {
        *element = Some(Fp::from(1u64));
    }
    authorized(update, kind)
}

#[test]
fn item_27_proved_state() {
    use AuthKind::{None, Proof, Signature};
    let mut world = zkapp_world();
    let mut step = |count, kind, expected: bool| {
        world.succeed([set_state(count, kind)]);
        assert_eq!(world.account(id(1)).zkapp.as_ref().unwrap().proved_state, expected);
    };
    step(7, Proof, false);
    step(8, Signature, false);
    step(8, Proof, true);
    step(0, None, true);
    step(0, Signature, true);
    step(3, Proof, true);
    step(1, None, false);
    step(3, Proof, false);
    step(8, Proof, true);
    step(8, Signature, false);
}

#[test]
fn item_28_action_states_shift_by_slot() {
    let mut world = zkapp_world();
    let actions = |n: u64| -> Body {
        let mut update = body(id(1));
        update.actions = vec![vec![Fp::from(n)], vec![]];
        update
    };
    let pushed = |state, n: u64| push_actions(state, actions_hash(&actions(n).actions));
    let e = EMPTY_ACTION_STATE;
    let expect = |world: &mut World, states: [Fp; 5], slot: u32| {
        let zkapp = world.account(id(1)).zkapp.as_ref().unwrap();
        assert_eq!(zkapp.action_state, states);
        assert_eq!(zkapp.last_action_slot, Slot::new(slot));
    };
    // Empty actions change nothing.
    world.succeed([plain(body(id(1)))]);
    expect(&mut world, [e; 5], 0);
    world.succeed([plain(actions(1))]);
    let a = pushed(e, 1);
    expect(&mut world, [a, e, e, e, e], 100);
    // The same slot.
    world.succeed([plain(actions(2)), plain(actions(3))]);
    let b = pushed(pushed(a, 2), 3);
    expect(&mut world, [b, e, e, e, e], 100);
    // Later slots.
    world.slot = 101.into();
    world.succeed([plain(actions(4))]);
    let c = pushed(b, 4);
    expect(&mut world, [c, b, e, e, e], 101);
    world.slot = 110.into();
    world.succeed([plain(body(id(1)))]);
    expect(&mut world, [c, b, e, e, e], 101);
    world.succeed([plain(actions(5))]);
    let d = pushed(c, 5);
    expect(&mut world, [d, c, b, e, e], 110);
    // Slot 0 is that of an account without actions, so nothing shifts.
    let mut world = zkapp_world();
    world.slot = 0.into();
    world.succeed([plain(actions(1))]);
    expect(&mut world, [a, e, e, e, e], 0);
}

fn schedule() -> Timing {
    Timing {
        initial_minimum_balance: 100.into(),
        cliff_time: 1000.into(),
        cliff_amount: 20.into(),
        vesting_period: 10.into(),
        vesting_increment: 30.into(),
    }
}

#[test]
fn item_32_vesting() {
    for (slot, minimum) in
        [(999, 100), (1000, 80), (1009, 80), (1010, 50), (1019, 50), (1020, 20), (1030, 0)]
    {
        let timed = |slot: u32| {
            let mut world = World::new();
            world.slot = slot.into();
            world.edit(id(1), |account| {
                account.balance = 100.into();
                account.timing = Some(schedule());
            });
            world
        };
        let spend =
            |amount| [signed(transfer(id(1), minus(amount))), plain(transfer(id(2), plus(amount)))];
        let mut world = timed(slot);
        world.succeed(spend(100 - minimum));
        // The schedule is dropped once everything has vested.
        let timing = world.account(id(1)).timing;
        assert_eq!(timing, (minimum > 0).then(schedule), "slot {slot}");
        if minimum > 0 {
            let failures = timed(slot).fail(spend(101 - minimum));
            assert_eq!(failures[1], [F::SourceMinimumBalanceViolation], "slot {slot}");
        }
    }
}

#[test]
fn item_32_setting_a_schedule() {
    let mut world = World::new();
    let mut update = body(id(1));
    update.update.timing = Some(schedule());
    // Not more than the balance.
    world.edit(id(1), |account| account.balance = 99.into());
    assert_eq!(world.outcome(signed(update.clone())), [F::SourceMinimumBalanceViolation]);
    world.edit(id(1), |account| account.balance = 100.into());
    world.succeed([signed(update.clone())]);
    assert_eq!(world.account(id(1)).timing, Some(schedule()));
    // Not twice.
    assert_eq!(world.outcome(signed(update.clone())), [F::UpdateNotPermittedTiming]);
    // One that has run out is not set at all.
    update.public_key = user(2);
    world.slot = 5000.into();
    world.succeed([signed(update)]);
    assert_eq!(world.account(id(2)).timing, None);
}

#[test]
fn item_38_a_zkapp_part_that_is_back_to_its_defaults_disappears() {
    let mut world = World::new();
    let set = |value: u64| {
        let mut update = body(id(1));
        update.update.app_state[0] = Some(Fp::from(value));
        signed(update)
    };
    world.succeed([set(1)]);
    assert!(world.account(id(1)).zkapp.is_some());
    world.succeed([set(0)]);
    assert!(world.account(id(1)).zkapp.is_none());
    let mut uri = body(id(1));
    uri.update.zkapp_uri = Some(ZkappUri::new("x").unwrap());
    world.succeed([signed(uri.clone())]);
    assert!(world.account(id(1)).zkapp.is_some());
    uri.update.zkapp_uri = Some(ZkappUri::default());
    world.succeed([signed(uri)]);
    assert!(world.account(id(1)).zkapp.is_none());
    // Delegating to the empty key is delegating to nobody.
    let mut delegate = body(id(1));
    delegate.update.delegate = Some(PublicKey::EMPTY);
    world.succeed([signed(delegate)]);
    assert_eq!(world.account(id(1)).delegate, None);
    // A key stays.
    let mut world = zkapp_world();
    world.succeed([proved(body(id(1)))]);
    assert!(world.account(id(1)).zkapp.is_some());
}
