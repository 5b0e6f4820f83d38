//! Writing.

use alloc::vec::Vec;

use mina_curves::PastaField;

use crate::types::base58::field_bytes;

/// Appends bin_prot values to a buffer.
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

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// One byte: the tag of a variant, a boolean, or the unit (0).
    pub fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes.push(byte);
        self
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.byte(value.into())
    }

    /// A signed integer in as few bytes as its code allows.
    pub fn int(&mut self, value: i64) -> &mut Self {
        let bytes = value.to_le_bytes();
        if (0..0x80).contains(&value) {
            self.byte(value as u8)
        } else if (-0x80..0).contains(&value) {
            self.byte(0xff).byte(value as u8)
        } else if i16::try_from(value).is_ok() {
            let [a, b, ..] = bytes;
            self.byte(0xfe).raw(&[a, b])
        } else if i32::try_from(value).is_ok() {
            let [a, b, c, d, ..] = bytes;
            self.byte(0xfd).raw(&[a, b, c, d])
        } else {
            self.byte(0xfc).raw(&bytes)
        }
    }

    /// A 32-bit number: as the signed integer with the same bits.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.int((value as i32).into())
    }

    /// A 64-bit number: as the signed integer with the same bits.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.int(value as i64)
    }

    /// The length of a list or string.
    pub fn length(&mut self, length: usize) -> &mut Self {
        let length = length as u64;
        let [a, b, c, d, ..] = length.to_le_bytes();
        if length < 0x80 {
            self.byte(a)
        } else if length < 0x1_0000 {
            self.byte(0xfe).raw(&[a, b])
        } else if length < 0x1_0000_0000 {
            self.byte(0xfd).raw(&[a, b, c, d])
        } else {
            self.byte(0xfc).raw(&length.to_le_bytes())
        }
    }

    /// A string of bytes.
    pub fn string(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len()).raw(bytes)
    }

    /// A field element: 32 bytes.
    pub fn field<F: PastaField>(&mut self, x: F) -> &mut Self {
        self.raw(&field_bytes(x))
    }
}
