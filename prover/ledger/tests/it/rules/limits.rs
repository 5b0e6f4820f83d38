//! Item 37: cost, events and actions of both eras, and the rest of well-formedness.

use mina_curves::Fp;
use mina_ledger::{
    logic::{
        MINIMUM_FEE, WellFormednessError as E, check_signed_command, check_zkapp_command, segments,
    },
    types::{
        AccountUpdate, AuthKind, Authorization, Body, Era, Memo, Permissions, PublicKey, Signature,
        SignedCommand, SignedCommandBody, SignedCommandPayload, Slot, Timing, ZkappCommand,
    },
};

use super::kit::{World, authorized, body, id, key, plain, signed, user};

fn command(era: Era, kinds: &[AuthKind]) -> ZkappCommand {
    let updates = kinds.iter().map(|kind| (0, authorized(Body::new(id(1), era), *kind)));
    World::new().command(updates.collect())
}

fn errors(command: &ZkappCommand, era: Era) -> Vec<E> {
    check_zkapp_command(command, era, MINIMUM_FEE).map_or_else(|malformed| malformed.0, |()| vec![])
}

#[test]
fn item_37_segments() {
    use AuthKind::{None as N, Proof as P, Signature as S};
    // With the fee payer in front.
    for (kinds, expected) in [
        (&[][..], (0, 0, 1)),
        (&[S], (0, 1, 0)),
        (&[S, N], (0, 1, 1)),
        (&[P], (1, 0, 1)),
        (&[P, P], (2, 0, 1)),
        (&[S, P, S], (1, 1, 1)),
        (&[P, S, N, S], (1, 1, 2)),
        (&[S, S, S, S, S], (0, 3, 0)),
    ] {
        assert_eq!(segments(&command(Era::Berkeley, kinds)), expected, "{kinds:?}");
    }
}

#[test]
fn item_37_cost_limits() {
    use AuthKind::{Proof as P, Signature as S};
    let fits = |era, kinds: &[AuthKind]| {
        let errors = errors(&command(era, kinds), era);
        assert!(errors.is_empty() || errors == [E::TooExpensive], "{errors:?}");
        errors.is_empty()
    };
    // 10.26·np + 10.08·n2 + 9.14·n1 < 69.45.
    assert!(fits(Era::Berkeley, &[P; 5]));
    assert!(!fits(Era::Berkeley, &[P; 6]));
    assert!(fits(Era::Berkeley, &[S; 11]));
    assert!(!fits(Era::Berkeley, &[S; 12]));
    // 69.62: six pairs and a single are too much.
    assert_eq!(segments(&command(Era::Berkeley, &[S; 12])), (0, 6, 1));
    // At most 16 segments.
    assert!(fits(Era::Mesa, &[P; 15]));
    assert!(!fits(Era::Mesa, &[P; 16]));
    assert!(fits(Era::Mesa, &[S; 31]));
    assert!(!fits(Era::Mesa, &[S; 32]));
}

#[test]
fn item_37_events_and_actions() {
    for (era, most) in [(Era::Berkeley, 100), (Era::Mesa, 1024)] {
        let lists = |count: usize| {
            let half = count / 2;
            vec![vec![Fp::from(1u64); half], vec![], vec![Fp::from(2u64); count - half]]
        };
        let with = |events: usize, actions: usize| {
            let mut first = Body::new(id(1), era);
            first.events = lists(events);
            let mut second = Body::new(id(2), era);
            second.actions = lists(actions);
            let command = World::new().command(vec![(0, plain(first)), (0, plain(second))]);
            errors(&command, era)
        };
        assert_eq!(with(most, most), []);
        assert_eq!(with(most + 1, most), [E::TooManyEvents]);
        assert_eq!(with(most, most + 1), [E::TooManyActions]);
        assert_eq!(with(most + 1, most + 1), [E::TooManyEvents, E::TooManyActions]);
    }
}

#[test]
fn well_formedness() {
    let era = Era::Berkeley;
    let expect = |edit: &dyn Fn(&mut ZkappCommand, &mut AccountUpdate), error: E| {
        let mut update = signed(body(id(1)));
        let mut command = World::new().command(vec![]);
        edit(&mut command, &mut update);
        command.account_updates.push(update, 0).unwrap();
        assert_eq!(errors(&command, era), [error]);
    };
    expect(&|command, _| command.fee_payer.body.fee = 999_999.into(), E::InsufficientFee);
    expect(&|_, update| update.body.update.timing = Some(Timing::DUMMY), E::ZeroVestingPeriod);
    expect(
        &|_, update| update.body.update.permissions = Some(Permissions::user_default(Era::Mesa)),
        E::IncompatibleVersion,
    );
    expect(&|_, update| update.authorization = Authorization::None, E::AuthorizationKind);
    expect(&|_, update| update.body.update.app_state.truncate(7), E::StateLength);
    let off_curve = (0u64..)
        .map(|x| PublicKey { x: Fp::from(x), is_odd: false })
        .find(|key| key.to_point().is_none())
        .unwrap();
    expect(&|_, update| update.body.public_key = off_curve, E::PublicKey);
    expect(&|_, update| update.body.update.verification_key = Some(key(0)), E::VerificationKey);
    let real = crate::support::some_key(0);
    let mut update = body(id(1));
    update.update.verification_key = Some(real);
    let command = World::new().command(vec![(0, signed(update))]);
    assert_eq!(errors(&command, era), []);

    let payload = SignedCommandPayload {
        fee: MINIMUM_FEE,
        fee_payer: user(0),
        nonce: 0.into(),
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment { receiver: user(1), amount: 1.into() },
    };
    let check = |payload| {
        let command = SignedCommand { payload, signature: Signature::DUMMY };
        check_signed_command(&command, MINIMUM_FEE).map_or_else(|error| error.0, |()| vec![])
    };
    assert_eq!(check(payload), []);
    assert_eq!(check(SignedCommandPayload { fee: 1.into(), ..payload }), [E::InsufficientFee]);
    assert_eq!(check(SignedCommandPayload { fee_payer: off_curve, ..payload }), [E::PublicKey]);
}

/// What is malformed does not reach the logic.
#[test]
fn malformed_commands_are_not_applied() {
    let mut world = World::new();
    let mut update = signed(body(id(1)));
    update.authorization = Authorization::None;
    let command = world.command(vec![(0, update)]);
    let error = world.apply(&command).unwrap_err();
    assert!(matches!(error, mina_ledger::logic::ApplyError::Malformed(_)));
}
