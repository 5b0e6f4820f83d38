//! The rules of the transaction logic, one by one: the compatibility list's items 13 and 18 to 38.

mod accounts;
mod fees;
mod fields;
mod forests;
mod kit;
mod limits;
mod permissions;
mod preconditions;
mod signed;

/// The account of user `index`, for other tests.
pub(crate) fn kit_id(index: u64) -> mina_ledger::types::AccountId {
    kit::id(index)
}
