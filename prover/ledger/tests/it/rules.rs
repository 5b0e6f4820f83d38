//! The rules of the transaction logic, one by one: the compatibility list's items 13 and 18 to 38.

mod accounts;
mod fees;
mod fields;
mod forests;
pub(crate) mod kit;
mod limits;
mod permissions;
mod preconditions;
mod signed;
