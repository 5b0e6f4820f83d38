//! Checking preconditions. Source: Mina `zkapp_precondition.ml`.

use super::TransactionFailure as Failure;
use crate::{
    hash::constants::EMPTY_ACTION_STATE,
    types::{
        Account, AccountPrecondition, Bounds, EpochDataPrecondition, EpochDataView,
        NetworkPrecondition, ProtocolStateView, PublicKey,
    },
};
use ark_ff::AdditiveGroup;
use mina_curves::Fp;

fn within<T: Copy + PartialOrd>(bounds: Option<&Bounds<T>>, value: T) -> bool {
    bounds.is_none_or(|bounds| bounds.contain(value))
}

fn equal<T: PartialEq>(expected: Option<&T>, value: &T) -> bool {
    expected.is_none_or(|expected| expected == value)
}

/// Calls `check` with each precondition and whether it holds, in Mina's order.
pub(super) fn check_account(
    precondition: &AccountPrecondition,
    account: &Account,
    is_new: bool,
    mut check: impl FnMut(Failure, bool),
) {
    let zkapp = account.zkapp.as_deref();
    let delegate = account.delegate.unwrap_or(PublicKey::EMPTY);
    check(
        Failure::AccountBalancePrecondition,
        within(precondition.balance.as_ref(), account.balance),
    );
    check(Failure::AccountNoncePrecondition, within(precondition.nonce.as_ref(), account.nonce));
    check(
        Failure::AccountReceiptChainHashPrecondition,
        equal(precondition.receipt_chain_hash.as_ref(), &account.receipt_chain_hash),
    );
    check(Failure::AccountDelegatePrecondition, equal(precondition.delegate.as_ref(), &delegate));
    let action_states = zkapp.map_or([EMPTY_ACTION_STATE; 5], |zkapp| zkapp.action_state);
    check(
        Failure::AccountActionStatePrecondition,
        action_states.iter().any(|state| equal(precondition.action_state.as_ref(), state)),
    );
    for (index, expected) in (0u32..).zip(&precondition.state) {
        let state =
            zkapp.and_then(|zkapp| zkapp.app_state.get(index as usize)).unwrap_or(&Fp::ZERO);
        check(Failure::AccountAppStatePrecondition(index), equal(expected.as_ref(), state));
    }
    let proved = zkapp.is_some_and(|zkapp| zkapp.proved_state);
    check(
        Failure::AccountProvedStatePrecondition,
        equal(precondition.proved_state.as_ref(), &proved),
    );
    check(Failure::AccountIsNewPrecondition, equal(precondition.is_new.as_ref(), &is_new));
}

/// Whether the preconditions on an epoch hold; the seed is not looked at, as in Mina.
fn epoch_holds(precondition: &EpochDataPrecondition, view: &EpochDataView) -> bool {
    equal(precondition.ledger.hash.as_ref(), &view.ledger.hash)
        && within(precondition.ledger.total_currency.as_ref(), view.ledger.total_currency)
        && equal(precondition.start_checkpoint.as_ref(), &view.start_checkpoint)
        && equal(precondition.lock_checkpoint.as_ref(), &view.lock_checkpoint)
        && within(precondition.epoch_length.as_ref(), view.epoch_length)
}

/// Whether the preconditions on the protocol state hold.
pub(super) fn network_holds(precondition: &NetworkPrecondition, view: &ProtocolStateView) -> bool {
    equal(precondition.snarked_ledger_hash.as_ref(), &view.snarked_ledger_hash)
        && within(precondition.blockchain_length.as_ref(), view.blockchain_length)
        && within(precondition.min_window_density.as_ref(), view.min_window_density)
        && within(precondition.total_currency.as_ref(), view.total_currency)
        && within(precondition.global_slot_since_genesis.as_ref(), view.global_slot_since_genesis)
        && epoch_holds(&precondition.staking_epoch_data, &view.staking_epoch_data)
        && epoch_holds(&precondition.next_epoch_data, &view.next_epoch_data)
}

/// Whether `slot` is within `validWhile`.
pub(super) fn slot_holds(
    valid_while: Option<&Bounds<crate::types::Slot>>,
    slot: crate::types::Slot,
) -> bool {
    within(valid_while, slot)
}
