//! `deposit`: pays in, and appends to the inbox.

use alloc::vec;

use super::{RollupAccount, SettlementError, SettlementParameters};
use crate::{
    rollup::DepositAction,
    types::{Amount, Body, Bounds, Era, PublicKey, SignedAmount, Slot, SlotSpan},
};

/// A deposit, as its user asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// Who is credited on the L2.
    pub recipient: PublicKey,
    /// How much is paid in.
    pub amount: Amount,
    /// Who is paid on the L1 if it is not credited.
    pub refund_to: PublicKey,
    /// The last slot in which it may be made.
    pub valid_until: Slot,
}

impl Deposit {
    /// The message that it leaves in the inbox.
    ///
    /// # Errors
    /// [`SettlementError::TooSmall`], [`SettlementError::Overflow`].
    pub fn action(
        &self,
        parameters: &SettlementParameters,
    ) -> Result<DepositAction, SettlementError> {
        let (expected, got) = (parameters.minimum_deposit, self.amount);
        if got < expected {
            return Err(SettlementError::TooSmall { expected, got });
        }
        let span = Slot::new(SlotSpan::get(parameters.deposit_timeout));
        let timeout = self.valid_until.checked_add(span);
        Ok(DepositAction {
            recipient: self.recipient,
            amount: self.amount,
            timeout: timeout.ok_or(SettlementError::Overflow { what: "the deposit's timeout" })?,
            refund_to: self.refund_to,
        })
    }

    /// The update of the rollup account, which has no children.
    ///
    /// # Errors
    /// [`SettlementError::TooSmall`], [`SettlementError::Overflow`].
    pub fn body(
        &self,
        account: &RollupAccount,
        parameters: &SettlementParameters,
    ) -> Result<Body, SettlementError> {
        let action = self.action(parameters)?;
        Ok(Self::body_of(&action, self.valid_until, account, parameters.domain.era()))
    }

    /// The update for a message.
    pub fn body_of(
        action: &DepositAction,
        valid_until: Slot,
        account: &RollupAccount,
        era: Era,
    ) -> Body {
        let mut body = account.body(era);
        body.balance_change = SignedAmount::positive(action.amount);
        body.actions = vec![action.to_fields()];
        body.preconditions.valid_while = Some(Bounds { lower: Slot::ZERO, upper: valid_until });
        body
    }
}
