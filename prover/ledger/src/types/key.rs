//! Public keys, private keys and signatures as data.

use alloc::{string::String, vec::Vec};
use core::fmt;

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field};
use mina_curves::{Fp, Fq, Pallas, PastaField, generator_multiple};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroize;

use super::{
    TypeError,
    base58::{self, version},
};

/// A compressed point of Pallas: the x-coordinate and the parity of y.
///
/// Parsing does not ask whether there is such a point, as in Mina; [`PublicKey::to_point`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey {
    /// The x-coordinate.
    pub x: Fp,
    /// Whether the canonical y is odd.
    pub is_odd: bool,
}

impl PublicKey {
    /// The key that stands for none: x = 0, which is on no point.
    pub const EMPTY: Self = Self { x: Fp::ZERO, is_odd: false };

    /// Compresses a point; the point at infinity becomes [`Self::EMPTY`].
    pub fn from_point(point: &Pallas) -> Self {
        match point.xy() {
            Some((x, y)) => Self { x, is_odd: is_odd(y) },
            None => Self::EMPTY,
        }
    }

    /// The point, if there is one with this x-coordinate.
    pub fn to_point(&self) -> Option<Pallas> {
        let y = (self.x.square() * self.x + Fp::from(5u64)).square_root()?;
        let y = if is_odd(y) == self.is_odd { y } else { -y };
        Some(Pallas::new_unchecked(self.x, y))
    }

    /// The base58check address, `B62…`.
    pub fn to_base58(&self) -> String {
        let mut payload = Vec::with_capacity(35);
        payload.extend_from_slice(&[1, 1]);
        payload.extend_from_slice(&base58::field_bytes(self.x));
        payload.push(self.is_odd.into());
        base58::encode(version::PUBLIC_KEY, &payload)
    }

    /// Reads an address.
    ///
    /// # Errors
    /// [`TypeError::Base58`] on anything but the canonical encoding of 33 bytes.
    pub fn from_base58(text: &str) -> Result<Self, TypeError> {
        let error = TypeError::Base58 { what: "public key" };
        let payload = base58::decode(version::PUBLIC_KEY, "public key", text)?;
        let Some(([1, 1], key)) = payload.split_first_chunk() else { return Err(error) };
        let Some((parity, x)) = key.split_last() else { return Err(error) };
        let x = base58::field_from_bytes(x).ok_or(error)?;
        match parity {
            0 => Ok(Self { x, is_odd: false }),
            1 => Ok(Self { x, is_odd: true }),
            _ => Err(error),
        }
    }
}

/// Whether the canonical value is odd.
pub(crate) fn is_odd<F: PastaField>(x: F) -> bool {
    let [low, ..] = x.to_limbs();
    low & 1 == 1
}

/// A scalar of Pallas that signs.
///
/// `Debug` does not print it, and dropping it wipes it from memory.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Fq);

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

impl PrivateKey {
    /// Wraps a non-zero scalar.
    ///
    /// # Errors
    /// [`TypeError::ZeroKey`].
    pub fn new(scalar: Fq) -> Result<Self, TypeError> {
        if scalar == Fq::ZERO { Err(TypeError::ZeroKey) } else { Ok(Self(scalar)) }
    }

    /// The scalar.
    pub fn scalar(&self) -> Fq {
        self.0
    }

    /// The public point.
    pub fn to_point(&self) -> Pallas {
        generator_multiple(self.0)
    }

    /// The public key.
    pub fn to_public_key(&self) -> PublicKey {
        PublicKey::from_point(&self.to_point())
    }

    /// The base58check encoding, `EK…`.
    pub fn to_base58(&self) -> String {
        base58::encode_field(version::PRIVATE_KEY, self.0)
    }

    /// Reads a private key.
    ///
    /// # Errors
    /// [`TypeError::Base58`] on anything but the canonical encoding, [`TypeError::ZeroKey`].
    pub fn from_base58(text: &str) -> Result<Self, TypeError> {
        Self::new(base58::decode_field(version::PRIVATE_KEY, "private key", text)?)
    }
}

/// A Schnorr signature: the x-coordinate of the nonce point, and the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// x-coordinate of `R`.
    pub r: Fp,
    /// `k + e·d`.
    pub s: Fq,
}

impl Signature {
    /// What stands for any signature in transaction hashes.
    pub const DUMMY: Self = Self { r: Fp::ONE, s: Fq::ONE };

    /// The base58check encoding, `7m…`, as in zkApp commands.
    pub fn to_base58(&self) -> String {
        let mut payload = Vec::with_capacity(65);
        payload.push(1);
        payload.extend_from_slice(&base58::field_bytes(self.r));
        payload.extend_from_slice(&base58::field_bytes(self.s));
        base58::encode(version::SIGNATURE, &payload)
    }

    /// Reads a signature.
    ///
    /// # Errors
    /// [`TypeError::Base58`] on anything but the canonical encoding of 65 bytes.
    pub fn from_base58(text: &str) -> Result<Self, TypeError> {
        let error = TypeError::Base58 { what: "signature" };
        let payload = base58::decode(version::SIGNATURE, "signature", text)?;
        let Some((1, bytes)) = payload.split_first() else { return Err(error) };
        let Some((r, s)) = bytes.split_at_checked(32) else { return Err(error) };
        Ok(Self {
            r: base58::field_from_bytes(r).ok_or(error)?,
            s: base58::field_from_bytes(s).ok_or(error)?,
        })
    }
}

/// Serde as a base58check string.
macro_rules! base58_serde {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_base58())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::from_base58(&text).map_err(de::Error::custom)
            }
        }
    )*};
}
pub(crate) use base58_serde;

base58_serde!(PublicKey, Signature);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip() {
        let key = PrivateKey::new(Fq::from(12345u64)).unwrap();
        let address = key.to_public_key();
        assert_eq!(PublicKey::from_base58(&address.to_base58()).unwrap(), address);
        assert_eq!(PrivateKey::from_base58(&key.to_base58()).unwrap(), key);
        assert_eq!(address.to_point().unwrap(), key.to_point());
        assert!(PrivateKey::new(Fq::ZERO).is_err());
        assert!(PublicKey::EMPTY.to_point().is_none());
        assert!(PublicKey::from_base58(&key.to_base58()).is_err());
    }

    #[test]
    fn private_keys_are_not_printed() {
        let key = PrivateKey::new(Fq::from(7u64)).unwrap();
        assert_eq!(alloc::format!("{key:?}"), "PrivateKey(..)");
    }
}
