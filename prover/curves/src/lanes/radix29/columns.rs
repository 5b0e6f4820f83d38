//! Products and their Montgomery reduction, column by column.
#![allow(clippy::needless_range_loop)]

use super::{BITS, Constants, LIMBS, MASK, TOP};
use crate::{fields::PastaField, lanes::word::Word};

/// A double-width integer given by its columns, computed one at a time.
trait Columns<W> {
    /// `sum` plus column `K`.
    fn add<const K: usize>(&self, sum: W) -> W;
}

/// `a·b`.
struct Product<'a, W>(&'a [W; LIMBS], &'a [W; LIMBS]);

impl<W: Word> Columns<W> for Product<'_, W> {
    #[inline(always)]
    fn add<const K: usize>(&self, mut sum: W) -> W {
        for i in K.saturating_sub(LIMBS - 1)..LIMBS.min(K + 1) {
            sum = sum.add64(self.0[i].mul32(self.1[K - i]));
        }
        sum
    }
}

/// `a²`, from `a` and `2a` in even places.
struct Square<'a, W>(&'a [W; LIMBS], &'a [W; LIMBS]);

impl<W: Word> Columns<W> for Square<'_, W> {
    #[inline(always)]
    fn add<const K: usize>(&self, mut sum: W) -> W {
        for i in K.saturating_sub(LIMBS - 1)..K.div_ceil(2) {
            sum = sum.add64(self.1[i].mul32(self.0[K - i]));
        }
        if K.is_multiple_of(2) && K / 2 < LIMBS {
            sum = sum.add64(self.0[K / 2].mul32(self.0[K / 2]));
        }
        sum
    }
}

/// `Σ row·xs + constant·2^261`.
struct Dot<'a, W, const N: usize> {
    row: [&'a [W; LIMBS]; N],
    xs: [&'a [W; LIMBS]; N],
    constant: &'a [W; LIMBS],
}

impl<W: Word, const N: usize> Columns<W> for Dot<'_, W, N> {
    #[inline(always)]
    fn add<const K: usize>(&self, mut sum: W) -> W {
        if K >= LIMBS {
            sum = sum.add64(self.constant[K - LIMBS]);
        }
        for i in 0..N {
            sum = Product(self.row[i], self.xs[i]).add::<K>(sum);
        }
        sum
    }
}

/// What the Montgomery reduction adds to column `k`, given the quotients so far.
#[inline(always)]
fn add_multiples<W: Word>(k: usize, mut sum: W, quotients: &[W; LIMBS], modulus: &[W; 5]) -> W {
    for i in k.saturating_sub(4)..LIMBS.min(k) {
        sum = sum.add64(quotients[i].mul32(modulus[k - i]));
    }
    if k >= 8 {
        sum = sum.add64(quotients[k - 8].sll64::<TOP>());
    }
    sum
}

/// Montgomery reduction of columns to tight limbs.
#[inline(always)]
fn reduce<F: PastaField, W: Word, C: Columns<W>>(columns: &C) -> [W; LIMBS] {
    let mut modulus = [W::splat64(0); 5];
    for i in 1..5 {
        modulus[i] = W::splat64(u64::from(Constants::<F>::MODULUS[i]));
    }
    let mask = W::splat64(u64::from(MASK));
    let zero = W::splat64(0);
    let mut quotients = [zero; LIMBS];
    let mut out = [zero; LIMBS];
    let mut carry = zero;
    macro_rules! low {
        ($($k:literal)*) => {$(
            let sum = add_multiples($k, columns.add::<$k>(carry), &quotients, &modulus);
            quotients[$k] = zero.sub64(sum).and(mask);
            carry = sum.add64(quotients[$k]).srl64::<BITS>();
        )*};
    }
    macro_rules! high {
        ($($k:literal)*) => {$(
            let sum = add_multiples($k, columns.add::<$k>(carry), &quotients, &modulus);
            out[$k - LIMBS] = sum.and(mask);
            carry = sum.srl64::<BITS>();
        )*};
    }
    low!(0 1 2 3 4 5 6 7 8);
    high!(9 10 11 12 13 14 15 16);
    // Column 17 has no products, only the top limb of a constant.
    out[LIMBS - 1] = columns.add::<17>(carry);
    out
}

/// The odd 32-bit places, moved to the even ones.
#[inline(always)]
pub(super) fn odd<W: Word>(x: &[W; LIMBS]) -> [W; LIMBS] {
    let mut out = *x;
    for limb in &mut out {
        *limb = limb.srl64::<32>();
    }
    out
}

/// Joins the results for the even and for the odd places.
#[inline(always)]
pub(super) fn join<W: Word>(mut even: [W; LIMBS], odd: [W; LIMBS]) -> [W; LIMBS] {
    for i in 0..LIMBS {
        even[i] = even[i].or(odd[i].sll64::<32>());
    }
    even
}

/// The even 32-bit places alone.
#[inline(always)]
pub(super) fn clear_odd<W: Word>(mut x: [W; LIMBS]) -> [W; LIMBS] {
    for limb in &mut x {
        *limb = limb.and(W::splat64(u64::from(u32::MAX)));
    }
    x
}

/// [`Lanes::mul`](crate::lanes::Lanes::mul) on limbs.
#[inline(always)]
pub(in crate::lanes) fn mul<F: PastaField, W: Word>(a: &[W; LIMBS], b: &[W; LIMBS]) -> [W; LIMBS] {
    let even = reduce::<F, W, _>(&Product(a, b));
    join(even, reduce::<F, W, _>(&Product(&odd(a), &odd(b))))
}

/// [`Lanes::square`](crate::lanes::Lanes::square) on limbs. Tight limbs have 29 bits, so doubled ones do not reach the odd
/// places.
#[inline(always)]
pub(super) fn square<F: PastaField, W: Word>(a: &[W; LIMBS]) -> [W; LIMBS] {
    let mut double = *a;
    for limb in &mut double {
        *limb = limb.add64(*limb);
    }
    let even = reduce::<F, W, _>(&Square(a, &double));
    join(even, reduce::<F, W, _>(&Square(&odd(a), &odd(&double))))
}

/// [`Lanes::dot`](crate::lanes::Lanes::dot) on limbs.
#[inline(always)]
pub(super) fn dot<F: PastaField, W: Word, const N: usize>(
    row: [&[W; LIMBS]; N],
    xs: [&[W; LIMBS]; N],
    constant: &[W; LIMBS],
) -> [W; LIMBS] {
    let even = reduce::<F, W, _>(&Dot { row, xs, constant: &clear_odd(*constant) });
    let mut odds = [[[W::splat64(0); LIMBS]; 2]; N];
    for i in 0..N {
        odds[i] = [odd(row[i]), odd(xs[i])];
    }
    let (mut row, mut xs) = (row, xs);
    for i in 0..N {
        (row[i], xs[i]) = (&odds[i][0], &odds[i][1]);
    }
    join(even, reduce::<F, W, _>(&Dot { row, xs, constant: &odd(constant) }))
}
