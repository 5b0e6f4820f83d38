//! The rollup program: real proofs of commands, and what it refuses.

use std::sync::LazyLock;

use mina_curves::Fq;
use mina_ledger::{
    hash::constants::DUMMY_VERIFICATION_KEY_HASH,
    rollup::{Hashed, bridge_id},
    types::{
        AccountId, AccountUpdate, Authorization, AuthorizationKind, Body, Era, Length, PrivateKey,
        Proof, ProtocolStateView, SignedAmount, Slot,
    },
};
use pickles::{ProveError, verify};
use rand::rngs::OsRng;
use zeko_circuits::{
    example::Transfers,
    program::{CommandsError, Merge, Rollup, Segment, Sizes},
    update::{RecordedUpdate, State},
};

use crate::update::{CASES, record_in};

pub(crate) const MINA: u64 = 1_000_000_000;

/// Updates of a proof here: the circuit is small, and commands do not end where proofs do.
const UPDATES: usize = 4;

pub(crate) static ROLLUP: LazyLock<Rollup> = LazyLock::new(|| {
    let rules = Transfers::new(1).unwrap().rules;
    let sizes = Sizes { updates: UPDATES, proved: UPDATES, messages: 2, accounts: 1, payments: 1 };
    Rollup::compile(&rules, sizes, None).unwrap()
});

pub(crate) fn prove(
    chain: &Transfers,
    updates: Vec<RecordedUpdate>,
) -> Result<pickles::ProvedStatement, ProveError> {
    let input = ROLLUP.commands_input(chain.chain, chain.height, chain.slot, updates).unwrap();
    ROLLUP.program.prove(ROLLUP.commands, input, &[], &mut OsRng)
}

#[test]
fn two_commands_in_two_proofs_in_one() {
    let mut chain = Transfers::new(2).unwrap();
    let start = *chain.state();
    let mut updates = chain.withdraw(0, 3 * MINA).unwrap();
    updates.extend(chain.open(1, &PrivateKey::new(Fq::from(77u64)).unwrap(), MINA).unwrap());
    let end = *chain.state();
    assert_eq!(updates.len(), 6);
    let second = updates.split_off(UPDATES);
    let middle = second[0].before;
    assert_ne!(middle.calls, State::default().calls, "inside the second command");

    let segments = [chain.segment(&start, &middle), chain.segment(&middle, &end)];
    let proofs = [updates, second].map(|updates| prove(&chain, updates).unwrap());
    for (segment, proof) in segments.iter().zip(&proofs) {
        assert_eq!(proof.app_state, [segment.digest()]);
    }
    let whole = Merge::join(&segments[0], &segments[1]).unwrap();
    assert_eq!(whole, chain.segment(&start, &end));
    let previous: Vec<_> = proofs.into_iter().map(Some).collect();
    let proof = ROLLUP.program.prove(ROLLUP.merge, segments, &previous, &mut OsRng).unwrap();
    assert_eq!(proof.app_state, [whole.digest()]);
    verify(ROLLUP.program.verification_key(), &proof.app_state, &proof.proof, &mut OsRng).unwrap();

    // Segments that do not follow each other, and one that was not proved.
    assert_eq!(Merge::join(&segments[1], &segments[0]), None);
    let refused = |segments: [Segment; 2]| {
        let result = ROLLUP.program.prove(ROLLUP.merge, segments, &previous, &mut OsRng);
        assert!(result.is_err());
    };
    refused([segments[1], segments[0]]);
    let mut other = segments;
    other[1].target.fees = 1.into();
    refused(other);
}

/// Commands of the transaction vectors, in a block of this chain: applied and failing ones.
#[test]
fn a_sample_of_the_vectors_is_proved() {
    const SAMPLE: usize = 3;
    let chain = Transfers::new(1).unwrap();
    let (domain, by_fee) = &*CASES;
    assert_eq!(domain.network(), chain.rules.domain.network());
    let view = ProtocolStateView {
        blockchain_length: chain.height,
        global_slot_since_genesis: chain.slot,
        ..ProtocolStateView::default()
    };
    let is_proved = |update: &RecordedUpdate| {
        matches!(update.witness.body.authorization_kind, AuthorizationKind::Proof(_))
    };
    let of_case = |case| {
        let (updates, end) = record_in(case, domain, &view)?;
        // Accounts cost something else there.
        let end = end.filter(|end| end.accounts == updates[0].before.accounts)?;
        let fits = (2..=UPDATES).contains(&updates.len()) && !updates.iter().any(is_proved);
        fits.then_some((updates, end))
    };
    let cases: Vec<_> = by_fee.values().flatten().filter_map(of_case).collect();
    let mut proved = 0;
    for (updates, end) in cases.into_iter().step_by(29).take(SAMPLE) {
        let segment = chain.segment(&updates[0].before, &end);
        let proof = prove(&chain, updates).unwrap();
        assert_eq!(proof.app_state, [segment.digest()]);
        let key = ROLLUP.program.verification_key();
        verify(key, &proof.app_state, &proof.proof, &mut OsRng).unwrap();
        proved += 1;
    }
    assert_eq!(proved, SAMPLE);
}

#[test]
fn updates_must_follow_each_other() {
    let mut chain = Transfers::new(2).unwrap();
    let updates = chain.send(0, 1, MINA).unwrap();
    let refused = |edit: &dyn Fn(&mut Vec<RecordedUpdate>)| {
        let mut updates = updates.clone();
        edit(&mut updates);
        match prove(&chain, updates) {
            Err(ProveError::Unsatisfied { reason, .. }) => reason,
            other => panic!("{:?}", other.map(|proof| proof.app_state)),
        }
    };
    assert!(refused(&|updates| updates.swap(1, 2)).contains("stack"));
    let skipped = refused(&|updates| drop(updates.remove(1)));
    assert!(skipped.contains("stack"), "{skipped}");
    let doubled = refused(&|updates| updates.insert(1, updates[1].clone()));
    assert!(doubled.contains("stack"), "{doubled}");

    let input = |updates| ROLLUP.commands_input(chain.chain, Length::new(1), Slot::new(1), updates);
    for updates in [vec![], [&updates[..], &updates[..]].concat()] {
        let (expected, got) = (UPDATES, updates.len());
        assert_eq!(
            input(updates).err(),
            Some(CommandsError::Count { what: "account updates", expected, got })
        );
    }
}

/// A prover says that a proof authorises an update, and shows none.
#[test]
fn updates_with_proofs_are_not_commands() {
    let mut chain = Transfers::new(2).unwrap();
    let id = AccountId::of(chain.send(0, 1, MINA).unwrap()[1].witness.body.public_key);
    let body = Body {
        authorization_kind: AuthorizationKind::Proof(DUMMY_VERIFICATION_KEY_HASH),
        ..Body::new(id, chain.rules.domain.era())
    };
    let authorization = Authorization::Proof(Proof(vec![].into()));
    let updates = chain.run(0, vec![AccountUpdate { body, authorization }]).unwrap();
    match prove(&chain, updates) {
        Err(ProveError::Unsatisfied { reason, .. }) => assert!(reason.contains("no proof")),
        other => panic!("{:?}", other.map(|proof| proof.app_state)),
    }
}

/// The bridge account's rule, as the transaction logic has it.
#[test]
fn only_withdrawals_change_the_bridge_account() {
    let succeeds = |edit: &dyn Fn(&mut Body)| {
        let mut chain = Transfers::new(2).unwrap();
        let start = *chain.state();
        let mut probe = Transfers::new(2).unwrap();
        let withdrawal = probe.withdraw(0, 3 * MINA).unwrap();
        let mut updates: Vec<AccountUpdate> = withdrawal[1..]
            .iter()
            .map(|update| {
                let body = update.witness.body.clone();
                let authorization = match body.balance_change.is_negative() {
                    true => Authorization::Signature(mina_ledger::types::Signature::DUMMY),
                    false => Authorization::None,
                };
                AccountUpdate { body, authorization }
            })
            .collect();
        edit(&mut updates[1].body);
        let change = updates[1].body.balance_change;
        updates[0].body.balance_change = change.negated();
        let recorded = chain.run(0, updates).unwrap();
        let end = *chain.state();
        let lab = crate::update::bridge_lab();
        let bridge = recorded.last().unwrap();
        assert_eq!(bridge.witness.body.public_key, bridge_id().public_key);
        let after = crate::update::state_after(lab, &chain, bridge).unwrap();
        let fee = start.fees + mina_curves::Fp::from(MINA / 100);
        assert_eq!(after, State { fees: fee, ..end }, "as the logic has it");
        let paid = recorded[1].before.ledger;
        end.ledger != paid
    };
    assert!(succeeds(&|_| ()));
    assert!(!succeeds(&|body| body.increment_nonce = true));
    assert!(!succeeds(&|body| body.balance_change = SignedAmount::positive((4 * MINA).into())));
    assert!(!succeeds(&|body| body.actions.clear()));
    assert!(!succeeds(&|body| body.actions[0][1] = 1u64.into()));
    assert!(!succeeds(&|body| body.actions[0][2] += mina_curves::Fp::from(1u64)));
    assert!(!succeeds(&|body| body.update.app_state[3] = Some(5u64.into())));
    let era = Era::Berkeley;
    assert!(succeeds(&|body| *body = Body::new(bridge_id(), era)), "asking is free");
}
