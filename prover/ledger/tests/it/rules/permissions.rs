//! Every permission with every kind of authorization; keys; replay protection.

use mina_curves::Fp;
use mina_ledger::{
    logic::TransactionFailure as F,
    types::{
        Account, AuthKind, AuthRequired, AuthorizationKind, Body, Bounds, Permissions, Timing,
        TokenSymbol, TxnVersion, ZkappAccount, ZkappUri,
    },
};

use super::kit::{World, authorized, body, id, key, minus, plain, plus, signed, transfer, user};

const KINDS: [AuthKind; 3] = [AuthKind::None, AuthKind::Signature, AuthKind::Proof];
const REQUIRED: [AuthRequired; 5] = [
    AuthRequired::None,
    AuthRequired::Either,
    AuthRequired::Proof,
    AuthRequired::Signature,
    AuthRequired::Impossible,
];

/// The table of Mina's `permissions.ml`, written out.
fn expected(required: AuthRequired, kind: AuthKind) -> bool {
    matches!(
        (required, kind),
        (AuthRequired::None, _)
            | (AuthRequired::Either, AuthKind::Signature | AuthKind::Proof)
            | (AuthRequired::Proof, AuthKind::Proof)
            | (AuthRequired::Signature, AuthKind::Signature)
    )
}

struct Case {
    failure: F,
    set: fn(&mut Permissions, AuthRequired),
    change: fn(&mut Body),
}

fn cases() -> Vec<Case> {
    let timing = |body: &mut Body| {
        body.update.timing = Some(Timing { vesting_period: 1.into(), ..Timing::UNTIMED });
    };
    macro_rules! case {
        ($failure:ident, $permission:ident, $change:expr) => {
            Case {
                failure: F::$failure,
                set: |permissions, auth| permissions.$permission = auth,
                change: $change,
            }
        };
    }
    vec![
        case!(UpdateNotPermittedAppState, edit_state, |b| b.update.app_state[3] = Some(1.into())),
        case!(UpdateNotPermittedAccess, access, |_| ()),
        case!(UpdateNotPermittedBalance, send, |b| b.balance_change = minus(1)),
        case!(UpdateNotPermittedBalance, receive, |b| b.balance_change = plus(1)),
        case!(UpdateNotPermittedDelegate, set_delegate, |b| b.update.delegate = Some(user(2))),
        case!(UpdateNotPermittedPermissions, set_permissions, |b| {
            b.update.permissions = Some(Permissions::user_default(Default::default()));
        }),
        Case {
            failure: F::UpdateNotPermittedVerificationKey,
            set: |permissions, auth| permissions.set_verification_key.auth = auth,
            change: |b| b.update.verification_key = Some(key(1)),
        },
        case!(UpdateNotPermittedZkappUri, set_zkapp_uri, |b| {
            b.update.zkapp_uri = Some(ZkappUri::new("x").unwrap());
        }),
        case!(UpdateNotPermittedActionState, edit_action_state, |b| {
            b.actions = vec![vec![Fp::from(1u64)]];
        }),
        case!(UpdateNotPermittedTokenSymbol, set_token_symbol, |b| {
            b.update.token_symbol = Some(TokenSymbol::new(b"T").unwrap());
        }),
        case!(UpdateNotPermittedNonce, increment_nonce, |b| b.increment_nonce = true),
        case!(UpdateNotPermittedVotingFor, set_voting_for, |b| {
            b.update.voting_for = Some(Fp::from(5u64));
        }),
        Case {
            failure: F::UpdateNotPermittedTiming,
            set: |permissions, auth| permissions.set_timing = auth,
            change: timing,
        },
    ]
}

/// User 1 as a zkApp where everything is allowed, but for what `set` does.
fn prepare(world: &mut World, set: impl FnOnce(&mut Account)) {
    let era = world.era;
    world.edit(id(1), |account| {
        account.permissions = Permissions::all(AuthRequired::None, era);
        let zkapp = ZkappAccount { verification_key: Some(key(0)), ..ZkappAccount::new(era) };
        account.zkapp = Some(zkapp.into());
        set(account);
    });
}

#[test]
fn item_24_every_permission_with_every_authorization() {
    let cases = cases();
    assert_eq!(cases.len(), 13);
    for Case { failure, set, change } in cases {
        for required in REQUIRED {
            for kind in KINDS {
                let mut world = World::new();
                prepare(&mut world, |account| set(&mut account.permissions, required));
                let mut body = body(id(1));
                change(&mut body);
                // Somebody else evens the balance out.
                let other = transfer(id(2), body.balance_change.negated());
                let applied = world.run(vec![(0, authorized(body, kind)), (0, signed(other))]);
                let failures = applied.failures.map(|table| table[1].clone());
                let wanted = (!expected(required, kind)).then(|| vec![failure]);
                assert_eq!(failures, wanted, "{failure}: {required:?} with {kind:?}");
                assert_eq!(required.permits(kind), expected(required, kind));
            }
        }
    }
}

#[test]
fn item_25_key_permission_of_an_older_version() {
    for version in [2, 3, 4] {
        for required in REQUIRED {
            for kind in KINDS {
                let mut world = World::new();
                prepare(&mut world, |account| {
                    let permission = &mut account.permissions.set_verification_key;
                    permission.auth = required;
                    permission.txn_version = TxnVersion::new(version);
                });
                let mut body = body(id(1));
                body.update.verification_key = Some(key(1));
                let failures = world.outcome(authorized(body, kind));
                let effective = match required {
                    AuthRequired::Proof | AuthRequired::Impossible if version < 3 => {
                        AuthRequired::Signature
                    }
                    other => other,
                };
                let allowed = expected(effective, kind);
                assert_eq!(failures.is_empty(), allowed, "{version} {required:?} {kind:?}");
                let zkapp = world.account(id(1)).zkapp.clone().unwrap();
                assert_eq!(zkapp.verification_key, Some(key(u64::from(allowed))));
            }
        }
    }
}

#[test]
fn item_26_proofs_for_another_key() {
    let mut world = World::new();
    prepare(&mut world, |_| ());
    world.succeed([authorized(body(id(1)), AuthKind::Proof)]);
    let mut update = authorized(body(id(1)), AuthKind::Proof);
    update.body.authorization_kind = AuthorizationKind::Proof(key(1).hash());
    assert_eq!(world.outcome(update.clone()), [F::UnexpectedVerificationKeyHash]);
    // An account without a key matches no proof, not even one for the dummy key.
    world.edit(id(2), |a| a.permissions = Permissions::all(AuthRequired::None, Default::default()));
    update.body.public_key = user(2);
    let dummy = mina_ledger::hash::constants::DUMMY_VERIFICATION_KEY_HASH;
    update.body.authorization_kind = AuthorizationKind::Proof(dummy);
    assert_eq!(world.outcome(update), [F::UnexpectedVerificationKeyHash]);
    // A key that an earlier update of the command sets counts.
    let mut set = body(id(1));
    set.update.verification_key = Some(key(1));
    let mut update = authorized(body(id(1)), AuthKind::Proof);
    update.body.authorization_kind = AuthorizationKind::Proof(key(1).hash());
    world.succeed([signed(set), update]);
}

#[test]
fn item_35_replay_check() {
    for full in [false, true] {
        for increments in [false, true] {
            for nonce in [None, Some((0, 0)), Some((0, 1))] {
                for kind in [AuthKind::None, AuthKind::Signature] {
                    let mut world = World::new();
                    world.edit(id(1), |a| a.permissions.increment_nonce = AuthRequired::None);
                    let mut update = authorized(body(id(1)), kind);
                    update.body.use_full_commitment = full;
                    update.body.increment_nonce = increments;
                    update.body.preconditions.account.nonce = nonce
                        .map(|(lower, upper)| Bounds { lower: lower.into(), upper: upper.into() });
                    let pinned = nonce == Some((0, 0));
                    let safe = kind == AuthKind::None || full || increments && pinned;
                    let failures = world.outcome(update);
                    let wanted = if safe { vec![] } else { vec![F::ZkappCommandReplayCheckFailed] };
                    assert_eq!(failures, wanted, "{full} {increments} {nonce:?} {kind:?}");
                }
            }
        }
    }
    // The fee payer pins its nonce: a second update of its account comes after the increment.
    let mut world = World::new();
    let mut again = body(id(0));
    again.preconditions.account.nonce = Some(Bounds::exactly(1.into()));
    world.succeed([plain(again)]);
}
