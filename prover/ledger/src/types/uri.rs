//! zkApp URIs.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::TypeError;

/// Where to find a zkApp: at most 255 bytes of text.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ZkappUri(Vec<u8>);

impl ZkappUri {
    /// Most bytes of a URI. Source: Mina `zkapp_account.ml`.
    pub const MAX_LEN: usize = 255;

    /// Wraps bytes.
    ///
    /// # Errors
    /// [`TypeError::Length`] if there are more than 255.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, TypeError> {
        let bytes = bytes.into();
        if bytes.len() > Self::MAX_LEN { Err(TypeError::Length) } else { Ok(Self(bytes)) }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ZkappUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZkappUri({:?})", String::from_utf8_lossy(&self.0))
    }
}

impl Serialize for ZkappUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.0))
    }
}

impl<'de> Deserialize<'de> for ZkappUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(text).map_err(serde::de::Error::custom)
    }
}
