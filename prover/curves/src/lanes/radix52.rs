//! Eight elements in five limbs of 52 bits, for processors with a 52-bit multiply-add.
//!
//! Both Pasta moduli are `2^254 + c` with `c < 2^126`, so limb 3 of the modulus is 0 and limb 4 is
//! `2^46`. The multiply-add reads only the low 52 bits of its factors: every value has normalised
//! limbs, the loose ones too. With the left operand below `8p` and the right one below `2.1p` the
//! result of a multiplication is below `(1 + 8·2.1/2^6)·p < 1.3p`, and that of a square of a value below
//! `4.4p` below `1.31p`.
//!
//! Loops over limbs are plain ones, as in [`super::radix29`].
#![allow(clippy::needless_range_loop)]

mod limbs;

use core::marker::PhantomData;

use ark_ff::BigInteger256;

use self::limbs::{Constants, LIMBS, TOP, constant, normalise, split, subtract};
use super::{LANES, Lanes, Op, Raw, subtract_once, word::Wide};
use crate::fields::PastaField;

/// Eight elements of `F`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Radix52<F, W>([W; LIMBS], PhantomData<F>);

impl<F: PastaField, W: Wide> Radix52<F, W> {
    #[inline(always)]
    fn new(limbs: [W; LIMBS]) -> Self {
        Self(limbs, PhantomData)
    }
}

/// Multiplication as a function of its own.
struct Mul<'a, F, W>(&'a [W; LIMBS], &'a [W; LIMBS], PhantomData<F>);

impl<F: PastaField, W: Wide> Op for Mul<'_, F, W> {
    type Output = [W; LIMBS];

    #[inline(always)]
    fn run(self) -> [W; LIMBS] {
        limbs::mul::<F, W>(self.0, self.1)
    }
}

/// Squaring as a function of its own.
struct Squared<'a, F, W>(&'a [W; LIMBS], PhantomData<F>);

impl<F: PastaField, W: Wide> Op for Squared<'_, F, W> {
    type Output = [W; LIMBS];

    #[inline(always)]
    fn run(self) -> [W; LIMBS] {
        limbs::square::<F, W>(self.0)
    }
}

/// A row of a matrix product as a function of its own.
struct Row<'a, F, W, const N: usize> {
    row: [&'a [W; LIMBS]; N],
    xs: [&'a [W; LIMBS]; N],
    constant: &'a [W; LIMBS],
    field: PhantomData<F>,
}

impl<F: PastaField, W: Wide, const N: usize> Op for Row<'_, F, W, N> {
    type Output = [W; LIMBS];

    #[inline(always)]
    fn run(self) -> [W; LIMBS] {
        limbs::dot::<F, W, N>(self.row, self.xs, self.constant)
    }
}

impl<F: PastaField, W: Wide> Lanes<F> for Radix52<F, W> {
    #[inline(always)]
    fn outline<O: Op>(op: O) -> O::Output {
        W::outline(op)
    }

    #[inline(always)]
    fn load(raw: [&Raw; LANES]) -> Self {
        Self::new(limbs::load(raw))
    }

    #[inline(always)]
    fn splat(raw: &Raw) -> Self {
        Self::new(constant(split(*raw)))
    }

    #[inline(always)]
    fn store(&self) -> [Raw; LANES] {
        let [l0, l1, l2, l3, l4] = self.0;
        W::store([
            l0.or(l1.sll::<52>()),
            l1.srl::<12>().or(l2.sll::<40>()),
            l2.srl::<24>().or(l3.sll::<28>()),
            l3.srl::<36>().or(l4.sll::<16>()),
        ])
    }

    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        Self::new(W::outline(Mul::<F, W>(&self.0, &other.0, PhantomData)))
    }

    #[inline(always)]
    fn square(&self) -> Self {
        Self::new(W::outline(Squared::<F, W>(&self.0, PhantomData)))
    }

    #[inline(always)]
    fn dot<const N: usize>(row: &[Self; N], xs: &[Self; N], constant: &Self) -> Self {
        // A plain loop, as in `radix29`.
        let mut limbs = Row::<F, W, N> {
            row: [&constant.0; N],
            xs: [&constant.0; N],
            constant: &constant.0,
            field: PhantomData,
        };
        for i in 0..N {
            (limbs.row[i], limbs.xs[i]) = (&row[i].0, &xs[i].0);
        }
        Self::new(W::outline(limbs))
    }

    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        let mut out = self.0;
        for i in 0..LIMBS {
            out[i] = out[i].add(other.0[i]);
        }
        Self::new(normalise(out))
    }

    #[inline(always)]
    fn sub(&self, other: &Self) -> Self {
        let mut out = constant::<W>(Constants::<F>::FOUR);
        for i in 0..LIMBS {
            out[i] = out[i].add(self.0[i]).sub(other.0[i]);
        }
        Self::new(normalise(out))
    }

    #[inline(always)]
    fn sub2(&self, a: &Self, b: &Self) -> Self {
        let mut out = constant::<W>(Constants::<F>::FOUR);
        for i in 0..LIMBS {
            out[i] = out[i].add(self.0[i]).sub(a.0[i]).sub(b.0[i]);
        }
        Self::new(normalise(out))
    }

    /// As in `radix29`, with normalised limbs to begin with.
    #[inline(always)]
    fn tighten(&self) -> Self {
        let one = W::splat(1);
        let multiple = self.0[LIMBS - 1].max(one).sub(one).srl::<TOP>();
        let mut out = self.0;
        subtract::<F, W>(&mut out, multiple);
        Self::new(normalise(out))
    }

    #[inline(always)]
    fn sub_tight(&self, other: &Self) -> Self {
        let mut out = constant::<W>(Constants::<F>::FOUR);
        for i in 0..LIMBS {
            out[i] = out[i].add(self.0[i]).sub(other.0[i]);
        }
        Self::new(limbs::tight::<F, W>(out))
    }

    #[inline(always)]
    fn mul_sub(&self, other: &Self, c: &Self) -> Self {
        Self::new(limbs::mul_sub::<F, W>(&self.0, &other.0, &c.0))
    }

    #[inline(always)]
    fn square_sub2(&self, a: &Self, b: &Self) -> Self {
        Self::new(limbs::square_sub2::<F, W>(&self.0, &a.0, &b.0))
    }

    #[inline(always)]
    fn select(&self, other: &Self, from_other: &[bool; LANES]) -> Self {
        let mut places = [0; LANES];
        for lane in 0..LANES {
            places[lane] = u64::from(from_other[lane]).wrapping_neg();
        }
        let take = W::from_array(places);
        let keep = W::splat(u64::MAX).sub(take);
        let mut out = self.0;
        for i in 0..LIMBS {
            out[i] = out[i].and(keep).or(other.0[i].and(take));
        }
        Self::new(out)
    }

    #[inline(always)]
    fn to_raw(x: F) -> Raw {
        (x * F::from_montgomery(BigInteger256::new(Constants::<F>::UP))).montgomery().0
    }

    #[inline(always)]
    fn from_raw(raw: &Raw) -> F {
        let x = subtract_once(subtract_once(*raw, F::MODULUS.0), F::MODULUS.0);
        F::from_montgomery(BigInteger256::new(x))
            * F::from_montgomery(BigInteger256::new(Constants::<F>::DOWN))
    }

    #[inline(always)]
    fn entry_factor() -> Option<Self> {
        Some(Self::splat(&Constants::<F>::ENTRY))
    }

    #[inline(always)]
    fn exit_factor() -> Option<Self> {
        Some(Self::splat(&Constants::<F>::EXIT))
    }
}
