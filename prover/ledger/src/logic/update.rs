//! One account update, check by check in Mina's order. Source: Mina `zkapp_command_logic.ml`,
//! o1-labs/mina-rust `ledger/src/zkapps/zkapp_logic.rs`.

mod account;
mod balance;
mod guards;

use alloc::vec::Vec;

use mina_curves::Fp;

use super::{Context, FailureTable, LocalState, TransactionFailure, local_state::Popped};
use crate::types::{Account, AccountUpdate, AuthKind, AuthRequired, SignedAmount, ZkappAccount};

/// What the commands of a block add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalState {
    /// Fees paid and not yet handed out.
    pub fee_excess: SignedAmount,
    /// The change of the supply.
    pub supply_increase: SignedAmount,
}

/// An account update under way.
pub(super) struct Step<'a> {
    context: &'a Context<'a>,
    update: &'a AccountUpdate,
    popped: Popped,
    /// Whether this is the fee payer.
    is_start: bool,
    /// How the update is authorised; that it really is has been checked before.
    auth: AuthKind,
    is_new: bool,
    account: Account,
    local: &'a mut LocalState,
    global: &'a mut GlobalState,
    failures: &'a mut FailureTable,
}

impl<'a> Step<'a> {
    /// Opens the failure bucket of the update. What has been recorded before it, about the caller of
    /// a token, lands in the bucket of the update before: that is how Mina does it.
    #[allow(clippy::too_many_arguments)] // the parts of the state that a step changes
    pub(super) fn new(
        context: &'a Context<'a>,
        update: &'a AccountUpdate,
        popped: Popped,
        is_start: bool,
        account: Option<Account>,
        local: &'a mut LocalState,
        global: &'a mut GlobalState,
        failures: &'a mut FailureTable,
    ) -> Self {
        let is_new = account.is_none();
        let account = account.unwrap_or_else(|| {
            Account::new(update.body.account_id(), crate::types::Amount::ZERO, context.era)
        });
        let auth = update.authorization.kind();
        let mut step = Self {
            context,
            update,
            popped,
            is_start,
            auth,
            is_new,
            account,
            local,
            global,
            failures,
        };
        let token = update.body.token_id;
        step.check(
            TransactionFailure::TokenOwnerNotCaller,
            token.is_default() || token == popped.caller_id,
        );
        step.failures.push(Vec::new());
        step
    }

    /// Runs all checks and changes; the account is then as it is to be.
    pub(super) fn run(mut self) -> Account {
        self.check_rule();
        self.check_verification_key_hash();
        self.check_preconditions();
        self.check_fee_payer();
        self.check_replay();
        self.set_timing();
        self.change_balance();
        self.check_vesting();
        self.check_access();
        let mut zkapp = self.take_zkapp();
        self.set_app_state(&mut zkapp);
        self.set_verification_key(&mut zkapp);
        self.push_actions(&mut zkapp);
        self.set_zkapp_uri(&mut zkapp);
        self.put_zkapp(zkapp);
        self.set_token_symbol();
        self.set_delegate();
        self.increment_nonce();
        self.set_voting_for();
        self.extend_receipt_chain();
        self.set_permissions();
        self.settle();
        self.account
    }

    /// Records `failure` unless `holds`.
    fn check(&mut self, failure: TransactionFailure, holds: bool) {
        if !holds {
            if let Some(bucket) = self.failures.last_mut() {
                bucket.push(failure);
            }
            self.local.success = false;
        }
    }

    /// Records `failure` if there is a change that `permission` does not permit.
    fn check_permission(
        &mut self,
        failure: TransactionFailure,
        permission: AuthRequired,
        changes: bool,
    ) {
        self.check(failure, !changes || permission.permits(self.auth));
    }

    fn take_zkapp(&mut self) -> ZkappAccount {
        let zkapp = self.account.zkapp.take();
        zkapp.map_or_else(|| ZkappAccount::new(self.context.era), |zkapp| *zkapp)
    }

    /// A zkApp part that is as it starts out is none.
    fn put_zkapp(&mut self, zkapp: ZkappAccount) {
        self.account.zkapp = (!zkapp.is_new(self.context.era)).then(|| zkapp.into());
    }

    /// Whether there are no updates after this one.
    fn is_last(&self) -> bool {
        self.local.frame.is_empty()
    }

    /// The message of full signatures, also what receipts are over.
    fn full_commitment(&self) -> Fp {
        self.local.full_commitment
    }
}
