//! Arithmetic on eight field elements at a time.
//!
//! [`Lanes`] is the interface that the kernels of this workspace (batched point additions, many
//! Poseidon permutations) are written against. Three implementations stand behind it:
//!
//! | type | representation | needs |
//! |---|---|---|
//! | [`scalar::Scalar`] | eight arkworks elements | nothing |
//! | [`radix29::Radix29`] | nine 29-bit limbs, Montgomery factor `2^261` | AVX2 |
//! | [`radix52::Radix52`] | five 52-bit limbs, Montgomery factor `2^260` | AVX-512 IFMA |
//!
//! The two limb algorithms are written once, generic over the few instructions they need
//! ([`word::Word`], [`word::Wide`]), and the portable implementation of those instructions is what
//! the tests run everywhere; the intrinsics are wrapped one to one.
//!
//! # Values
//! Between kernels an element is four 64-bit words ([`Raw`]) holding `x·R mod p`, not fully
//! reduced, where `R` is the implementation's own Montgomery factor. Inside a kernel a value is
//! - **tight**: below `1.6·p` with normalised limbs: results of `mul`, `square`, `tighten`, `load`;
//! - **loose**: result of one `add`, `sub` or `sub2` of tight values. Only `mul`'s left operand and
//!   `tighten` accept a loose value.
//!
//! Timing depends on nothing but the number of elements.

use crate::fields::PastaField;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) mod avx512;
mod kernel;
mod poseidon;
#[cfg(any(test, all(feature = "std", target_arch = "x86_64")))]
pub(crate) mod radix29;
#[cfg(any(test, all(feature = "std", target_arch = "x86_64")))]
pub(crate) mod radix52;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;
#[cfg(any(test, all(feature = "std", target_arch = "x86_64")))]
pub(crate) mod word;

pub(crate) use kernel::{Kernel, prefetch, run};
pub use poseidon::{PoseidonRounds, PoseidonTable};

/// Number of elements in a vector.
pub(crate) const LANES: usize = 8;

/// An element between kernels: `x·R`, below `2^255`, as little-endian 64-bit words.
pub(crate) type Raw = [u64; 4];

/// A piece of a kernel that is compiled as a function of its own, once for all its callers.
pub(crate) trait Op {
    /// What it computes.
    type Output;

    /// Computes it. Should be `#[inline(always)]`, as [`Kernel::run`].
    fn run(self) -> Self::Output;
}

/// Eight elements of `F`.
pub(crate) trait Lanes<F: PastaField>: Copy {
    /// Runs `op` in a function of its own that has the instructions of this implementation: kernels
    /// stay small enough for the instruction cache and for the compiler.
    fn outline<O: Op>(op: O) -> O::Output;

    /// The eight elements `raw`.
    fn load(raw: [&Raw; LANES]) -> Self;

    /// The same element in every lane.
    fn splat(raw: &Raw) -> Self {
        Self::load([raw; LANES])
    }

    /// The eight elements; `self` is tight.
    fn store(&self) -> [Raw; LANES];

    /// `self·other`; `other` is tight.
    fn mul(&self, other: &Self) -> Self;

    /// `self²`; `self` is tight.
    fn square(&self) -> Self;

    /// `Σ row[i]·xs[i] + constant` of at most three tight products; the constant is tight, or the
    /// sum of two tight values. The result is below `2.8·p`, or `4.4·p`: it may be squared and
    /// multiplied (as `self`), in the first case also stored, but not subtracted from.
    fn dot<const N: usize>(row: &[Self; N], xs: &[Self; N], constant: &Self) -> Self;

    /// `self + other`.
    fn add(&self, other: &Self) -> Self;

    /// `self − other`.
    fn sub(&self, other: &Self) -> Self;

    /// `self − a − b`.
    fn sub2(&self, a: &Self, b: &Self) -> Self;

    /// Makes a loose value tight.
    fn tighten(&self) -> Self;

    /// `self − other`, tight.
    #[inline(always)]
    fn sub_tight(&self, other: &Self) -> Self {
        self.sub(other).tighten()
    }

    /// `self·other − c`, tight; `other` and `c` are tight. Not outlined: for the body of an [`Op`].
    #[inline(always)]
    fn mul_sub(&self, other: &Self, c: &Self) -> Self {
        self.mul(other).sub(c).tighten()
    }

    /// `self² − a − b`, tight; all three are tight. Not outlined, as [`Self::mul_sub`].
    #[inline(always)]
    fn square_sub2(&self, a: &Self, b: &Self) -> Self {
        self.square().sub2(a, b).tighten()
    }

    /// `other` in the lanes where `from_other` holds, `self` in the rest.
    fn select(&self, other: &Self, from_other: &[bool; LANES]) -> Self;

    /// The representation of `x` in this implementation's domain.
    fn to_raw(x: F) -> Raw;

    /// The inverse of [`Self::to_raw`], for any stored value.
    fn from_raw(raw: &Raw) -> F;

    /// Multiplies by this (as a splatted vector) to go from arkworks' Montgomery words to this
    /// implementation's domain; `None` if they are the same.
    fn entry_factor() -> Option<Self>;

    /// As [`Self::entry_factor`], for the way back.
    fn exit_factor() -> Option<Self>;
}

/// Which implementation the machine runs best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneBackend {
    /// arkworks arithmetic, one element after another.
    Scalar,
    /// AVX2, two vectors of four 64-bit words.
    Avx2,
    /// AVX-512 with IFMA.
    Avx512Ifma,
}

impl LaneBackend {
    /// Number of elements in a vector.
    pub const LANES: usize = LANES;

    /// The best implementation for this machine, detected once.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    pub fn detect() -> Self {
        use std::sync::OnceLock;
        static BACKEND: OnceLock<LaneBackend> = OnceLock::new();
        *BACKEND.get_or_init(|| {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma") {
                Self::Avx512Ifma
            } else if is_x86_feature_detected!("avx2") {
                Self::Avx2
            } else {
                Self::Scalar
            }
        })
    }

    /// The best implementation for this machine.
    #[cfg(not(all(feature = "std", target_arch = "x86_64")))]
    pub fn detect() -> Self {
        Self::Scalar
    }
}

/// `2^exponent mod modulus`, for a modulus below `2^255`.
#[cfg(any(test, all(feature = "std", target_arch = "x86_64")))]
pub(crate) const fn power_of_two(modulus: [u64; 4], exponent: u32) -> [u64; 4] {
    let mut x = [1u64, 0, 0, 0];
    let mut i = 0;
    while i < exponent {
        x = [
            x[0] << 1,
            (x[1] << 1) | (x[0] >> 63),
            (x[2] << 1) | (x[1] >> 63),
            (x[3] << 1) | (x[2] >> 63),
        ];
        x = subtract_once(x, modulus);
        i += 1;
    }
    x
}

/// `x mod modulus` for `x` below twice the modulus.
pub(crate) const fn subtract_once(x: [u64; 4], modulus: [u64; 4]) -> [u64; 4] {
    let mut out = [0u64; 4];
    let mut borrow = false;
    let mut i = 0;
    while i < 4 {
        let (d, b0) = x[i].overflowing_sub(modulus[i]);
        let (d, b1) = d.overflowing_sub(borrow as u64);
        out[i] = d;
        borrow = b0 || b1;
        i += 1;
    }
    let keep = (borrow as u64).wrapping_neg();
    i = 0;
    while i < 4 {
        out[i] = (x[i] & keep) | (out[i] & !keep);
        i += 1;
    }
    out
}
