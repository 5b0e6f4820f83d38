//! Fee transfers and coinbase: transactions that only blocks contain. Source: Mina
//! `mina_transaction_logic.ml` (`apply_fee_transfer`, `apply_coinbase`).

use alloc::{vec, vec::Vec};

use super::{
    ApplyError, Context, FailureTable, RejectReason, TransactionFailure as Failure,
    signed::timing_after,
};
use crate::{
    ledger::{Ledger, LedgerError, Mask},
    types::{Account, AccountId, Amount, Coinbase, FeeTransfer, FeeTransfers, SignedAmount},
};

/// What a fee transfer or coinbase did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalApplied {
    /// `None` if everybody was paid; else the failures by receiver, empty for those who were.
    pub failures: Option<FailureTable>,
    /// Accounts that were created.
    pub created: Vec<AccountId>,
    /// What receivers were not paid because they may not be.
    pub burned: Amount,
    /// The change of the supply: minus the creation fees and what was burned.
    pub supply_increase: SignedAmount,
}

/// A receiver and its account.
struct Receiver {
    account: Account,
    is_new: bool,
}

impl Receiver {
    fn find<L: Ledger>(
        ledger: &L,
        id: AccountId,
        context: &Context<'_>,
    ) -> Result<Self, LedgerError> {
        let existing = ledger.get(&id)?.cloned();
        let is_new = existing.is_none();
        let account = existing.unwrap_or_else(|| Account::new(id, Amount::ZERO, context.era));
        Ok(Self { account, is_new })
    }

    /// The balance after receiving `amount`.
    fn balance_after(&self, amount: Amount, context: &Context<'_>) -> Result<Amount, RejectReason> {
        let received = if self.is_new {
            amount.checked_sub(context.account_creation_fee)
        } else {
            Some(amount)
        };
        let received = received.ok_or(RejectReason::InsufficientFunds)?;
        self.account.balance.checked_add(received).ok_or(RejectReason::Overflow)
    }

    /// Drops a schedule that has run out.
    fn update_timing(&mut self, context: &Context<'_>) -> Result<(), RejectReason> {
        let timing = timing_after(&self.account, Amount::ZERO, context.slot);
        self.account.timing = timing.map_err(RejectReason::Timing)?;
        Ok(())
    }
}

/// Receivers paid so far.
#[derive(Default)]
struct Payout {
    failures: FailureTable,
    burned: u128,
    created: u64,
}

impl Payout {
    /// Pays `amount` if the account may receive, else burns it.
    fn pay<L: Ledger>(
        &mut self,
        ledger: &mut L,
        mut receiver: Receiver,
        amount: Amount,
        balance: Amount,
    ) -> Result<(), LedgerError> {
        if receiver.account.may_receive_from_block() {
            receiver.account.balance = balance;
            self.created += u64::from(receiver.is_new);
            ledger.set(receiver.account)?;
            self.failures.push(Vec::new());
        } else {
            self.burned += u128::from(amount.get());
            self.failures.push(vec![Failure::UpdateNotPermittedBalance]);
        }
        Ok(())
    }

    /// Whether the last receiver was not paid.
    fn last_failed(&self) -> bool {
        self.failures.last().is_some_and(|bucket| !bucket.is_empty())
    }

    fn finish<P: Ledger>(
        self,
        mask: Mask<P>,
        context: &Context<'_>,
    ) -> Result<InternalApplied, ApplyError> {
        let Self { failures, burned, created } = self;
        let fees = u128::from(created) * u128::from(context.account_creation_fee.get());
        let overflow = |_| ApplyError::from(RejectReason::Overflow);
        let burned_amount = Amount::new(u64::try_from(burned).map_err(overflow)?);
        let lost = Amount::new(u64::try_from(burned + fees).map_err(overflow)?);
        let applied = InternalApplied {
            failures: failures.iter().any(|bucket| !bucket.is_empty()).then_some(failures),
            created: mask.created().collect(),
            burned: burned_amount,
            supply_increase: SignedAmount::negative(lost),
        };
        mask.commit()?;
        Ok(applied)
    }
}

/// Applies one or two fee transfers.
///
/// # Errors
/// [`ApplyError::Rejected`] if it has no place in a block; nothing has changed then.
pub fn apply_fee_transfer<L: Ledger>(
    ledger: &mut L,
    transfers: &FeeTransfers,
    context: &Context<'_>,
) -> Result<InternalApplied, ApplyError> {
    let mut mask = Mask::new(&mut *ledger);
    let mut payout = Payout::default();
    match transfers {
        FeeTransfers::One(transfer) => {
            check_rule(context, &[transfer.account_id()])?;
            pay_one(&mut mask, &mut payout, transfer.account_id(), transfer.fee, context)?;
        }
        FeeTransfers::Two(first, second) => {
            check_rule(context, &[first.account_id(), second.account_id()])?;
            if first.receiver == second.receiver {
                let fee = first.fee.checked_add(second.fee).ok_or(RejectReason::Overflow)?;
                pay_one(&mut mask, &mut payout, first.account_id(), fee, context)?;
                if payout.last_failed() {
                    payout.failures.push(vec![Failure::UpdateNotPermittedBalance]);
                }
            } else {
                pay_two(&mut mask, &mut payout, first, second, context)?;
            }
        }
    }
    payout.finish(mask, context)
}

fn pay_one<L: Ledger>(
    ledger: &mut L,
    payout: &mut Payout,
    id: AccountId,
    fee: Amount,
    context: &Context<'_>,
) -> Result<(), ApplyError> {
    let mut receiver = Receiver::find(ledger, id, context)?;
    let balance = receiver.balance_after(fee, context)?;
    receiver.update_timing(context)?;
    Ok(payout.pay(ledger, receiver, fee, balance)?)
}

/// Pays two; only the second one's schedule is looked at, as in Mina.
fn pay_two<L: Ledger>(
    ledger: &mut L,
    payout: &mut Payout,
    first: &FeeTransfer,
    second: &FeeTransfer,
    context: &Context<'_>,
) -> Result<(), ApplyError> {
    let one = Receiver::find(ledger, first.account_id(), context)?;
    let mut two = Receiver::find(ledger, second.account_id(), context)?;
    let balance_one = one.balance_after(first.fee, context)?;
    two.update_timing(context)?;
    let balance_two = two.balance_after(second.fee, context)?;
    payout.pay(ledger, one, first.fee, balance_one)?;
    payout.pay(ledger, two, second.fee, balance_two)?;
    Ok(())
}

/// Applies a coinbase: first the fee transfer in it, then the reward.
///
/// # Errors
/// [`ApplyError::Rejected`] if it has no place in a block; nothing has changed then.
pub fn apply_coinbase<L: Ledger>(
    ledger: &mut L,
    coinbase: &Coinbase,
    context: &Context<'_>,
) -> Result<InternalApplied, ApplyError> {
    let receiver = AccountId::of(coinbase.receiver);
    check_rule(context, &[receiver])?;
    let mut mask = Mask::new(&mut *ledger);
    let mut payout = Payout::default();
    // Only one of the two schedules is looked at: the receiver's if nobody else was paid.
    let mut paid_other = false;
    let reward = match &coinbase.fee_transfer {
        None => coinbase.amount,
        Some(transfer) => {
            if transfer.receiver == coinbase.receiver {
                return Err(RejectReason::SameReceiver.into());
            }
            check_rule(context, &[transfer.account_id()])?;
            pay_one(&mut mask, &mut payout, transfer.account_id(), transfer.fee, context)?;
            paid_other = !payout.last_failed();
            coinbase.amount.checked_sub(transfer.fee).ok_or(RejectReason::InsufficientFunds)?
        }
    };
    let mut account = Receiver::find(&mask, receiver, context)?;
    if !paid_other {
        account.update_timing(context)?;
    }
    let balance = account.balance_after(reward, context)?;
    payout.pay(&mut mask, account, reward, balance)?;
    payout.finish(mask, context)
}

fn check_rule(context: &Context<'_>, ids: &[AccountId]) -> Result<(), RejectReason> {
    let allowed = |id| context.rule.is_none_or(|rule| rule.allows_signed_commands(id));
    if ids.iter().all(allowed) { Ok(()) } else { Err(RejectReason::Reserved) }
}
