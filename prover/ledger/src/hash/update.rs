//! Hashes of events, actions, account updates. Source: Mina `account_update.ml`,
//! `zkapp_precondition.ml`, `zkapp_account.ml`.

use alloc::vec::Vec;

use ark_ff::AdditiveGroup;
use mina_curves::Fp;

use super::{
    SaltedState,
    account::{no_uri_hash, zkapp_uri_hash},
    batch::{hash_many, hash_one},
    constants::{EMPTY_ACTION_STATE, EMPTY_ACTIONS_HASH, EMPTY_EVENTS_HASH},
    input::{Input, ToInput},
    salt,
};
use crate::types::{
    AccountPrecondition, Amount, AuthorizationKind, Body, Bounds, EpochDataPrecondition, Era,
    Length, MayUseToken, NetworkPrecondition, Nonce, Permissions, PublicKey, Slot, Timing,
    TokenSymbol, Update,
};

fn fold_lists(salt: &SaltedState, empty: Fp, lists: &[Vec<Fp>]) -> Fp {
    let event = *salt::EVENT.state();
    let inputs: Vec<_> = lists.iter().map(|list| (event, list)).collect();
    hash_many(&inputs).into_iter().rfold(empty, |rest, list| hash_one(salt, &[rest, list]))
}

/// The hash of the events of an update.
pub fn events_hash(events: &[Vec<Fp>]) -> Fp {
    fold_lists(salt::EVENTS.state(), EMPTY_EVENTS_HASH, events)
}

/// The hash of the actions of an update.
pub fn actions_hash(actions: &[Vec<Fp>]) -> Fp {
    fold_lists(salt::ACTIONS.state(), EMPTY_ACTIONS_HASH, actions)
}

/// The action state after an update with these actions' hash.
pub fn push_actions(state: Fp, actions_hash: Fp) -> Fp {
    hash_one(salt::ACTIONS.state(), &[state, actions_hash])
}

impl<T> Bounds<T> {
    const fn between(lower: T, upper: T) -> Self {
        Self { lower, upper }
    }
}

const ANY_AMOUNT: Bounds<Amount> = Bounds::between(Amount::ZERO, Amount::MAX);
const ANY_LENGTH: Bounds<Length> = Bounds::between(Length::ZERO, Length::MAX);
const ANY_NONCE: Bounds<Nonce> = Bounds::between(Nonce::ZERO, Nonce::MAX);
const ANY_SLOT: Bounds<Slot> = Bounds::between(Slot::ZERO, Slot::MAX);

fn append_update(update: &Update, era: Era, input: &mut Input) {
    for x in &update.app_state {
        input.option(x.as_ref(), &Fp::ZERO);
    }
    let key_hash = update.verification_key.as_ref().map(|key| key.hash());
    input
        .option(update.delegate.as_ref(), &PublicKey::EMPTY)
        .option(key_hash.as_ref(), &Fp::ZERO)
        .option(update.permissions.as_ref(), &Permissions::empty(era))
        .option(update.zkapp_uri.as_ref().map(zkapp_uri_hash).as_ref(), &no_uri_hash())
        .option(update.token_symbol.as_ref(), &TokenSymbol::default())
        .option(update.timing.as_ref(), &Timing::DUMMY)
        .option(update.voting_for.as_ref(), &Fp::ZERO);
}

impl ToInput for EpochDataPrecondition {
    fn append(&self, input: &mut Input) {
        input
            .option(self.ledger.hash.as_ref(), &Fp::ZERO)
            .option(self.ledger.total_currency.as_ref(), &ANY_AMOUNT)
            .option(self.seed.as_ref(), &Fp::ZERO)
            .option(self.start_checkpoint.as_ref(), &Fp::ZERO)
            .option(self.lock_checkpoint.as_ref(), &Fp::ZERO)
            .option(self.epoch_length.as_ref(), &ANY_LENGTH);
    }
}

impl ToInput for NetworkPrecondition {
    fn append(&self, input: &mut Input) {
        input
            .option(self.snarked_ledger_hash.as_ref(), &Fp::ZERO)
            .option(self.blockchain_length.as_ref(), &ANY_LENGTH)
            .option(self.min_window_density.as_ref(), &ANY_LENGTH)
            .option(self.total_currency.as_ref(), &ANY_AMOUNT)
            .option(self.global_slot_since_genesis.as_ref(), &ANY_SLOT)
            .add(&self.staking_epoch_data)
            .add(&self.next_epoch_data);
    }
}

impl ToInput for AccountPrecondition {
    fn append(&self, input: &mut Input) {
        input
            .option(self.balance.as_ref(), &ANY_AMOUNT)
            .option(self.nonce.as_ref(), &ANY_NONCE)
            .option(self.receipt_chain_hash.as_ref(), &Fp::ZERO)
            .option(self.delegate.as_ref(), &PublicKey::EMPTY);
        for x in &self.state {
            input.option(x.as_ref(), &Fp::ZERO);
        }
        input
            .option(self.action_state.as_ref(), &EMPTY_ACTION_STATE)
            .option(self.proved_state.as_ref(), &false)
            .option(self.is_new.as_ref(), &false);
    }
}

impl ToInput for MayUseToken {
    fn append(&self, input: &mut Input) {
        input.add(&(*self == Self::ParentsOwnToken)).add(&(*self == Self::InheritFromParent));
    }
}

impl ToInput for AuthorizationKind {
    fn append(&self, input: &mut Input) {
        input
            .add(&matches!(self, Self::Signature))
            .add(&matches!(self, Self::Proof(_)))
            .field(self.verification_key_hash());
    }
}

/// The field elements hashed for an update.
pub fn body_input(body: &Body, era: Era) -> Vec<Fp> {
    let mut input = Input::new();
    input.add(&body.public_key).add(&body.token_id);
    append_update(&body.update, era, &mut input);
    input
        .add(&body.balance_change)
        .add(&body.increment_nonce)
        .field(events_hash(&body.events))
        .field(actions_hash(&body.actions))
        .field(body.call_data)
        .add(&body.preconditions.network)
        .add(&body.preconditions.account)
        .option(body.preconditions.valid_while.as_ref(), &ANY_SLOT)
        .add(&body.use_full_commitment)
        .add(&body.implicit_account_creation_fee)
        .add(&body.may_use_token)
        .add(&body.authorization_kind);
    input.into_fields()
}
