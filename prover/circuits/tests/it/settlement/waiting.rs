//! What waits in the inbox, and full quotas.

use kimchi::builder::testing::{Lab, rng};
use mina_curves::Fp;
use mina_ledger::{
    hash::push_actions,
    rollup::{DepositAction, Hashed, SignedStatement, Waiting, is_full_quota},
    types::Slot,
};
use rand_chacha::rand_core::RngCore;
use zeko_circuits::fold::{AttestInput, CertifiedInbox, WaitingInput, WaitingRule};

use super::{MINA, attest_lab, attest_rule, committee, element, free, notice, user};

pub(super) fn waiting_lab(messages: usize) -> Lab<Fp, WaitingInput> {
    Lab::new(|cs| {
        let waits = WaitingRule { messages }.waits(cs, |input: &WaitingInput| input);
        for one in waits {
            for x in [one.from, one.to, one.earliest.linear().clone()] {
                cs.expose(x);
            }
        }
    })
}

/// The elements of two statements, the earlier one first.
fn elements(both: [Waiting; 2]) -> Vec<Fp> {
    both.iter().flat_map(|one| [one.from, one.to, one.earliest.get().into()]).collect()
}

fn deposit(seed: u64, timeout: u32) -> DepositAction {
    DepositAction {
        recipient: user(seed),
        amount: (seed * MINA).into(),
        timeout: Slot::new(timeout),
        refund_to: user(seed + 1),
    }
}

fn earlier() -> Waiting {
    Waiting { from: element(60), to: element(61), earliest: Slot::new(50) }
}

#[test]
fn deposits_that_wait() {
    let lab = waiting_lab(3);
    for (timeouts, earliest) in [
        (&[][..], 50),
        (&[60], 50),
        (&[50, 40], 40),
        (&[30, u32::MAX, 40], 30),
        (&[0, 0, 0], 0),
        (&[u32::MAX, 60, 49], 49),
    ] {
        let deposits: Vec<_> = (1..).zip(timeouts).map(|(n, slot)| deposit(n, *slot)).collect();
        let input = WaitingInput::new(earlier(), &deposits, 3);
        let waiting = input.waiting();
        let to = deposits.iter().fold(element(61), |to, one| push_actions(to, one.action_hash()));
        assert_eq!(waiting, Waiting { from: element(60), to, earliest: Slot::new(earliest) });
        assert_eq!(lab.public(&input), elements([earlier(), waiting]), "{timeouts:?}");
    }
}

/// Random timeouts, of which any may count.
#[test]
fn the_earliest_of_those_that_count() {
    let (lab, mut random) = (waiting_lab(3), rng(7));
    for _ in 0..20 {
        let mut input = WaitingInput::new(Waiting::none(element(62)), &[], 3);
        for (index, place) in input.messages.iter_mut().enumerate() {
            *place = (random.next_u32() % 2 == 0, deposit(index as u64, random.next_u32()));
        }
        let counted = || input.messages.iter().filter(|(counts, _)| *counts).map(|(_, one)| one);
        let earliest = counted().map(|one| one.timeout).min().unwrap_or(Slot::MAX);
        let waiting = input.waiting();
        assert_eq!(waiting.earliest, earliest);
        assert_eq!(lab.public(&input), elements([input.earlier, waiting]));
    }
}

/// A statement that leaves a message out is none that the circuit shows: its chain ends elsewhere.
#[test]
fn no_message_is_passed_unseen() {
    let lab = waiting_lab(3);
    let deposits = [deposit(1, 60), deposit(2, 20), deposit(3, 70)];
    let whole = WaitingInput::new(earlier(), &deposits, 3);
    let to = whole.waiting().to;
    let mut skipped = whole.clone();
    skipped.messages[1].0 = false;
    // Another timeout, recipient or amount is another message.
    let other = |edit: &dyn Fn(&mut DepositAction)| {
        let mut input = whole.clone();
        edit(&mut input.messages[1].1);
        input
    };
    for input in [
        skipped,
        other(&|one| one.timeout = Slot::new(65)),
        other(&|one| one.recipient = user(5)),
        other(&|one| one.recipient.is_odd = !one.recipient.is_odd),
        other(&|one| one.refund_to = user(5)),
        other(&|one| one.amount = 1.into()),
    ] {
        let shown = lab.public(&input);
        assert_eq!(shown, elements([earlier(), input.waiting()]));
        assert_ne!(shown[4], to);
    }
}

#[test]
fn forged_waiting() {
    let lab = waiting_lab(2);
    let input = WaitingInput::new(earlier(), &[deposit(1, 60), deposit(2, 20)], 2);
    assert_eq!(free(&lab, &input), [].into());
    let half = WaitingInput::new(earlier(), &[deposit(1, 40)], 2);
    assert_eq!(free(&lab, &half), [].into());
    // A timeout that does not fit its place, whatever follows from it.
    for timeout in [60u64, 20] {
        let regions = notice(&lab, &input, timeout.into());
        assert!(regions.contains("message"), "{regions:?}");
    }
    // What was chosen is seen in where the chain ends, which is in the statement.
    for chosen in [user(1).x, user(3).x] {
        assert_eq!(notice(&lab, &input, chosen), [].into());
    }
}

/// Where the chain has to end where it does, and the timeout is to be another one, whoever lies about one
/// variable is noticed, though everything after it is computed anew.
#[test]
fn no_other_timeout_is_the_earliest() {
    let input = WaitingInput::new(earlier(), &[deposit(1, 60), deposit(2, 20)], 2);
    let to = input.waiting().to;
    let lab = |earliest: u32| -> Lab<Fp, WaitingInput> {
        Lab::new(move |cs| {
            let [before, waiting] = WaitingRule { messages: 2 }.waits(cs, |input| input);
            // What an earlier proof shows.
            cs.assert_equal(before.to, earlier().to);
            cs.assert_equal(before.earliest.linear().clone(), Fp::from(50u64));
            cs.assert_equal(waiting.to, to);
            cs.assert_equal(waiting.earliest.linear().clone(), Fp::from(earliest));
        })
    };
    lab(20).accepts(&input);
    for earliest in [0, 21, 50, 60] {
        let lab = lab(earliest);
        assert!(!lab.rejects(&input).is_empty());
        for variable in 0..lab.values(&input).len() {
            for lie in [0, 1, earliest].map(Fp::from) {
                let regions = lab.noticed_lie(&input, variable, lie);
                assert!(!regions.is_empty(), "{earliest}: {variable}");
            }
        }
    }
}

/// Nothing waits without a proof but nothing, with the latest timeout.
#[test]
fn nothing_waits() {
    let lab: Lab<Fp, WaitingInput> = Lab::new(|cs| {
        let [earlier, waiting] = WaitingRule { messages: 1 }.waits(cs, |input| input);
        let previous = earlier.to_previous(cs);
        let digest = waiting.digest(cs);
        let [state] = <[_; 1]>::try_from(previous.app_state).unwrap();
        for x in [previous.must_verify.into(), state, digest] {
            cs.expose(x);
        }
    });
    let none = WaitingInput::new(Waiting::none(element(60)), &[deposit(1, 9)], 1);
    let digests = |input: &WaitingInput| [input.earlier.digest(), input.waiting().digest()];
    let [before, after] = digests(&none);
    assert_eq!(lab.public(&none), [Fp::from(0u64), before, after]);
    let some = WaitingInput::new(earlier(), &[deposit(1, 9)], 1);
    let [before, after] = digests(&some);
    assert_eq!(lab.public(&some), [Fp::from(1u64), before, after]);
    for slot in [0, u32::MAX - 1] {
        let mut lie = none.clone();
        lie.earlier.earliest = Slot::new(slot);
        assert!(!lab.rejects(&lie).is_empty(), "{slot}");
    }
}

/// A certificate of three messages' hashes, of a batch that has consumed `consumed`.
fn certificate(consumed: &[Fp], waiting: Waiting) -> AttestInput {
    let (committee, keys) = committee();
    let attestation = super::commit().attestation;
    let signatures: Vec<_> = keys.iter().map(|key| attestation.sign(key).ok()).collect();
    let inbox = CertifiedInbox { before: element(70), consumed: consumed.into(), waiting };
    AttestInput::new(&attest_rule(), &committee, &signatures, attestation.digest(), &inbox).unwrap()
}

#[test]
fn full_quotas() {
    let lab = attest_lab();
    let push = |hashes: &[Fp]| hashes.iter().fold(element(70), |to, hash| push_actions(to, *hash));
    let hashes: Vec<_> = (80..85).map(element).collect();
    // The messages that are shown, those that the batch has consumed, and what follows.
    for (shown, consumed, is_full) in [
        (&hashes[..3], &hashes[..3], true),
        (&hashes[..2], &hashes[..2], false),
        (&hashes[..0], &hashes[..0], false),
        (&hashes[..4], &hashes[..4], false),
        (&hashes[..3], &hashes[..2], false),
        (&hashes[..3], &hashes[..4], false),
        (&hashes[..2], &hashes[..3], false),
        (&hashes[1..4], &hashes[..3], false),
    ] {
        let after = push(consumed);
        assert_eq!(is_full_quota(element(70), shown, after, 3), is_full);
        let waiting = Waiting { from: after, to: element(72), earliest: Slot::new(9) };
        let public = lab.public(&certificate(shown, waiting));
        assert_eq!(public[2..4], [element(70), after]);
        assert_eq!(public[6], Fp::from(is_full), "{} of {}", shown.len(), consumed.len());
    }
}

/// Whatever the prover writes into the bit, a batch of one message too few is not full.
#[test]
fn forged_quotas() {
    let lab = attest_lab();
    let hashes = [element(80), element(81)];
    let after = hashes.iter().fold(element(70), |to, hash| push_actions(to, *hash));
    let waiting = Waiting { from: after, to: element(72), earliest: Slot::new(9) };
    let input = certificate(&hashes, waiting);
    let public = lab.public(&input);
    assert_eq!(public[6], Fp::from(0u64));
    let mut noticed = 0;
    for (variable, value) in lab.values(&input).into_iter().enumerate() {
        // Every bit that is zero, and that of the quota among them.
        if value == Fp::from(0u64) {
            let regions = lab.noticed_lie(&input, variable, Fp::from(1u64));
            noticed += usize::from(regions.contains("quota"));
        }
    }
    assert_eq!(noticed, 1);
}
