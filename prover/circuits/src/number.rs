//! Unsigned integers, and amounts with a sign.

use ark_ff::{AdditiveGroup, Field, PrimeField};
use kimchi::builder::Values;
use mina_curves::Fp;
use mina_ledger::types::{
    Amount, Bounds, Era, Length, Nonce, SignedAmount, Slot, SlotSpan, TxnVersion,
};

use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells},
};

/// An integer below `2^BITS`, for `BITS` up to 128.
#[derive(Clone, Debug)]
pub struct UIntVar<const BITS: usize>(Linear);

/// An amount, balance or fee.
pub type AmountVar = UIntVar<64>;

/// A slot, nonce, height or version.
pub type U32Var = UIntVar<32>;

/// `2^bits`.
pub(crate) fn power(bits: usize) -> Fp {
    Fp::from(2u64).pow([bits as u64])
}

/// The bits of a value from `from` on, at most 128 of them.
fn bits_from(x: Fp, from: usize, count: usize) -> Fp {
    let limbs = x.into_bigint().0;
    let bit = |i: usize| limbs.get(i / 64).is_some_and(|limb| limb >> (i % 64) & 1 == 1);
    (from..from + count).rev().fold(Fp::ZERO, |sum, i| sum.double() + Fp::from(bit(i)))
}

impl<const BITS: usize> UIntVar<BITS> {
    /// A constant.
    pub fn constant(value: u64) -> Self {
        debug_assert!(BITS >= 64 || value >> BITS == 0);
        Self(Linear::from(Fp::from(value)))
    }

    /// Asserts that `x` is in range; `BITS/16` rows.
    pub fn assert<I>(cs: &mut Cs<I>, x: impl Into<Linear>) -> Self {
        let x = cs.reduce(x);
        cs.assert_bits(x, BITS);
        Self(x.into())
    }

    /// A combination that other constraints keep in range.
    pub(crate) fn assume(x: impl Into<Linear>) -> Self {
        Self(x.into())
    }

    /// The value.
    pub fn linear(&self) -> &Linear {
        &self.0
    }

    /// Whether `self ≤ other`; `BITS/16` rows and two halves, one more where either is a
    /// combination.
    pub fn at_most<I>(&self, cs: &mut Cs<I>, other: &Self) -> Boolean {
        // other − self + 2^BITS has the bit BITS if nothing is borrowed.
        let shifted = cs.reduce(other.0.clone() - &self.0 + power(BITS));
        let top = Boolean::witness(cs, move |v| bits_from(v[shifted], BITS, 1) == Fp::ONE);
        let rest = Linear::from(shifted) - Linear::from(&top) * power(BITS);
        Self::assert(cs, rest);
        top
    }

    /// `x` modulo `2^BITS`, and whether that is `x` itself, for `x` between `−2^BITS` and
    /// `3·2^BITS`; `BITS/16` rows and five halves.
    pub fn wrap<I>(cs: &mut Cs<I>, x: impl Into<Linear>) -> (Self, Boolean) {
        let shifted = cs.reduce(x.into() + power(BITS));
        let [low, high] = [0, 1]
            .map(|i| Boolean::witness(cs, move |v| bits_from(v[shifted], BITS + i, 1) == Fp::ONE));
        let quotient = cs.reduce(Linear::from_bits([&low, &high]));
        let rest = Self::assert(cs, Linear::from(shifted) - quotient * power(BITS));
        let fits = cs.is_equal(quotient, Fp::ONE);
        (rest, fits)
    }

    /// `then` if the bit is 1, else `otherwise`.
    pub fn select<I>(cs: &mut Cs<I>, bit: &Boolean, then: &Self, otherwise: &Self) -> Self {
        Self(bit.select(cs, &then.0, &otherwise.0).into())
    }
}

macro_rules! number {
    ($($native:ty: $bits:literal),*) => {$(
        impl NumberValue<$bits> for $native {
            fn value(&self) -> Fp {
                Fp::from(self.get())
            }
        }
    )*};
}

/// A native number of so many bits.
pub trait NumberValue<const BITS: usize> {
    /// The number.
    fn value(&self) -> Fp;
}

number!(Amount: 64, Slot: 32, SlotSpan: 32, Nonce: 32, Length: 32, TxnVersion: 32);

/// A closed interval.
#[derive(Clone, Debug)]
pub struct BoundsVar<const BITS: usize> {
    /// The smallest value that will do.
    pub lower: UIntVar<BITS>,
    /// The largest value that will do.
    pub upper: UIntVar<BITS>,
}

impl<const BITS: usize> BoundsVar<BITS> {
    pub(crate) fn values<T: NumberValue<BITS>>(native: &Bounds<T>, out: &mut Vec<Fp>) {
        out.extend([native.lower.value(), native.upper.value()]);
    }

    pub(crate) fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { lower: cells.uint(cs), upper: cells.uint(cs) }
    }

    /// Whether `x` is not below, and whether it is not above.
    pub fn contain<I>(&self, cs: &mut Cs<I>, x: &UIntVar<BITS>) -> [Boolean; 2] {
        [self.lower.at_most(cs, x), x.at_most(cs, &self.upper)]
    }

    /// Whether a single value will do.
    pub fn is_constant<I>(&self, cs: &mut Cs<I>) -> Boolean {
        cs.is_equal(self.lower.linear().clone(), self.upper.linear())
    }
}

/// An amount with a sign, as account updates have it: zero may have either.
#[derive(Clone, Debug)]
pub struct SignedAmountVar {
    /// The absolute value.
    pub magnitude: AmountVar,
    /// Whether the sign is negative.
    pub is_negative: Boolean,
}

impl Allocate for SignedAmountVar {
    type Native = SignedAmount;

    fn values(native: &SignedAmount, _: Era, out: &mut Vec<Fp>) {
        out.extend([native.magnitude.value(), Fp::from(native.is_negative())]);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { magnitude: cells.uint(cs), is_negative: cells.bit(cs) }
    }
}

impl SignedAmountVar {
    /// The value as a field element; one half.
    pub fn value<I>(&self, cs: &mut Cs<I>) -> Linear {
        let magnitude = self.magnitude.linear();
        let minus = cs.mul(&self.is_negative, magnitude);
        magnitude.clone() - minus * Fp::from(2u64)
    }

    /// The sign and magnitude of a value between `−2^66` and `2^66`, its magnitude modulo `2^64`,
    /// and whether that is all of it. Zero is positive. 4 rows and ten halves.
    pub fn from_value<I>(cs: &mut Cs<I>, value: impl Into<Linear>) -> (Self, Boolean) {
        let value = cs.reduce(value);
        let negative = move |v: &Values<'_, Fp, I>| bits_from(v[value], 128, 127) != Fp::ZERO;
        let is_negative = Boolean::witness(cs, negative);
        let sign = Linear::from(Fp::ONE) - Linear::from(&is_negative) * Fp::from(2u64);
        let magnitude = cs.mul(sign, value);
        let is_zero = cs.is_zero(value);
        // Otherwise zero would have either sign.
        cs.assert_mul(&is_zero, &is_negative, Fp::ZERO);
        let [over, far_over] = [64, 65]
            .map(|from| Boolean::witness(cs, move |v| bits_from(v[magnitude], from, 1) == Fp::ONE));
        let above = Linear::from_bits([&over, &far_over]) * power(64);
        let low = AmountVar::assert(cs, magnitude - above);
        let fits = over.or(cs, &far_over).not();
        (Self { magnitude: low, is_negative }, fits)
    }
}
