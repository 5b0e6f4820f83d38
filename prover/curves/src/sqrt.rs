//! Square roots, of one element or of many at once.
//!
//! Both fields have `p − 1 = 2^32·t` with odd `t`. With `v = x^((t−1)/2)`, `w = x·v` and `b = w·v = x^t`,
//! there is an `e` with `b = g^e`, where `g` generates the group of order `2^32`; if `e` is even,
//! `w·g^(−e/2)` is a root, and otherwise there is none. The exponent is found eight bits at a time, from
//! the lowest, in tables: 24 squarings, where one bit at a time takes 250 on average. Of the two roots it
//! is the one that arkworks' `sqrt` returns, on which the bases of the SRS depend: Tonelli and Shanks
//! multiply `w` by `g` with an exponent below `2^31`, by `g^(2^31 − e/2) = −g^(−e/2)` unless `e` is 0.
//!
//! Source: P. Sarkar, "Computing square roots faster than the Tonelli-Shanks/Bernstein algorithm".
//!
//! The time depends on the number: not for secrets that an observer may time.

mod many;

use alloc::{vec, vec::Vec};

use core::marker::PhantomData;

use ark_ff::BigInteger256;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
use crate::adx::Adx;
use crate::{
    fields::PastaField,
    lanes::{Raw, subtract_once},
};

/// Bits of a digit.
const BITS: usize = 8;
const DIGITS: usize = 32 / BITS;

/// What the algorithm needs to know about a field.
#[derive(Debug)]
pub struct SqrtTable<F> {
    /// `g^(−2^(8k)·d)` at row `k`, place `d`.
    powers: [Vec<F>; DIGITS],
    /// The powers of `g^(2^24)` by the low word of their representation, with their exponents.
    digits: Vec<(u64, u8)>,
}

/// Multiplication of elements that may not be fully reduced.
trait Arithmetic: Copy {
    /// One of them, or some side by side.
    type Element: Copy;

    fn product(self, a: &Self::Element, b: &Self::Element) -> Self::Element;
    fn squared(self, a: &Self::Element) -> Self::Element;

    #[inline(always)]
    fn squares(self, a: &Self::Element, count: usize) -> Self::Element {
        let mut out = *a;
        for _ in 0..count {
            out = self.squared(&out);
        }
        out
    }
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
impl<F: PastaField> Arithmetic for Adx<F> {
    type Element = Raw;

    #[inline(always)]
    fn product(self, a: &Raw, b: &Raw) -> Raw {
        self.mul(a, b)
    }

    #[inline(always)]
    fn squared(self, a: &Raw) -> Raw {
        self.square(a)
    }
}

/// arkworks' own.
struct Portable<F>(PhantomData<F>);

impl<F> Clone for Portable<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Portable<F> {}

impl<F: PastaField> Arithmetic for Portable<F> {
    type Element = Raw;

    #[inline(always)]
    fn product(self, a: &Raw, b: &Raw) -> Raw {
        (element::<F>(*a) * element::<F>(*b)).montgomery().0
    }

    #[inline(always)]
    fn squared(self, a: &Raw) -> Raw {
        element::<F>(*a).square().montgomery().0
    }
}

/// The element with the Montgomery form `x`, below twice the modulus.
fn element<F: PastaField>(x: Raw) -> F {
    F::from_montgomery(BigInteger256::new(subtract_once(x, F::MODULUS.0)))
}

impl<F: PastaField> SqrtTable<F> {
    /// Computes the tables.
    pub(crate) fn new() -> Self {
        let row = |base: F| {
            let mut row = vec![F::ONE; 1 << BITS];
            for d in 1..row.len() {
                row[d] = row[d - 1] * base;
            }
            row
        };
        let root = F::TWO_ADIC_ROOT_OF_UNITY;
        // The inverse of a root of unity of order 2^32.
        let down = root.pow([u64::from(u32::MAX)]);
        let powers = [0, 1, 2, 3].map(|k| row(down.pow([1u64 << (BITS * k)])));
        let mut digits: Vec<(u64, u8)> = row(root.pow([1u64 << 24]))
            .into_iter()
            .zip(0..=u8::MAX)
            .map(|(x, d)| (x.montgomery().0[0], d))
            .collect();
        digits.sort_unstable();
        Self { powers, digits }
    }

    /// A square root of `x`, if there is one.
    pub(crate) fn sqrt(&self, x: F) -> Option<F> {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(adx) = Adx::<F>::detect() {
            return self.sqrt_by(adx, x);
        }
        self.sqrt_by(Portable::<F>(PhantomData), x)
    }

    fn sqrt_by(&self, by: impl Arithmetic<Element = Raw>, x: F) -> Option<F> {
        self.root(by, x, &Powers::of::<F, _>(by, &x.montgomery().0))
    }

    /// The root of `x` from its powers.
    fn root(&self, by: impl Arithmetic<Element = Raw>, x: F, powers: &Powers<Raw>) -> Option<F> {
        // It is in no group.
        if x.is_zero() {
            return Some(x);
        }
        let mut exponent = 0u32;
        for (k, shifted) in powers.shifted.iter().enumerate() {
            let mut rest = *shifted;
            for lower in 0..k {
                // The digit `lower`, moved as the number was.
                let digit = (exponent >> (BITS * lower)) as usize % (1 << BITS);
                let row = DIGITS - 1 - k + lower;
                rest = by.product(&rest, &self.powers[row][digit].montgomery().0);
            }
            let low = element::<F>(rest).montgomery().0[0];
            let place = self.digits.binary_search_by_key(&low, |(low, _)| *low).ok()?;
            exponent |= u32::from(self.digits[place].1) << (BITS * k);
        }
        if exponent % 2 == 1 {
            return None;
        }
        let half = (exponent / 2) as usize;
        let mut root = powers.w;
        for (k, row) in self.powers.iter().enumerate() {
            let digit = (half >> (BITS * k)) % (1 << BITS);
            root = by.product(&root, &row[digit].montgomery().0);
        }
        let root = element::<F>(root);
        Some(if half == 0 { root } else { -root })
    }
}

/// What the root of a number follows from.
struct Powers<E> {
    w: E,
    /// `b^(2^(24 − 8k))` by `k`, so that each digit of the exponent is the lowest of what is left.
    shifted: [E; DIGITS],
}

impl<E: Copy> Powers<E> {
    #[inline(always)]
    fn of<F: PastaField, A: Arithmetic<Element = E>>(by: A, x: &E) -> Self {
        let v = half_of_odd_part::<F, A>(by, x);
        let w = by.product(x, &v);
        let mut shifted = [by.product(&w, &v); DIGITS];
        for k in (0..DIGITS - 1).rev() {
            shifted[k] = by.squares(&shifted[k + 1], BITS);
        }
        Self { w, shifted }
    }
}

/// `x^((t − 1)/2)`. Of the 221 bits of the exponent the first is followed by 127 zeros at least: the
/// modulus is `2^254 + c` with `c < 2^126`.
#[inline(always)]
fn half_of_odd_part<F: PastaField, A: Arithmetic>(by: A, x: &A::Element) -> A::Element {
    const WINDOW: usize = 4;
    // t = (p − 1)/2^32, and its half without the top bit, below 2^93.
    let [p0, p1, ..] = F::MODULUS.0;
    let low = ((u128::from(p1) << 64) | u128::from(p0)) >> 33;
    let mut odd = [*x; 1 << (WINDOW - 1)];
    let square = by.squared(x);
    for i in 1..odd.len() {
        odd[i] = by.product(&odd[i - 1], &square);
    }
    // Squarings that are still to be done stand before the next window.
    let mut out = *x;
    let mut left = 221;
    let mut pending = 0;
    while left > 0 {
        let bit = |place: usize| place < 128 && low >> place & 1 == 1;
        if !bit(left - 1) {
            left -= 1;
            pending += 1;
            continue;
        }
        let mut width = WINDOW.min(left);
        while !bit(left - width) {
            width -= 1;
        }
        let window = (low >> (left - width)) as usize % (1 << width);
        out = by.squares(&out, pending + width);
        out = by.product(&out, &odd[window / 2]);
        pending = 0;
        left -= width;
    }
    by.squares(&out, pending)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{
        fields::{Fp, Fq},
        lanes::LaneBackend,
    };

    fn agrees<F: PastaField>() {
        let digits = &F::sqrt_table().digits;
        assert!(digits.is_sorted_by(|(a, _), (b, _)| a < b), "low words that are the same");
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let root = F::TWO_ADIC_ROOT_OF_UNITY;
        // Zero, small ones, every order in the group of order 2^32, and elements of it.
        let mut xs = vec![F::ZERO, F::ONE, -F::ONE, F::from(5u64), -F::from(5u64)];
        xs.extend((0..32).map(|k| root.pow([1u64 << k])));
        xs.extend((0..400u64).map(|k| root.pow([k * 0x9e37_79b9 % (1 << 32)])));
        xs.extend((0..400).map(|_| F::rand(&mut rng)));
        let mut roots = 0;
        for x in &xs {
            let (x, square) = (*x, x.square());
            let table = F::sqrt_table();
            for x in [x, square] {
                let expected = x.sqrt();
                assert_eq!(F::square_root(x), expected);
                assert_eq!(table.sqrt_by(Portable::<F>(PhantomData), x), expected);
                roots += usize::from(expected.is_some());
            }
        }
        assert!(roots > 1000);
        let expected: Vec<Option<F>> = xs.iter().map(F::sqrt).collect();
        for backend in [LaneBackend::Scalar, LaneBackend::Avx2, LaneBackend::Avx512Ifma] {
            for n in [0, 1, 9, xs.len()] {
                assert_eq!(
                    F::sqrt_table().sqrt_many(backend, &xs[..n]),
                    expected[..n],
                    "{backend:?}"
                );
            }
        }
    }

    #[test]
    fn the_roots_are_those_of_arkworks() {
        agrees::<Fp>();
        agrees::<Fq>();
    }
}
