//! Eight elements in nine limbs of 29 bits.
//!
//! Limb `i` of all eight lanes is one [`Word`] of 32-bit integers; products are taken of the even
//! and of the odd places separately, each with 64-bit results. Both Pasta moduli are
//! `2^254 + c` with `c < 2^126` and `c ≡ 1 mod 2^32`, so
//! - limb 0 of the modulus is 1 and the Montgomery quotient of a column is its negation;
//! - limbs 5 to 7 are 0 and limb 8 is a power of two: five products per column of reduction.
//!
//! Bounds (`B = 2^29`): limbs of tight values are below `B`, of loose ones below `3B` (below `4B`
//! for `sub2`, which is only ever tightened). A column of `loose·tight` is below
//! `9·3B·B + 4·B² + 2^52 < 2^63`, one of [`Lanes::dot`] below `3·9·B² + 4·B² + 2^52 < 2^63`. With
//! the left operand below `8p` and the right one below `2.1p`, or both below `4.4p`, the result is
//! below `(1 + 8·2.1/2^7)·p < 1.2p`.
//!
//! Loops over limbs are plain ones: a closure handed to `array::map` may be compiled as a function
//! of its own, without the vector instructions of its caller.
#![allow(clippy::needless_range_loop)]

pub(super) mod columns;

use core::marker::PhantomData;

use ark_ff::BigInteger256;

use self::columns::{clear_odd, dot, join, odd, square};
use super::{LANES, Lanes, Op, Raw, power_of_two, subtract_once, word::Word};
use crate::fields::PastaField;

/// Number of limbs.
pub(super) const LIMBS: usize = 9;
const BITS: i32 = 29;
const MASK: u32 = (1 << BITS) - 1;
/// The modulus' top limb is `2^TOP`.
const TOP: i32 = 22;

/// Eight elements of `F`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Radix29<F, W>([W; LIMBS], PhantomData<F>);

/// `x` in limbs of 29 bits; `x` may have up to 261 bits, given as five words.
const fn split(x: [u64; 5]) -> [u32; LIMBS] {
    let mut out = [0; LIMBS];
    let mut i = 0;
    while i < LIMBS {
        let (word, shift) = (i * 29 / 64, i * 29 % 64);
        let mut limb = x[word] >> shift;
        if shift > 35 && word + 1 < 5 {
            limb |= x[word + 1] << (64 - shift);
        }
        out[i] = limb as u32 & MASK;
        i += 1;
    }
    out
}

/// `multiple·modulus` in limbs of 29 bits, each but the last raised by `spread·2^29` at the
/// expense of the next.
const fn padded(modulus: [u64; 4], multiple: u64, spread: u32) -> [u32; LIMBS] {
    let mut product = [0u64; 5];
    let mut carry = 0u128;
    let mut i = 0;
    while i < 4 {
        carry += modulus[i] as u128 * multiple as u128;
        product[i] = carry as u64;
        carry >>= 64;
        i += 1;
    }
    product[4] = carry as u64;
    let mut out = split(product);
    i = LIMBS - 1;
    while i > 0 {
        out[i] -= spread;
        out[i - 1] += spread << BITS;
        i -= 1;
    }
    out
}

struct Constants<F>(PhantomData<F>);

impl<F: PastaField> Constants<F> {
    const MODULUS: [u32; LIMBS] = padded(F::MODULUS.0, 1, 0);
    const SUB: [u32; LIMBS] = padded(F::MODULUS.0, 4, 1);
    const SUB2: [u32; LIMBS] = padded(F::MODULUS.0, 4, 2);
    /// `MULTIPLES[i][k]` is limb `i` of `k·p`.
    const MULTIPLES: [[u32; 8]; LIMBS] = {
        let mut out = [[0; 8]; LIMBS];
        let mut k = 0;
        while k < 8 {
            let limbs = padded(F::MODULUS.0, k as u64, 0);
            let mut i = 0;
            while i < LIMBS {
                out[i][k] = limbs[i];
                i += 1;
            }
            k += 1;
        }
        out
    };
    const REDUCTION: Reduction = Reduction {
        mask: [MASK as u64; 4],
        modulus: {
            let limbs = Self::MODULUS;
            [[limbs[1] as u64; 4], [limbs[2] as u64; 4], [limbs[3] as u64; 4], [limbs[4] as u64; 4]]
        },
    };
    const ENTRY: Raw = power_of_two(F::MODULUS.0, 266);
    const EXIT: Raw = power_of_two(F::MODULUS.0, 256);
    /// arkworks' words of `2^5` and of `2^-5`.
    const UP: Raw = power_of_two(F::MODULUS.0, 261);
    const DOWN: Raw = power_of_two(F::MODULUS.0, 251);
}

/// What products need in memory, in all four 64-bit places: the mask of a limb, and limbs 1 to 4 of
/// the modulus.
#[derive(Debug)]
#[repr(C, align(32))]
pub(super) struct Reduction {
    mask: [u64; 4],
    modulus: [[u64; 4]; 4],
}

impl Reduction {
    /// That of `F`.
    pub(super) const fn of<F: PastaField>() -> &'static Self {
        &Constants::<F>::REDUCTION
    }
}

/// A constant in every lane.
#[inline(always)]
fn constant<W: Word>(limbs: [u32; LIMBS]) -> [W; LIMBS] {
    let mut out = [W::splat64(0); LIMBS];
    for i in 0..LIMBS {
        out[i] = W::splat32(limbs[i]);
    }
    out
}

/// [`Lanes::load`] for four lanes.
#[inline(always)]
fn load_half<W: Word>(raw: [&Raw; 4]) -> [W; LIMBS] {
    let [a, b, c, d] = W::load(raw);
    let mask = W::splat64(u64::from(MASK));
    [
        a.and(mask),
        a.srl64::<29>().and(mask),
        a.srl64::<58>().or(b.sll64::<6>()).and(mask),
        b.srl64::<23>().and(mask),
        b.srl64::<52>().or(c.sll64::<12>()).and(mask),
        c.srl64::<17>().and(mask),
        c.srl64::<46>().or(d.sll64::<18>()).and(mask),
        d.srl64::<11>().and(mask),
        d.srl64::<40>(),
    ]
}

/// [`Lanes::load`] to limbs.
#[inline(always)]
fn load<W: Word>(raw: [&Raw; LANES]) -> [W; LIMBS] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = raw;
    join(load_half([r0, r1, r2, r3]), load_half([r4, r5, r6, r7]))
}

/// [`Lanes::store`] for four lanes in the even places (the odd ones may hold anything).
#[inline(always)]
fn store_half<W: Word>(limbs: [W; LIMBS]) -> [Raw; 4] {
    let [l0, l1, l2, l3, l4, l5, l6, l7, l8] = clear_odd(limbs);
    W::store([
        l0.or(l1.sll64::<29>()).or(l2.sll64::<58>()),
        l2.srl64::<6>().or(l3.sll64::<23>()).or(l4.sll64::<52>()),
        l4.srl64::<12>().or(l5.sll64::<17>()).or(l6.sll64::<46>()),
        l6.srl64::<18>().or(l7.sll64::<11>()).or(l8.sll64::<40>()),
    ])
}

impl<F: PastaField, W: Word> Radix29<F, W> {
    #[inline(always)]
    fn new(limbs: [W; LIMBS]) -> Self {
        Self(limbs, PhantomData)
    }
}

/// Multiplication as a function of its own.
struct Mul<'a, F, W>(&'a [W; LIMBS], &'a [W; LIMBS], PhantomData<F>);

impl<F: PastaField, W: Word> Op for Mul<'_, F, W> {
    type Output = [W; LIMBS];

    #[inline(always)]
    fn run(self) -> [W; LIMBS] {
        W::product::<F>(self.0, self.1)
    }
}

/// Squaring as a function of its own.
struct Squared<'a, F, W>(&'a [W; LIMBS], PhantomData<F>);

impl<F: PastaField, W: Word> Op for Squared<'_, F, W> {
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

impl<F: PastaField, W: Word, const N: usize> Op for Row<'_, F, W, N> {
    type Output = [W; LIMBS];

    #[inline(always)]
    fn run(self) -> [W; LIMBS] {
        dot::<F, W, N>(self.row, self.xs, self.constant)
    }
}

/// Loading as a function of its own.
struct Load<'a, F, W>([&'a Raw; LANES], PhantomData<(F, W)>);

impl<F: PastaField, W: Word> Op for Load<'_, F, W> {
    type Output = [W; LIMBS];

    #[inline(always)]
    fn run(self) -> [W; LIMBS] {
        load(self.0)
    }
}

impl<F: PastaField, W: Word> Lanes<F> for Radix29<F, W> {
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
        Self::new(constant(split([raw[0], raw[1], raw[2], raw[3], 0])))
    }

    #[inline(always)]
    fn store(&self) -> [Raw; LANES] {
        let [r0, r1, r2, r3] = store_half(self.0);
        let [r4, r5, r6, r7] = store_half(odd(&self.0));
        [r0, r1, r2, r3, r4, r5, r6, r7]
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
            out[i] = out[i].add32(other.0[i]);
        }
        Self::new(out)
    }

    #[inline(always)]
    fn sub(&self, other: &Self) -> Self {
        let mut out = constant::<W>(Constants::<F>::SUB);
        for i in 0..LIMBS {
            out[i] = out[i].add32(self.0[i]).sub32(other.0[i]);
        }
        Self::new(out)
    }

    #[inline(always)]
    fn sub2(&self, a: &Self, b: &Self) -> Self {
        let mut out = constant::<W>(Constants::<F>::SUB2);
        for i in 0..LIMBS {
            out[i] = out[i].add32(self.0[i]).sub32(a.0[i]).sub32(b.0[i]);
        }
        Self::new(out)
    }

    /// Subtracts `k·p`, with `k` from the top limb before carries: with `x ≥ limb8·2^232` and
    /// `k = ⌊(limb8 − 1)/2^22⌋` there is room for `k·c < 2^232`, and what is left is below
    /// `2^254 + 6·2^232`. Limbs stay below `2^31`, so they can be taken as signed.
    #[inline(always)]
    fn tighten(&self) -> Self {
        let one = W::splat32(1);
        let multiple = self.0[LIMBS - 1].max32(one).sub32(one).srl32::<TOP>();
        let mask = W::splat32(MASK);
        let mut out = self.0;
        let mut carry = W::splat32(0);
        for i in 0..LIMBS {
            let table = W::from32(Constants::<F>::MULTIPLES[i]);
            let x = out[i].sub32(table.lookup32(multiple)).add32(carry);
            out[i] = x.and(mask);
            carry = x.sra32::<BITS>();
        }
        Self::new(out)
    }

    #[inline(always)]
    fn select(&self, other: &Self, from_other: &[bool; LANES]) -> Self {
        // Lanes 0 to 3 are in the even places, 4 to 7 in the odd ones.
        let mut places = [0; LANES];
        for lane in 0..4 {
            places[2 * lane] = u32::from(from_other[lane]).wrapping_neg();
            places[2 * lane + 1] = u32::from(from_other[lane + 4]).wrapping_neg();
        }
        let take = W::from32(places);
        let keep = W::splat32(u32::MAX).sub32(take);
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
