//! What must hold for a command to succeed, before anything changes.

use super::{Step, stack::Popped};
use crate::{Cs, account::AccountVar, precondition::implies};

impl Step<'_> {
    /// Checks that do not depend on what the update changes, in the order of the logic. That a fee
    /// payer is signed and increments its nonce is no check: its body has no other form.
    pub(super) fn check<I>(&mut self, cs: &mut Cs<I>, account: &AccountVar, stack: &Popped) {
        let body = self.body;
        cs.region("token", |cs| {
            let is_callers = cs.is_equal(body.id.token_id.clone(), &stack.caller_id);
            self.checks.push(self.is_default_token.or(cs, &is_callers));
        });
        cs.region("verification key", |cs| {
            let matches = cs.is_equal(body.key_hash.clone(), &account.zkapp.verification_key);
            self.checks.push(implies(cs, &body.auth.is_proved, &matches));
        });
        cs.region("preconditions", |cs| {
            body.account.check(cs, account, &self.is_new, &mut self.checks);
            body.network.check(cs, &self.block.view, &mut self.checks);
            body.valid_while.check_slot(cs, &self.block.slot, &mut self.checks);
        });
        cs.region("replay", |cs| {
            let pins = body.account.pins_nonce(cs);
            let by_nonce = body.increment_nonce.and(cs, &pins);
            let by_commitment = body.use_full_commitment.and(cs, &self.is_start.not());
            let safe = by_nonce.or(cs, &by_commitment);
            self.checks.push(implies(cs, &body.auth.is_signed, &safe));
        });
    }
}
