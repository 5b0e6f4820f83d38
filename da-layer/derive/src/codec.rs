//! The wire format: fixed-width little-endian numbers, counted lists and byte strings, canonical
//! field elements. Every value has one encoding.

use alloc::{string::String, vec::Vec};

use mina_curves::{Fp, Fq, PastaField};
use mina_ledger::{
    hash::TransactionHash,
    rollup::{ChainId, DataCommitment, DepositAction},
    types::{Amount, Length, PublicKey, Signature, Slot},
};

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("the bytes end before {what}")]
    End {
        /// What was to be read.
        what: &'static str,
    },
    /// There are bytes left over.
    #[error("{got} bytes too many")]
    Trailing {
        /// How many.
        got: usize,
    },
    /// Another version than this one.
    #[error("version: expected {expected}, got {got}")]
    Version {
        /// Ours.
        expected: u8,
        /// Theirs.
        got: u8,
    },
    /// More than there may be.
    #[error("{what}: expected at most {expected}, got {got}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The limit.
        expected: usize,
        /// What there is.
        got: usize,
    },
    /// A value that does not exist.
    #[error("invalid {what}")]
    Value {
        /// Of what.
        what: &'static str,
    },
    /// Decodes, but is encoded in another way.
    #[error("not the canonical encoding")]
    NotCanonical,
}

/// Appends values to a buffer.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends a value.
    pub fn put<T: Wire>(&mut self, value: &T) -> &mut Self {
        value.write(self);
        self
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends a count and as many bytes. Counts have 32 bits; nothing longer is ever decoded.
    pub fn string(&mut self, bytes: &[u8]) -> &mut Self {
        self.put(&(bytes.len() as u32)).raw(bytes)
    }

    /// Appends a count and as many values.
    pub fn list<T: Wire>(&mut self, values: &[T]) -> &mut Self {
        self.put(&(values.len() as u32));
        values.iter().for_each(|value| value.write(self));
        self
    }
}

/// Takes values from the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`].
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            got => Err(DecodeError::Trailing { got }),
        }
    }

    /// The next value.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn get<T: Wire>(&mut self) -> Result<T, DecodeError> {
        T::read(self)
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`DecodeError::End`].
    pub fn raw(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.bytes.split_at_checked(n).ok_or(DecodeError::End { what })?;
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        self.raw(N, what)?.try_into().map_err(|_| DecodeError::End { what })
    }

    fn count(&mut self, max: usize, what: &'static str) -> Result<usize, DecodeError> {
        let got = self.get::<u32>()? as usize;
        if got > max { Err(DecodeError::TooLarge { what, expected: max, got }) } else { Ok(got) }
    }

    /// A byte string of at most `max` bytes.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn string(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.count(max, what)?;
        self.raw(length, what)
    }

    /// A list of at most `max` values, each of at least a byte: nothing is allocated for values
    /// that the bytes cannot hold.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn list<T: Wire>(&mut self, max: usize, what: &'static str) -> Result<Vec<T>, DecodeError> {
        let length = self.count(max.min(self.remaining()), what)?;
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.get()?);
        }
        Ok(values)
    }
}

/// A value with one encoding.
pub trait Wire: Sized {
    /// Appends the encoding.
    fn write(&self, w: &mut Writer);

    /// Reads a value.
    ///
    /// # Errors
    /// [`DecodeError`].
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The encoding.
    fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.into_bytes()
    }

    /// The value that all of `bytes` encode.
    ///
    /// # Errors
    /// [`DecodeError`].
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let value = Self::read(&mut r)?;
        r.finish()?;
        Ok(value)
    }
}

macro_rules! numbers {
    ($($int:ty),*) => {$(
        impl Wire for $int {
            fn write(&self, w: &mut Writer) {
                w.raw(&self.to_le_bytes());
            }

            fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                r.array("a number").map(Self::from_le_bytes)
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64);

macro_rules! newtypes {
    ($($name:ty: $int:ty),*) => {$(
        impl Wire for $name {
            fn write(&self, w: &mut Writer) {
                w.put(&self.get());
            }

            fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                r.get::<$int>().map(Self::new)
            }
        }
    )*};
}
newtypes!(Amount: u64, Length: u32, Slot: u32);

impl Wire for bool {
    fn write(&self, w: &mut Writer) {
        w.put(&u8::from(*self));
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.get::<u8>()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value { what: "boolean" }),
        }
    }
}

impl Wire for [u8; 32] {
    fn write(&self, w: &mut Writer) {
        w.raw(self);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.array("32 bytes")
    }
}

fn read_field<F: PastaField>(r: &mut Reader<'_>) -> Result<F, DecodeError> {
    let mut limbs = [0; 4];
    for limb in &mut limbs {
        *limb = r.get()?;
    }
    F::from_limbs(limbs).ok_or(DecodeError::Value { what: "field element" })
}

macro_rules! fields {
    ($($name:ty),*) => {$(
        impl Wire for $name {
            fn write(&self, w: &mut Writer) {
                self.to_limbs().iter().for_each(|limb| limb.write(w));
            }

            fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                read_field(r)
            }
        }
    )*};
}
fields!(Fp, Fq);

impl Wire for PublicKey {
    fn write(&self, w: &mut Writer) {
        w.put(&self.x).put(&self.is_odd);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { x: r.get()?, is_odd: r.get()? })
    }
}

impl Wire for Signature {
    fn write(&self, w: &mut Writer) {
        w.put(&self.r).put(&self.s);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { r: r.get()?, s: r.get()? })
    }
}

/// The field element whose bytes are the name.
impl Wire for ChainId {
    fn write(&self, w: &mut Writer) {
        w.put(&self.field());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_field(r.get()?).map_err(|_| DecodeError::Value { what: "chain id" })
    }
}

impl Wire for DataCommitment {
    fn write(&self, w: &mut Writer) {
        w.put(&self.field());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_field(r.get()?).ok_or(DecodeError::Value { what: "data commitment" })
    }
}

impl Wire for TransactionHash {
    fn write(&self, w: &mut Writer) {
        w.put(&self.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.get().map(Self)
    }
}

impl Wire for DepositAction {
    fn write(&self, w: &mut Writer) {
        w.put(&self.recipient).put(&self.amount).put(&self.timeout).put(&self.refund_to);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { recipient: r.get()?, amount: r.get()?, timeout: r.get()?, refund_to: r.get()? })
    }
}

/// At most 64 KiB of UTF-8.
impl Wire for String {
    fn write(&self, w: &mut Writer) {
        w.string(self.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = r.string(1 << 16, "text")?;
        Self::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::Value { what: "text" })
    }
}
