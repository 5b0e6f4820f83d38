//! The hash and the signatures of payments and delegations: Mina's first Poseidon, for which Kimchi
//! has no gate.
//!
//! | gadget | twin of | rows |
//! |---|---|---|
//! | [`permute`] | [`Legacy`](mina_poseidon::Legacy) | 472½ of generic gates |
//! | [`hash`] | the sponge on it | a permutation for every two elements |
//! | [`LegacyInputVar`] | [`LegacyInput`](mina_ledger::hash::LegacyInput) | packing, up to ½ a part |
//! | [`assert_signed`] | [`verify_payload`](mina_ledger::signature::verify_payload) | 299 and the hash |

mod input;
mod permutation;

use mina_ledger::Domain;

pub use self::{
    input::LegacyInputVar,
    permutation::{hash, permute},
};
use crate::{
    Boolean, Cs, Linear,
    key::PublicKeyVar,
    schnorr::{SignatureWitness, assert_signed_with},
};

/// Asserts that the prover knows a signature of `message` by `key`.
pub fn assert_signed<I>(
    cs: &mut Cs<I>,
    domain: &Domain,
    key: &PublicKeyVar,
    message: &LegacyInputVar,
    source: impl Fn(&I) -> &SignatureWitness + Clone + Send + Sync + 'static,
) {
    let state = domain.legacy_signature_state();
    assert_signed_with(cs, &Boolean::constant(true), key, source, |cs, coordinates| {
        let mut input = message.clone();
        for coordinate in coordinates {
            input.field(Linear::from(coordinate));
        }
        hash(cs, state, &input.into_fields())
    });
}
