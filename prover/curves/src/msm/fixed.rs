//! Bases that stay for many sums.

use alloc::vec::Vec;
use core::{
    fmt,
    marker::PhantomData,
    sync::atomic::{AtomicUsize, Ordering},
};

use ark_ec::AffineRepr;

use super::{
    groups::RawPoint,
    pippenger::{map, sum},
    table::{Convert, Doubled},
    windows::{Lengths, Multiples, Windows},
};
use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    lanes::{LaneBackend, run},
};

/// Bases that are converted by one task.
const CONVERT: usize = 1 << 12;

/// Bases that are doubled by one task, and share an inversion for each doubling.
const DOUBLE: usize = 1 << 10;

/// More multiples than this save nothing.
const MOST_MULTIPLES: u32 = 16;

/// Bytes of the largest table: additions from a larger one wait for memory for about as long as it saves
/// (measured with 2 MiB of second-level cache and 32 MiB for eight multiples of 2^16 bases).
const LARGEST: usize = 6 << 20;

/// Work for each doubling that a table needs, in additions, after which it is worth having. Multiples
/// save a tenth to a quarter of the work and a doubling takes less than an addition, so by then they
/// would have been repaid a few times: a process that compiles and proves once does without.
const WORTH: u64 = 16;

/// Bases of many multi-scalar multiplications, in the form that additions in lanes want, and on demand
/// with multiples `2^(j·step)` of each.
///
/// With multiples a sum needs fewer additions: digits of a scalar that are `step` bits apart go to the
/// same buckets, which can then be more.
pub struct FixedBases<C> {
    pub(super) backend: LaneBackend,
    /// Point `j·len + i` is `2^(j·step)` times base `i`; anything if that is infinity.
    pub(super) points: Vec<RawPoint>,
    pub(super) multiples: Multiples,
    /// Which bases are infinity, if some are.
    infinity: Option<Vec<bool>>,
    /// What all sums together have cost, in additions.
    work: AtomicUsize,
    curve: PhantomData<C>,
}

impl<C: PastaCurve> FixedBases<C> {
    /// The bases alone: 64 bytes each.
    ///
    /// # Panics
    /// For 2^30 bases or more, which would take 64 GiB.
    pub fn new(bases: &[Point<C>]) -> Self {
        Self::with_backend(LaneBackend::detect(), bases)
    }

    pub(super) fn with_backend(backend: LaneBackend, bases: &[Point<C>]) -> Self {
        assert!(bases.len() < 1 << 30, "{} bases are too many for one sum", bases.len());
        let chunks: Vec<&[Point<C>]> = bases.chunks(CONVERT).collect();
        let points = map(&chunks, |chunk| run(backend, Convert::<C>(chunk))).concat();
        let infinity = bases
            .iter()
            .any(Point::<C>::is_zero)
            .then(|| bases.iter().map(Point::<C>::is_zero).collect());
        let (multiples, work) = (Multiples::NONE, AtomicUsize::new(0));
        Self { backend, points, multiples, infinity, work, curve: PhantomData }
    }

    /// The same bases with `count` multiples of each, the base itself included, or a few less. `None` if
    /// a base is not on the curve and that shows.
    ///
    /// # Panics
    /// For 2^32 points or more, which would take 256 GiB.
    #[must_use]
    pub fn with_multiples(&self, count: u32) -> Option<Self> {
        let multiples = Multiples::at_most(count);
        let len = self.len();
        assert!(
            (len as u64) * u64::from(multiples.count) < 1 << 32,
            "{} multiples of {len} bases are too many",
            multiples.count
        );
        let bases = &self.points[..len];
        let blocks: Vec<(usize, &[RawPoint])> = bases.chunks(DOUBLE).enumerate().collect();
        let columns = map(&blocks, |(block, points)| {
            let generator = Point::<C>::generator();
            let infinite = |i: usize| self.is_infinity(block * DOUBLE + i);
            run(self.backend, Doubled { points, infinite, multiples, generator })
        });
        let columns: Vec<Vec<RawPoint>> = columns.into_iter().collect::<Option<_>>()?;
        let mut points = Vec::with_capacity(len * multiples.count as usize);
        for multiple in 0..multiples.count as usize {
            for column in &columns {
                let each = column.len() / multiples.count as usize;
                points.extend_from_slice(&column[multiple * each..(multiple + 1) * each]);
            }
        }
        Some(Self {
            backend: self.backend,
            points,
            multiples,
            infinity: self.infinity.clone(),
            work: AtomicUsize::new(self.work.load(Ordering::Relaxed)),
            curve: PhantomData,
        })
    }

    /// How many bases there are.
    pub fn len(&self) -> usize {
        self.points.len() / self.multiples.count as usize
    }

    /// Whether there is no base.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// How many multiples of each base there are, the base itself included.
    pub fn multiples(&self) -> u32 {
        self.multiples.count
    }

    /// Bytes of the bases and their multiples.
    pub fn bytes(&self) -> usize {
        size_of_val(self.points.as_slice())
    }

    /// The number of multiples with which sums over `len` bases take the fewest additions, of those
    /// that take no more than `bytes` in addition to the bases and no more than 6 MiB with them: for
    /// 2^16 bases and more it is 1.
    pub fn best_multiples(len: usize, bytes: usize) -> u32 {
        if len == 0 {
            return 1;
        }
        let lengths = Lengths::full(2 * len as u64);
        let each = len * size_of::<RawPoint>();
        let fits = (bytes / each + 1).min(LARGEST / each).min(MOST_MULTIPLES as usize) as u32;
        (1..=fits)
            .map(|count| Multiples::at_most(count).count)
            .min_by_key(|count| Windows::choose(&lengths, Multiples::at_most(*count)).cost)
            .unwrap_or(1)
    }

    /// Whether `count` multiples would have been worth their time in the sums so far.
    pub fn worth(&self, count: u32) -> bool {
        let doublings = Multiples::at_most(count).doublings() * self.len() as u64;
        self.work.load(Ordering::Relaxed) as u64 >= WORTH * doublings
    }

    /// `Σ scalars[i]·bases[i]` over the shorter of the two lists. See [`msm`](fn@crate::msm).
    pub fn msm(&self, scalars: &[C::ScalarField]) -> ProjectivePoint<C> {
        self.msm_from(0, scalars)
    }

    /// `Σ scalars[i]·bases[first + i]`, as far as there are bases.
    pub fn msm_from(&self, first: usize, scalars: &[C::ScalarField]) -> ProjectivePoint<C> {
        let len = scalars.len().min(self.len().saturating_sub(first));
        let (sum, cost) = sum(self, first, &scalars[..len]);
        self.work.fetch_add(cost as usize, Ordering::Relaxed);
        sum
    }

    /// One [`msm`](Self::msm) for each list of scalars.
    pub fn msm_many(&self, scalars: &[&[C::ScalarField]]) -> Vec<ProjectivePoint<C>> {
        map(scalars, |scalars| self.msm(scalars))
    }

    pub(super) fn is_infinity(&self, base: usize) -> bool {
        self.infinity.as_ref().is_some_and(|infinity| infinity[base])
    }
}

impl<C: PastaCurve> fmt::Debug for FixedBases<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedBases")
            .field("len", &self.len())
            .field("multiples", &self.multiples())
            .finish_non_exhaustive()
    }
}
