//! Who takes part, and amounts in nanomina.

use zeko_sdk::keys::{KeyPair, development_key};

pub(crate) const MINA: u64 = 1_000_000_000;
/// Of commands on either layer.
pub(crate) const FEE: u64 = 10_000_000;

pub(crate) fn operator() -> KeyPair {
    development_key("faults-operator", 0)
}

pub(crate) fn sequencer_key() -> KeyPair {
    development_key("faults-sequencer", 0)
}

pub(crate) fn rollup_key() -> KeyPair {
    development_key("faults-rollup", 0)
}

pub(crate) fn user(index: u32) -> KeyPair {
    development_key("faults-user", index)
}

pub(crate) fn governance() -> KeyPair {
    development_key("faults-governance", 0)
}
