//! Eight elements in five limbs of 52 bits, for processors with a 52-bit multiply-add.
//!
//! Both Pasta moduli are `2^254 + c` with `c < 2^126`, so limb 3 of the modulus is 0 and limb 4 is
//! `2^46`. The multiply-add reads only the low 52 bits of its factors: every value has normalised
//! limbs, the loose ones too. With the left operand below `8p` and the right one below `2.1p` the
//! result of a multiplication is below `(1 + 8·2.1/2^6)·p < 1.3p`.
//!
//! Loops over limbs are plain ones, as in [`super::radix29`].
#![allow(clippy::needless_range_loop)]

use core::marker::PhantomData;

use ark_ff::BigInteger256;

use super::{LANES, Lanes, Op, Raw, power_of_two, subtract_once, word::Wide};
use crate::fields::PastaField;

/// Number of limbs.
const LIMBS: usize = 5;
const BITS: u32 = 52;
const MASK: u64 = (1 << BITS) - 1;
/// The modulus' top limb is `2^TOP`.
const TOP: u32 = 46;

/// Eight elements of `F`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Radix52<F, W>([W; LIMBS], PhantomData<F>);

/// `x` in limbs of 52 bits.
const fn split(x: [u64; 4]) -> [u64; LIMBS] {
    [
        x[0] & MASK,
        ((x[0] >> 52) | (x[1] << 12)) & MASK,
        ((x[1] >> 40) | (x[2] << 24)) & MASK,
        ((x[2] >> 28) | (x[3] << 36)) & MASK,
        x[3] >> 16,
    ]
}

/// `multiple·modulus` in limbs of 52 bits.
const fn multiple(modulus: [u64; 4], multiple: u64) -> [u64; LIMBS] {
    let limbs = split(modulus);
    let mut out = [0; LIMBS];
    let mut carry = 0;
    let mut i = 0;
    while i < LIMBS {
        carry += limbs[i] as u128 * multiple as u128;
        out[i] = carry as u64 & MASK;
        carry >>= BITS;
        i += 1;
    }
    out
}

/// `−1/x mod 2^64` for odd `x`.
const fn negated_inverse(x: u64) -> u64 {
    let mut inverse = 1u64;
    let mut i = 0;
    while i < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(x.wrapping_mul(inverse)));
        i += 1;
    }
    inverse.wrapping_neg()
}

struct Constants<F>(PhantomData<F>);

impl<F: PastaField> Constants<F> {
    const MODULUS: [u64; LIMBS] = multiple(F::MODULUS.0, 1);
    const FOUR: [u64; LIMBS] = multiple(F::MODULUS.0, 4);
    const INVERSE: u64 = negated_inverse(F::MODULUS.0[0]) & MASK;
    /// `MULTIPLES[i][k]` is limb `i` of `k·p`.
    const MULTIPLES: [[u64; 8]; LIMBS] = {
        let mut out = [[0; 8]; LIMBS];
        let mut k = 0;
        while k < 8 {
            let limbs = multiple(F::MODULUS.0, k as u64);
            let mut i = 0;
            while i < LIMBS {
                out[i][k] = limbs[i];
                i += 1;
            }
            k += 1;
        }
        out
    };
    const ENTRY: Raw = power_of_two(F::MODULUS.0, 264);
    const EXIT: Raw = power_of_two(F::MODULUS.0, 256);
    /// arkworks' words of `2^4` and of `2^-4`.
    const UP: Raw = power_of_two(F::MODULUS.0, 260);
    const DOWN: Raw = power_of_two(F::MODULUS.0, 252);
}

/// Adds `a·b` to the columns. At most three products and one reduction meet in a column: below
/// `(3·10 + 9)·2^52`.
#[inline(always)]
fn accumulate<W: Wide>(columns: &mut [W; 2 * LIMBS], a: &[W; LIMBS], b: &[W; LIMBS]) {
    for i in 0..LIMBS {
        for j in 0..LIMBS {
            columns[i + j] = columns[i + j].madd_lo(a[i], b[j]);
            columns[i + j + 1] = columns[i + j + 1].madd_hi(a[i], b[j]);
        }
    }
}

/// Montgomery reduction of columns to tight limbs.
#[inline(always)]
fn reduce<F: PastaField, W: Wide>(mut columns: [W; 2 * LIMBS]) -> [W; LIMBS] {
    let modulus = constant::<W>(Constants::<F>::MODULUS);
    let inverse = W::splat(Constants::<F>::INVERSE);
    let mask = W::splat(MASK);
    for k in 0..LIMBS {
        let quotient = W::splat(0).madd_lo(columns[k], inverse);
        for i in [0, 1, 2, 4] {
            columns[k + i] = columns[k + i].madd_lo(quotient, modulus[i]);
            columns[k + i + 1] = columns[k + i + 1].madd_hi(quotient, modulus[i]);
        }
        columns[k + 1] = columns[k + 1].add(columns[k].srl::<BITS>());
    }
    let mut out = [W::splat(0); LIMBS];
    for i in 0..LIMBS - 1 {
        out[i] = columns[LIMBS + i].and(mask);
        columns[LIMBS + i + 1] = columns[LIMBS + i + 1].add(columns[LIMBS + i].srl::<BITS>());
    }
    out[LIMBS - 1] = columns[2 * LIMBS - 1];
    out
}

/// [`Lanes::load`] to limbs.
#[inline(always)]
fn load<W: Wide>(raw: [&Raw; LANES]) -> [W; LIMBS] {
    let [a, b, c, d] = W::load(raw);
    let mask = W::splat(MASK);
    [
        a.and(mask),
        a.srl::<52>().or(b.sll::<12>()).and(mask),
        b.srl::<40>().or(c.sll::<24>()).and(mask),
        c.srl::<28>().or(d.sll::<36>()).and(mask),
        d.srl::<16>(),
    ]
}

/// [`Lanes::mul`] on limbs.
#[inline(always)]
fn mul<F: PastaField, W: Wide>(a: &[W; LIMBS], b: &[W; LIMBS]) -> [W; LIMBS] {
    let mut columns = [W::splat(0); 2 * LIMBS];
    accumulate(&mut columns, a, b);
    reduce::<F, W>(columns)
}

/// [`Lanes::square`] on limbs.
#[inline(always)]
fn square<F: PastaField, W: Wide>(a: &[W; LIMBS]) -> [W; LIMBS] {
    let mut columns = [W::splat(0); 2 * LIMBS];
    for i in 0..LIMBS {
        for j in i + 1..LIMBS {
            columns[i + j] = columns[i + j].madd_lo(a[i], a[j]);
            columns[i + j + 1] = columns[i + j + 1].madd_hi(a[i], a[j]);
        }
    }
    for column in &mut columns {
        *column = column.add(*column);
    }
    for i in 0..LIMBS {
        columns[2 * i] = columns[2 * i].madd_lo(a[i], a[i]);
        columns[2 * i + 1] = columns[2 * i + 1].madd_hi(a[i], a[i]);
    }
    reduce::<F, W>(columns)
}

/// [`Lanes::dot`] on limbs.
#[inline(always)]
fn dot<F: PastaField, W: Wide, const N: usize>(
    row: [&[W; LIMBS]; N],
    xs: [&[W; LIMBS]; N],
    constant: &[W; LIMBS],
) -> [W; LIMBS] {
    let mut columns = [W::splat(0); 2 * LIMBS];
    for i in 0..N {
        accumulate(&mut columns, row[i], xs[i]);
    }
    for i in 0..LIMBS {
        columns[LIMBS + i] = columns[LIMBS + i].add(constant[i]);
    }
    reduce::<F, W>(columns)
}

/// A constant in every lane.
#[inline(always)]
fn constant<W: Wide>(limbs: [u64; LIMBS]) -> [W; LIMBS] {
    let mut out = [W::splat(0); LIMBS];
    for i in 0..LIMBS {
        out[i] = W::splat(limbs[i]);
    }
    out
}

/// Carries of limbs taken as signed.
#[inline(always)]
fn normalise<W: Wide>(mut limbs: [W; LIMBS]) -> [W; LIMBS] {
    let mask = W::splat(MASK);
    for i in 0..LIMBS - 1 {
        limbs[i + 1] = limbs[i + 1].add(limbs[i].sra::<BITS>());
        limbs[i] = limbs[i].and(mask);
    }
    limbs
}

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
        mul::<F, W>(self.0, self.1)
    }
}

/// Squaring as a function of its own.
struct Squared<'a, F, W>(&'a [W; LIMBS], PhantomData<F>);

impl<F: PastaField, W: Wide> Op for Squared<'_, F, W> {
    type Output = [W; LIMBS];

    #[inline(always)]
    fn run(self) -> [W; LIMBS] {
        square::<F, W>(self.0)
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
        dot::<F, W, N>(self.row, self.xs, self.constant)
    }
}

/// Loading as a function of its own.
struct Load<'a, F, W>([&'a Raw; LANES], PhantomData<(F, W)>);

impl<F: PastaField, W: Wide> Op for Load<'_, F, W> {
    type Output = [W; LIMBS];

    #[inline(always)]
    fn run(self) -> [W; LIMBS] {
        load(self.0)
    }
}

impl<F: PastaField, W: Wide> Lanes<F> for Radix52<F, W> {
    #[inline(always)]
    fn outline<O: Op>(op: O) -> O::Output {
        W::outline(op)
    }

    #[inline(always)]
    fn load(raw: [&Raw; LANES]) -> Self {
        Self::new(W::outline(Load::<F, W>(raw, PhantomData)))
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
        for i in 0..LIMBS {
            let table = W::from_array(Constants::<F>::MULTIPLES[i]);
            out[i] = out[i].sub(table.lookup(multiple));
        }
        Self::new(normalise(out))
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
