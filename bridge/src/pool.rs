//! Messages that somebody has relayed to the bridge request pool.
//!
//! A request is a hint. What a message is is said by the account's action state alone: requests are
//! taken as the links of a chain that leads back from there, and what is not in the chain is ignored,
//! be it forged or undone by the L1. So the inbox is known without an archive, too.

use std::collections::{HashMap, VecDeque};

use mina_curves::Fp;
use mina_ledger::{
    hash::{constants::EMPTY_ACTION_STATE, push_actions},
    types::{Length, PublicKey},
};
use zeko_derive::BridgeRequest;

use crate::view::Message;

/// The most requests that are kept of everybody but the sequencer.
pub const MAX_REQUESTS: usize = 1 << 16;

/// The requests of one rollup, by the action state that they lead to.
#[derive(Clone, Debug)]
pub struct Requests {
    account: PublicKey,
    /// With whether only strangers have sent it.
    messages: HashMap<Fp, (Message, bool)>,
    /// What strangers have sent first, the oldest first.
    strangers: VecDeque<Fp>,
}

impl Requests {
    /// None yet, for the rollup account `account`.
    pub fn new(account: PublicKey) -> Self {
        Self { account, messages: HashMap::new(), strangers: VecDeque::new() }
    }

    /// Keeps a request, unless it is for another account or there already. Of those that only strangers
    /// have sent, the oldest gives way where there are [`MAX_REQUESTS`]; the sequencer's stay.
    pub fn insert(&mut self, request: &BridgeRequest, is_stranger: bool) -> bool {
        let BridgeRequest { rollup_account, transaction, before, deposit } = *request;
        if rollup_account != self.account {
            return false;
        }
        let action_hash = deposit.action_hash();
        let after = push_actions(before, action_hash);
        let by_strangers = self.messages.get(&after).map(|(_, by_strangers)| *by_strangers);
        if by_strangers.is_some_and(|by_strangers| is_stranger || !by_strangers) {
            return false;
        }
        if is_stranger {
            if self.strangers.len() >= MAX_REQUESTS
                && let Some(oldest) = self.strangers.pop_front()
                && self.messages.get(&oldest).is_some_and(|(_, by_strangers)| *by_strangers)
            {
                self.messages.remove(&oldest);
            }
            self.strangers.push_back(after);
        }
        let (deposit, transaction) = (Some(deposit), Some(transaction));
        // The height is set where it is used.
        let height = Length::new(u32::MAX);
        let message = Message { before, after, action_hash, deposit, transaction, height };
        self.messages.insert(after, (message, is_stranger));
        true
    }

    /// Whether the sequencer has sent a request that leads to this action state.
    pub fn has_own(&self, state: Fp) -> bool {
        self.messages.get(&state).is_some_and(|(_, by_strangers)| !by_strangers)
    }

    /// The number of requests.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages that lead to the action state `state`: some of the first of `known`, then requests,
    /// as if they were in a block of this height. `None` if one is missing.
    pub(crate) fn complete(
        &self,
        known: &[Message],
        state: Fp,
        height: Length,
    ) -> Option<Vec<Message>> {
        let place = |(place, message): (usize, &Message)| (message.after, place + 1);
        let places: HashMap<Fp, usize> = known.iter().enumerate().map(place).collect();
        let (mut state, mut behind) = (state, Vec::new());
        let kept = loop {
            if let Some(kept) = places.get(&state) {
                break *kept;
            }
            if state == EMPTY_ACTION_STATE {
                break 0;
            }
            let (message, _) = self.messages.get(&state)?;
            state = message.before;
            behind.push(Message { height, ..message.clone() });
        };
        let known = known.get(..kept)?.iter().cloned();
        Some(known.chain(behind.into_iter().rev()).collect())
    }
}

#[cfg(test)]
mod tests {
    use mina_ledger::{
        hash::TransactionHash,
        rollup::DepositAction,
        types::{Amount, Slot},
    };

    use super::*;

    fn account() -> PublicKey {
        PublicKey { x: Fp::from(3u64), is_odd: true }
    }

    fn request(before: Fp, amount: u64) -> BridgeRequest {
        let deposit = DepositAction {
            recipient: account(),
            amount: Amount::new(amount),
            timeout: Slot::new(7),
            refund_to: account(),
        };
        let transaction = TransactionHash([amount as u8; 32]);
        BridgeRequest { rollup_account: account(), transaction, before, deposit }
    }

    fn after(request: &BridgeRequest) -> Fp {
        push_actions(request.before, request.deposit.action_hash())
    }

    /// Requests of 1, 2, 3 … MINA, one after the other.
    fn chain(count: u64) -> Vec<BridgeRequest> {
        let mut state = EMPTY_ACTION_STATE;
        let next = |amount| {
            let next = request(state, amount);
            state = after(&next);
            next
        };
        (1..=count).map(next).collect()
    }

    fn pool(requests: &[BridgeRequest]) -> Requests {
        let mut pool = Requests::new(account());
        requests.iter().for_each(|request| assert!(pool.insert(request, true)));
        pool
    }

    fn amounts(messages: &[Message]) -> Vec<u64> {
        messages.iter().map(|message| message.deposit.unwrap().amount.get()).collect()
    }

    #[test]
    fn the_action_state_chooses_among_requests() {
        let mut requests = chain(4);
        // Forged: behind the second, behind itself, and the fourth with more money.
        let forged = [request(requests[2].before, 77), request(Fp::from(9u64), 78)];
        let richer = request(requests[3].before, 400);
        requests.extend(forged);
        requests.push(richer);
        requests.reverse();
        let pool = pool(&requests);
        let chain = chain(4);
        for count in 1..=4usize {
            let found = pool.complete(&[], after(&chain[count - 1]), Length::new(9)).unwrap();
            assert_eq!(amounts(&found), (1..=count as u64).collect::<Vec<_>>());
            assert!(found.iter().all(|message| message.height == Length::new(9)));
            assert_eq!(found[0].before, EMPTY_ACTION_STATE);
        }
        assert_eq!(pool.complete(&[], EMPTY_ACTION_STATE, Length::new(9)), Some(vec![]));
        assert_eq!(pool.complete(&[], Fp::from(1u64), Length::new(9)), None);
    }

    #[test]
    fn known_messages_keep_their_heights_and_undone_ones_go() {
        let chain = chain(4);
        let all = pool(&chain);
        let known = all.complete(&[], after(&chain[2]), Length::new(5)).unwrap();
        let found = all.complete(&known, after(&chain[3]), Length::new(8)).unwrap();
        let heights: Vec<_> = found.iter().map(|message| message.height.get()).collect();
        assert_eq!(heights, [5, 5, 5, 8]);
        // The L1 has undone the third.
        let found = all.complete(&known, after(&chain[1]), Length::new(9)).unwrap();
        assert_eq!(amounts(&found), [1, 2]);
        // One that is missing.
        let holes = pool(&chain[2..]);
        assert_eq!(holes.complete(&known[..1], after(&chain[3]), Length::new(9)), None);
        assert!(holes.complete(&known[..2], after(&chain[3]), Length::new(9)).is_some());
    }

    #[test]
    fn what_is_not_for_this_account_or_too_much_is_not_kept() {
        let mut requests = Requests::new(account());
        let other = PublicKey { is_odd: false, ..account() };
        let stray = BridgeRequest { rollup_account: other, ..request(EMPTY_ACTION_STATE, 1) };
        assert!(!requests.insert(&stray, true));
        let ours = request(EMPTY_ACTION_STATE, 1);
        assert!(requests.insert(&ours, true));
        assert!(!requests.insert(&ours, true), "twice");
        assert!(!requests.has_own(after(&ours)));
        assert!(requests.insert(&ours, false), "now it stays");
        assert!(!requests.insert(&ours, false) && !requests.insert(&ours, true));
        for before in 0..MAX_REQUESTS as u64 + 10 {
            requests.insert(&request(Fp::from(before + 1), 2), true);
        }
        assert_eq!(requests.len(), MAX_REQUESTS + 1);
        assert!(requests.has_own(after(&ours)));
        let lost = requests.complete(&[], after(&request(Fp::from(1u64), 2)), Length::new(1));
        assert_eq!((lost, requests.has_own(Fp::from(1u64))), (None, false));
    }
}
