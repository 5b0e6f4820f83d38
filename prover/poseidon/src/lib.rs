//! Mina's Poseidon hash over both Pasta fields: the Kimchi variant (ledger, transcripts, circuits)
//! and the legacy one (signed payments and delegations), with the sponges built on them.
//!
//! Width 3, rate 2, full rounds only. Test vectors: o1-labs/proof-systems.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod kimchi;
mod legacy;
mod many;
mod permutation;
mod prefix;
mod sponge;
mod transcript;

pub use many::{permute_many_kimchi, permute_many_legacy};
pub use permutation::{
    KIMCHI_ROUNDS, Kimchi, LEGACY_ROUNDS, Legacy, Permutation, PoseidonField, PoseidonParams,
};
pub use prefix::{prefix_to_field, salted, salted_unpadded};
pub use sponge::{Sponge, hash};
pub use transcript::{FqSponge, FrSponge, KimchiCurve};
