//! Field elements as decimal strings.

use alloc::{string::String, vec::Vec};

use mina_curves::{Fp, Fq, PastaField};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{TypeError, base58};

/// The canonical value of `x` in decimal.
pub fn to_decimal<F: PastaField>(x: F) -> String {
    const CHUNK: u64 = 10_000_000_000_000_000_000;
    let mut limbs = x.to_limbs();
    let mut chunks = Vec::new();
    loop {
        let mut remainder = 0u128;
        for limb in limbs.iter_mut().rev() {
            let value = (remainder << 64) | u128::from(*limb);
            // The quotient is below 2^64 because the remainder is below the divisor.
            *limb = (value / u128::from(CHUNK)) as u64;
            remainder = value % u128::from(CHUNK);
        }
        chunks.push(remainder);
        if limbs == [0; 4] {
            break;
        }
    }
    let mut text = String::new();
    for (i, chunk) in chunks.iter().rev().enumerate() {
        use core::fmt::Write;
        // Writing to a string does not fail.
        let _ = if i == 0 { write!(text, "{chunk}") } else { write!(text, "{chunk:019}") };
    }
    text
}

/// Reads a decimal number below the modulus.
///
/// # Errors
/// [`TypeError::Field`] if `text` has another character than digits, none at all, or is too large.
pub fn from_decimal<F: PastaField>(text: &str) -> Result<F, TypeError> {
    // 2^256 has 78 digits.
    if text.is_empty() || text.len() > 78 {
        return Err(TypeError::Field);
    }
    let mut limbs = [0u64; 4];
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return Err(TypeError::Field);
        }
        let mut carry = u128::from(byte - b'0');
        for limb in &mut limbs {
            let value = u128::from(*limb) * 10 + carry;
            *limb = value as u64;
            carry = value >> 64;
        }
        if carry != 0 {
            return Err(TypeError::Field);
        }
    }
    F::from_limbs(limbs).ok_or(TypeError::Field)
}

/// What has a JSON form made of strings: field elements, and options and lists of them.
pub(crate) trait Decimal: Sized {
    type Wire: Serialize + de::DeserializeOwned;
    fn wire(&self) -> Self::Wire;
    fn unwire(wire: Self::Wire) -> Result<Self, TypeError>;
}

macro_rules! decimal_field {
    ($($field:ty),*) => {$(
        impl Decimal for $field {
            type Wire = String;

            fn wire(&self) -> String {
                to_decimal(*self)
            }

            fn unwire(wire: String) -> Result<Self, TypeError> {
                from_decimal(&wire)
            }
        }
    )*};
}

decimal_field!(Fp, Fq);

impl<T: Decimal> Decimal for Option<T> {
    type Wire = Option<T::Wire>;

    fn wire(&self) -> Self::Wire {
        self.as_ref().map(T::wire)
    }

    fn unwire(wire: Self::Wire) -> Result<Self, TypeError> {
        wire.map(T::unwire).transpose()
    }
}

impl<T: Decimal> Decimal for Vec<T> {
    type Wire = Vec<T::Wire>;

    fn wire(&self) -> Self::Wire {
        self.iter().map(T::wire).collect()
    }

    fn unwire(wire: Self::Wire) -> Result<Self, TypeError> {
        wire.into_iter().map(T::unwire).collect()
    }
}

impl<T: Decimal, const N: usize> Decimal for [T; N] {
    type Wire = Vec<T::Wire>;

    fn wire(&self) -> Self::Wire {
        self.iter().map(T::wire).collect()
    }

    fn unwire(wire: Self::Wire) -> Result<Self, TypeError> {
        let items: Vec<T> = Decimal::unwire(wire)?;
        items.try_into().map_err(|_| TypeError::Length)
    }
}

/// `#[serde(with = "decimal")]` for what is [`Decimal`].
pub(crate) mod decimal {
    use super::*;

    pub(crate) fn serialize<T: Decimal, S: Serializer>(x: &T, s: S) -> Result<S::Ok, S::Error> {
        x.wire().serialize(s)
    }

    pub(crate) fn deserialize<'de, T: Decimal, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        T::unwire(T::Wire::deserialize(d)?).map_err(de::Error::custom)
    }
}

/// `#[serde(with = "state_hash_option")]`: base58check like the hash of a protocol state.
pub(crate) mod state_hash_option {
    use super::*;
    use base58::version::STATE_HASH;

    pub(crate) fn serialize<S: Serializer>(x: &Option<Fp>, s: S) -> Result<S::Ok, S::Error> {
        x.map(|x| base58::encode_field(STATE_HASH, x)).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Fp>, D::Error> {
        Option::<String>::deserialize(d)?
            .map(|text| base58::decode_field(STATE_HASH, "state hash", &text))
            .transpose()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field, PrimeField};

    use super::*;

    #[test]
    fn decimal_round_trips() {
        let samples =
            [Fp::ZERO, Fp::ONE, -Fp::ONE, Fp::from(u64::MAX), Fp::from(10u64).pow([38, 0, 0, 0])];
        for x in samples {
            assert_eq!(from_decimal::<Fp>(&to_decimal(x)).unwrap(), x);
        }
        assert_eq!(
            to_decimal(Fp::from(10u64).pow([38])),
            "100000000000000000000000000000000000000"
        );
        let modulus = alloc::format!("{}", Fp::MODULUS);
        let huge = "9".repeat(78);
        for bad in ["", "-1", "0x1", "1 ", modulus.as_str(), huge.as_str()] {
            assert!(from_decimal::<Fp>(bad).is_err(), "{bad}");
        }
    }
}
