//! [`Wide`] on AVX-512 with IFMA, and the entry point compiled for it.
//!
//! Nothing here may run before [`LaneBackend::detect`](super::LaneBackend::detect) has found these
//! extensions: the only callers are behind [`super::run`].
#![allow(unsafe_code, clippy::needless_range_loop)]

use core::arch::x86_64::*;

use super::{Kernel, LANES, Op, Raw, radix52::Radix52, word::Wide};
use crate::fields::PastaField;

/// A 512-bit register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(__m512i);

// SAFETY (every block in this impl): the intrinsics need AVX-512F and AVX-512IFMA, which the
// module's contract guarantees; loads and stores go through references to arrays of the full
// width and are unaligned ones.
impl Wide for Avx512 {
    #[inline(always)]
    fn splat(x: u64) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_set1_epi64(x as i64)) }
    }
    #[inline(always)]
    fn from_array(xs: [u64; LANES]) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_loadu_si512(xs.as_ptr().cast())) }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_add_epi64(self.0, other.0)) }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_sub_epi64(self.0, other.0)) }
    }
    #[inline(always)]
    fn madd_lo(self, a: Self, b: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_madd52lo_epu64(self.0, a.0, b.0)) }
    }
    #[inline(always)]
    fn madd_hi(self, a: Self, b: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_madd52hi_epu64(self.0, a.0, b.0)) }
    }
    #[inline(always)]
    fn srl<const N: u32>(self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_srli_epi64::<N>(self.0)) }
    }
    #[inline(always)]
    fn sra<const N: u32>(self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_srai_epi64::<N>(self.0)) }
    }
    #[inline(always)]
    fn sll<const N: u32>(self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_slli_epi64::<N>(self.0)) }
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_and_si512(self.0, other.0)) }
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_or_si512(self.0, other.0)) }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_max_epu64(self.0, other.0)) }
    }
    #[inline(always)]
    fn lookup(self, index: Self) -> Self {
        // SAFETY: see above the impl.
        unsafe { Self(_mm512_permutexvar_epi64(index.0, self.0)) }
    }
    #[inline(always)]
    fn load(raw: [&Raw; LANES]) -> [Self; 4] {
        let mut words = [[0; LANES]; 4];
        for lane in 0..LANES {
            for w in 0..4 {
                words[w][lane] = raw[lane][w];
            }
        }
        let [a, b, c, d] = words;
        [Self::from_array(a), Self::from_array(b), Self::from_array(c), Self::from_array(d)]
    }
    #[inline(always)]
    fn store(words: [Self; 4]) -> [Raw; LANES] {
        let mut out = [[0; 4]; LANES];
        for w in 0..4 {
            let mut lanes = [0u64; LANES];
            // SAFETY: see above the impl.
            unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), words[w].0) };
            for lane in 0..LANES {
                out[lane][w] = lanes[lane];
            }
        }
        out
    }
    #[inline(always)]
    fn outline<O: Op>(op: O) -> O::Output {
        // SAFETY: see above the impl.
        unsafe { outlined(op) }
    }
}

/// Runs `op` compiled with these instructions, not inlined.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline(never)]
fn outlined<O: Op>(op: O) -> O::Output {
    op.run()
}

/// Runs `kernel` compiled for AVX-512 with IFMA.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn enter<F: PastaField, K: Kernel<F>>(kernel: K) -> K::Output {
    kernel.run::<Radix52<F, Avx512>>()
}
