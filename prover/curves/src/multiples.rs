//! Multiples of many points at once: each point by its own scalar.
//!
//! Eight points at a time double and add in Jacobian coordinates; their small multiples are made
//! affine together. Points that meet an exception of the formulas (infinity, or a multiple that
//! runs into one of the small ones) send their block of points to arkworks.

mod block;
mod scale;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::marker::PhantomData;

use ark_ec::{AffineRepr, CurveGroup};
#[cfg(feature = "parallel")]
use rayon::prelude::*;

pub(crate) use self::{
    block::{Block, Pair, chords, invert_all},
    scale::scale,
};
use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    endo::ScalarChallenge,
    lanes::{Kernel, LaneBackend, Lanes, run},
    msm::glv::{self, Half},
};

/// Points that are worked on together: their small multiples stay in the second-level cache, and
/// ten inversions are shared by this many.
pub(crate) const BLOCK: usize = 512;

/// `scalars[i]·points[i]` for each `i` of the shorter slice. Any points and scalars are allowed.
///
/// The time depends on the scalars: not for secrets that an observer may time.
pub fn mul_each<C: PastaCurve>(points: &[Point<C>], scalars: &[C::ScalarField]) -> Vec<Point<C>> {
    mul_each_with(LaneBackend::detect(), points, scalars)
}

pub(crate) fn mul_each_with<C: PastaCurve>(
    backend: LaneBackend,
    points: &[Point<C>],
    scalars: &[C::ScalarField],
) -> Vec<Point<C>> {
    let len = points.len().min(scalars.len());
    in_blocks(len, |range| {
        let halves: Vec<[Half; 2]> =
            scalars[range.clone()].iter().map(|scalar| glv::split::<C>(*scalar)).collect();
        let block = MulEach { points: &points[range.clone()], halves: &halves, add: None };
        run(backend, block).unwrap_or_else(|| {
            let products: Vec<_> =
                range.map(|i| points[i] * scalars[i]).collect::<Vec<ProjectivePoint<C>>>();
            ProjectivePoint::<C>::normalize_batch(&products)
        })
    })
}

/// `low[i] + u·high[i]` for each `i` of the shorter slice, where `u` is the effective scalar of
/// `challenge`: how the inner-product argument halves its bases. Any points are allowed.
///
/// The time depends on the challenge.
pub fn fold_bases<C: PastaCurve>(
    low: &[Point<C>],
    high: &[Point<C>],
    challenge: ScalarChallenge,
) -> Vec<Point<C>> {
    fold_bases_with(LaneBackend::detect(), low, high, challenge)
}

pub(crate) fn fold_bases_with<C: PastaCurve>(
    backend: LaneBackend,
    low: &[Point<C>],
    high: &[Point<C>],
    challenge: ScalarChallenge,
) -> Vec<Point<C>> {
    let (a, b) = challenge.parts();
    let half = |x: i128| Half { magnitude: x.unsigned_abs(), negative: x < 0 };
    in_blocks(low.len().min(high.len()), |range| {
        let halves: Vec<[Half; 2]> = range.clone().map(|_| [half(b), half(a)]).collect();
        let (low, high) = (&low[range.clone()], &high[range]);
        run(backend, MulEach { points: high, halves: &halves, add: Some(low) }).unwrap_or_else(
            || {
                let u = challenge.to_field(C::ENDO_SCALAR);
                let sums: Vec<_> =
                    low.iter().zip(high).map(|(low, high)| *high * u + low).collect();
                ProjectivePoint::<C>::normalize_batch(&sums)
            },
        )
    })
}

/// Concatenates the results of `f` on blocks of `0..len`, computed in parallel where enabled.
fn in_blocks<T: Send>(
    len: usize,
    f: impl Fn(core::ops::Range<usize>) -> Vec<T> + Sync + Send,
) -> Vec<T> {
    let block = |i: usize| f(i * BLOCK..len.min((i + 1) * BLOCK));
    #[cfg(feature = "parallel")]
    let blocks: Vec<Vec<T>> = (0..len.div_ceil(BLOCK)).into_par_iter().map(block).collect();
    #[cfg(not(feature = "parallel"))]
    let blocks: Vec<Vec<T>> = (0..len.div_ceil(BLOCK)).map(block).collect();
    blocks.into_iter().flatten().collect()
}

/// The kernel: multiples of a block of points, plus `add` if given; `None` after an exception.
struct MulEach<'a, C: PastaCurve> {
    points: &'a [Point<C>],
    halves: &'a [[Half; 2]],
    add: Option<&'a [Point<C>]>,
}

impl<C: PastaCurve> Kernel<C::BaseField> for MulEach<'_, C> {
    type Output = Option<Vec<Point<C>>>;

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) -> Self::Output {
        let zero = Point::<C>::is_zero;
        if self.points.iter().any(zero) || self.add.is_some_and(|add| add.iter().any(zero)) {
            return None;
        }
        let points = Block::<L>::from_points::<C>(self.points);
        let mut out = scale::<C, L>(&points, self.halves)?;
        if let Some(add) = self.add {
            out = out.add::<C>(&Block::from_points::<C>(add))?;
        }
        Some(out.into_points::<C>(self.points.len(), PhantomData))
    }
}
