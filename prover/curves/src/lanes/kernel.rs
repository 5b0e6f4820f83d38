//! Running a kernel on the best implementation.
#![allow(unsafe_code)]

use super::{LaneBackend, Lanes, scalar::Scalar};
use crate::fields::PastaField;

/// A computation on lanes. `run` and everything that it calls with lanes in its hands should be
/// `#[inline(always)]`, so that it is compiled with the instructions of the implementation.
pub(crate) trait Kernel<F: PastaField> {
    /// What it returns.
    type Output;

    /// Runs on the implementation `L`.
    fn run<L: Lanes<F>>(self) -> Self::Output;
}

/// Runs `kernel` on `backend`, or on arkworks arithmetic if this machine lacks it.
pub(crate) fn run<F: PastaField, K: Kernel<F>>(backend: LaneBackend, kernel: K) -> K::Output {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    {
        let best = LaneBackend::detect();
        if backend == LaneBackend::Avx512Ifma && best == LaneBackend::Avx512Ifma {
            // SAFETY: the detection has found AVX-512F and AVX-512IFMA.
            return unsafe { super::avx512::enter(kernel) };
        }
        if backend == LaneBackend::Avx2 && best != LaneBackend::Scalar {
            // SAFETY: the detection has found AVX2, which every processor with AVX-512 has too.
            return unsafe { super::avx2::enter(kernel) };
        }
    }
    let _ = backend;
    kernel.run::<Scalar<F>>()
}

/// Asks for `x` to be brought into the cache.
#[inline(always)]
pub(crate) fn prefetch<T>(x: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect but on timing, and SSE is part of x86-64.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(x).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = x;
}
