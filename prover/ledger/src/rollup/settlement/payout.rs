//! `payout`: pays the next entries of the outbox.

use alloc::vec::Vec;

use mina_curves::Fp;

use super::{ContractEvent, Field, RollupAccount, SettlementError, require, write};
use crate::{
    rollup::{Fold, Hashed, OutboxEntry, PayoutState},
    types::{
        AccountId, AccountUpdate, Amount, Authorization, Body, Era, PublicKey, Sign, SignedAmount,
    },
};

/// Most entries that one update pays: as many as a command of Mina's has room for.
pub const MAX_PAYOUTS: usize = 8;

/// What an entry says: who is paid how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Who is paid.
    pub recipient: PublicKey,
    /// How much.
    pub amount: Amount,
    /// Whether the entry is a refund.
    pub is_refund: bool,
}

impl Payment {
    /// The update that pays it.
    pub fn body(&self, era: Era) -> Body {
        let mut body = Body::new(AccountId::of(self.recipient), era);
        body.balance_change = SignedAmount::positive(self.amount);
        body.implicit_account_creation_fee = true;
        body
    }
}

/// What pays the next entries of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// How far the outbox has been paid before.
    pub before: PayoutState,
    /// The outbox now: the new snapshot, if the old one is used up.
    pub outbox: Fp,
    /// The entries, in order.
    pub entries: Vec<OutboxEntry>,
}

impl Payout {
    /// Whether the snapshot is used up, so that the outbox takes its place.
    pub fn takes_snapshot(&self) -> bool {
        self.before.paid == self.before.snapshot
    }

    /// How far the outbox has been paid afterwards.
    pub fn after(&self) -> PayoutState {
        let snapshot = if self.takes_snapshot() { self.outbox } else { self.before.snapshot };
        let paid = self.entries.iter().fold(self.before.paid, |paid, entry| entry.append_to(paid));
        PayoutState { snapshot, paid, ..self.before }
    }

    /// What must be shown of what is left; where nothing is left, nothing.
    pub fn fold(&self) -> Fold {
        let after = self.after();
        Fold { from: after.paid, to: after.snapshot }
    }

    /// What the entries say.
    ///
    /// # Errors
    /// [`SettlementError::Entries`], [`SettlementError::Unopened`].
    pub fn payments(&self) -> Result<Vec<Payment>, SettlementError> {
        let (expected, got) = (MAX_PAYOUTS, self.entries.len());
        if got > expected {
            return Err(SettlementError::Entries { expected, got });
        }
        let payment = |(index, entry): (usize, &OutboxEntry)| match *entry {
            OutboxEntry::Withdrawal { recipient, amount } => {
                Ok(Payment { recipient, amount, is_refund: false })
            }
            OutboxEntry::Refund { recipient, amount } => {
                Ok(Payment { recipient, amount, is_refund: true })
            }
            OutboxEntry::Unopened { .. } => Err(SettlementError::Unopened { index }),
        };
        self.entries.iter().enumerate().map(payment).collect()
    }

    /// The update of the rollup account.
    ///
    /// # Errors
    /// [`SettlementError`].
    pub fn body(&self, account: &RollupAccount, era: Era) -> Result<Body, SettlementError> {
        let sum = self
            .payments()?
            .into_iter()
            .try_fold(Amount::ZERO, |sum, payment| sum.checked_add(payment.amount))
            .ok_or(SettlementError::Overflow { what: "the sum of the payments" })?;
        let mut body = account.body(era);
        // Zero is negative here, as with a fee payer.
        body.balance_change = SignedAmount { magnitude: sum, sign: Sign::Negative };
        require(&mut body, Field::Payout, self.before.digest());
        if self.takes_snapshot() {
            require(&mut body, Field::Outbox, self.outbox);
        }
        let after = self.after();
        write(&mut body, Field::Payout, after.digest());
        body.events = ContractEvent::Payout(&after).to_events();
        Ok(body)
    }

    /// Its children: a payment for each entry. What creating an account costs comes out of the
    /// payment.
    ///
    /// # Errors
    /// [`SettlementError`].
    pub fn children(&self, era: Era) -> Result<Vec<AccountUpdate>, SettlementError> {
        let child = |payment: Payment| AccountUpdate {
            body: payment.body(era),
            authorization: Authorization::None,
        };
        Ok(self.payments()?.into_iter().map(child).collect())
    }
}
