//! Payments and delegations. Source: Mina `mina_transaction_logic.ml`, o1-labs/mina-rust
//! `transaction_partially_applied.rs`.

use alloc::{vec, vec::Vec};

use super::{ApplyError, Context, FailureTable, RejectReason, TransactionFailure as Failure};
use crate::{
    hash::signed_command_receipt,
    ledger::{Ledger, LedgerError, Mask},
    types::{
        Account, AccountId, Amount, PublicKey, SignedAmount, SignedCommandBody,
        SignedCommandPayload, Slot, Timing,
    },
};

/// What a payment or delegation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCommandApplied {
    /// `None` if it was applied; else only the fee was charged, and why.
    pub failures: Option<FailureTable>,
    /// Accounts that were created.
    pub created: Vec<AccountId>,
    /// What is left for others: the fee.
    pub fee_excess: SignedAmount,
    /// The change of the supply: minus the creation fee.
    pub supply_increase: SignedAmount,
}

/// The schedule after taking `amount` out of an account at `slot`; a schedule that has run out is
/// dropped.
///
/// # Errors
/// The balance does not cover the amount, or not what has not vested on top of it.
pub(super) fn timing_after(
    account: &Account,
    amount: Amount,
    slot: Slot,
) -> Result<Option<Timing>, Failure> {
    let left = account.balance.checked_sub(amount).ok_or(Failure::SourceInsufficientBalance)?;
    let minimum = account.minimum_balance(slot);
    if left < minimum {
        return Err(Failure::SourceMinimumBalanceViolation);
    }
    Ok(account.timing.filter(|_| minimum > Amount::ZERO))
}

/// How the body of a command ends.
enum BodyError {
    /// The fee is kept, nothing else.
    Failed(Failure),
    /// The command has no place in a block.
    Rejected(RejectReason),
    /// The ledger cannot tell.
    Ledger(LedgerError),
}

impl From<LedgerError> for BodyError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// Applies a payment or delegation. The signature is taken as checked.
///
/// # Errors
/// [`ApplyError::Rejected`] if it has no place in a block, and then nothing has changed.
pub fn apply_signed_command<L: Ledger>(
    ledger: &mut L,
    payload: &SignedCommandPayload,
    context: &Context<'_>,
) -> Result<SignedCommandApplied, ApplyError> {
    if let Some(rule) = context.rule {
        let named = [payload.fee_payer, payload.receiver()].map(AccountId::of);
        if !named.iter().all(|id| rule.allows_signed_commands(id)) {
            return Err(RejectReason::Reserved.into());
        }
    }
    if context.slot > payload.valid_until {
        return Err(RejectReason::Expired.into());
    }
    let payer = pay_fee(ledger, payload, context)?;
    let mut mask = Mask::new(&mut *ledger);
    mask.set(payer.clone())?;
    let mut body = Mask::new(&mut mask);
    let result = match payload.body {
        SignedCommandBody::Payment { receiver, amount } => {
            pay(&mut body, payer, receiver, amount, context)
        }
        SignedCommandBody::Delegation { new_delegate } => {
            delegate(&mut body, payer, new_delegate, context)
        }
    };
    let mut applied = SignedCommandApplied {
        failures: None,
        created: Vec::new(),
        fee_excess: SignedAmount::positive(payload.fee),
        supply_increase: SignedAmount::ZERO,
    };
    match result {
        Ok(()) => {
            applied.created = body.created().collect();
            if !applied.created.is_empty() {
                applied.supply_increase = SignedAmount::negative(context.account_creation_fee);
            }
            body.commit()?;
        }
        Err(BodyError::Failed(failure)) => applied.failures = Some(vec![vec![failure]]),
        Err(BodyError::Rejected(reason)) => return Err(reason.into()),
        Err(BodyError::Ledger(error)) => return Err(error.into()),
    }
    mask.commit()?;
    Ok(applied)
}

/// The fee payer after the fee.
fn pay_fee<L: Ledger>(
    ledger: &L,
    payload: &SignedCommandPayload,
    context: &Context<'_>,
) -> Result<Account, ApplyError> {
    let id = AccountId::of(payload.fee_payer);
    let mut payer = ledger.get(&id)?.cloned().ok_or(RejectReason::NoFeePayer)?;
    let balance = payer.balance.checked_sub(payload.fee).ok_or(RejectReason::InsufficientFunds)?;
    if payer.nonce != payload.nonce {
        return Err(RejectReason::Nonce { expected: payer.nonce, got: payload.nonce }.into());
    }
    let timing = timing_after(&payer, payload.fee, context.slot).map_err(RejectReason::Timing)?;
    payer.balance = balance;
    payer.nonce = payer.nonce.successor();
    payer.receipt_chain_hash = signed_command_receipt(payer.receipt_chain_hash, payload);
    payer.timing = timing;
    if !payer.may_send() {
        return Err(RejectReason::Permission(Failure::UpdateNotPermittedBalance).into());
    }
    if !payer.may_increment_nonce() {
        return Err(RejectReason::Permission(Failure::UpdateNotPermittedNonce).into());
    }
    Ok(payer)
}

fn pay<L: Ledger>(
    ledger: &mut L,
    mut payer: Account,
    receiver: PublicKey,
    amount: Amount,
    context: &Context<'_>,
) -> Result<(), BodyError> {
    // A sender that cannot cover the amount does not even pay the fee.
    let timing = timing_after(&payer, amount, context.slot)
        .map_err(|failure| BodyError::Rejected(RejectReason::Timing(failure)))?;
    let balance = payer.balance.checked_sub(amount);
    payer.balance = balance.ok_or(BodyError::Rejected(RejectReason::InsufficientFunds))?;
    payer.timing = timing;
    let receiver = AccountId::of(receiver);
    let to_self = receiver == payer.id();
    let existing = if to_self { Some(payer.clone()) } else { ledger.get(&receiver)?.cloned() };
    let is_new = existing.is_none();
    let mut account = existing.unwrap_or_else(|| Account::new(receiver, Amount::ZERO, context.era));
    if !payer.may_send() || !account.may_receive() {
        return Err(BodyError::Failed(Failure::UpdateNotPermittedBalance));
    }
    let received = if is_new {
        amount
            .checked_sub(context.account_creation_fee)
            .ok_or(BodyError::Failed(Failure::AmountInsufficientToCreateAccount))?
    } else {
        amount
    };
    account.balance =
        account.balance.checked_add(received).ok_or(BodyError::Failed(Failure::Overflow))?;
    ledger.set(account)?;
    if !to_self {
        ledger.set(payer)?;
    }
    Ok(())
}

fn delegate<L: Ledger>(
    ledger: &mut L,
    mut payer: Account,
    new_delegate: PublicKey,
    context: &Context<'_>,
) -> Result<(), BodyError> {
    if ledger.location(&AccountId::of(new_delegate))?.is_none() {
        return Err(BodyError::Failed(Failure::ReceiverNotPresent));
    }
    if !payer.may_set_delegate() {
        return Err(BodyError::Failed(Failure::UpdateNotPermittedDelegate));
    }
    // Nothing is spent, but a schedule that has run out is dropped.
    payer.timing = timing_after(&payer, Amount::ZERO, context.slot).map_err(BodyError::Failed)?;
    payer.delegate = Some(new_delegate);
    ledger.set(payer)?;
    Ok(())
}
