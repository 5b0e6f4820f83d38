//! Salted sponges: hashes of different purposes start from different states.

use mina_curves::PastaField;

use crate::{permutation::Permutation, sponge::Sponge};

/// Bytes of a padded prefix.
const PADDED_LEN: usize = 20;

/// The field element of at most 31 bytes, little-endian; further bytes are left out.
pub fn prefix_to_field<F: PastaField>(prefix: &[u8]) -> F {
    let mut bytes = [0; 32];
    for (byte, value) in bytes.iter_mut().take(31).zip(prefix) {
        *byte = *value;
    }
    F::from_le_bytes_mod_order(&bytes)
}

/// The state of a sponge that has absorbed `prefix` as it is and permuted.
pub fn salted_unpadded<F: PastaField, P: Permutation<F>>(prefix: &str) -> [F; 3] {
    let mut sponge = Sponge::<F, P>::new();
    sponge.absorb(prefix_to_field(prefix.as_bytes()));
    sponge.squeeze();
    sponge.state()
}

/// The state of a sponge that has absorbed `prefix`, padded with `*` or cut to 20 bytes, and
/// permuted. Source: Mina `hash_prefix_create.ml`.
pub fn salted<F: PastaField, P: Permutation<F>>(prefix: &str) -> [F; 3] {
    let mut padded = [b'*'; PADDED_LEN];
    for (byte, value) in padded.iter_mut().zip(prefix.as_bytes()) {
        *byte = *value;
    }
    let mut sponge = Sponge::<F, P>::new();
    sponge.absorb(prefix_to_field(&padded));
    sponge.squeeze();
    sponge.state()
}
