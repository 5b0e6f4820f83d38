//! Changes of the account other than its balance.

use super::Step;
use crate::{
    hash::{actions_hash, push_actions, zkapp_receipt},
    logic::TransactionFailure as Failure,
    types::{AuthKind, PublicKey, ZkappAccount},
};

impl Step<'_> {
    pub(super) fn check_access(&mut self) {
        let permission = self.account.permissions.access;
        self.check_permission(Failure::UpdateNotPermittedAccess, permission, true);
    }

    /// Sets elements of the state. The state counts as proved once a proof has set all of it, until
    /// something else than a proof sets any of it.
    pub(super) fn set_app_state(&mut self, zkapp: &mut ZkappAccount) {
        let state = &self.update.body.update.app_state;
        let changes = state.iter().any(Option::is_some);
        if changes {
            let all = state.iter().all(Option::is_some);
            zkapp.proved_state = self.auth == AuthKind::Proof && (all || zkapp.proved_state);
        }
        let permission = self.account.permissions.edit_state;
        self.check_permission(Failure::UpdateNotPermittedAppState, permission, changes);
        for (element, new) in zkapp.app_state.iter_mut().zip(state) {
            *element = new.unwrap_or(*element);
        }
    }

    pub(super) fn set_verification_key(&mut self, zkapp: &mut ZkappAccount) {
        let key = &self.update.body.update.verification_key;
        let permission = self.account.permissions.set_verification_key;
        let auth = if permission.txn_version < self.context.era.txn_version() {
            permission.auth.fallback_to_signature()
        } else {
            permission.auth
        };
        self.check_permission(Failure::UpdateNotPermittedVerificationKey, auth, key.is_some());
        if key.is_some() {
            zkapp.verification_key.clone_from(key);
        }
    }

    /// Pushes the actions onto the action state. The first actions of a slot keep the state before
    /// them: so the last five slots with actions stay provable.
    pub(super) fn push_actions(&mut self, zkapp: &mut ZkappAccount) {
        let actions = &self.update.body.actions;
        let permission = self.account.permissions.edit_action_state;
        self.check_permission(
            Failure::UpdateNotPermittedActionState,
            permission,
            !actions.is_empty(),
        );
        if actions.is_empty() {
            return;
        }
        let [current, second, third, fourth, fifth] = zkapp.action_state;
        let pushed = push_actions(current, actions_hash(actions));
        zkapp.action_state = if zkapp.last_action_slot == self.context.slot {
            [pushed, second, third, fourth, fifth]
        } else {
            [pushed, current, second, third, fourth]
        };
        zkapp.last_action_slot = self.context.slot;
    }

    pub(super) fn set_zkapp_uri(&mut self, zkapp: &mut ZkappAccount) {
        let uri = &self.update.body.update.zkapp_uri;
        let permission = self.account.permissions.set_zkapp_uri;
        self.check_permission(Failure::UpdateNotPermittedZkappUri, permission, uri.is_some());
        if let Some(uri) = uri {
            zkapp.zkapp_uri.clone_from(uri);
        }
    }

    pub(super) fn set_token_symbol(&mut self) {
        let symbol = self.update.body.update.token_symbol;
        let permission = self.account.permissions.set_token_symbol;
        self.check_permission(Failure::UpdateNotPermittedTokenSymbol, permission, symbol.is_some());
        self.account.token_symbol = symbol.unwrap_or(self.account.token_symbol);
    }

    /// Only MINA is delegated.
    pub(super) fn set_delegate(&mut self) {
        let Some(delegate) = self.update.body.update.delegate else { return };
        let permitted = self.account.permissions.set_delegate.permits(self.auth);
        let is_default = self.update.body.token_id.is_default();
        self.check(Failure::UpdateNotPermittedDelegate, permitted && is_default);
        self.account.delegate = (delegate != PublicKey::EMPTY).then_some(delegate);
    }

    pub(super) fn increment_nonce(&mut self) {
        let increments = self.update.body.increment_nonce;
        if increments {
            self.account.nonce = self.account.nonce.successor();
        }
        let permission = self.account.permissions.increment_nonce;
        self.check_permission(Failure::UpdateNotPermittedNonce, permission, increments);
    }

    pub(super) fn set_voting_for(&mut self) {
        let voting_for = self.update.body.update.voting_for;
        let permission = self.account.permissions.set_voting_for;
        self.check_permission(
            Failure::UpdateNotPermittedVotingFor,
            permission,
            voting_for.is_some(),
        );
        self.account.voting_for = voting_for.unwrap_or(self.account.voting_for);
    }

    pub(super) fn extend_receipt_chain(&mut self) {
        if self.auth != AuthKind::None {
            self.account.receipt_chain_hash = zkapp_receipt(
                self.account.receipt_chain_hash,
                self.local.index,
                self.full_commitment(),
            );
        }
    }

    /// Last, so that an update is judged by the permissions before it.
    pub(super) fn set_permissions(&mut self) {
        let permissions = self.update.body.update.permissions;
        let permission = self.account.permissions.set_permissions;
        self.check_permission(
            Failure::UpdateNotPermittedPermissions,
            permission,
            permissions.is_some(),
        );
        self.account.permissions = permissions.unwrap_or(self.account.permissions);
    }
}
