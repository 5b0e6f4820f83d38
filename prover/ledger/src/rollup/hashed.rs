//! Hashing with a prefix of one's own.

use alloc::vec::Vec;

use mina_curves::Fp;
use mina_poseidon::{Kimchi, salted};

use crate::hash::{Input, hash_one};

/// A protocol type with a fixed order of fields and a prefix.
pub trait Hashed {
    /// The prefix: at most 20 bytes, and no other type's.
    const PREFIX: &'static str;

    /// Appends all fields in order.
    fn append(&self, input: &mut Input);

    /// The elements that are hashed.
    fn to_fields(&self) -> Vec<Fp> {
        let mut input = Input::new();
        self.append(&mut input);
        input.into_fields()
    }

    /// The hash.
    fn digest(&self) -> Fp {
        hash_one(&salted::<Fp, Kimchi>(Self::PREFIX), &self.to_fields())
    }
}
