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
    /// Rows `i` and `i + 4` share a register, four such are transposed.
    #[inline(always)]
    fn load(raw: [&Raw; LANES]) -> [Self; 4] {
        // SAFETY: see above the impl; each load reads the 32 bytes of one `Raw`.
        unsafe {
            let mut pairs = [_mm512_setzero_si512(); 4];
            for i in 0..4 {
                let low = _mm256_loadu_si256(raw[i].as_ptr().cast());
                let high = _mm256_loadu_si256(raw[i + 4].as_ptr().cast());
                pairs[i] = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
            }
            let [a, b, c, d] = pairs;
            let (even_ab, odd_ab) = (_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
            let (even_cd, odd_cd) = (_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
            let first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
            let second = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
            [
                Self(_mm512_permutex2var_epi64(even_ab, first, even_cd)),
                Self(_mm512_permutex2var_epi64(odd_ab, first, odd_cd)),
                Self(_mm512_permutex2var_epi64(even_ab, second, even_cd)),
                Self(_mm512_permutex2var_epi64(odd_ab, second, odd_cd)),
            ]
        }
    }
    #[inline(always)]
    fn store(words: [Self; 4]) -> [Raw; LANES] {
        let [Self(a), Self(b), Self(c), Self(d)] = words;
        let mut out = [[0; 4]; LANES];
        // SAFETY: see above the impl; each store writes 64 bytes, two rows of `out`.
        unsafe {
            let (even_ab, odd_ab) = (_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
            let (even_cd, odd_cd) = (_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
            // Two rows that follow each other, from the even one's halves and the odd one's.
            for pair in 0..4 {
                let low = 2 * pair as i64;
                let halves = _mm512_setr_epi64(low, low + 1, low + 8, low + 9, 0, 0, 0, 0);
                let even = _mm512_permutex2var_epi64(even_ab, halves, even_cd);
                let odd = _mm512_permutex2var_epi64(odd_ab, halves, odd_cd);
                let rows = _mm512_inserti64x4::<1>(even, _mm512_castsi512_si256(odd));
                _mm512_storeu_si512(out[2 * pair..].as_mut_ptr().cast(), rows);
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
