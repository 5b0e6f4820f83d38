//! The instructions that the limb algorithms need, and their portable form.

use super::{
    LANES, Op, Raw,
    radix29::{LIMBS, columns},
};
use crate::fields::PastaField;

/// A 256-bit word, seen as four 64-bit or eight 32-bit unsigned integers.
pub(crate) trait Word: Copy {
    /// `x` in all four 64-bit places.
    fn splat64(x: u64) -> Self;
    /// `x` in all eight 32-bit places.
    fn splat32(x: u32) -> Self;
    /// The eight 32-bit integers `xs`.
    fn from32(xs: [u32; 8]) -> Self;
    /// Sum of 64-bit integers, wrapping.
    fn add64(self, other: Self) -> Self;
    /// Difference of 64-bit integers, wrapping.
    fn sub64(self, other: Self) -> Self;
    /// Products of the low 32 bits of each 64-bit integer.
    fn mul32(self, other: Self) -> Self;
    /// Logical right shift of 64-bit integers.
    fn srl64<const N: i32>(self) -> Self;
    /// Left shift of 64-bit integers.
    fn sll64<const N: i32>(self) -> Self;
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;
    /// Sum of 32-bit integers, wrapping.
    fn add32(self, other: Self) -> Self;
    /// Difference of 32-bit integers, wrapping.
    fn sub32(self, other: Self) -> Self;
    /// Logical right shift of 32-bit integers.
    fn srl32<const N: i32>(self) -> Self;
    /// Arithmetic right shift of 32-bit integers.
    fn sra32<const N: i32>(self) -> Self;
    /// The larger of unsigned 32-bit integers.
    fn max32(self, other: Self) -> Self;
    /// For each 32-bit integer `i < 8` of `index`: place `i` of `self`.
    fn lookup32(self, index: Self) -> Self;
    /// Word `w` of the four elements in 64-bit places, for each `w`.
    fn load(raw: [&Raw; 4]) -> [Self; 4];
    /// The inverse of [`Self::load`].
    fn store(words: [Self; 4]) -> [Raw; 4];

    /// [`Lanes::mul`](super::Lanes::mul) on limbs of 29 bits.
    #[inline(always)]
    fn product<F: PastaField>(a: &[Self; LIMBS], b: &[Self; LIMBS]) -> [Self; LIMBS] {
        columns::mul::<F, Self>(a, b)
    }

    /// [`Lanes::outline`](super::Lanes::outline) for lanes made of these words.
    fn outline<O: Op>(op: O) -> O::Output {
        op.run()
    }
}

/// A 512-bit word of eight 64-bit unsigned integers, with 52-bit multiply-add.
pub(crate) trait Wide: Copy {
    /// `x` in all places.
    fn splat(x: u64) -> Self;
    /// The eight integers `xs`.
    fn from_array(xs: [u64; LANES]) -> Self;
    /// Sum, wrapping.
    fn add(self, other: Self) -> Self;
    /// Difference, wrapping.
    fn sub(self, other: Self) -> Self;
    /// `self` plus the low 52 bits of the product of the low 52 bits of `a` and `b`.
    fn madd_lo(self, a: Self, b: Self) -> Self;
    /// `self` plus bits 52 to 103 of the product of the low 52 bits of `a` and `b`.
    fn madd_hi(self, a: Self, b: Self) -> Self;
    /// Logical right shift.
    fn srl<const N: u32>(self) -> Self;
    /// Arithmetic right shift.
    fn sra<const N: u32>(self) -> Self;
    /// Left shift.
    fn sll<const N: u32>(self) -> Self;
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;
    /// The larger of unsigned integers.
    fn max(self, other: Self) -> Self;
    /// For each integer `i < 8` of `index`: place `i` of `self`.
    fn lookup(self, index: Self) -> Self;
    /// Word `w` of the eight elements, for each `w`.
    fn load(raw: [&Raw; LANES]) -> [Self; 4];
    /// The inverse of [`Self::load`].
    fn store(words: [Self; 4]) -> [Raw; LANES];

    /// [`Lanes::outline`](super::Lanes::outline) for lanes made of these words.
    fn outline<O: Op>(op: O) -> O::Output {
        op.run()
    }
}

/// [`Word`] without vector instructions.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortableWord([u64; 4]);

#[cfg(test)]
impl PortableWord {
    fn zip64(self, other: Self, op: impl Fn(u64, u64) -> u64) -> Self {
        Self(core::array::from_fn(|i| op(self.0[i], other.0[i])))
    }

    fn get32(self, i: usize) -> u32 {
        (self.0[i / 2] >> (32 * (i % 2))) as u32
    }

    fn zip32(self, other: Self, op: impl Fn(u32, u32) -> u32) -> Self {
        Self::from32(core::array::from_fn(|i| op(self.get32(i), other.get32(i))))
    }
}

#[cfg(test)]
impl Word for PortableWord {
    fn splat64(x: u64) -> Self {
        Self([x; 4])
    }
    fn splat32(x: u32) -> Self {
        Self::from32([x; 8])
    }
    fn from32(xs: [u32; 8]) -> Self {
        Self(core::array::from_fn(|i| u64::from(xs[2 * i]) | (u64::from(xs[2 * i + 1]) << 32)))
    }
    fn add64(self, other: Self) -> Self {
        self.zip64(other, u64::wrapping_add)
    }
    fn sub64(self, other: Self) -> Self {
        self.zip64(other, u64::wrapping_sub)
    }
    fn mul32(self, other: Self) -> Self {
        self.zip64(other, |a, b| u64::from(a as u32) * u64::from(b as u32))
    }
    fn srl64<const N: i32>(self) -> Self {
        Self(self.0.map(|x| x >> N))
    }
    fn sll64<const N: i32>(self) -> Self {
        Self(self.0.map(|x| x << N))
    }
    fn and(self, other: Self) -> Self {
        self.zip64(other, |a, b| a & b)
    }
    fn or(self, other: Self) -> Self {
        self.zip64(other, |a, b| a | b)
    }
    fn add32(self, other: Self) -> Self {
        self.zip32(other, u32::wrapping_add)
    }
    fn sub32(self, other: Self) -> Self {
        self.zip32(other, u32::wrapping_sub)
    }
    fn srl32<const N: i32>(self) -> Self {
        self.zip32(self, |a, _| a >> N)
    }
    fn sra32<const N: i32>(self) -> Self {
        self.zip32(self, |a, _| ((a as i32) >> N) as u32)
    }
    fn max32(self, other: Self) -> Self {
        self.zip32(other, u32::max)
    }
    fn lookup32(self, index: Self) -> Self {
        index.zip32(index, |i, _| self.get32(i as usize % 8))
    }
    fn load(raw: [&Raw; 4]) -> [Self; 4] {
        core::array::from_fn(|w| Self(raw.map(|x| x[w])))
    }
    fn store(words: [Self; 4]) -> [Raw; 4] {
        core::array::from_fn(|i| words.map(|word| word.0[i]))
    }
}

/// [`Wide`] without vector instructions.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortableWide([u64; LANES]);

#[cfg(test)]
impl PortableWide {
    fn zip(self, other: Self, op: impl Fn(u64, u64) -> u64) -> Self {
        Self(core::array::from_fn(|i| op(self.0[i], other.0[i])))
    }

    fn product(a: u64, b: u64) -> u128 {
        const LOW: u64 = (1 << 52) - 1;
        u128::from(a & LOW) * u128::from(b & LOW)
    }
}

#[cfg(test)]
impl Wide for PortableWide {
    fn splat(x: u64) -> Self {
        Self([x; LANES])
    }
    fn from_array(xs: [u64; LANES]) -> Self {
        Self(xs)
    }
    fn add(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_add)
    }
    fn sub(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_sub)
    }
    fn madd_lo(self, a: Self, b: Self) -> Self {
        self.add(a.zip(b, |a, b| Self::product(a, b) as u64 & ((1 << 52) - 1)))
    }
    fn madd_hi(self, a: Self, b: Self) -> Self {
        self.add(a.zip(b, |a, b| (Self::product(a, b) >> 52) as u64))
    }
    fn srl<const N: u32>(self) -> Self {
        Self(self.0.map(|x| x >> N))
    }
    fn sra<const N: u32>(self) -> Self {
        Self(self.0.map(|x| ((x as i64) >> N) as u64))
    }
    fn sll<const N: u32>(self) -> Self {
        Self(self.0.map(|x| x << N))
    }
    fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }
    fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }
    fn max(self, other: Self) -> Self {
        self.zip(other, u64::max)
    }
    fn lookup(self, index: Self) -> Self {
        index.zip(index, |i, _| self.0[i as usize % 8])
    }
    fn load(raw: [&Raw; LANES]) -> [Self; 4] {
        core::array::from_fn(|w| Self(raw.map(|x| x[w])))
    }
    fn store(words: [Self; 4]) -> [Raw; LANES] {
        core::array::from_fn(|i| words.map(|word| word.0[i]))
    }
}
