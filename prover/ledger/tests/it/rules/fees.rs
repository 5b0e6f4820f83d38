//! Fee payers, failure tables, creation fees, excess.

use mina_ledger::{
    ledger::Ledger,
    logic::{ApplyError, TransactionFailure as F},
    types::{AccountId, Amount, Bounds, SignedAmount},
};

use super::kit::{CREATION_FEE, MINA, World, body, id, minus, plain, plus, signed, transfer, user};

#[test]
fn item_21_a_failed_command_keeps_fee_and_nonce() {
    let mut world = World::new();
    let before = world.ledger.clone();
    let failures = world.fail([plain(transfer(id(1), minus(5))), plain(transfer(id(2), plus(5)))]);
    assert_eq!(failures, [vec![], vec![F::UpdateNotPermittedBalance], vec![F::Cancelled]]);
    let (payer, old) = (world.account(id(0)), before.get(&id(0)).unwrap().unwrap());
    assert_eq!(payer.balance, old.balance.checked_sub(world.fee).unwrap());
    assert_eq!(payer.nonce, old.nonce.successor());
    assert_ne!(payer.receipt_chain_hash, old.receipt_chain_hash);
    for index in 1..5 {
        assert_eq!(Some(world.account(id(index))), before.get(&id(index)).unwrap());
    }
}

#[test]
fn item_22_a_failing_fee_payer_changes_nothing() {
    let mut world = World::new();
    world.edit(id(3), |account| account.permissions.send = mina_ledger::types::AuthRequired::Proof);
    let root = world.ledger.root().unwrap();
    let mut command = world.command(vec![]);
    let expect = |world: &mut World, command: &_, failures: Vec<F>| {
        let error = world.apply(command).unwrap_err();
        assert_eq!(error, ApplyError::Failed { failures: vec![failures] });
        assert_eq!(world.ledger.root().unwrap(), root);
    };
    command.fee_payer.body.nonce = 7.into();
    expect(&mut world, &command, vec![F::AccountNoncePrecondition]);
    command.fee_payer.body.nonce = 0.into();
    command.fee_payer.body.fee = (1001 * MINA).into();
    expect(&mut world, &command, vec![F::Overflow]);
    command.fee_payer.body.fee = 1.into();
    command.fee_payer.body.valid_until = Some(5.into());
    world.view.global_slot_since_genesis = 6.into();
    expect(&mut world, &command, vec![F::ProtocolStatePrecondition]);
    command.fee_payer.body.valid_until = None;
    command.fee_payer.body.public_key = user(77);
    expect(&mut world, &command, vec![F::Overflow, F::AmountInsufficientToCreateAccount]);
    command.fee_payer.body.public_key = user(3);
    expect(&mut world, &command, vec![F::UpdateNotPermittedBalance]);
    command.fee_payer.body.public_key = user(0);
    world.apply(&command).unwrap();
}

#[test]
fn item_23_failure_buckets_and_their_order() {
    let mut world = World::new();
    // The check that fails last comes first; the caller of a token lands one bucket too early.
    let foreign = AccountId::new(user(2), world.mint(id(1), id(2), 10));
    let mut second = transfer(foreign, minus(1));
    second.preconditions.account.nonce = Some(Bounds::exactly(9.into()));
    second.update.delegate = Some(user(3));
    let failures = world.fail([plain(body(id(4))), plain(second), plain(body(id(3)))]);
    assert_eq!(
        failures,
        [
            vec![],
            vec![F::TokenOwnerNotCaller],
            vec![
                F::UpdateNotPermittedDelegate,
                F::UpdateNotPermittedBalance,
                F::AccountNoncePrecondition
            ],
            vec![F::Cancelled],
        ]
    );
    // The excess is checked at the last update.
    let failures = world.fail([signed(transfer(id(1), minus(3))), plain(body(id(2)))]);
    assert_eq!(failures, [vec![], vec![F::Cancelled], vec![F::InvalidFeeExcess]]);
    // The fee payer's bucket can only hold the failure of the first update's caller.
    let failures = world.fail([plain(body(foreign))]);
    assert_eq!(failures, [vec![F::TokenOwnerNotCaller], vec![F::Cancelled]]);
}

#[test]
fn item_33_implicit_and_explicit_creation_fees() {
    let mut world = World::new();
    // Implicit: out of what the account receives.
    let mut implicit = transfer(id(20), plus(3 * MINA));
    implicit.implicit_account_creation_fee = true;
    let command = world
        .command(vec![(0, signed(transfer(id(1), minus(3 * MINA)))), (0, plain(implicit.clone()))]);
    let applied = world.apply(&command).unwrap();
    assert_eq!(applied.failures, None);
    assert_eq!(applied.created, [id(20)]);
    assert_eq!(applied.supply_increase, SignedAmount::negative(CREATION_FEE.into()));
    assert_eq!(applied.fee_excess, SignedAmount::positive(world.fee));
    assert_eq!(world.account(id(20)).balance, Amount::new(2 * MINA));
    assert_eq!(world.account(id(20)).delegate, Some(user(20)));
    // Implicit without enough for it: not even the fee is there.
    let mut little = transfer(id(21), plus(CREATION_FEE - 1));
    little.implicit_account_creation_fee = true;
    let sender = signed(transfer(id(1), minus(CREATION_FEE - 1)));
    let failures = world.fail([sender, plain(little)]);
    // What is missing would have to be sent from the account.
    assert_eq!(
        failures[2],
        [F::UpdateNotPermittedBalance, F::Overflow, F::AmountInsufficientToCreateAccount]
    );
    assert!(!world.exists(id(21)));
    // Explicit: out of the excess.
    world.succeed([
        signed(transfer(id(1), minus(5 + CREATION_FEE))),
        plain(transfer(id(22), plus(5))),
    ]);
    assert_eq!(world.account(id(22)).balance, Amount::new(5));
    // An implicit fee on an account that exists costs nothing.
    let mut existing = transfer(id(20), plus(1));
    existing.implicit_account_creation_fee = true;
    world.succeed([signed(transfer(id(1), minus(1))), plain(existing)]);
    // Not in a token.
    let token = world.mint(id(1), id(2), 10);
    let mut in_token = transfer(AccountId::new(user(2), token), plus(0));
    in_token.implicit_account_creation_fee = true;
    in_token.may_use_token = mina_ledger::types::MayUseToken::ParentsOwnToken;
    let applied = world.run(vec![(0, plain(body(id(1)))), (1, plain(in_token))]);
    assert_eq!(applied.failures.unwrap()[2], [F::CannotPayCreationFeeInToken]);
}

#[test]
fn item_36_overflow_and_excess_extremes() {
    let mut world = World::new();
    world.edit(id(1), |account| account.balance = Amount::MAX);
    // A balance above its range, one below.
    assert_eq!(world.outcome(plain(transfer(id(1), plus(1)))), [F::InvalidFeeExcess, F::Overflow]);
    world.edit(id(1), |account| account.balance = 4.into());
    assert_eq!(
        world.outcome(signed(transfer(id(1), minus(5)))),
        [F::InvalidFeeExcess, F::Overflow]
    );
    // Two halves of the range and one more overflow the excess, which wraps to (minus) zero.
    for index in [1, 2, 3] {
        world.edit(id(index), |account| account.balance = Amount::MAX);
    }
    let half = 1 << 63;
    let failures = world.fail([
        signed(transfer(id(1), minus(half))),
        signed(transfer(id(2), minus(half))),
        plain(body(id(3))),
    ]);
    assert_eq!(
        failures,
        [vec![], vec![F::Cancelled], vec![F::LocalExcessOverflow], vec![F::Cancelled]]
    );
    // Minus zero is zero, whoever asks.
    world.edit(id(4), |a| a.permissions.send = mina_ledger::types::AuthRequired::Impossible);
    world.succeed([plain(transfer(id(4), minus(0)))]);
    // The largest fee.
    world.edit(id(0), |account| account.balance = Amount::MAX);
    world.fee = Amount::MAX;
    let applied = world.run(vec![]);
    assert_eq!(applied.fee_excess, SignedAmount::positive(Amount::MAX));
    assert_eq!(world.account(id(0)).balance, Amount::ZERO);
    // The largest nonce wraps.
    world.fee = Amount::ZERO;
    world.edit(id(0), |account| account.nonce = mina_ledger::types::Nonce::MAX);
    world.run(vec![]);
    assert_eq!(world.account(id(0)).nonce, mina_ledger::types::Nonce::ZERO);
}
