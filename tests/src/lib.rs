//! What tests across crates share.

pub mod o1js;
