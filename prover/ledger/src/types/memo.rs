//! Memos of commands.

use alloc::string::String;

use super::{
    TypeError,
    base58::{self, version},
    key::base58_serde,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A memo: a tag byte (1 for text, 0 for a digest), a length byte, and 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memo(pub [u8; Self::LEN]);

impl Memo {
    /// Bytes in an encoded memo.
    pub const LEN: usize = 34;

    /// The empty text.
    pub const EMPTY: Self = {
        let mut bytes = [0; Self::LEN];
        bytes[0] = 1;
        Self(bytes)
    };

    /// A memo of at most 32 bytes of text.
    ///
    /// # Errors
    /// [`TypeError::Length`] if the text is longer.
    pub fn from_text(text: &str) -> Result<Self, TypeError> {
        let mut memo = Self::EMPTY;
        let [_, len, rest @ ..] = &mut memo.0;
        rest.get_mut(..text.len()).ok_or(TypeError::Length)?.copy_from_slice(text.as_bytes());
        *len = text.len() as u8;
        Ok(memo)
    }

    /// The text, or `None` if the memo is not valid UTF-8 text.
    pub fn text(&self) -> Option<&str> {
        let [tag, len, rest @ ..] = &self.0;
        let text = rest.get(..usize::from(*len))?;
        if *tag == 1 { core::str::from_utf8(text).ok() } else { None }
    }

    /// The base58check encoding, `E4Y…`.
    pub fn to_base58(&self) -> String {
        base58::encode(version::MEMO, &self.0)
    }

    /// Reads a memo.
    ///
    /// # Errors
    /// [`TypeError::Base58`] on anything but the encoding of 34 bytes.
    pub fn from_base58(text: &str) -> Result<Self, TypeError> {
        let bytes = base58::decode(version::MEMO, "memo", text)?;
        bytes.try_into().map(Self).map_err(|_| TypeError::Base58 { what: "memo" })
    }
}

impl Default for Memo {
    fn default() -> Self {
        Self::EMPTY
    }
}

base58_serde!(Memo);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["", "hello", "exactly thirty-two bytes of memo"] {
            let memo = Memo::from_text(text).unwrap();
            assert_eq!(memo.text(), Some(text));
            assert_eq!(Memo::from_base58(&memo.to_base58()).unwrap(), memo);
        }
        assert!(Memo::from_text("a text of thirty-three bytes, yes").is_err());
        assert_eq!(
            Memo::EMPTY.to_base58(),
            "E4YM2vTHhWEg66xpj52JErHUBU4pZ1yageL4TVDDpTTSsv8mK6YaH"
        );
    }
}
