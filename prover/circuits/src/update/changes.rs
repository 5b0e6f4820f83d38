//! What an update does to its account.

use mina_curves::Fp;
use mina_ledger::{
    hash::{constants::EMPTY_ACTIONS_HASH, salt},
    types::Timing,
};

use super::{Step, shared, stack::Popped};
use crate::{
    Boolean, Cs, Linear,
    account::AccountVar,
    alloc::constant,
    input::hash,
    key::{PublicKeyVar, select_bit},
    number::{AmountVar, SignedAmountVar, U32Var, UIntVar},
    permissions::{AuthRequiredVar, PermissionsVar},
    precondition::implies,
    timing::TimingVar,
};

impl Step<'_> {
    /// The account afterwards, and the excess of the command with what the update adds to it, in the
    /// order of the logic.
    pub(super) fn change<I>(
        &mut self,
        cs: &mut Cs<I>,
        before: &AccountVar,
        stack: &Popped,
    ) -> (AccountVar, Linear) {
        let mut account = before.clone();
        cs.region("timing", |cs| self.set_timing(cs, &mut account));
        let excess = cs.region("balance", |cs| self.change_balance(cs, &mut account));
        cs.region("vesting", |cs| self.check_vesting(cs, &mut account));
        cs.region("access", |cs| {
            let permitted = before.permissions.access.permits(cs, &self.body.auth);
            self.checks.push(permitted);
        });
        cs.region("state", |cs| self.set_app_state(cs, &mut account));
        cs.region("verification key", |cs| self.set_verification_key(cs, &mut account));
        cs.region("actions", |cs| self.push_actions(cs, &mut account));
        cs.region("other fields", |cs| {
            self.set_zkapp_uri(cs, &mut account);
            self.set_token_symbol(cs, &mut account);
            self.set_delegate(cs, &mut account);
            self.increment_nonce(cs, &mut account);
            self.set_voting_for(cs, &mut account);
        });
        cs.region("receipt", |cs| self.extend_receipt_chain(cs, &mut account, stack));
        cs.region("permissions", |cs| self.set_permissions(cs, &mut account));
        (account, excess)
    }

    /// If there is a change, `permission` must permit it.
    fn check_permission<I>(
        &mut self,
        cs: &mut Cs<I>,
        permission: &AuthRequiredVar,
        changes: &Boolean,
    ) {
        let permitted = permission.permits(cs, &self.body.auth);
        self.checks.push(implies(cs, changes, &permitted));
    }

    fn set_timing<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let new = &self.body.update.timing;
        let permitted = account.permissions.set_timing.permits(cs, &self.body.auth);
        let allowed = permitted.and(cs, &account.is_timed.not());
        self.checks.push(implies(cs, &new.is_some, &allowed));
        account.timing = TimingVar::select(cs, &new.is_some, &new.value, &account.timing);
        account.is_timed = account.is_timed.or(cs, &new.is_some);
    }

    fn change_balance<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) -> Linear {
        let body = self.body;
        let implicit = &body.implicit_account_creation_fee;
        self.checks.push(implies(cs, implicit, &self.is_default_token));

        let fee = Fp::from(self.rules.account_creation_fee.get());
        let pays_itself = self.is_new.and(cs, implicit);
        let change = body.balance_change.value(cs);
        let net = shared(cs, change.clone() - Linear::from(&pays_itself) * fee);
        let (net_amount, fits) = SignedAmountVar::from_value(cs, &net);
        self.checks.push(implies(cs, &pays_itself, &fits));
        self.checks.push(implies(cs, &pays_itself, &net_amount.is_negative.not()));

        let wrapped = net_amount.value(cs);
        let (balance, fits) = AmountVar::wrap(cs, account.balance.linear().clone() + wrapped);
        self.checks.push(fits);
        account.balance = balance;

        let is_zero = cs.is_zero(&net);
        let receives = account.permissions.receive.permits(cs, &body.auth);
        let sends = account.permissions.send.permits(cs, &body.auth);
        let permitted = select_bit(cs, &net_amount.is_negative, &sends, &receives);
        self.checks.push(is_zero.or(cs, &permitted));

        // What others pay for the account, and what the update takes out: each sum is in range.
        let paid_by_others = self.is_new.and(cs, &implicit.not());
        let excess = self.before.excess.clone() - Linear::from(&paid_by_others) * fee;
        let (_, fits) = SignedAmountVar::from_value(cs, excess.clone());
        self.checks.push(fits);
        let taken = cs.mul(&self.is_default_token, change);
        shared(cs, excess - taken)
    }

    fn check_vesting<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let minimum = account.timing.minimum_balance(cs, &self.block.slot);
        self.checks.push(minimum.at_most(cs, &account.balance));
        let vested = cs.is_zero(minimum.linear());
        let untimed = constant(cs, self.rules.domain.era(), &Timing::UNTIMED);
        account.timing = TimingVar::select(cs, &vested, &untimed, &account.timing);
        account.is_timed = account.is_timed.and(cs, &vested.not());
    }

    fn set_app_state<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let new = &self.body.update.app_state;
        let set = shared(cs, Linear::sum(new.iter().map(|element| Linear::from(&element.is_some))));
        let keeps_all = cs.is_zero(&set);
        let sets_all = cs.is_equal(set, Fp::from(new.len() as u64));
        let proved = &account.zkapp.proved_state;
        let all_proved = sets_all.or(cs, proved);
        let proved_now = self.body.auth.is_proved.and(cs, &all_proved);
        let proved = select_bit(cs, &keeps_all, proved, &proved_now);
        account.zkapp.proved_state = proved;
        self.check_permission(cs, &account.permissions.edit_state, &keeps_all.not());
        for (element, new) in account.zkapp.app_state.iter_mut().zip(new) {
            *element = new.is_some.select(cs, &new.value, &*element).into();
        }
    }

    fn set_verification_key<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let new = &self.body.update.verification_key;
        let era = self.rules.domain.era();
        let permitted = account.permissions.permits_verification_key(cs, &self.body.auth, era);
        self.checks.push(implies(cs, &new.is_some, &permitted));
        let key = &mut account.zkapp.verification_key;
        *key = new.is_some.select(cs, &new.value, &*key).into();
    }

    fn push_actions<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let actions = &self.body.actions;
        let has_none = cs.is_equal(actions.clone(), EMPTY_ACTIONS_HASH);
        let has_some = has_none.not();
        self.check_permission(cs, &account.permissions.edit_action_state, &has_some);
        account.zkapp.push_actions(cs, actions, &has_some, &self.block.slot);
    }

    fn set_zkapp_uri<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let new = &self.body.update.zkapp_uri;
        self.check_permission(cs, &account.permissions.set_zkapp_uri, &new.is_some);
        let uri = &mut account.zkapp.zkapp_uri;
        *uri = new.is_some.select(cs, &new.value, &*uri).into();
    }

    fn set_token_symbol<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let new = &self.body.update.token_symbol;
        self.check_permission(cs, &account.permissions.set_token_symbol, &new.is_some);
        let symbol = UIntVar::select(cs, &new.is_some, &new.value, &account.token_symbol);
        account.token_symbol = symbol;
    }

    /// Only MINA is delegated.
    fn set_delegate<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let new = &self.body.update.delegate;
        let permitted = account.permissions.set_delegate.permits(cs, &self.body.auth);
        let allowed = permitted.and(cs, &self.is_default_token);
        self.checks.push(implies(cs, &new.is_some, &allowed));
        account.delegate = PublicKeyVar::select(cs, &new.is_some, &new.value, &account.delegate);
    }

    fn increment_nonce<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let increments = &self.body.increment_nonce;
        self.check_permission(cs, &account.permissions.increment_nonce, increments);
        let (nonce, _) = U32Var::wrap(cs, account.nonce.linear().clone() + increments);
        account.nonce = nonce;
    }

    fn set_voting_for<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let new = &self.body.update.voting_for;
        self.check_permission(cs, &account.permissions.set_voting_for, &new.is_some);
        account.voting_for = new.is_some.select(cs, &new.value, &account.voting_for).into();
    }

    fn extend_receipt_chain<I>(
        &mut self,
        cs: &mut Cs<I>,
        account: &mut AccountVar,
        stack: &Popped,
    ) {
        let old = account.receipt_chain_hash.clone();
        let input = [stack.full_commitment.clone(), old.clone(), self.before.index.clone()];
        let extended = hash(cs, salt::RECEIPT.state(), &input);
        // At most one of them.
        let authorised = Linear::from(&self.body.auth.is_signed) + &self.body.auth.is_proved;
        let change = cs.mul(authorised, extended - &old);
        account.receipt_chain_hash = shared(cs, old + change);
    }

    /// Last, so that an update is judged by the permissions before it.
    fn set_permissions<I>(&mut self, cs: &mut Cs<I>, account: &mut AccountVar) {
        let new = &self.body.update.permissions;
        self.check_permission(cs, &account.permissions.set_permissions, &new.is_some);
        let permissions =
            PermissionsVar::select(cs, &new.is_some, &new.value, &account.permissions);
        account.permissions = permissions;
    }
}
