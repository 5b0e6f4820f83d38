//! [`Word`] on AVX2, and the entry points compiled for it.
//!
//! Nothing here may run before [`LaneBackend::detect`](super::LaneBackend::detect) has found AVX2:
//! the only callers are behind [`super::run`].
#![allow(unsafe_code)]

mod product;

use core::arch::x86_64::*;

use super::{
    Kernel, Op, Raw,
    radix29::{LIMBS, Radix29, Reduction},
    word::Word,
};
use crate::fields::PastaField;

/// A 256-bit register.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Avx2(__m256i);

// SAFETY (every block in this impl): the intrinsics need AVX2, which the module's contract
// guarantees; loads and stores go through references to 32 bytes and are unaligned ones.
impl Word for Avx2 {
    #[inline(always)]
    fn splat64(x: u64) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_set1_epi64x(x as i64)) }
    }
    #[inline(always)]
    fn splat32(x: u32) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_set1_epi32(x as i32)) }
    }
    #[inline(always)]
    fn from32(xs: [u32; 8]) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_loadu_si256(xs.as_ptr().cast())) }
    }
    #[inline(always)]
    fn add64(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_add_epi64(self.0, other.0)) }
    }
    #[inline(always)]
    fn sub64(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_sub_epi64(self.0, other.0)) }
    }
    #[inline(always)]
    fn mul32(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_mul_epu32(self.0, other.0)) }
    }
    #[inline(always)]
    fn srl64<const N: i32>(self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_srli_epi64::<N>(self.0)) }
    }
    #[inline(always)]
    fn sll64<const N: i32>(self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_slli_epi64::<N>(self.0)) }
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_and_si256(self.0, other.0)) }
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_or_si256(self.0, other.0)) }
    }
    #[inline(always)]
    fn add32(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_add_epi32(self.0, other.0)) }
    }
    #[inline(always)]
    fn sub32(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_sub_epi32(self.0, other.0)) }
    }
    #[inline(always)]
    fn srl32<const N: i32>(self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_srli_epi32::<N>(self.0)) }
    }
    #[inline(always)]
    fn sra32<const N: i32>(self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_srai_epi32::<N>(self.0)) }
    }
    #[inline(always)]
    fn max32(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_max_epu32(self.0, other.0)) }
    }
    #[inline(always)]
    fn lookup32(self, index: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm256_permutevar8x32_epi32(self.0, index.0)) }
    }
    #[inline(always)]
    fn load(raw: [&Raw; 4]) -> [Self; 4] {
        // SAFETY: see above the impl.
        let row = |x: &Raw| unsafe { _mm256_loadu_si256(x.as_ptr().cast()) };
        let [a, b, c, d] = transpose([row(raw[0]), row(raw[1]), row(raw[2]), row(raw[3])]);
        [Self(a), Self(b), Self(c), Self(d)]
    }
    #[inline(always)]
    fn store(words: [Self; 4]) -> [Raw; 4] {
        let [a, b, c, d] = words;
        let rows = transpose([a.0, b.0, c.0, d.0]);
        let mut out = [[0; 4]; 4];
        for (out, row) in out.iter_mut().zip(rows) {
            // SAFETY: see above the impl.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), row) };
        }
        out
    }
    #[inline(always)]
    fn product<F: PastaField>(a: &[Self; LIMBS], b: &[Self; LIMBS]) -> [Self; LIMBS] {
        // SAFETY: see above the impl.
        unsafe { product::mul(a, b, Reduction::of::<F>()) }
    }
    #[inline(always)]
    fn outline<O: Op>(op: O) -> O::Output {
        // SAFETY: see above the impl.
        unsafe { outlined(op) }
    }
}

/// Runs `op` compiled with these instructions, not inlined.
#[target_feature(enable = "avx2")]
#[inline(never)]
fn outlined<O: Op>(op: O) -> O::Output {
    op.run()
}

/// Runs `kernel` compiled for AVX2.
#[target_feature(enable = "avx2")]
pub(super) fn enter<F: PastaField, K: Kernel<F>>(kernel: K) -> K::Output {
    kernel.run::<Radix29<F, Avx2>>()
}

/// Transposes a 4×4 matrix of 64-bit words.
#[inline(always)]
fn transpose([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    // SAFETY: needs AVX2, which the module's contract guarantees.
    unsafe {
        let (ab_even, ab_odd) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
        let (cd_even, cd_odd) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
        [
            _mm256_permute2x128_si256::<0x20>(ab_even, cd_even),
            _mm256_permute2x128_si256::<0x20>(ab_odd, cd_odd),
            _mm256_permute2x128_si256::<0x31>(ab_even, cd_even),
            _mm256_permute2x128_si256::<0x31>(ab_odd, cd_odd),
        ]
    }
}
