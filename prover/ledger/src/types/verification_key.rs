//! Verification keys of zkApps, as the ledger sees them: bytes and a hash.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use mina_curves::Fp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{TypeError, base58::field_from_bytes, field::decimal};

/// A side-loaded verification key in bin_prot, with its hash.
///
/// The hash is taken as given: [`VerificationKey::check_hash`] compares it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationKey {
    /// The encoded key.
    #[serde(with = "base64_bytes")]
    data: Arc<[u8]>,
    /// The hash that accounts commit to.
    #[serde(with = "decimal")]
    hash: Fp,
}

/// Points of the wrap index: 7 permutation, 15 coefficient and 6 selector commitments.
const POINTS: usize = 28;

impl VerificationKey {
    /// Bytes of an encoded key: two tags, 28 points, and a unit after either list of points.
    pub const LEN: usize = 2 + POINTS * 64 + 2;

    /// A key of which the hash is already known to fit.
    pub fn new(data: impl Into<Arc<[u8]>>, hash: Fp) -> Self {
        Self { data: data.into(), hash }
    }

    /// Decodes base64 and hashes.
    ///
    /// # Errors
    /// [`TypeError::VerificationKey`] if it is not base64 of an encoded key.
    pub fn from_base64(text: &str) -> Result<Self, TypeError> {
        Self::from_bytes(&STANDARD.decode(text).map_err(|_| TypeError::VerificationKey)?)
    }

    /// Hashes an encoded key.
    ///
    /// # Errors
    /// [`TypeError::VerificationKey`] if it is not one.
    pub fn from_bytes(data: &[u8]) -> Result<Self, TypeError> {
        let hash = crate::hash::verification_key_hash(&key_parts(data)?);
        Ok(Self::new(data, hash))
    }

    /// The encoding in base64.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.data)
    }

    /// The encoding.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The hash.
    pub fn hash(&self) -> Fp {
        self.hash
    }

    /// Whether the data is an encoded key with this hash.
    ///
    /// # Errors
    /// [`TypeError::VerificationKey`] if it is not. Whether the points are on the curve is for the
    /// verifier to ask.
    pub fn check_hash(&self) -> Result<(), TypeError> {
        if crate::hash::verification_key_hash(&key_parts(&self.data)?) == self.hash {
            Ok(())
        } else {
            Err(TypeError::VerificationKey)
        }
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({})", self.hash)
    }
}

/// What is hashed of a key.
pub(crate) struct KeyParts {
    /// Most proofs verified, and the wrap domain, as numbers up to 2.
    pub(crate) tags: [u8; 2],
    /// The coordinates of the points in order.
    pub(crate) coordinates: Vec<Fp>,
}

fn key_parts(data: &[u8]) -> Result<KeyParts, TypeError> {
    let error = TypeError::VerificationKey;
    if data.len() != VerificationKey::LEN {
        return Err(error);
    }
    let (tags, rest) = data.split_first_chunk::<2>().ok_or(error)?;
    if tags.iter().any(|tag| *tag > 2) {
        return Err(error);
    }
    let (sigma, rest) = rest.split_at_checked(7 * 64).ok_or(error)?;
    let (first_unit, rest) = rest.split_first().ok_or(error)?;
    let (coefficients, rest) = rest.split_at_checked(15 * 64).ok_or(error)?;
    let (second_unit, selectors) = rest.split_first().ok_or(error)?;
    if [*first_unit, *second_unit] != [0, 0] {
        return Err(error);
    }
    let coordinates = [sigma, coefficients, selectors]
        .into_iter()
        .flat_map(|part| part.chunks(32))
        .map(field_from_bytes)
        .collect::<Option<Vec<Fp>>>()
        .ok_or(error)?;
    Ok(KeyParts { tags: *tags, coordinates })
}

/// `#[serde(with = "base64_bytes")]`.
pub(crate) mod base64_bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(data: &Arc<[u8]>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(data))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Arc<[u8]>, D::Error> {
        let text = String::deserialize(d)?;
        STANDARD.decode(text).map(Into::into).map_err(|_| de::Error::custom("not base64"))
    }
}
