//! Affine points in lanes, and additions of whole blocks of them.
#![allow(clippy::needless_range_loop)]

use alloc::{vec, vec::Vec};
use core::marker::PhantomData;

use ark_ff::BigInteger256;

use crate::{
    curves::{PastaCurve, Point},
    fields::PastaField,
    lanes::{LANES, Lanes, Op, Raw, subtract_once},
    msm::groups::{RawPoint, invert},
};

/// Affine points, none of them infinity, eight to a vector. What fills the last vector is a point
/// of the block again.
#[derive(Clone, Debug)]
pub(crate) struct Block<L> {
    pub(crate) x: Vec<L>,
    pub(crate) y: Vec<L>,
}

impl<L: Copy> Block<L> {
    /// The points that `coordinates` gives for `0..len`, `len > 0`.
    #[inline(always)]
    pub(crate) fn gather<'a, F: PastaField>(
        len: usize,
        coordinates: impl Fn(usize) -> (&'a Raw, &'a Raw),
    ) -> Self
    where
        L: Lanes<F>,
    {
        let vectors = len.div_ceil(LANES);
        let (mut x, mut y) = (Vec::with_capacity(vectors), Vec::with_capacity(vectors));
        for vector in 0..vectors {
            let (first, first_y) = coordinates(vector * LANES);
            let (mut xs, mut ys) = ([first; LANES], [first_y; LANES]);
            for lane in 1..LANES.min(len - vector * LANES) {
                (xs[lane], ys[lane]) = coordinates(vector * LANES + lane);
            }
            x.push(L::load(xs));
            y.push(L::load(ys));
        }
        Self { x, y }
    }

    /// Hands each of the first `len` points to `put`, with its index.
    #[inline(always)]
    pub(crate) fn scatter<F: PastaField>(&self, len: usize, mut put: impl FnMut(usize, RawPoint))
    where
        L: Lanes<F>,
    {
        for (vector, (x, y)) in self.x.iter().zip(&self.y).enumerate() {
            let (xs, ys) = (x.store(), y.store());
            for lane in 0..LANES.min(len - vector * LANES) {
                put(vector * LANES + lane, RawPoint { x: xs[lane], y: ys[lane] });
            }
        }
    }

    /// Points in arkworks' form.
    #[inline(always)]
    pub(crate) fn from_points<C: PastaCurve>(points: &[Point<C>]) -> Self
    where
        L: Lanes<C::BaseField>,
    {
        let words: Vec<(Raw, Raw)> =
            points.iter().map(|point| (point.x.montgomery().0, point.y.montgomery().0)).collect();
        let mut block = Self::gather(words.len(), |i| (&words[i].0, &words[i].1));
        if let Some(factor) = L::entry_factor() {
            block.rescale(&factor);
        }
        block
    }

    /// The first `len` points in arkworks' form.
    #[inline(always)]
    pub(crate) fn into_points<C: PastaCurve>(
        mut self,
        len: usize,
        _curve: PhantomData<C>,
    ) -> Vec<Point<C>>
    where
        L: Lanes<C::BaseField>,
    {
        if let Some(factor) = L::exit_factor() {
            self.rescale(&factor);
        }
        let mut points = Vec::with_capacity(len);
        self.scatter(len, |_, point| {
            points.push(Point::new_unchecked(canonical(&point.x), canonical(&point.y)));
        });
        points
    }

    #[inline(always)]
    fn rescale<F: PastaField>(&mut self, factor: &L)
    where
        L: Lanes<F>,
    {
        for x in self.x.iter_mut().chain(&mut self.y) {
            *x = x.mul(factor);
        }
    }

    /// Sums, or `None` if two points have the same x.
    #[inline(always)]
    pub(crate) fn add<C: PastaCurve>(&self, other: &Self) -> Option<Self>
    where
        L: Lanes<C::BaseField>,
    {
        let mut inverses = Vec::with_capacity(self.x.len());
        for (x1, x2) in self.x.iter().zip(&other.x) {
            inverses.push(x2.sub(x1));
        }
        invert_all(&mut inverses)?;
        let mut out = self.clone();
        for i in 0..self.x.len() {
            let (x2, y2) = (&other.x[i], &other.y[i]);
            (out.x[i], out.y[i]) = chord(&self.x[i], &self.y[i], x2, y2, &inverses[i]);
        }
        Some(out)
    }

    /// Sums and differences, or `None` if two points have the same x.
    #[inline(always)]
    pub(crate) fn add_and_sub<C: PastaCurve>(&self, other: &Self) -> Option<(Self, Self)>
    where
        L: Lanes<C::BaseField>,
    {
        let mut inverses = Vec::with_capacity(self.x.len());
        for (x1, x2) in self.x.iter().zip(&other.x) {
            inverses.push(x2.sub(x1));
        }
        invert_all(&mut inverses)?;
        let zero = L::splat(&[0; 4]);
        let (mut sum, mut difference) = (self.clone(), self.clone());
        for i in 0..self.x.len() {
            let (x1, y1, x2, y2) = (&self.x[i], &self.y[i], &other.x[i], &other.y[i]);
            (sum.x[i], sum.y[i]) = chord(x1, y1, x2, y2, &inverses[i]);
            let y2 = zero.sub_tight(y2);
            (difference.x[i], difference.y[i]) = chord(x1, y1, x2, &y2, &inverses[i]);
        }
        Some((sum, difference))
    }

    /// Doubles, or `None` if an ordinate is zero.
    #[inline(always)]
    pub(crate) fn double<C: PastaCurve>(&self) -> Option<Self>
    where
        L: Lanes<C::BaseField>,
    {
        let mut inverses = Vec::with_capacity(self.x.len());
        for y in &self.y {
            inverses.push(y.add(y));
        }
        invert_all(&mut inverses)?;
        let mut out = self.clone();
        for i in 0..self.x.len() {
            let (x, y) = (&self.x[i], &self.y[i]);
            let square = x.square();
            let slope = square.add(&square).tighten().add(&square).mul(&inverses[i]);
            let x3 = slope.square_sub2(x, x);
            out.y[i] = x.sub(&x3).mul_sub(&slope, y);
            out.x[i] = x3;
        }
        Some(out)
    }
}

/// The sum of two points, given the inverse of `x2 − x1`.
#[inline(always)]
pub(crate) fn chord<F: PastaField, L: Lanes<F>>(
    x1: &L,
    y1: &L,
    x2: &L,
    y2: &L,
    inverse: &L,
) -> (L, L) {
    let [sum] = chords([Pair { x: [x1, x2], y: [y1, y2], inverse }]);
    sum
}

/// Two points, neither infinity, and the inverse of `x[1] − x[0]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'a, L> {
    pub(crate) x: [&'a L; 2],
    pub(crate) y: [&'a L; 2],
    pub(crate) inverse: &'a L,
}

/// The sums of several pairs, computed side by side: the multiplications of one sum wait for each
/// other.
#[inline(always)]
pub(crate) fn chords<F: PastaField, L: Lanes<F>, const N: usize>(
    pairs: [Pair<'_, L>; N],
) -> [(L, L); N] {
    L::outline(Chords(pairs, PhantomData))
}

struct Chords<'a, F, L, const N: usize>([Pair<'a, L>; N], PhantomData<F>);

impl<F: PastaField, L: Lanes<F>, const N: usize> Op for Chords<'_, F, L, N> {
    type Output = [(L, L); N];

    #[inline(always)]
    fn run(self) -> [(L, L); N] {
        let pairs = &self.0;
        let mut slopes = [*pairs[0].x[0]; N];
        for i in 0..N {
            slopes[i] = pairs[i].y[1].sub(pairs[i].y[0]).mul(pairs[i].inverse);
        }
        let mut sums = [(slopes[0], slopes[0]); N];
        for i in 0..N {
            sums[i].0 = slopes[i].square_sub2(pairs[i].x[0], pairs[i].x[1]);
        }
        for i in 0..N {
            sums[i].1 = pairs[i].x[0].sub(&sums[i].0).mul_sub(&slopes[i], pairs[i].y[0]);
        }
        sums
    }
}

/// Inverts all values (which may be loose) with one inversion, or `None` if one is zero.
#[inline(always)]
pub(crate) fn invert_all<F: PastaField, L: Lanes<F>>(values: &mut [L]) -> Option<()> {
    let mut product = L::splat(&L::to_raw(F::ONE));
    let mut prefixes = vec![product; values.len()];
    for (value, prefix) in values.iter().zip(&mut prefixes) {
        *prefix = product;
        product = value.mul(&product);
    }
    let mut inverse = invert::<F, L>(&product)?;
    for (value, prefix) in values.iter_mut().zip(&prefixes).rev() {
        let next = value.mul(&inverse);
        *value = prefix.mul(&inverse);
        inverse = next;
    }
    Some(())
}

/// arkworks' element with the Montgomery words `raw`, below twice the modulus.
#[inline(always)]
pub(crate) fn canonical<F: PastaField>(raw: &Raw) -> F {
    F::from_montgomery(BigInteger256::new(subtract_once(*raw, F::MODULUS.0)))
}
