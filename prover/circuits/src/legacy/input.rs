//! The twin of [`mina_ledger::hash::LegacyInput`].

use ark_ff::AdditiveGroup;
use mina_curves::Fp;

use crate::{Boolean, Cs, Linear, key::PublicKeyVar, number::power};

/// Bits of an element that hold part of an input: all values of so many bits are below the modulus.
pub(crate) const ELEMENT_BITS: usize = 254;

/// An input of the legacy packing: whole elements first, then bits, 254 to an element from the least
/// significant bit up. Packing costs nothing before it is hashed.
#[derive(Clone, Debug)]
pub struct LegacyInputVar {
    fields: Vec<Linear>,
    packed: Vec<Linear>,
    pending: Linear,
    pending_bits: usize,
}

impl Default for LegacyInputVar {
    fn default() -> Self {
        Self::new()
    }
}

impl LegacyInputVar {
    /// An empty input.
    pub fn new() -> Self {
        Self {
            fields: Vec::new(),
            packed: Vec::new(),
            pending: Linear::from(Fp::ZERO),
            pending_bits: 0,
        }
    }

    /// Appends a whole element.
    pub fn field(&mut self, x: impl Into<Linear>) -> &mut Self {
        self.fields.push(x.into());
        self
    }

    /// Appends a value that is known to be below `2^bits`.
    ///
    /// # Panics
    /// If it does not end where an element ends, or before: what lies across must come in two parts.
    pub fn bits(&mut self, x: impl Into<Linear>, bits: usize) -> &mut Self {
        assert!(self.pending_bits + bits <= ELEMENT_BITS, "bits across the end of an element");
        let pending = core::mem::replace(&mut self.pending, Linear::from(Fp::ZERO));
        self.pending = pending + x.into() * power(self.pending_bits);
        self.pending_bits += bits;
        if self.pending_bits == ELEMENT_BITS {
            self.flush();
        }
        self
    }

    /// Appends a bit.
    ///
    /// # Panics
    /// As [`bits`](Self::bits).
    pub fn bit(&mut self, bit: &Boolean) -> &mut Self {
        self.bits(bit, 1)
    }

    /// Appends the abscissa and the parity.
    ///
    /// # Panics
    /// As [`bits`](Self::bits).
    pub fn key(&mut self, key: &PublicKeyVar) -> &mut Self {
        self.field(&key.x).bit(&key.is_odd)
    }

    fn flush(&mut self) {
        let pending = core::mem::replace(&mut self.pending, Linear::from(Fp::ZERO));
        self.packed.push(pending);
        self.pending_bits = 0;
    }

    /// The input whose full elements are variables, for hashing it more than once.
    pub fn shared<I>(mut self, cs: &mut Cs<I>) -> Self {
        for packed in self.packed.iter_mut().chain([&mut self.pending]) {
            *packed = cs.reduce(&*packed).into();
        }
        self
    }

    /// The elements to hash.
    pub fn into_fields(mut self) -> Vec<Linear> {
        if self.pending_bits > 0 {
            self.flush();
        }
        self.fields.append(&mut self.packed);
        self.fields
    }
}
