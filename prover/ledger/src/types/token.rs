//! Token ids, account ids and token symbols.

use alloc::string::String;
use core::fmt;

use ark_ff::Field;
use mina_curves::Fp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    PublicKey, TypeError,
    base58::{self, version},
    key::base58_serde,
};

/// The id of a token: 1 for MINA, else derived from the account that owns the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenId(pub Fp);

impl TokenId {
    /// MINA.
    pub const DEFAULT: Self = Self(Fp::ONE);

    /// Whether this is MINA.
    pub fn is_default(&self) -> bool {
        *self == Self::DEFAULT
    }

    /// The base58check encoding, `w…`, `x…` or `y…`.
    pub fn to_base58(&self) -> String {
        base58::encode(version::TOKEN_ID, &base58::field_bytes(self.0))
    }

    /// Reads a token id.
    ///
    /// # Errors
    /// [`TypeError::Base58`] on anything but the canonical encoding of 32 bytes.
    pub fn from_base58(text: &str) -> Result<Self, TypeError> {
        let bytes = base58::decode(version::TOKEN_ID, "token id", text)?;
        base58::field_from_bytes(&bytes).map(Self).ok_or(TypeError::Base58 { what: "token id" })
    }
}

impl Default for TokenId {
    fn default() -> Self {
        Self::DEFAULT
    }
}

base58_serde!(TokenId);

/// What identifies an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountId {
    /// The key.
    pub public_key: PublicKey,
    /// The token.
    pub token_id: TokenId,
}

impl AccountId {
    /// The account of `public_key` for `token_id`.
    pub const fn new(public_key: PublicKey, token_id: TokenId) -> Self {
        Self { public_key, token_id }
    }

    /// The MINA account of `public_key`.
    pub const fn of(public_key: PublicKey) -> Self {
        Self::new(public_key, TokenId::DEFAULT)
    }

    /// A total order without meaning, on internal representations: fast, and the same everywhere.
    pub(crate) fn sort_key(&self) -> ([u64; 4], [u64; 4], bool) {
        (self.public_key.x.0.0, self.token_id.0.0.0, self.public_key.is_odd)
    }
}

/// The symbol of the token that an account owns: at most six bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TokenSymbol {
    bytes: [u8; 6],
    len: u8,
}

impl TokenSymbol {
    /// Wraps at most six bytes.
    ///
    /// # Errors
    /// [`TypeError::Length`] if there are more.
    pub fn new(symbol: &[u8]) -> Result<Self, TypeError> {
        let mut bytes = [0; 6];
        bytes.get_mut(..symbol.len()).ok_or(TypeError::Length)?.copy_from_slice(symbol);
        // At most six, so it fits.
        Ok(Self { bytes, len: symbol.len() as u8 })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The six bytes, zero-padded, as a little-endian number: what is hashed.
    pub fn to_u48(&self) -> u64 {
        self.bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }
}

impl fmt::Debug for TokenSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSymbol({:?})", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl Serialize for TokenSymbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for TokenSymbol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?.as_bytes()).map_err(de::Error::custom)
    }
}
