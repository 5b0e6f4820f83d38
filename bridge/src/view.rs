//! What is known of the L1 at one moment.

use std::sync::Arc;

use mina_curves::{Fp, PastaField};
use mina_ledger::{
    hash::{TransactionHash, actions_hash, constants::EMPTY_ACTION_STATE, push_actions},
    rollup::{DepositAction, Field, PayoutState, Progress},
    types::{Length, Slot},
};
use zeko_derive::InboxView;

use crate::client::{ArchivedActions, L1Account, L1Block, L1Zkapp};

/// A message of the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The action state before it.
    pub before: Fp,
    /// The action state after it.
    pub after: Fp,
    /// The hash of its actions.
    pub action_hash: Fp,
    /// What it says; `None` if its data is not that of a deposit.
    pub deposit: Option<DepositAction>,
    /// The command that made it, if somebody has said it.
    pub transaction: Option<TransactionHash>,
    /// The height of its block. A message that only the pool knows has that at which the account's
    /// action state was first seen to have it: no less.
    pub height: Length,
}

/// The L1 with the rollup account after its newest block.
#[derive(Clone, Debug, Default)]
pub struct L1View {
    pub(crate) blocks: Vec<L1Block>,
    pub(crate) account: Option<L1Account>,
    pub(crate) inbox: Arc<Vec<Message>>,
    pub(crate) payout: Option<PayoutState>,
    pub(crate) not_ready: Option<String>,
}

impl L1View {
    /// The newest block; `None` before the first answer.
    pub fn tip(&self) -> Option<&L1Block> {
        self.blocks.last()
    }

    /// The last blocks of the best chain, the oldest first.
    pub fn blocks(&self) -> &[L1Block] {
        &self.blocks
    }

    /// The rollup account, if there is one.
    pub fn account(&self) -> Option<&L1Account> {
        self.account.as_ref()
    }

    /// The contract's state: the fields of the rollup account, in the order of [`Field`], and its
    /// action states.
    pub fn contract(&self) -> Option<&L1Zkapp> {
        self.account.as_ref()?.zkapp.as_ref()
    }

    /// How far the chain has been settled: field 6.
    pub fn progress(&self) -> Option<Progress> {
        self.contract()?.progress()
    }

    /// How far the outbox has been paid: what field 3 is the hash of. `None` while the archive has no
    /// event that says it.
    pub fn payout(&self) -> Option<PayoutState> {
        self.payout
    }

    /// Why the inbox is not known; `None` if it is.
    pub fn not_ready(&self) -> Option<&str> {
        self.not_ready.as_deref()
    }

    /// All messages of the inbox, as the archive has them: the fold of their hashes is the account's
    /// action state. Nothing while the view is not ready.
    pub fn inbox(&self) -> &[Message] {
        if self.not_ready.is_none() { &self.inbox } else { &[] }
    }

    /// The messages with at least `depth` blocks on top of theirs.
    pub fn confirmed(&self, depth: u32) -> ConfirmedInbox {
        let tip = self.tip().map_or(0, |tip| tip.height.get());
        let is_deep = |message: &Message| message.height.get().saturating_add(depth) <= tip;
        let count = self.inbox().iter().take_while(|message| is_deep(message)).count();
        ConfirmedInbox { inbox: Arc::clone(&self.inbox), count }
    }
}

impl L1Zkapp {
    /// A field of the contract's state.
    pub fn field(&self, field: Field) -> Fp {
        self.state[field.index()]
    }

    /// How far the chain has been settled; `None` if this is no rollup's account.
    pub fn progress(&self) -> Option<Progress> {
        unpack_progress(self.field(Field::Progress))
    }
}

/// The messages that are deep enough in the L1 to be consumed.
#[derive(Clone, Debug)]
pub struct ConfirmedInbox {
    inbox: Arc<Vec<Message>>,
    count: usize,
}

impl ConfirmedInbox {
    /// The messages, in order.
    pub fn messages(&self) -> &[Message] {
        self.inbox.get(..self.count).unwrap_or_default()
    }

    /// The message that follows `prefix`.
    pub fn next_message(&self, prefix: Fp) -> Option<&Message> {
        // Whoever asks is near the end.
        self.messages().iter().rev().find(|message| message.before == prefix)
    }
}

impl InboxView for ConfirmedInbox {
    fn next(&self, prefix: Fp) -> Option<Fp> {
        self.next_message(prefix).map(|message| message.action_hash)
    }

    fn is_open(&self, prefix: Fp) -> bool {
        self.next_message(prefix).is_some_and(|message| message.deposit.is_some())
    }
}

/// The messages behind a prefix of those of an inbox; `None` if there is no such prefix.
pub fn behind(messages: &[Message], prefix: Fp) -> Option<&[Message]> {
    // Whoever asks is near the end.
    let place = match messages.iter().rposition(|message| message.after == prefix) {
        Some(place) => place.saturating_add(1),
        None if prefix == EMPTY_ACTION_STATE => 0,
        None => return None,
    };
    messages.get(place..)
}

/// Appends what an archive has to messages that are known.
pub(crate) fn append_messages(messages: &mut Vec<Message>, archived: &[ArchivedActions]) {
    let mut before = messages.last().map_or(EMPTY_ACTION_STATE, |message| message.after);
    for update in archived {
        let action_hash = actions_hash(&update.actions);
        let after = push_actions(before, action_hash);
        let deposit = match update.actions.as_slice() {
            [fields] => DepositAction::from_fields(fields),
            _ => None,
        };
        let ArchivedActions { height, transaction, .. } = *update;
        messages.push(Message { before, after, action_hash, deposit, transaction, height });
        before = after;
    }
}

/// [`Progress::to_field`] the other way round.
pub(crate) fn unpack_progress(field: Fp) -> Option<Progress> {
    let [low, batch, 0, 0] = field.to_limbs() else { return None };
    Some(Progress {
        batch,
        height: Length::new((low >> 32) as u32),
        last_slot: Slot::new(low as u32),
    })
}

#[cfg(test)]
mod tests {
    use mina_ledger::types::{Amount, PublicKey};

    use super::*;

    fn deposit(amount: u64) -> DepositAction {
        DepositAction {
            recipient: PublicKey { x: Fp::from(1u64), is_odd: true },
            amount: Amount::new(amount),
            timeout: Slot::new(7),
            refund_to: PublicKey { x: Fp::from(2u64), is_odd: false },
        }
    }

    fn update(height: u32, actions: Vec<Vec<Fp>>) -> ArchivedActions {
        let (state_hash, transaction) = (String::new(), None);
        ArchivedActions { height: Length::new(height), state_hash, transaction, actions }
    }

    fn block(height: u32) -> L1Block {
        L1Block {
            height: Length::new(height),
            slot: Slot::new(height),
            state_hash: String::new(),
            parent: String::new(),
            commands: Vec::new(),
        }
    }

    #[test]
    fn progress_unpacks() {
        let progress =
            Progress { batch: u64::MAX, height: Length::new(u32::MAX), last_slot: Slot::new(3) };
        assert_eq!(unpack_progress(progress.to_field()), Some(progress));
        assert_eq!(unpack_progress(-Fp::from(1u64)), None);
    }

    #[test]
    fn messages_are_opened_and_confirmed_by_depth() {
        let deposits = [deposit(1), deposit(2), deposit(3)];
        let mut messages = Vec::new();
        append_messages(&mut messages, &[update(5, vec![deposits[0].to_fields()])]);
        let garbage = vec![vec![Fp::from(9u64)]];
        append_messages(&mut messages, &[update(6, garbage.clone())]);
        append_messages(&mut messages, &[update(8, vec![deposits[2].to_fields()])]);
        assert_eq!(messages[0].deposit, Some(deposits[0]));
        assert_eq!(messages[1].deposit, None);
        assert_eq!(messages[1].action_hash, actions_hash(&garbage));
        assert_eq!(messages[0].action_hash, deposits[0].action_hash());

        let mut view = L1View { blocks: vec![block(8)], ..L1View::default() };
        view.inbox = Arc::new(messages.clone());
        for (depth, count) in [(0, 3), (1, 2), (2, 2), (3, 1), (4, 0), (u32::MAX, 0)] {
            assert_eq!(view.confirmed(depth).messages().len(), count, "{depth}");
        }
        let inbox = view.confirmed(1);
        assert_eq!(inbox.next(EMPTY_ACTION_STATE), Some(messages[0].action_hash));
        assert_eq!(inbox.next(messages[0].after), Some(messages[1].action_hash));
        assert_eq!(inbox.next(messages[1].after), None);
        assert_eq!(inbox.next(Fp::from(1u64)), None);

        let behind = |prefix| behind(view.inbox(), prefix);
        assert_eq!(behind(EMPTY_ACTION_STATE), Some(&messages[..]));
        assert_eq!(behind(messages[1].after), Some(&messages[2..]));
        assert_eq!(behind(messages[2].after), Some(&[][..]));
        assert_eq!(behind(Fp::from(1u64)), None);

        view.not_ready = Some("the archive is behind".into());
        assert!(view.inbox().is_empty());
        assert!(view.confirmed(0).messages().is_empty());
    }
}
