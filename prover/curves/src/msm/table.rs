//! The bases of an MSM, ready to be added.

use alloc::vec::Vec;
use core::marker::PhantomData;

use ark_ff::BigInteger256;

use super::groups::{RawPoint, Source, Sums};
use crate::{
    curves::{PastaCurve, Point},
    lanes::{Kernel, LANES, Lanes, Raw, prefetch},
};

/// Which point of which base: `index·4 + endomorphism·2 + negated`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(pub(crate) u32);

impl Entry {
    pub(crate) fn new(base: usize, endomorphism: usize, negative: bool) -> Self {
        Self((base as u32) << 2 | (endomorphism as u32) << 1 | u32::from(negative))
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
    fn prefetch_pair(&self, i: usize) {
        for i in [i, i + 1] {
            prefetch(&self.points[self.order[i] as usize]);
        }
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
