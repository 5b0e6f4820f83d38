//! Whether the contract on the L1 holds what it owes: the invariant over both layers.
//!
//! Behind every settled batch, and whatever of the outbox has been paid,
//!
//! `contract = MINA on the L2 + entries of the outbox not paid + deposits not consumed`

use mina_curves::Fp;
use mina_ledger::rollup::{BRIDGE_SUPPLY, Field, Hashed, OutboxEntry};
use zeko_bridge::{L1View, Message, MissingOutbox, behind};
use zeko_sequencer::{BatchRecord, SequencerHandle, StoreError};

use super::outbox;
use crate::publisher::read_data;

/// What the contract holds and owes, in nanomina.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Balance {
    /// Batches that are settled.
    settled: u64,
    /// The balance of the rollup account.
    contract: i128,
    /// What there is on the L2 behind the last of them.
    supply: i128,
    /// Of the outbox.
    unpaid: i128,
    /// Of the inbox.
    unconsumed: i128,
}

impl Balance {
    /// That of a state of the L1. `None` if it is not known: the archive or the sequencer's store lacks
    /// something, or the L1 has settled other batches than the sequencer has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn of(
        sequencer: &SequencerHandle,
        view: &L1View,
    ) -> Result<Option<Self>, StoreError> {
        let known = view.account().zip(view.contract()).zip(view.progress());
        let Some(((account, contract), progress)) = known else { return Ok(None) };
        let payout = view.payout().filter(|one| one.digest() == contract.field(Field::Payout));
        let Some(payout) = payout.filter(|_| view.not_ready().is_none()) else { return Ok(None) };
        let settled = progress.batch;
        let outbox = contract.field(Field::Outbox);
        let blocks = match settled.checked_sub(1) {
            None => 0,
            Some(number) => {
                let data = Some(contract.field(Field::Data));
                let is_it =
                    |record: &BatchRecord| read_data(record).map(|data| data.field()) == data;
                let Some(record) = sequencer.batch(number).filter(is_it) else { return Ok(None) };
                record.last_height.saturating_add(1)
            }
        };
        let Some(bridge) = sequencer.bridge_balance_behind(blocks)? else { return Ok(None) };
        let missing = MissingOutbox { from: payout.paid, to: outbox, batch: settled };
        let entries = match payout.paid == outbox {
            true => Some(Vec::new()),
            false => outbox::between(sequencer, missing),
        };
        let unpaid = entries.and_then(|entries| unpaid(&entries, view.inbox()));
        let unconsumed = unconsumed(view.inbox(), contract.field(Field::Inbox));
        Ok(unpaid.zip(unconsumed).map(|(unpaid, unconsumed)| Self {
            settled,
            contract: account.balance.get().into(),
            supply: i128::from(BRIDGE_SUPPLY.get()) - i128::from(bridge.get()),
            unpaid,
            unconsumed,
        }))
    }

    /// What the contract has too much, or negative, too little.
    pub(super) fn imbalance(&self) -> i128 {
        self.contract - self.supply - self.unpaid - self.unconsumed
    }

    /// What is wrong, if something is.
    pub(super) fn reason(&self) -> Option<String> {
        let Self { settled, contract, supply, unpaid, unconsumed } = self;
        (self.imbalance() != 0).then(|| {
            format!(
                "FUNDS DO NOT ADD UP: with {settled} batches settled, the contract holds {contract} \
                 nanomina, and there are {supply} on the L2, {unpaid} to be paid and {unconsumed} of \
                 deposits that are not consumed: {} too much",
                self.imbalance()
            )
        })
    }
}

/// What entries of the outbox are worth; `None` if there is one that nobody can tell.
fn unpaid(entries: &[OutboxEntry], inbox: &[Message]) -> Option<i128> {
    let amount = |entry: &OutboxEntry| match entry {
        OutboxEntry::Withdrawal { amount, .. } | OutboxEntry::Refund { amount, .. } => {
            Some(amount.get().into())
        }
        OutboxEntry::Unopened { action_hash } => {
            let message = inbox.iter().find(|message| message.action_hash == *action_hash);
            worth(message?)
        }
    };
    entries.iter().map(amount).sum()
}

/// What the messages behind a prefix are worth.
fn unconsumed(inbox: &[Message], prefix: Fp) -> Option<i128> {
    behind(inbox, prefix)?.iter().map(worth).sum()
}

fn worth(message: &Message) -> Option<i128> {
    message.deposit.map(|deposit| deposit.amount.get().into())
}

#[cfg(test)]
mod tests {
    use mina_ledger::{
        hash::constants::EMPTY_ACTION_STATE,
        rollup::DepositAction,
        types::{Amount, Length, PublicKey, Slot},
    };

    use super::*;

    fn somebody() -> PublicKey {
        PublicKey { x: Fp::from(1u64), is_odd: true }
    }

    fn message(n: u64, is_open: bool) -> Message {
        let deposit = DepositAction {
            recipient: somebody(),
            amount: Amount::new(10 * n),
            timeout: Slot::new(7),
            refund_to: somebody(),
        };
        Message {
            before: Fp::from(n),
            after: Fp::from(n + 1),
            action_hash: Fp::from(100 + n),
            transaction: None,
            deposit: is_open.then_some(deposit),
            height: Length::new(1),
        }
    }

    #[test]
    fn deposits_behind_what_is_consumed_are_owed() {
        let inbox = [message(1, true), message(2, true), message(3, true)];
        assert_eq!(unconsumed(&inbox, EMPTY_ACTION_STATE), Some(60));
        assert_eq!(unconsumed(&inbox, inbox[0].after), Some(50));
        assert_eq!(unconsumed(&inbox, inbox[2].after), Some(0));
        assert_eq!(unconsumed(&inbox, Fp::from(77u64)), None);
        assert_eq!(unconsumed(&[message(1, false)], EMPTY_ACTION_STATE), None);
    }

    #[test]
    fn entries_of_the_outbox_are_owed() {
        let (recipient, inbox) = (somebody(), [message(1, true), message(2, false)]);
        let withdrawal = OutboxEntry::Withdrawal { recipient, amount: Amount::new(5) };
        let refund = OutboxEntry::Refund { recipient, amount: Amount::new(7) };
        let unopened = |n| OutboxEntry::Unopened { action_hash: Fp::from(100u64 + n) };
        assert_eq!(unpaid(&[withdrawal, refund, unopened(1)], &inbox), Some(22));
        assert_eq!(unpaid(&[withdrawal, unopened(2)], &inbox), None);
        assert_eq!(unpaid(&[unopened(3)], &inbox), None);
    }

    #[test]
    fn what_is_too_much_or_too_little_is_said() {
        let even = Balance { settled: 3, contract: 60, supply: 30, unpaid: 20, unconsumed: 10 };
        assert_eq!((even.imbalance(), even.reason()), (0, None));
        for (contract, imbalance) in [(59, -1), (65, 5)] {
            let odd = Balance { contract, ..even };
            assert_eq!(odd.imbalance(), imbalance);
            assert!(odd.reason().unwrap().ends_with(&format!("consumed: {imbalance} too much")));
        }
    }
}
