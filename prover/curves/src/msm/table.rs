//! The bases of an MSM, ready to be added.

use alloc::vec::Vec;
use core::marker::PhantomData;

use ark_ff::BigInteger256;

use super::groups::{RawPoint, Source};
use crate::{
    curves::{PastaCurve, Point},
    lanes::{Kernel, LANES, Lanes, Raw, prefetch},
};

/// `x`, `ξ·x`, `y` and `−y` of one base: the coordinates of `±P` and `±φ(P)`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(128))]
pub(crate) struct Base {
    x: [Raw; 2],
    y: [Raw; 2],
}

/// Which point of which base: `index·4 + endomorphism·2 + negated`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(pub(crate) u32);

impl Entry {
    pub(crate) fn new(base: usize, endomorphism: usize, negative: bool) -> Self {
        Self((base as u32) << 2 | (endomorphism as u32) << 1 | u32::from(negative))
    }
}

/// The points that `entries` name.
pub(crate) struct Entries<'a> {
    pub(crate) bases: &'a [Base],
    pub(crate) entries: &'a [Entry],
}

impl Source for Entries<'_> {
    #[inline(always)]
    fn get(&self, i: usize) -> (&Raw, &Raw) {
        let entry = self.entries[i].0;
        let base = &self.bases[(entry >> 2) as usize];
        (&base.x[(entry >> 1 & 1) as usize], &base.y[(entry & 1) as usize])
    }

    #[inline(always)]
    fn prefetch_pair(&self, i: usize) {
        for i in [i, i + 1] {
            let (x, y) = self.get(i);
            prefetch(x);
            prefetch(y);
        }
    }
}

/// The kernel that converts points (none of them infinity).
pub(crate) struct Convert<'a, C: PastaCurve>(pub(crate) &'a [Point<C>]);

impl<C: PastaCurve> Kernel<C::BaseField> for Convert<'_, C> {
    type Output = Vec<Base>;

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) -> Vec<Base> {
        use crate::PastaField;
        let zero = L::splat(&[0; 4]);
        let endo = L::splat(&L::to_raw(C::ENDO_BASE));
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
            let (x0, x1) = (x.store(), x.mul(&endo).store());
            let (y0, y1) = (y.store(), zero.sub_tight(&y).store());
            for lane in 0..chunk.len() {
                out.push(Base { x: [x0[lane], x1[lane]], y: [y0[lane], y1[lane]] });
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
