//! What a commit says of the inbox: what its batch has consumed, and what waits behind it.

use mina_curves::Fp;
use mina_ledger::{
    rollup::{BatchStatement, DepositAction, Waiting, is_full_quota},
    types::Slot,
};

use crate::view::{Message, behind};

/// The inbox of a batch that can be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitInbox {
    /// The hashes of the messages that the batch has consumed; nothing if they are not known.
    pub(crate) consumed: Vec<Fp>,
    /// The deposits behind the batch, up to the action state that the commit names.
    pub(crate) deposits: Vec<DepositAction>,
    /// What they come to.
    pub(crate) waiting: Waiting,
    /// Whether the batch has consumed a full quota.
    pub(crate) is_full: bool,
}

/// Why a batch cannot be committed with an action state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Blocked {
    /// The action state does not come behind the batch's inbox, as far as is known.
    #[error("the messages behind the batch are not known")]
    Unknown,
    /// The plaintext of a message is not known.
    #[error("a message that nobody has opened waits behind the batch")]
    Unopened,
    /// A deposit should have been consumed.
    #[error(
        "a deposit that could be credited until slot {timeout} waits behind a batch that ends in slot {last_slot}"
    )]
    Overdue {
        /// The last slot in which it could be credited.
        timeout: Slot,
        /// The batch's last slot.
        last_slot: Slot,
    },
}

/// The messages between a prefix of an inbox and a longer one.
fn between(messages: &[Message], from: Fp, to: Fp) -> Option<&[Message]> {
    let [longer, shorter] = [behind(messages, from)?, behind(messages, to)?];
    longer.get(..longer.len().checked_sub(shorter.len())?)
}

impl CommitInbox {
    /// The inbox of a batch whose commit names an action state.
    pub(crate) fn new(
        messages: &[Message],
        batch: &BatchStatement,
        action_state: Fp,
        quota: u32,
    ) -> Result<Self, Blocked> {
        let [before, after] = [batch.source.inbox, batch.target.inbox];
        let consumed = between(messages, before, after).unwrap_or_default();
        let consumed: Vec<Fp> = consumed.iter().map(|message| message.action_hash).collect();
        let is_full = is_full_quota(before, &consumed, after, quota as usize);
        // What the account itself has needs no archive.
        let behind_batch = if action_state == after { Some(&[][..]) } else { None };
        let behind_batch = behind_batch.or_else(|| between(messages, after, action_state));
        let behind_batch = behind_batch.ok_or(Blocked::Unknown)?;
        let deposits: Option<Vec<_>> = behind_batch.iter().map(|message| message.deposit).collect();
        let deposits = deposits.ok_or(Blocked::Unopened)?;
        // The messages lead there: nothing has to be hashed again.
        let earliest = deposits.iter().map(|deposit| deposit.timeout).min().unwrap_or(Slot::MAX);
        let waiting = Waiting { from: after, to: action_state, earliest };
        let (timeout, last_slot) = (waiting.earliest, batch.last_slot);
        match is_full || last_slot <= timeout {
            true => Ok(Self { consumed, deposits, waiting, is_full }),
            false => Err(Blocked::Overdue { timeout, last_slot }),
        }
    }

    /// The same with the first of these action states with which the batch can be committed: they are
    /// the account's, and the newest, which lasts longest, comes first.
    pub(crate) fn newest(
        messages: &[Message],
        batch: &BatchStatement,
        action_states: &[Fp],
        quota: u32,
    ) -> Result<Self, Blocked> {
        let mut blocked = Blocked::Unknown;
        for state in action_states {
            match Self::new(messages, batch, *state, quota) {
                Ok(inbox) => return Ok(inbox),
                Err(reason) if blocked == Blocked::Unknown => blocked = reason,
                Err(_) => {}
            }
        }
        Err(blocked)
    }
}

#[cfg(test)]
mod tests {
    use mina_ledger::{
        hash::{constants::EMPTY_ACTION_STATE, push_actions},
        rollup::{ChainId, Root, Side},
        types::{Amount, Length, PublicKey},
    };

    use super::*;

    /// Deposits with these timeouts; without one, nobody has opened it.
    fn inbox(timeouts: &[Option<u32>]) -> Vec<Message> {
        let mut before = EMPTY_ACTION_STATE;
        let message = |(index, timeout): (usize, &Option<u32>)| {
            let key = PublicKey { x: Fp::from(index as u64), is_odd: false };
            let deposit = DepositAction {
                recipient: key,
                amount: Amount::new(5),
                timeout: Slot::new(timeout.unwrap_or(9)),
                refund_to: key,
            };
            let action_hash = deposit.action_hash();
            let (from, after) = (before, push_actions(before, action_hash));
            before = after;
            let (deposit, height) = (timeout.map(|_| deposit), Length::new(3));
            Message { before: from, after, action_hash, deposit, transaction: None, height }
        };
        timeouts.iter().enumerate().map(message).collect()
    }

    /// A batch that consumes messages from one place to another, and ends in slot 60.
    fn batch(messages: &[Message], from: usize, to: usize) -> BatchStatement {
        let state = |place: usize| match place {
            0 => EMPTY_ACTION_STATE,
            _ => messages[place - 1].after,
        };
        let side = |place| Side {
            root: Root::default(),
            inbox: state(place),
            outbox: Fp::from(0u64),
            block: Fp::from(0u64),
        };
        BatchStatement {
            chain: ChainId::new("inbox").unwrap(),
            source: side(from),
            target: side(to),
            first_slot: Slot::new(50),
            last_slot: Slot::new(60),
        }
    }

    #[test]
    fn the_earliest_timeout_decides() {
        let messages = inbox(&[Some(10), Some(20), Some(70), Some(60), Some(59), Some(80), None]);
        let batch = batch(&messages, 0, 2);
        let with = |place: usize| CommitInbox::new(&messages, &batch, messages[place].after, 3);
        let deposits = |range: std::ops::Range<usize>| -> Vec<_> {
            messages[range].iter().filter_map(|message| message.deposit).collect()
        };
        // Nothing waits, one, and one in whose last slot the batch ends.
        for (place, earliest) in [(1, u32::MAX), (2, 70), (3, 60)] {
            let found = with(place).unwrap();
            assert_eq!(found.deposits, deposits(2..place + 1));
            assert_eq!(found.consumed, [messages[0].action_hash, messages[1].action_hash]);
            let to = messages[place].after;
            let waiting = Waiting { from: messages[1].after, to, earliest: Slot::new(earliest) };
            assert_eq!((found.waiting, found.is_full), (waiting, false));
        }
        let overdue = Blocked::Overdue { timeout: Slot::new(59), last_slot: Slot::new(60) };
        assert_eq!([with(4), with(5)], [Err(overdue), Err(overdue)]);
        assert_eq!(with(6), Err(Blocked::Unopened));
        // From before the batch.
        assert_eq!(with(0), Err(Blocked::Unknown));
        // The newest with which it can be, of the five; and if there is none, why not.
        let newest = |places: &[usize]| {
            let states: Vec<_> = places.iter().map(|place| messages[*place].after).collect();
            CommitInbox::newest(&messages, &batch, &states, 3)
        };
        assert_eq!(newest(&[6, 5, 4, 3, 2]), with(3));
        assert_eq!(newest(&[4, 4, 2, 1, 0]), with(2));
        assert_eq!(newest(&[6, 5, 5, 4, 4]), Err(Blocked::Unopened));
        assert_eq!(newest(&[5, 4, 4, 4, 4]), Err(overdue));
        assert_eq!(newest(&[0, 0, 0, 0, 0]), Err(Blocked::Unknown));
    }

    #[test]
    fn behind_a_full_quota_anything_waits() {
        let messages = inbox(&[Some(10), Some(20), Some(1), Some(70), None]);
        let batch = batch(&messages, 0, 2);
        let with =
            |place: usize, quota| CommitInbox::new(&messages, &batch, messages[place].after, quota);
        let full = with(3, 2).unwrap();
        assert!(full.is_full && full.waiting.earliest == Slot::new(1));
        let overdue = Blocked::Overdue { timeout: Slot::new(1), last_slot: Slot::new(60) };
        assert_eq!([with(3, 1), with(3, 3)], [Err(overdue), Err(overdue)]);
        // What nobody has opened has no place in a proof.
        assert_eq!(with(4, 2), Err(Blocked::Unopened));
        // Without an archive, only the account's own state is known to come behind the batch.
        let bare = CommitInbox::new(&[], &batch, messages[1].after, 2).unwrap();
        assert_eq!((bare.waiting, bare.is_full), (Waiting::none(messages[1].after), false));
        let unknown = CommitInbox::new(&[], &batch, messages[2].after, 2);
        assert_eq!(unknown, Err(Blocked::Unknown));
    }
}
