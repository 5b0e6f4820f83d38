//! Checks that come before any change.

use super::Step;
use crate::{
    logic::{
        TransactionFailure as Failure,
        preconditions::{check_account, network_holds, slot_holds},
    },
    types::{AuthKind, AuthorizationKind, Bounds},
};

impl Step<'_> {
    /// What a layer above asks of the account.
    pub(super) fn check_rule(&mut self) {
        if let Some(rule) = self.context.rule
            && let Err(failure) = rule.check_update(&self.update.body, self.popped.has_children)
        {
            self.check(failure, false);
        }
    }

    /// A proof names the key of the account.
    pub(super) fn check_verification_key_hash(&mut self) {
        let expected = match self.update.body.authorization_kind {
            AuthorizationKind::Proof(hash) => Some(hash),
            _ => return,
        };
        let zkapp = self.account.zkapp.as_deref();
        let actual = zkapp.and_then(|zkapp| zkapp.verification_key.as_ref()).map(|key| key.hash());
        self.check(Failure::UnexpectedVerificationKeyHash, actual == expected);
    }

    pub(super) fn check_preconditions(&mut self) {
        let update = self.update;
        let preconditions = &update.body.preconditions;
        let (account, is_new) = (self.account.clone(), self.is_new);
        check_account(&preconditions.account, &account, is_new, |failure, holds| {
            self.check(failure, holds);
        });
        let holds = network_holds(&preconditions.network, self.context.view);
        self.check(Failure::ProtocolStatePrecondition, holds);
        let holds = slot_holds(preconditions.valid_while.as_ref(), self.context.slot);
        self.check(Failure::ValidWhilePrecondition, holds);
    }

    pub(super) fn check_fee_payer(&mut self) {
        let increments = self.update.body.increment_nonce;
        self.check(Failure::FeePayerNonceMustIncrease, increments || !self.is_start);
        let signed = self.auth == AuthKind::Signature;
        self.check(Failure::FeePayerMustBeSigned, signed || !self.is_start);
    }

    /// A signature must not be usable twice: it covers the fee payer with its nonce, or pins and
    /// increments the nonce of its own account.
    pub(super) fn check_replay(&mut self) {
        let body = &self.update.body;
        let pins_nonce = body.preconditions.account.nonce.as_ref().is_some_and(Bounds::is_constant);
        let safe = body.increment_nonce && pins_nonce
            || body.use_full_commitment && !self.is_start
            || self.auth != AuthKind::Signature;
        self.check(Failure::ZkappCommandReplayCheckFailed, safe);
    }
}
