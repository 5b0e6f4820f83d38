//! What an update leaves behind.

use mina_curves::Fp;

use super::{StateVar, Step, created::NewAccountVar, shared, stack::Popped};
use crate::{
    Boolean, Cs, Linear,
    number::{AmountVar, SignedAmountVar},
    precondition::implies,
};

impl Step<'_> {
    /// The state after the update.
    pub(super) fn settle<I>(
        mut self,
        cs: &mut Cs<I>,
        stack: &Popped,
        excess: Linear,
        [ledger, place]: [&Linear; 2],
    ) -> StateVar {
        let (_, fits) = SignedAmountVar::from_value(cs, &excess);
        self.checks.push(fits);
        let fee = Fp::from(self.rules.account_creation_fee.get());
        let creation_fees = self.before.creation_fees.clone() + Linear::from(&self.is_new) * fee;
        let (creation_fees, fits) = AmountVar::wrap(cs, creation_fees);
        self.checks.push(fits);
        let settled = cs.is_zero(&excess);
        let is_start = &self.is_start;
        let must_settle = stack.is_last.and(cs, &is_start.not());
        self.checks.push(implies(cs, &must_settle, &settled));
        let success = all(cs, &self.checks);

        // The fee payer succeeds and exists already.
        for required in [&success, &self.is_new.not()] {
            implies(cs, &stack.pays, required).assert_true(cs);
        }

        let ends = stack.is_last.or(cs, &success.not());
        let keeps = is_start.or(cs, &stack.is_last);
        let keeps = keeps.and(cs, &success);
        let local_ledger = ledger;
        let ledger = keeps.select(cs, local_ledger, &self.before.ledger);
        let local_accounts = NewAccountVar::extend(
            cs,
            self.before,
            is_start,
            [&stack.owned_token, place],
            &self.is_new,
            &success.not(),
        );
        let accounts = ends.select(cs, &local_accounts, &self.before.accounts);

        let paid = cs.mul(is_start, &excess);
        let completes = stack.is_last.and(cs, &success);
        let created = cs.mul(completes, creation_fees.linear());
        let fees = shared(cs, self.before.fees.clone() + paid + created);

        // The fee has been paid; everything else begins anew with the next command.
        let goes_on = ends.not();
        let mut carried = |x: Linear| Linear::from(cs.mul(&goes_on, x));
        let excess = carried(excess - paid);
        StateVar {
            ledger: ledger.into(),
            fees,
            accounts: accounts.into(),
            local_ledger: carried(local_ledger.clone()),
            local_accounts: carried(local_accounts),
            caller: carried(stack.caller.clone()),
            caller_caller: carried(stack.caller_caller.clone()),
            calls: carried(stack.calls.clone()),
            call_stack: carried(stack.call_stack.clone()),
            commitment: carried(stack.commitment.clone()),
            full_commitment: carried(stack.full_commitment.clone()),
            excess,
            creation_fees: carried(creation_fees.linear().clone()),
            index: carried(self.before.index.clone() + Fp::from(1u64)),
        }
    }
}

/// Whether all bits are 1: whether none is missing.
pub(super) fn all<I>(cs: &mut Cs<I>, bits: &[Boolean]) -> Boolean {
    let missing = Linear::sum(bits.iter().map(|bit| Linear::from(bit.not())));
    cs.is_zero(missing)
}
