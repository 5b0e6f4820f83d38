//! Amounts, slots, nonces: integers that only add where the protocol says what happens on overflow.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Defines a newtype over an unsigned integer that is a decimal string in JSON.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($int);

        impl $name {
            /// The smallest value.
            pub const ZERO: Self = Self(0);
            /// The largest value.
            pub const MAX: Self = Self(<$int>::MAX);

            /// Wraps `value`.
            pub const fn new(value: $int) -> Self {
                Self(value)
            }

            /// The value.
            pub const fn get(self) -> $int {
                self.0
            }

            /// `self + other`, or `None` on overflow.
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// `self - other`, or `None` on underflow.
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }

            /// The wrapped sum, and whether it wrapped.
            pub fn add_flagged(self, other: Self) -> (Self, bool) {
                let (sum, overflow) = self.0.overflowing_add(other.0);
                (Self(sum), overflow)
            }

            /// The wrapped difference, and whether it wrapped.
            pub fn sub_flagged(self, other: Self) -> (Self, bool) {
                let (difference, underflow) = self.0.overflowing_sub(other.0);
                (Self(difference), underflow)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = core::num::ParseIntError;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self(value)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = deserializer.deserialize_any(NumberVisitor)?;
                <$int>::try_from(value).map(Self).map_err(|_| de::Error::custom("number too large"))
            }
        }
    };
}

/// Reads a decimal string or a JSON integer, as wallets write either.
struct NumberVisitor;

impl de::Visitor<'_> for NumberVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number, as a string or an integer")
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<u64, E> {
        if !v.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(E::custom("not a decimal number"));
        }
        v.parse().map_err(|_| E::custom("not a decimal number of 64 bits"))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<u64, E> {
        Ok(v)
    }
}

number!(
    /// An amount, a balance or a fee, in nanomina or in the smallest unit of a token.
    Amount, u64
);
number!(
    /// A global slot since genesis.
    Slot, u32
);
number!(
    /// A number of slots.
    SlotSpan, u32
);
number!(
    /// The number of commands an account has sent.
    Nonce, u32
);
number!(
    /// A number of blocks.
    Length, u32
);
number!(
    /// The version of the transaction rules that a permission was set under.
    TxnVersion, u32
);

impl Nonce {
    /// The next nonce; the largest is followed by 0, as in Mina.
    pub fn successor(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// The sign of a [`SignedAmount`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sign {
    /// Zero or more.
    #[default]
    Positive,
    /// Less than zero; with magnitude zero it is zero, but hashes differently.
    Negative,
}

impl Sign {
    /// The other sign.
    pub fn flipped(self) -> Self {
        match self {
            Self::Positive => Self::Negative,
            Self::Negative => Self::Positive,
        }
    }
}

/// An amount with a sign. Source: Mina `currency.ml`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SignedAmount {
    /// The absolute value.
    pub magnitude: Amount,
    /// The sign.
    #[serde(rename = "sgn")]
    pub sign: Sign,
}

impl SignedAmount {
    /// Positive zero.
    pub const ZERO: Self = Self { magnitude: Amount::ZERO, sign: Sign::Positive };

    /// `+magnitude`.
    pub const fn positive(magnitude: Amount) -> Self {
        Self { magnitude, sign: Sign::Positive }
    }

    /// `-magnitude`; zero stays positive.
    pub fn negative(magnitude: Amount) -> Self {
        Self::positive(magnitude).negated()
    }

    /// Whether the value is zero, whatever the sign.
    pub fn is_zero(self) -> bool {
        self.magnitude == Amount::ZERO
    }

    /// Whether the sign is negative, zero included.
    pub fn is_negative(self) -> bool {
        self.sign == Sign::Negative
    }

    /// The value with the other sign; zero becomes positive zero.
    pub fn negated(self) -> Self {
        if self.is_zero() {
            return Self::ZERO;
        }
        Self { magnitude: self.magnitude, sign: self.sign.flipped() }
    }

    /// The sum, its magnitude wrapped, and whether it wrapped.
    pub fn add_flagged(self, other: Self) -> (Self, bool) {
        if self.sign == other.sign {
            let (magnitude, overflow) = self.magnitude.add_flagged(other.magnitude);
            return (Self { magnitude, sign: self.sign }, overflow);
        }
        let difference = self.magnitude.get().abs_diff(other.magnitude.get());
        let sign = match self.magnitude.cmp(&other.magnitude) {
            core::cmp::Ordering::Less => other.sign,
            core::cmp::Ordering::Greater => self.sign,
            core::cmp::Ordering::Equal => Sign::Positive,
        };
        (Self { magnitude: Amount::new(difference), sign }, false)
    }
}

impl Amount {
    /// `self + change`, wrapped, and whether it wrapped.
    pub fn add_signed_flagged(self, change: SignedAmount) -> (Self, bool) {
        match change.sign {
            Sign::Positive => self.add_flagged(change.magnitude),
            Sign::Negative => self.sub_flagged(change.magnitude),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_sums() {
        let plus = |n: u64| SignedAmount::positive(n.into());
        let minus = |n: u64| SignedAmount::negative(n.into());
        assert_eq!(plus(3).add_flagged(minus(5)), (minus(2), false));
        assert_eq!(plus(5).add_flagged(minus(5)), (SignedAmount::ZERO, false));
        assert_eq!(plus(u64::MAX).add_flagged(plus(1)), (SignedAmount::ZERO, true));
        assert!(minus(u64::MAX).add_flagged(minus(1)).1);
        assert_eq!(minus(0), SignedAmount::ZERO);
        assert_eq!(Amount::new(1).add_signed_flagged(minus(2)), (Amount::MAX, true));
    }

    #[test]
    fn json_numbers() {
        assert_eq!(
            serde_json::from_str::<Amount>("\"18446744073709551615\"").unwrap(),
            Amount::MAX
        );
        assert_eq!(serde_json::from_str::<Nonce>("7").unwrap(), Nonce::new(7));
        for bad in ["\"4294967296\"", "\"-1\"", "\"+1\"", "-1", "1.5", "\"\"", "\"0x10\"", "null"] {
            assert!(serde_json::from_str::<Nonce>(bad).is_err(), "{bad}");
        }
        assert_eq!(serde_json::to_string(&Slot::MAX).unwrap(), "\"4294967295\"");
    }
}
