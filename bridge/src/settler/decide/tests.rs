use mina_ledger::{
    hash::constants::EMPTY_ACTION_STATE,
    rollup::Hashed,
    types::{Amount, PublicKey},
};

use super::*;

const FEES: Fees = Fees { first: 100, most: 220, patience: 3 };

const STATE: u64 = 7;

fn commit_of(batch: u64, generation: u32, action_state: u64) -> Item {
    Item::Commit { batch, generation, action_state: Fp::from(action_state) }
}

fn commit() -> Item {
    commit_of(4, 0, STATE)
}

fn payout() -> Item {
    Item::Payout { before: Fp::from(1u64), after: Fp::from(2u64) }
}

fn offer(item: Item) -> CommitOffer {
    let window = Window { first: Slot::new(10), last: Slot::new(30) };
    CommitOffer { item, batch: 4, window, failures: 0 }
}

fn owing(takes_snapshot: bool, is_made: bool) -> PayoutOffer {
    PayoutOffer { item: payout(), takes_snapshot, is_made, failures: 0 }
}

/// Sent at height 50 with nonce 9 and the first fee; the node has it.
fn live(item: Item) -> Live {
    let (is_pending, is_under_priced) = (true, false);
    Live { item, nonce: 9, fee: 100, sent_at: 50, is_pending, is_under_priced }
}

fn situation(live: Vec<Live>) -> Situation {
    Situation {
        height: 51,
        slot: Slot::new(12),
        margin: SlotSpan::new(2),
        nonce: 9,
        live,
        commit: Some(offer(commit())),
        payout: None,
        fees: FEES,
    }
}

fn send(item: Item, nonce: u32, fee: u64) -> Action {
    Action::Send { item, nonce, fee }
}

#[test]
fn what_is_done_next() {
    let lost = |item| Live { is_pending: false, ..live(item) };
    let cheap = |fee| Live { is_under_priced: true, fee, ..lost(commit()) };
    let cases: Vec<(&str, Situation, Action)> = vec![
        ("nothing sent", situation(vec![]), send(commit(), 9, 100)),
        ("it waits in the pool", situation(vec![live(commit())]), Action::Wait),
        (
            "lost by the node: the very command again",
            situation(vec![lost(commit())]),
            Action::Resend { nonce: 9, fee: 100 },
        ),
        (
            "stuck: the same nonce, a higher fee",
            Situation { height: 53, ..situation(vec![live(commit())]) },
            send(commit(), 9, 150),
        ),
        (
            "stuck again: up to the cap",
            Situation {
                height: 56,
                ..situation(vec![live(commit()), Live { fee: 150, sent_at: 53, ..live(commit()) }])
            },
            send(commit(), 9, 220),
        ),
        (
            "stuck at the cap",
            Situation { height: 90, ..situation(vec![Live { fee: 220, ..live(commit()) }]) },
            Action::Wait,
        ),
        (
            "replaced just now: the new one has its own patience",
            Situation {
                height: 54,
                ..situation(vec![live(commit()), Live { fee: 150, sent_at: 53, ..live(commit()) }])
            },
            Action::Wait,
        ),
        ("under-priced", situation(vec![cheap(100)]), send(commit(), 9, 150)),
        ("under-priced at the cap", situation(vec![cheap(220)]), Action::Wait),
        (
            "the action state is gone: another commit with the same nonce",
            situation(vec![lost(commit_of(4, 0, STATE + 1))]),
            send(commit(), 9, 150),
        ),
        (
            "another generation takes the nonce of the one that was given up",
            Situation {
                commit: Some(offer(commit_of(4, 1, STATE))),
                ..situation(vec![lost(commit())])
            },
            send(commit_of(4, 1, STATE), 9, 150),
        ),
        (
            "replayed: included, and the nonce is used",
            Situation { nonce: 10, commit: None, ..situation(vec![]) },
            Action::Wait,
        ),
        (
            "a rollback brought it back into the pool",
            Situation { height: 48, ..situation(vec![live(commit())]) },
            Action::Wait,
        ),
        (
            "a rollback has dropped it",
            Situation { height: 48, ..situation(vec![lost(commit())]) },
            Action::Resend { nonce: 9, fee: 100 },
        ),
        (
            "a rollback has dropped it and kept what came behind: the hole is filled",
            situation(vec![lost(commit()), Live { nonce: 10, ..live(payout()) }]),
            Action::Resend { nonce: 9, fee: 100 },
        ),
        (
            "too early for the L1's clock",
            Situation { slot: Slot::new(9), ..situation(vec![]) },
            Action::Wait,
        ),
        (
            "the last slot in which it is sent",
            Situation { slot: Slot::new(28), ..situation(vec![]) },
            send(commit(), 9, 100),
        ),
        (
            "too late to be sent",
            Situation { slot: Slot::new(29), ..situation(vec![]) },
            Action::Wait,
        ),
        (
            "too late to be sent again",
            Situation { slot: Slot::new(29), ..situation(vec![lost(commit())]) },
            Action::Wait,
        ),
        (
            "it has failed too often",
            Situation {
                commit: Some(CommitOffer { failures: 2, ..offer(commit()) }),
                ..situation(vec![])
            },
            Action::Wait,
        ),
    ];
    for (name, situation, expected) in cases {
        assert_eq!(situation.next_action(), expected, "{name}");
    }
}

#[test]
fn payouts_and_commits_side_by_side() {
    let with = |payout, live| Situation { payout: Some(payout), ..situation(live) };
    let cases: Vec<(&str, Situation, Action)> = vec![
        (
            "a payout of a snapshot comes behind the commit",
            with(owing(false, true), vec![live(commit())]),
            send(payout(), 10, 100),
        ),
        ("the commit first", with(owing(false, true), vec![]), send(commit(), 9, 100)),
        (
            "a payout of the newest outbox goes before the commit that changes it",
            with(owing(true, true), vec![]),
            send(payout(), 9, 100),
        ),
        (
            "and the commit right behind it",
            with(owing(true, true), vec![live(payout())]),
            send(commit(), 10, 100),
        ),
        ("the commit waits for its proof", with(owing(true, false), vec![]), Action::Wait),
        (
            "not for that of a payout of a snapshot",
            with(owing(false, false), vec![]),
            send(commit(), 9, 100),
        ),
        (
            "a commit on its way would undo it",
            with(owing(true, true), vec![live(commit())]),
            Action::Wait,
        ),
        (
            "a payout alone",
            Situation { commit: None, ..with(owing(true, true), vec![]) },
            send(payout(), 9, 100),
        ),
        (
            "a payout that fails does not hold the commit up",
            with(PayoutOffer { failures: 2, ..owing(true, true) }, vec![]),
            send(commit(), 9, 100),
        ),
    ];
    for (name, situation, expected) in cases {
        assert_eq!(situation.next_action(), expected, "{name}");
    }
}

#[test]
fn windows_end() {
    let window = Window { first: Slot::new(10), last: Slot::new(30) };
    for (slot, margin, expected) in [
        (9, 2, false),
        (28, 2, false),
        (29, 2, true),
        (29, 0, false),
        (30, 0, false),
        (31, 0, true),
    ] {
        let over = window.is_over(Slot::new(slot), SlotSpan::new(margin));
        assert_eq!(over, expected, "{slot} {margin}");
    }
    // At the end of time.
    let window = Window { first: Slot::ZERO, last: Slot::new(5) };
    assert!(window.is_over(Slot::MAX, SlotSpan::new(2)));
}

/// Whatever waits, and however often the same is asked, no nonce gets two commands for different things
/// while the node has one of them, and fees stay below the cap.
#[test]
fn a_pending_command_is_only_replaced_by_its_like() {
    let items = [commit(), payout(), commit_of(4, 1, STATE)];
    for first in items {
        for second in items {
            for height in [50, 53, 60] {
                for (pending_first, pending_second) in [(true, true), (true, false), (false, true)]
                {
                    let lives = vec![
                        Live { is_pending: pending_first, ..live(first) },
                        Live { is_pending: pending_second, nonce: 10, ..live(second) },
                    ];
                    let payout = Some(owing(false, true));
                    let situation = Situation { height, payout, ..situation(lives.clone()) };
                    let Action::Send { item, nonce, fee } = situation.next_action() else {
                        continue;
                    };
                    assert!(fee <= FEES.most);
                    let here = lives.iter().find(|live| live.nonce == nonce && live.is_pending);
                    assert!(here.is_none_or(|live| live.item == item), "{situation:?}");
                }
            }
        }
    }
}

fn withdrawal(amount: u64) -> OutboxEntry {
    let recipient = PublicKey { x: Fp::from(amount), is_odd: false };
    OutboxEntry::Withdrawal { recipient, amount: Amount::new(amount) }
}

#[test]
fn payouts_are_planned() {
    let nothing = EMPTY_ACTION_STATE;
    let mut entries: Vec<_> = (1..=10).map(withdrawal).collect();
    entries.push(OutboxEntry::Unopened { action_hash: Fp::from(3u64) });
    entries.push(withdrawal(12));
    let owed = owed(nothing, &entries);
    let known = Outbox { before: nothing, owed: owed.clone() };
    let state = |paid: usize, snapshot: usize| {
        let at = |count: usize| count.checked_sub(1).map_or(nothing, |last| owed[last].after);
        PayoutState { snapshot: at(snapshot), paid: at(paid), parked: Fp::default() }
    };
    let outbox = owed[11].after;
    assert_eq!(plan_payout(state(0, 0), nothing, &known), Ok(None));

    // A new snapshot: eight, and four are left.
    let (payout, left) = plan_payout(state(0, 0), outbox, &known).unwrap().unwrap();
    assert_eq!(payout.entries, entries[..8]);
    assert_eq!(left.len(), 4);
    assert!(payout.takes_snapshot());
    let rest = left
        .iter()
        .fold(payout.after().paid, |state, hash| mina_ledger::hash::push_actions(state, *hash));
    assert_eq!(rest, payout.after().snapshot);
    assert_eq!(unpaid(state(0, 0), outbox, &known), 12);

    // The snapshot goes on, whatever came behind it.
    let (payout, left) = plan_payout(state(8, 9), outbox, &known).unwrap().unwrap();
    assert_eq!((payout.entries.as_slice(), left.len()), (&entries[8..9], 0));
    assert!(!payout.takes_snapshot());
    assert_ne!(payout.after().digest(), state(8, 9).digest());

    // Up to what nobody has opened, and no further.
    let (payout, left) = plan_payout(state(9, 9), outbox, &known).unwrap().unwrap();
    assert_eq!((payout.entries.as_slice(), left.len()), (&entries[9..10], 2));
    assert_eq!(plan_payout(state(10, 12), outbox, &known), Err(PayoutBlocked::Unopened));
    assert_eq!(plan_payout(state(10, 10), outbox, &known), Err(PayoutBlocked::Unopened));

    assert_eq!(plan_payout(state(12, 12), outbox, &known), Ok(None));
    assert_eq!(plan_payout(state(0, 0), Fp::from(9u64), &known), Err(PayoutBlocked::Unknown));
    let cut = Outbox { before: nothing, owed: owed[..9].to_vec() };
    assert_eq!(plan_payout(state(0, 0), outbox, &cut), Err(PayoutBlocked::Unknown));
    // A state that is paid beyond its snapshot is none.
    assert_eq!(plan_payout(state(5, 3), outbox, &known), Err(PayoutBlocked::Unknown));
    // What was paid before the entries that are there is not asked about.
    let late = Outbox { before: owed[7].after, owed: owed[8..].to_vec() };
    assert_eq!(plan_payout(state(8, 9), outbox, &late), plan_payout(state(8, 9), outbox, &known));
    assert_eq!(plan_payout(state(9, 9), outbox, &late), plan_payout(state(9, 9), outbox, &known));
    assert_eq!(plan_payout(state(7, 9), outbox, &late), Err(PayoutBlocked::Unknown));
    assert_eq!(plan_payout(state(0, 0), outbox, &late), Err(PayoutBlocked::Unknown));
    assert!(late.has(owed[7].after) && late.has(outbox) && !late.has(owed[6].after));
    assert_eq!(unpaid(state(9, 9), outbox, &late), 3);
}
