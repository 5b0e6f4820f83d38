//! Packing of inputs into field elements. Source: Mina `random_oracle_input.ml`.

use alloc::vec::Vec;

use mina_curves::{Fp, PastaField};

use crate::types::{
    Amount, Bounds, Length, Nonce, PublicKey, SignedAmount, Slot, SlotSpan, TokenId, TxnVersion,
};

/// Bits that fit a field element whatever they are.
const FIELD_BITS: u32 = 254;

/// An input of the chunked packing: whole field elements first, then small values packed from the
/// most significant bits down, as many to an element as fit 254 bits.
#[derive(Clone, Debug, Default)]
pub struct Input {
    fields: Vec<Fp>,
    packed: Vec<Fp>,
    pending: [u64; 4],
    pending_bits: u32,
}

impl Input {
    /// An empty input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a whole element.
    pub fn field(&mut self, x: Fp) -> &mut Self {
        self.fields.push(x);
        self
    }

    /// Appends the low `bits` bits of a value below `2^bits`, at most 64.
    pub fn bits(&mut self, value: u64, bits: u32) -> &mut Self {
        self.wide_bits([value, 0, 0, 0], bits)
    }

    /// Appends a value below `2^bits`, at most 254.
    pub(crate) fn wide_bits(&mut self, value: [u64; 4], bits: u32) -> &mut Self {
        if self.pending_bits + bits > FIELD_BITS {
            self.flush();
        }
        shift_left(&mut self.pending, bits);
        for (limb, part) in self.pending.iter_mut().zip(value) {
            *limb |= part;
        }
        self.pending_bits += bits;
        self
    }

    fn flush(&mut self) {
        // 254 bits are below the modulus.
        self.packed.push(Fp::from_limbs(self.pending).unwrap_or_default());
        self.pending = [0; 4];
        self.pending_bits = 0;
    }

    /// Appends anything that knows how.
    pub fn add<T: ToInput + ?Sized>(&mut self, x: &T) -> &mut Self {
        x.append(self);
        self
    }

    /// Appends whether there is a value, then the value or what stands for none.
    pub fn option<T: ToInput>(&mut self, x: Option<&T>, default: &T) -> &mut Self {
        self.add(&x.is_some()).add(x.unwrap_or(default))
    }

    /// The field elements to hash.
    pub fn into_fields(mut self) -> Vec<Fp> {
        if self.pending_bits > 0 {
            self.flush();
        }
        self.fields.append(&mut self.packed);
        self.fields
    }
}

/// `limbs · 2^bits`, dropping what overflows.
fn shift_left(limbs: &mut [u64; 4], bits: u32) {
    let [a, b, c, d] = limbs;
    for _ in 0..bits / 64 {
        [*a, *b, *c, *d] = [0, *a, *b, *c];
    }
    let bits = bits % 64;
    if bits > 0 {
        let high = |x: u64| x >> (64 - bits);
        *d = *d << bits | high(*c);
        *c = *c << bits | high(*b);
        *b = *b << bits | high(*a);
        *a <<= bits;
    }
}

/// What can be appended to an [`Input`].
pub trait ToInput {
    /// Appends `self`.
    fn append(&self, input: &mut Input);
}

impl ToInput for Fp {
    fn append(&self, input: &mut Input) {
        input.field(*self);
    }
}

impl ToInput for bool {
    fn append(&self, input: &mut Input) {
        input.bits((*self).into(), 1);
    }
}

macro_rules! number_input {
    ($($name:ty: $bits:expr),*) => {$(
        impl ToInput for $name {
            fn append(&self, input: &mut Input) {
                input.bits(self.get().into(), $bits);
            }
        }
    )*};
}

number_input!(Amount: 64, Slot: 32, SlotSpan: 32, Nonce: 32, Length: 32, TxnVersion: 32);

impl ToInput for SignedAmount {
    fn append(&self, input: &mut Input) {
        input.add(&self.magnitude).add(&!self.is_negative());
    }
}

impl ToInput for PublicKey {
    fn append(&self, input: &mut Input) {
        input.field(self.x).add(&self.is_odd);
    }
}

impl ToInput for TokenId {
    fn append(&self, input: &mut Input) {
        input.field(self.0);
    }
}

impl<T: ToInput> ToInput for Bounds<T> {
    fn append(&self, input: &mut Input) {
        input.add(&self.lower).add(&self.upper);
    }
}

/// An input of the legacy packing: whole field elements first, then bits, 254 to an element from the
/// least significant bit up.
#[derive(Clone, Debug, Default)]
pub struct LegacyInput {
    fields: Vec<Fp>,
    bits: Vec<bool>,
}

impl LegacyInput {
    /// An empty input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a whole element.
    pub fn field(&mut self, x: Fp) -> &mut Self {
        self.fields.push(x);
        self
    }

    /// Appends the low `bits` bits of `value`, least significant first.
    pub fn bits(&mut self, value: u64, bits: u32) -> &mut Self {
        self.bits.extend((0..bits).map(|i| value >> i & 1 == 1));
        self
    }

    /// Appends the 8 bits of each byte, least significant first.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            self.bits((*byte).into(), 8);
        }
        self
    }

    /// Appends the x-coordinate and the parity.
    pub fn key(&mut self, key: &PublicKey) -> &mut Self {
        self.field(key.x).bits(key.is_odd.into(), 1)
    }

    /// Appends all of `other`.
    pub fn append(&mut self, other: &Self) -> &mut Self {
        self.fields.extend_from_slice(&other.fields);
        self.bits.extend_from_slice(&other.bits);
        self
    }

    /// The field elements to hash.
    pub fn into_fields(self) -> Vec<Fp> {
        let Self { mut fields, bits } = self;
        for chunk in bits.chunks(FIELD_BITS as usize) {
            let mut limbs = [0u64; 4];
            for (limb, bits) in limbs.iter_mut().zip(chunk.chunks(64)) {
                *limb = bits.iter().rev().fold(0, |sum, bit| sum << 1 | u64::from(*bit));
            }
            // 254 bits are below the modulus.
            fields.push(Fp::from_limbs(limbs).unwrap_or_default());
        }
        fields
    }

    /// All bits: 255 of each field element, then the others.
    pub(crate) fn into_bits(self) -> Vec<bool> {
        let mut bits = Vec::with_capacity(255 * self.fields.len() + self.bits.len());
        for x in self.fields {
            bits.extend(field_bits(x));
        }
        bits.extend(self.bits);
        bits
    }
}

/// The 255 bits of the canonical value, least significant first.
pub(crate) fn field_bits<F: PastaField>(x: F) -> impl Iterator<Item = bool> {
    x.to_limbs().into_iter().flat_map(|limb| (0..64).map(move |i| limb >> i & 1 == 1)).take(255)
}

/// Packs bits into bytes, least significant first.
pub(crate) fn bits_to_bytes(bits: &[bool]) -> Vec<u8> {
    bits.chunks(8)
        .map(|chunk| chunk.iter().rev().fold(0, |sum, bit| sum << 1 | u8::from(*bit)))
        .collect()
}
