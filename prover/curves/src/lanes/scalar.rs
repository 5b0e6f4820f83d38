//! Eight arkworks elements: the implementation for machines without wide vectors. Its
//! multiplications are functions of their own.
#![allow(clippy::needless_range_loop)]

use ark_ff::BigInteger256;

use super::{LANES, Lanes, Op, Raw};
use crate::fields::PastaField;

/// Eight elements of `F`, each in arkworks' own representation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar<F>([F; LANES]);

/// Runs `op`, not inlined.
#[inline(never)]
fn outlined<O: Op>(op: O) -> O::Output {
    op.run()
}

#[inline(never)]
fn mul<F: PastaField>(a: &[F; LANES], b: &[F; LANES]) -> [F; LANES] {
    let mut out = *a;
    for lane in 0..LANES {
        out[lane] *= b[lane];
    }
    out
}

#[inline(never)]
fn square<F: PastaField>(a: &[F; LANES]) -> [F; LANES] {
    let mut out = *a;
    for x in &mut out {
        x.square_in_place();
    }
    out
}

impl<F: PastaField> Lanes<F> for Scalar<F> {
    #[inline(always)]
    fn outline<O: Op>(op: O) -> O::Output {
        outlined(op)
    }

    #[inline(always)]
    fn load(raw: [&Raw; LANES]) -> Self {
        let mut out = [F::ZERO; LANES];
        for lane in 0..LANES {
            out[lane] = F::from_montgomery(BigInteger256::new(*raw[lane]));
        }
        Self(out)
    }

    #[inline(always)]
    fn store(&self) -> [Raw; LANES] {
        let mut out = [[0; 4]; LANES];
        for lane in 0..LANES {
            out[lane] = self.0[lane].montgomery().0;
        }
        out
    }

    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        Self(mul(&self.0, &other.0))
    }

    #[inline(always)]
    fn square(&self) -> Self {
        Self(square(&self.0))
    }

    #[inline(always)]
    fn dot<const N: usize>(row: &[Self; N], xs: &[Self; N], constant: &Self) -> Self {
        let mut out = constant.0;
        for (lane, x) in out.iter_mut().enumerate() {
            // arkworks' `sum_of_products`, with one reduction for all, is slower.
            for (weight, value) in row.iter().zip(xs) {
                *x += weight.0[lane] * value.0[lane];
            }
        }
        Self(out)
    }

    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        let mut out = self.0;
        for lane in 0..LANES {
            out[lane] += other.0[lane];
        }
        Self(out)
    }

    #[inline(always)]
    fn sub(&self, other: &Self) -> Self {
        let mut out = self.0;
        for lane in 0..LANES {
            out[lane] -= other.0[lane];
        }
        Self(out)
    }

    #[inline(always)]
    fn sub2(&self, a: &Self, b: &Self) -> Self {
        self.sub(a).sub(b)
    }

    #[inline(always)]
    fn tighten(&self) -> Self {
        *self
    }

    #[inline(always)]
    fn select(&self, other: &Self, from_other: &[bool; LANES]) -> Self {
        let mut out = self.0;
        for lane in 0..LANES {
            if from_other[lane] {
                out[lane] = other.0[lane];
            }
        }
        Self(out)
    }

    #[inline(always)]
    fn to_raw(x: F) -> Raw {
        x.montgomery().0
    }

    #[inline(always)]
    fn from_raw(raw: &Raw) -> F {
        F::from_montgomery(BigInteger256::new(*raw))
    }

    #[inline(always)]
    fn entry_factor() -> Option<Self> {
        None
    }

    #[inline(always)]
    fn exit_factor() -> Option<Self> {
        None
    }
}
