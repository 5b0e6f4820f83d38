//! Timing, the balance, and what the command adds up to.

use ark_ff::AdditiveGroup;
use mina_curves::Fp;

use super::Step;
use crate::{
    logic::TransactionFailure as Failure,
    types::{Amount, SignedAmount},
};

impl Step<'_> {
    /// Only an untimed account can be given a schedule.
    pub(super) fn set_timing(&mut self) {
        let Some(timing) = self.update.body.update.timing else { return };
        let permitted = self.account.permissions.set_timing.permits(self.auth);
        self.check(Failure::UpdateNotPermittedTiming, self.account.timing.is_none() && permitted);
        self.account.timing = Some(timing);
    }

    /// Pays for the account if it is new, and changes the balance.
    pub(super) fn change_balance(&mut self) {
        let body = &self.update.body;
        let (implicit, change) = (body.implicit_account_creation_fee, body.balance_change);
        let is_default = body.token_id.is_default();
        self.check(Failure::CannotPayCreationFeeInToken, !implicit || is_default);

        let creation_fee = SignedAmount::negative(self.context.account_creation_fee);
        let change = if self.is_new && implicit {
            let (rest, overflow) = change.add_flagged(creation_fee);
            self.check(
                Failure::AmountInsufficientToCreateAccount,
                !overflow && !rest.is_negative(),
            );
            rest
        } else {
            change
        };
        let (balance, overflow) = self.account.balance.add_signed_flagged(change);
        self.check(Failure::Overflow, !overflow);
        if self.is_new && !implicit {
            let (excess, overflow) = self.local.excess.add_flagged(creation_fee);
            self.check(Failure::LocalExcessOverflow, !overflow);
            self.local.excess = excess;
        }
        if self.is_new {
            let (supply_increase, overflow) = self.local.supply_increase.add_flagged(creation_fee);
            self.check(Failure::LocalSupplyIncreaseOverflow, !overflow);
            self.local.supply_increase = supply_increase;
        }
        let permissions = &self.account.permissions;
        let permission = if change.is_negative() { permissions.send } else { permissions.receive };
        self.check_permission(Failure::UpdateNotPermittedBalance, permission, !change.is_zero());
        self.account.balance = balance;
    }

    /// The balance covers what has not vested; a schedule that has run out is dropped.
    pub(super) fn check_vesting(&mut self) {
        let minimum = self.account.minimum_balance(self.context.slot);
        self.check(Failure::SourceMinimumBalanceViolation, self.account.balance >= minimum);
        if minimum == Amount::ZERO {
            self.account.timing = None;
        }
    }

    /// Adds the update to the excess of the command, and the command, if this is the fee payer or
    /// the last update, to what the block adds up to.
    pub(super) fn settle(&mut self) {
        if self.update.body.token_id.is_default() {
            let delta = self.update.body.balance_change.negated();
            let (excess, overflow) = self.local.excess.add_flagged(delta);
            self.local.excess = excess;
            self.check(Failure::LocalExcessOverflow, !overflow);
        }
        let is_last = self.is_last();
        if is_last {
            self.local.full_commitment = Fp::ZERO;
            self.local.commitment = Fp::ZERO;
        }
        let settled = self.local.excess.is_zero();
        self.check(Failure::InvalidFeeExcess, self.is_start || !is_last || settled);
        if self.is_start || is_last {
            if self.local.success {
                let (excess, overflow) = self.global.fee_excess.add_flagged(self.local.excess);
                self.global.fee_excess = excess;
                self.check(Failure::GlobalExcessOverflow, !overflow);
            }
            self.local.excess = SignedAmount::ZERO;
        }
        let (supply, overflow) =
            self.global.supply_increase.add_flagged(self.local.supply_increase);
        self.check(Failure::GlobalSupplyIncreaseOverflow, !overflow);
        if is_last && self.local.success {
            self.global.supply_increase = supply;
        }
    }
}
