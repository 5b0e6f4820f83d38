//! The twin of [`mina_ledger::hash::Input`].

use ark_ff::AdditiveGroup;
use kimchi::builder::{SpongeVar, Var};
use mina_curves::Fp;
use mina_ledger::hash::SaltedState;

use crate::{
    Boolean, Cs, Linear,
    alloc::OptionVar,
    number::{BoundsVar, UIntVar, power},
};

/// Bits that fit a field element whatever they are.
const FIELD_BITS: usize = 254;

/// An input of the chunked packing. Packing costs nothing before it is hashed.
#[derive(Clone, Debug)]
pub struct InputVar {
    fields: Vec<Linear>,
    packed: Vec<Linear>,
    pending: Linear,
    pending_bits: usize,
}

impl Default for InputVar {
    fn default() -> Self {
        Self::new()
    }
}

/// What can be appended to an [`InputVar`].
pub trait ToInputVar {
    /// Appends `self`.
    fn append(&self, input: &mut InputVar);
}

impl InputVar {
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
    fn bits(&mut self, x: &Linear, bits: usize) -> &mut Self {
        if self.pending_bits + bits > FIELD_BITS {
            self.flush();
        }
        let pending = core::mem::replace(&mut self.pending, Linear::from(Fp::ZERO));
        self.pending = pending * power(bits) + x;
        self.pending_bits += bits;
        self
    }

    fn flush(&mut self) {
        let pending = core::mem::replace(&mut self.pending, Linear::from(Fp::ZERO));
        self.packed.push(pending);
        self.pending_bits = 0;
    }

    /// Appends anything that knows how.
    pub fn add<T: ToInputVar + ?Sized>(&mut self, x: &T) -> &mut Self {
        x.append(self);
        self
    }

    /// The field elements to hash.
    pub fn into_fields(mut self) -> Vec<Linear> {
        if self.pending_bits > 0 {
            self.flush();
        }
        self.fields.append(&mut self.packed);
        self.fields
    }
}

impl ToInputVar for Linear {
    fn append(&self, input: &mut InputVar) {
        input.field(self);
    }
}

impl ToInputVar for Boolean {
    fn append(&self, input: &mut InputVar) {
        input.bits(&Linear::from(self), 1);
    }
}

impl<const BITS: usize> ToInputVar for UIntVar<BITS> {
    fn append(&self, input: &mut InputVar) {
        input.bits(self.linear(), BITS);
    }
}

impl<const BITS: usize> ToInputVar for BoundsVar<BITS> {
    fn append(&self, input: &mut InputVar) {
        input.add(&self.lower).add(&self.upper);
    }
}

impl ToInputVar for crate::number::SignedAmountVar {
    fn append(&self, input: &mut InputVar) {
        input.add(&self.magnitude).add(&self.is_negative.not());
    }
}

impl<T: ToInputVar> ToInputVar for OptionVar<T> {
    fn append(&self, input: &mut InputVar) {
        input.add(&self.is_some).add(&self.value);
    }
}

/// The state that hashes with a prefix start from.
pub fn salted(prefix: &str) -> SaltedState {
    mina_poseidon::salted::<Fp, mina_poseidon::Kimchi>(prefix)
}

/// The twin of [`mina_ledger::hash::hash_one`]; 12 rows for every two elements.
pub fn hash<I>(cs: &mut Cs<I>, salt: &SaltedState, fields: &[Linear]) -> Var<Fp> {
    let mut sponge = SpongeVar::from_state(*salt);
    for field in fields {
        sponge.absorb(cs, field);
    }
    sponge.squeeze(cs)
}
