//! The bases of an MSM, ready to be added.

use alloc::vec::Vec;
use core::marker::PhantomData;

use ark_ff::BigInteger256;

use super::{
    groups::{RawPoint, Source, Sums},
    windows::Multiples,
};
use crate::{
    curves::{PastaCurve, Point},
    lanes::{Kernel, LANES, Lanes, Raw, prefetch},
    multiples::Block,
};

/// Low bits of an entry and of a key that say how the point is turned.
pub(crate) const TURNS: u32 = 2;

/// Which point of which base: `index·4 + endomorphism·2 + negated`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(pub(crate) u32);

impl Entry {
    pub(crate) fn new(base: usize, endomorphism: usize, negative: bool) -> Self {
        Self((base as u32) << TURNS | (endomorphism as u32) << 1 | u32::from(negative))
    }

    /// The index of the base.
    pub(crate) fn base(self) -> u32 {
        self.0 >> TURNS
    }

    /// `endomorphism·2 + negated`.
    pub(crate) fn turn(self) -> u32 {
        self.0 & ((1 << TURNS) - 1)
    }
}

/// Some of the points in a list.
pub(crate) struct Picked<'a> {
    pub(crate) points: &'a [RawPoint],
    pub(crate) order: &'a [u32],
}

impl Source for Picked<'_> {
    #[inline(always)]
    fn get(&self, i: usize) -> (&Raw, &Raw) {
        let point = &self.points[self.order[i] as usize];
        (&point.x, &point.y)
    }

    #[inline(always)]
    fn prefetch(&self, i: usize) {
        prefetch(&self.points[self.order[i] as usize]);
    }
}

/// The kernel that applies to each point what the low bits of its key say: negation, then the
/// endomorphism.
pub(crate) struct Turn<'a, C> {
    pub(crate) sums: &'a mut Sums,
    pub(crate) curve: PhantomData<C>,
}

impl<C: PastaCurve> Kernel<C::BaseField> for Turn<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) {
        let zero = L::splat(&[0; 4]);
        let endo = L::splat(&L::to_raw(C::ENDO_BASE));
        let keys = self.sums.keys.chunks(LANES);
        for (keys, points) in keys.zip(self.sums.points.chunks_mut(LANES)) {
            let first = &points[0];
            let (mut x, mut y) = ([&first.x; LANES], [&first.y; LANES]);
            let (mut turned, mut negated) = ([false; LANES], [false; LANES]);
            for (lane, (key, point)) in keys.iter().zip(points.iter()).enumerate() {
                (x[lane], y[lane]) = (&point.x, &point.y);
                (turned[lane], negated[lane]) = (key >> 1 & 1 == 1, key & 1 == 1);
            }
            let (x, y) = (L::load(x), L::load(y));
            let x = x.select(&x.mul(&endo), &turned).store();
            let y = y.select(&zero.sub_tight(&y), &negated).store();
            for (lane, point) in points.iter_mut().enumerate() {
                *point = RawPoint { x: x[lane], y: y[lane] };
            }
        }
    }
}

/// The kernel that converts points (none of them infinity).
pub(crate) struct Convert<'a, C: PastaCurve>(pub(crate) &'a [Point<C>]);

impl<C: PastaCurve> Kernel<C::BaseField> for Convert<'_, C> {
    type Output = Vec<RawPoint>;

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) -> Vec<RawPoint> {
        use crate::PastaField;
        let factor = L::entry_factor();
        let mut out = Vec::with_capacity(self.0.len());
        for chunk in self.0.chunks(LANES) {
            let (mut x, mut y) = ([[0; 4]; LANES], [[0; 4]; LANES]);
            for (lane, point) in chunk.iter().enumerate() {
                x[lane] = point.x.montgomery().0;
                y[lane] = point.y.montgomery().0;
            }
            let (mut x, mut y) = (L::load(x.each_ref()), L::load(y.each_ref()));
            if let Some(factor) = &factor {
                (x, y) = (x.mul(factor), y.mul(factor));
            }
            let (x, y) = (x.store(), y.store());
            for lane in 0..chunk.len() {
                out.push(RawPoint { x: x[lane], y: y[lane] });
            }
        }
        out
    }
}

/// The kernel that lists multiples of points: the points, then each multiple of all. `None` if an ordinate
/// is 0, which no point of the curve has.
pub(crate) struct Doubled<'a, C: PastaCurve, I> {
    pub(crate) points: &'a [RawPoint],
    /// Which points are infinity. Their multiples can be anything.
    pub(crate) infinite: I,
    pub(crate) multiples: Multiples,
    /// A point that is doubled in their place.
    pub(crate) generator: Point<C>,
}

impl<C: PastaCurve, I: Fn(usize) -> bool> Kernel<C::BaseField> for Doubled<'_, C, I> {
    type Output = Option<Vec<RawPoint>>;

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) -> Option<Vec<RawPoint>> {
        let len = self.points.len();
        let stand_in = (L::to_raw(self.generator.x), L::to_raw(self.generator.y));
        let mut out = Vec::with_capacity(len * self.multiples.count as usize);
        out.extend_from_slice(self.points);
        let mut block = Block::<L>::gather(len, |i| match (self.infinite)(i) {
            true => (&stand_in.0, &stand_in.1),
            false => (&self.points[i].x, &self.points[i].y),
        });
        for _ in 1..self.multiples.count {
            for _ in 0..self.multiples.step {
                block = block.double::<C>()?;
            }
            block.scatter(len, |_, point| out.push(point));
        }
        Some(out)
    }
}

/// The kernel that converts points back.
pub(crate) struct Restore<'a, C> {
    pub(crate) points: &'a [RawPoint],
    pub(crate) curve: PhantomData<C>,
}

impl<C: PastaCurve> Kernel<C::BaseField> for Restore<'_, C> {
    type Output = Vec<Point<C>>;

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) -> Vec<Point<C>> {
        let factor = L::exit_factor();
        let zero = [0; 4];
        let mut out = Vec::with_capacity(self.points.len());
        for chunk in self.points.chunks(LANES) {
            let (mut x, mut y) = ([&zero; LANES], [&zero; LANES]);
            for (lane, point) in chunk.iter().enumerate() {
                (x[lane], y[lane]) = (&point.x, &point.y);
            }
            let (mut x, mut y) = (L::load(x), L::load(y));
            if let Some(factor) = &factor {
                (x, y) = (x.mul(factor), y.mul(factor));
            }
            let (x, y) = (x.store(), y.store());
            for lane in 0..chunk.len() {
                out.push(Point::new_unchecked(canonical(&x[lane]), canonical(&y[lane])));
            }
        }
        out
    }
}

/// arkworks' element with the Montgomery words `raw`, below twice the modulus.
#[inline(always)]
fn canonical<F: crate::PastaField>(raw: &Raw) -> F {
    F::from_montgomery(BigInteger256::new(crate::lanes::subtract_once(*raw, F::MODULUS.0)))
}
