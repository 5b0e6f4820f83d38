//! Reading.

use alloc::vec::Vec;

use mina_curves::PastaField;

use crate::types::base58::field_from_bytes;

/// Why bytes are not the bin_prot form of what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes end too early.
    #[error("unexpected end")]
    End,
    /// There are bytes left over.
    #[error("trailing bytes")]
    Trailing,
    /// A tag, boolean or integer code that does not exist, or a number out of range.
    #[error("invalid value")]
    Value,
    /// A field element that is not canonical.
    #[error("field element out of range")]
    Field,
    /// A length that the value may not have.
    #[error("invalid length")]
    Length,
    /// A proof where none can be read or written.
    #[error("invalid proof")]
    Proof,
}

/// Reads bin_prot values from a slice.
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
    /// [`ReadError::Trailing`].
    pub fn finish(self) -> Result<(), ReadError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(ReadError::Trailing) }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`ReadError::End`].
    pub fn raw(&mut self, n: usize) -> Result<&'a [u8], ReadError> {
        let (head, tail) = self.bytes.split_at_checked(n).ok_or(ReadError::End)?;
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        self.raw(N)?.try_into().map_err(|_| ReadError::End)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`ReadError::End`].
    pub fn byte(&mut self) -> Result<u8, ReadError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// The unit.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn unit(&mut self) -> Result<(), ReadError> {
        if self.byte()? == 0 { Ok(()) } else { Err(ReadError::Value) }
    }

    /// A boolean.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn bool(&mut self) -> Result<bool, ReadError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ReadError::Value),
        }
    }

    /// A signed integer.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn int(&mut self) -> Result<i64, ReadError> {
        Ok(match self.byte()? {
            code @ ..0x80 => code.into(),
            0xff => i8::from_le_bytes(self.array()?).into(),
            0xfe => i16::from_le_bytes(self.array()?).into(),
            0xfd => i32::from_le_bytes(self.array()?).into(),
            0xfc => i64::from_le_bytes(self.array()?),
            _ => return Err(ReadError::Value),
        })
    }

    /// A 32-bit number.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn u32(&mut self) -> Result<u32, ReadError> {
        let int = i32::try_from(self.int()?).map_err(|_| ReadError::Value)?;
        Ok(int as u32)
    }

    /// A 64-bit number.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn u64(&mut self) -> Result<u64, ReadError> {
        Ok(self.int()? as u64)
    }

    /// The length of a list or string, at most `max`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn length(&mut self, max: usize) -> Result<usize, ReadError> {
        let length = match self.byte()? {
            code @ ..0x80 => code.into(),
            0xfe => u16::from_le_bytes(self.array()?).into(),
            0xfd => u32::from_le_bytes(self.array()?).into(),
            0xfc => u64::from_le_bytes(self.array()?),
            _ => return Err(ReadError::Value),
        };
        usize::try_from(length).ok().filter(|length| *length <= max).ok_or(ReadError::Length)
    }

    /// A string of at most `max` bytes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn string(&mut self, max: usize) -> Result<&'a [u8], ReadError> {
        let length = self.length(max)?;
        self.raw(length)
    }

    /// A field element.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn field<F: PastaField>(&mut self) -> Result<F, ReadError> {
        field_from_bytes(self.raw(32)?).ok_or(ReadError::Field)
    }

    /// A list whose elements take at least a byte each.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let length = self.length(self.remaining())?;
        (0..length).map(|_| element(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binprot::Writer;

    #[test]
    fn integers_round_trip() {
        let samples = [
            0,
            1,
            0x7f,
            0x80,
            -1,
            -0x80,
            -0x81,
            0x7fff,
            0x8000,
            -0x8000,
            -0x8001,
            1 << 31,
            i64::MIN,
        ];
        for value in samples {
            let mut writer = Writer::new();
            writer.int(value);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.int(), Ok(value));
            reader.finish().unwrap();
        }
        for value in [0, 1, u32::MAX, 1 << 31] {
            let mut writer = Writer::new();
            writer.u32(value).u64(value.into()).length(value as usize);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.u32(), Ok(value));
            assert_eq!(reader.u64(), Ok(value.into()));
            assert_eq!(reader.length(usize::MAX), Ok(value as usize));
        }
    }
}
