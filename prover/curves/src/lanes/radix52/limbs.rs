//! The algorithms on limbs.
#![allow(clippy::needless_range_loop)]

use core::marker::PhantomData;

use super::super::{LANES, Raw, power_of_two, word::Wide};
use crate::fields::PastaField;

/// Number of limbs.
pub(super) const LIMBS: usize = 5;
const BITS: u32 = 52;
const MASK: u64 = (1 << BITS) - 1;
/// The modulus' top limb is `2^TOP`.
pub(super) const TOP: u32 = 46;

/// `x` in limbs of 52 bits.
pub(super) const fn split(x: [u64; 4]) -> [u64; LIMBS] {
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

pub(super) struct Constants<F>(PhantomData<F>);

impl<F: PastaField> Constants<F> {
    const MODULUS: [u64; LIMBS] = multiple(F::MODULUS.0, 1);
    pub(super) const FOUR: [u64; LIMBS] = multiple(F::MODULUS.0, 4);
    const INVERSE: u64 = negated_inverse(F::MODULUS.0[0]) & MASK;
    /// `MULTIPLES[i][k]` is limb `i` of `k·(p − 2^254)`, below `2^129`.
    pub(super) const MULTIPLES: [[u64; 8]; 3] = {
        let mut out = [[0; 8]; 3];
        let [a, b, c, _] = F::MODULUS.0;
        let mut k = 0;
        while k < 8 {
            let limbs = multiple([a, b, c, 0], k as u64);
            let mut i = 0;
            while i < 3 {
                out[i][k] = limbs[i];
                i += 1;
            }
            k += 1;
        }
        out
    };
    pub(super) const ENTRY: Raw = power_of_two(F::MODULUS.0, 264);
    pub(super) const EXIT: Raw = power_of_two(F::MODULUS.0, 256);
    /// arkworks' words of `2^4` and of `2^-4`.
    pub(super) const UP: Raw = power_of_two(F::MODULUS.0, 260);
    pub(super) const DOWN: Raw = power_of_two(F::MODULUS.0, 252);
}

/// Columns of products. Each of the low five holds `2^52 − 1` more than its value, which makes
/// rounding up in [`reduce`] a shift.
type Columns<W> = [W; 2 * LIMBS];

/// No product yet.
#[inline(always)]
fn empty<W: Wide>() -> Columns<W> {
    let mut columns = [W::splat(0); 2 * LIMBS];
    for k in 0..LIMBS {
        columns[k] = W::splat(MASK);
    }
    columns
}

/// Adds `a·b` to the columns. At most three products, one reduction and the offset meet in a
/// column: below `(3·10 + 10)·2^52`.
#[inline(always)]
fn accumulate<W: Wide>(columns: &mut Columns<W>, a: &[W; LIMBS], b: &[W; LIMBS]) {
    for i in 0..LIMBS {
        for j in 0..LIMBS {
            columns[i + j] = columns[i + j].madd_lo(a[i], b[j]);
            columns[i + j + 1] = columns[i + j + 1].madd_hi(a[i], b[j]);
        }
    }
}

/// Montgomery reduction of columns to limbs without carries, each below `40·2^52`.
///
/// Step `k` adds the multiple `q·p·2^(52k)` that clears the low 52 bits of column `k`, whose value
/// is `x` and whose content `x + 2^52 − 1`. So `q = (content + 1)·(−1/p)` modulo `2^52` (the
/// register may hold a bit more, which the multiply-add does not read), and what column `k` carries on is `x/2^52` rounded up, the content shifted: neither waits for the low half
/// of `q` times the lowest limb of `p`. The next column has the longest way to go, so its two sums
/// run side by side.
#[inline(always)]
fn reduce<F: PastaField, W: Wide>(mut columns: Columns<W>) -> [W; LIMBS] {
    let modulus = constant::<W>(Constants::<F>::MODULUS);
    let inverse = W::splat(Constants::<F>::INVERSE);
    for k in 0..LIMBS {
        let quotient = inverse.madd_lo(columns[k], inverse);
        let carry = columns[k].srl::<BITS>().madd_lo(quotient, modulus[1]);
        columns[k + 1] = columns[k + 1].madd_hi(quotient, modulus[0]).add(carry);
        columns[k + 2] = columns[k + 2].madd_hi(quotient, modulus[1]).madd_lo(quotient, modulus[2]);
        columns[k + 3] = columns[k + 3].madd_hi(quotient, modulus[2]);
        columns[k + 4] = columns[k + 4].madd_lo(quotient, modulus[4]);
        columns[k + 5] = columns[k + 5].madd_hi(quotient, modulus[4]);
    }
    let [.., a, b, c, d, e] = columns;
    [a, b, c, d, e]
}

/// Carries of unsigned limbs.
#[inline(always)]
fn carry<W: Wide>(mut limbs: [W; LIMBS]) -> [W; LIMBS] {
    let mask = W::splat(MASK);
    for i in 0..LIMBS - 1 {
        limbs[i + 1] = limbs[i + 1].add(limbs[i].srl::<BITS>());
        limbs[i] = limbs[i].and(mask);
    }
    limbs
}

/// Tight limbs of a value from `0.8·p` to `8·p`, whose limbs `t[i]` have no carries done and are
/// between `−2^54` and `2^58`.
///
/// The lower limbs make up from `−5·2^208` to `65·2^208`. So with `k = ⌊(t[4] − 8)/2^46⌋` the value
/// less `k·2^254` is at least `3·2^208`, more than `k·(p − 2^254)`, and below `2^254 + 73·2^208`.
#[inline(always)]
pub(super) fn tight<F: PastaField, W: Wide>(mut limbs: [W; LIMBS]) -> [W; LIMBS] {
    let multiple = limbs[LIMBS - 1].sub(W::splat(8)).srl::<TOP>();
    subtract::<F, W>(&mut limbs, multiple);
    normalise(limbs)
}

/// Subtracts `multiple·p`, for multiples below 8, without carries.
#[inline(always)]
pub(super) fn subtract<F: PastaField, W: Wide>(limbs: &mut [W; LIMBS], multiple: W) {
    for i in 0..3 {
        let table = W::from_array(Constants::<F>::MULTIPLES[i]);
        limbs[i] = limbs[i].sub(table.lookup(multiple));
    }
    limbs[LIMBS - 1] = limbs[LIMBS - 1].sub(multiple.sll::<TOP>());
}

/// [`Lanes::load`](crate::lanes::Lanes::load) to limbs.
#[inline(always)]
pub(super) fn load<W: Wide>(raw: [&Raw; LANES]) -> [W; LIMBS] {
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

/// [`Lanes::mul`](crate::lanes::Lanes::mul) on limbs.
#[inline(always)]
pub(super) fn mul<F: PastaField, W: Wide>(a: &[W; LIMBS], b: &[W; LIMBS]) -> [W; LIMBS] {
    let mut columns = empty();
    accumulate(&mut columns, a, b);
    carry(reduce::<F, W>(columns))
}

/// [`Lanes::mul_sub`](crate::lanes::Lanes::mul_sub) on limbs.
#[inline(always)]
pub(super) fn mul_sub<F: PastaField, W: Wide>(
    a: &[W; LIMBS],
    b: &[W; LIMBS],
    c: &[W; LIMBS],
) -> [W; LIMBS] {
    let mut columns = empty();
    accumulate(&mut columns, a, b);
    let mut out = reduce::<F, W>(columns);
    for i in 0..LIMBS {
        out[i] = out[i].add(W::splat(Constants::<F>::FOUR[i])).sub(c[i]);
    }
    tight::<F, W>(out)
}

/// Columns of `a²`.
#[inline(always)]
fn squared<W: Wide>(a: &[W; LIMBS]) -> Columns<W> {
    let mut columns = [W::splat(0); 2 * LIMBS];
    for i in 0..LIMBS {
        for j in i + 1..LIMBS {
            columns[i + j] = columns[i + j].madd_lo(a[i], a[j]);
            columns[i + j + 1] = columns[i + j + 1].madd_hi(a[i], a[j]);
        }
    }
    // No such product meets in the first and the last column.
    let offset = empty::<W>();
    columns[0] = offset[0];
    for i in 1..2 * LIMBS - 1 {
        columns[i] = columns[i].add(columns[i]);
        if i < LIMBS {
            columns[i] = columns[i].add(offset[i]);
        }
    }
    for i in 0..LIMBS {
        columns[2 * i] = columns[2 * i].madd_lo(a[i], a[i]);
        columns[2 * i + 1] = columns[2 * i + 1].madd_hi(a[i], a[i]);
    }
    columns
}

/// [`Lanes::square`](crate::lanes::Lanes::square) on limbs.
#[inline(always)]
pub(super) fn square<F: PastaField, W: Wide>(a: &[W; LIMBS]) -> [W; LIMBS] {
    carry(reduce::<F, W>(squared(a)))
}

/// [`Lanes::square_sub2`](crate::lanes::Lanes::square_sub2) on limbs.
#[inline(always)]
pub(super) fn square_sub2<F: PastaField, W: Wide>(
    x: &[W; LIMBS],
    a: &[W; LIMBS],
    b: &[W; LIMBS],
) -> [W; LIMBS] {
    let mut out = reduce::<F, W>(squared(x));
    for i in 0..LIMBS {
        out[i] = out[i].add(W::splat(Constants::<F>::FOUR[i])).sub(a[i]).sub(b[i]);
    }
    tight::<F, W>(out)
}

/// [`Lanes::dot`](crate::lanes::Lanes::dot) on limbs.
#[inline(always)]
pub(super) fn dot<F: PastaField, W: Wide, const N: usize>(
    row: [&[W; LIMBS]; N],
    xs: [&[W; LIMBS]; N],
    constant: &[W; LIMBS],
) -> [W; LIMBS] {
    let mut columns = empty();
    for i in 0..N {
        accumulate(&mut columns, row[i], xs[i]);
    }
    for i in 0..LIMBS {
        columns[LIMBS + i] = columns[LIMBS + i].add(constant[i]);
    }
    carry(reduce::<F, W>(columns))
}

/// A constant in every lane.
#[inline(always)]
pub(super) fn constant<W: Wide>(limbs: [u64; LIMBS]) -> [W; LIMBS] {
    let mut out = [W::splat(0); LIMBS];
    for i in 0..LIMBS {
        out[i] = W::splat(limbs[i]);
    }
    out
}

/// Carries of limbs taken as signed.
#[inline(always)]
pub(super) fn normalise<W: Wide>(mut limbs: [W; LIMBS]) -> [W; LIMBS] {
    let mask = W::splat(MASK);
    for i in 0..LIMBS - 1 {
        limbs[i + 1] = limbs[i + 1].add(limbs[i].sra::<BITS>());
        limbs[i] = limbs[i].and(mask);
    }
    limbs
}
