//! The bridge account's rule: whatever changes it is a withdrawal. The twin of
//! [`BridgeRule`](mina_ledger::rollup::BridgeRule).

use mina_curves::Fp;
use mina_ledger::{
    hash::constants::EMPTY_ACTIONS_HASH,
    rollup::{BridgeParameters, OutboxEntry, bridge_public_key},
};

use super::{Step, stack::Popped};
use crate::{
    Boolean, Cs, Linear,
    alloc::constant,
    key::PublicKeyVar,
    message::one_action,
    number::{AmountVar, power},
    precondition::implies,
};

impl Step<'_> {
    /// Checks the rule. `action` gives the fields of the action, if the update is of the bridge
    /// account and has one.
    pub(super) fn check_bridge<I>(
        &mut self,
        cs: &mut Cs<I>,
        parameters: &BridgeParameters,
        stack: &Popped,
        action: impl Fn(&I) -> &[Fp; 3] + Send + Sync + 'static,
    ) {
        let body = self.body;
        let bridge: PublicKeyVar = constant(cs, self.rules.domain.era(), &bridge_public_key());
        let is_bridge = body.id.public_key.is_equal(cs, &bridge);
        let has_actions = cs.is_equal(body.actions.clone(), EMPTY_ACTIONS_HASH).not();

        let action = cs.witnesses(move |v| *action(v.input()));
        let opened = one_action(cs, &action.map(Linear::from));
        let opens = is_bridge.and(cs, &has_actions);
        let opens = opens.and(cs, self.is_active);
        cs.assert_mul(opens, body.actions.clone() - opened, Fp::default());

        let no_change = cs.is_zero(body.balance_change.magnitude.linear());
        let authorised = Linear::from(&body.auth.is_signed) + &body.auth.is_proved;
        let not_authorised = cs.is_zero(authorised);
        let sets_nothing = self.sets_nothing(cs);
        let harmless = sets_nothing.and(cs, &not_authorised);
        let untouched = no_change.and(cs, &has_actions.not());

        let pays = self.is_withdrawal(cs, parameters, &action);
        let pays = pays.and(cs, &has_actions);
        let allowed = untouched.or(cs, &pays);
        let allowed = allowed.and(cs, &harmless);
        let allowed = allowed.and(cs, &self.is_default_token);
        let allowed = allowed.and(cs, &stack.has_children.not());
        self.checks.push(implies(cs, &is_bridge, &allowed));
    }

    /// Whether nothing but the balance and the action state is set.
    fn sets_nothing<I>(&self, cs: &mut Cs<I>) -> Boolean {
        let update = &self.body.update;
        let set = update.app_state.iter().map(|element| &element.is_some).chain([
            &update.delegate.is_some,
            &update.verification_key.is_some,
            &update.permissions.is_some,
            &update.zkapp_uri.is_some,
            &update.token_symbol.is_some,
            &update.timing.is_some,
            &update.voting_for.is_some,
            &self.body.increment_nonce,
        ]);
        let count = Linear::sum(set.map(Linear::from));
        cs.is_zero(count)
    }

    /// Whether the action is the withdrawal of what the balance gains, and that is enough.
    fn is_withdrawal<I>(
        &self,
        cs: &mut Cs<I>,
        parameters: &BridgeParameters,
        [_, zero, packed]: &[kimchi::builder::Var<Fp>; 3],
    ) -> Boolean {
        let amount = &self.body.balance_change.magnitude;
        let kind = power(65) * Fp::from(OutboxEntry::WITHDRAWAL);
        // What is left is the parity of the recipient's key.
        let parity = cs.reduce(*packed - amount.linear() - kind);
        let off = cs.mul(parity, parity - power(64));
        let is_entry = cs.is_zero(off);
        let is_zero = cs.is_zero(*zero);
        let minimum = AmountVar::constant(parameters.minimum_withdrawal.get());
        let enough = minimum.at_most(cs, amount);
        let gains = self.body.balance_change.is_negative.not();
        let is_entry = is_entry.and(cs, &is_zero);
        let enough = enough.and(cs, &gains);
        is_entry.and(cs, &enough)
    }
}
