//! Buckets and their sums.

use alloc::vec::Vec;
use core::marker::PhantomData;

use ark_ff::{AdditiveGroup, Zero};
#[cfg(feature = "parallel")]
use rayon::prelude::*;

use super::{
    fixed::FixedBases,
    glv,
    groups::{SumGroups, Sums},
    sorted::{Chunk, Item, Ranges, Segment, Sorted},
    table::{Entry, Picked, Restore, TURNS, Turn},
    windows::{Lengths, Place, Windows},
};
use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    lanes::run,
};

/// Pairs in a round of additions that are worth an inversion of their own.
const LEAST: usize = 512;

/// The fewest scalars that one task splits and sorts, and the most tasks.
const SPLIT: (usize, usize) = (1 << 10, 1 << 6);

/// `f` of every item, in parallel where that is enabled.
pub(super) fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "parallel")]
    return items.par_iter().map(f).collect();
    #[cfg(not(feature = "parallel"))]
    return items.iter().map(f).collect();
}

/// The halves of some scalars that are not zero.
struct Halves {
    halves: Vec<(u128, Entry)>,
    lengths: Lengths,
}

impl Halves {
    /// Of the scalars of the bases from `first` on.
    fn new<C: PastaCurve>(bases: &FixedBases<C>, first: usize, scalars: &[C::ScalarField]) -> Self {
        let mut halves = Vec::with_capacity(2 * scalars.len());
        let mut lengths = Lengths::NONE;
        for (i, scalar) in scalars.iter().enumerate() {
            if scalar.is_zero() || bases.is_infinity(first + i) {
                continue;
            }
            for (endomorphism, half) in glv::split::<C>(*scalar).into_iter().enumerate() {
                if half.magnitude != 0 {
                    let entry = Entry::new(first + i, endomorphism, half.negative);
                    halves.push((half.magnitude, entry));
                    lengths.add(half.magnitude);
                }
            }
        }
        Self { halves, lengths }
    }
}

/// `Σ scalars[i]·bases[first + i]`, for scalars of bases that are there, and what it cost in additions.
pub(super) fn sum<C: PastaCurve>(
    bases: &FixedBases<C>,
    first: usize,
    scalars: &[C::ScalarField],
) -> (ProjectivePoint<C>, u64) {
    let each = SPLIT.0.max(scalars.len().div_ceil(SPLIT.1));
    let chunks: Vec<(usize, &[C::ScalarField])> = scalars.chunks(each).enumerate().collect();
    let halves = map(&chunks, |(i, scalars)| Halves::new(bases, first + i * each, scalars));
    let mut lengths = Lengths::NONE;
    for chunk in &halves {
        lengths.merge(&chunk.lengths);
    }
    if halves.iter().all(|chunk| chunk.halves.is_empty()) {
        return (ProjectivePoint::<C>::ZERO, 0);
    }
    let windows = Windows::choose(&lengths, bases.multiples);
    let ranges = Ranges::new(&windows);
    let places = windows.places(bases.len());
    let offset = Place::offset(&places);
    let chunks = map(&halves, |chunk| Chunk::new(&chunk.halves, &places, offset, ranges));
    drop(halves);
    let indices: Vec<usize> = (0..ranges.count).collect();
    let buckets = concat(map(&indices, |range| {
        let sorted = Sorted::range(&chunks, ranges, *range);
        let segments: Vec<Segment<'_>> = sorted.segments().collect();
        concat(map(&segments, |segment| sum_bucket_parts(bases, segment)))
    }));
    drop(chunks);
    let mut total = ProjectivePoint::<C>::ZERO;
    for sum in sums_of_sets(bases, &windows, &buckets).into_iter().rev() {
        for _ in 0..windows.bits {
            total.double_in_place();
        }
        total += sum;
    }
    (total, windows.cost)
}

/// The sums of some buckets, of whose keys the low bits say how the points are turned.
fn sum_bucket_parts<C: PastaCurve>(bases: &FixedBases<C>, segment: &Segment<'_>) -> Sums {
    let curve = PhantomData::<C>;
    let Segment { keys, order } = segment;
    let source = &Picked { points: &bases.points, order };
    let mut parts = run(bases.backend, SumGroups { source, keys, least: LEAST, curve });
    run(bases.backend, Turn { sums: &mut parts, curve });
    for key in &mut parts.keys {
        *key >>= TURNS;
    }
    let (source, keys) = (parts.points.as_slice(), &parts.keys);
    run(bases.backend, SumGroups { source, keys, least: 1, curve })
}

/// `Σ digit·bucket` of every set of buckets.
fn sums_of_sets<C: PastaCurve>(
    bases: &FixedBases<C>,
    windows: &Windows,
    buckets: &Sums,
) -> Vec<ProjectivePoint<C>> {
    // Bucket b = high·2^low_bits + low has the digit b + 1: Σ (b + 1)·B is
    // 2^low_bits·Σ high·row + Σ (low + 1)·column.
    let low_bits = windows.bits / 2;
    let high_bits = windows.bits - 1 - low_bits;
    let rows = regroup(bases, buckets, windows.sets << high_bits, |key| key >> low_bits);
    let columns = regroup(bases, buckets, windows.sets << low_bits, |key| {
        (key / windows.buckets()) << low_bits | (key & ((1 << low_bits) - 1))
    });
    let sets: Vec<(u32, bool)> =
        (0..windows.sets).flat_map(|set| [(set, true), (set, false)]).collect();
    let rows = Weighted::new(bases, &rows, high_bits, 0);
    let columns = Weighted::new(bases, &columns, low_bits, 1);
    let sums = map(&sets, |(set, row)| if *row { rows.sum(*set) } else { columns.sum(*set) });
    sums.chunks_exact(2)
        .map(|pair| {
            let mut row = pair[0];
            for _ in 0..low_bits {
                row.double_in_place();
            }
            row + pair[1]
        })
        .collect()
}

/// Sums of points grouped by a function of their keys with values below `limit`. A group that two
/// tasks shared has two sums, one after the other.
fn regroup<C: PastaCurve>(
    bases: &FixedBases<C>,
    sums: &Sums,
    limit: u32,
    key: impl Fn(u32) -> u32,
) -> Sums {
    let items: Vec<Item> = sums.keys.iter().zip(0u32..).map(|(old, i)| (key(*old), i)).collect();
    let sorted = Sorted::new(&[&items], 0, limit);
    let segments: Vec<Segment<'_>> = sorted.segments().collect();
    concat(map(&segments, |Segment { keys, order }| {
        let source = &Picked { points: &sums.points, order };
        run(bases.backend, SumGroups { source, keys, least: 1, curve: PhantomData::<C> })
    }))
}

/// Points with small weights, by set of buckets: a key is `set·2^bits + weight − least`.
struct Weighted<C: PastaCurve> {
    keys: Vec<u32>,
    points: Vec<Point<C>>,
    bits: u32,
    least: u32,
}

impl<C: PastaCurve> Weighted<C> {
    fn new(bases: &FixedBases<C>, sums: &Sums, bits: u32, least: u32) -> Self {
        let curve = PhantomData::<C>;
        let points = run(bases.backend, Restore { points: &sums.points, curve });
        Self { keys: sums.keys.clone(), points, bits, least }
    }

    /// `Σ weight·point` of a set: running sums from the largest weight down, a point is in the running
    /// sum as often as its weight says.
    fn sum(&self, set: u32) -> ProjectivePoint<C> {
        let start = self.keys.partition_point(|key| key >> self.bits < set);
        let end = self.keys.partition_point(|key| key >> self.bits <= set);
        let weight = |key: u32| (key & ((1 << self.bits) - 1)) + self.least;
        let mut running = ProjectivePoint::<C>::ZERO;
        let mut total = ProjectivePoint::<C>::ZERO;
        for i in (start..end).rev() {
            running += &self.points[i];
            let below = if i == start { 0 } else { weight(self.keys[i - 1]) };
            for _ in below..weight(self.keys[i]) {
                total += running;
            }
        }
        total
    }
}

/// One list after the other.
fn concat(parts: Vec<Sums>) -> Sums {
    let mut parts = parts.into_iter();
    let mut sums = parts.next().unwrap_or_default();
    for part in parts {
        sums.keys.extend(part.keys);
        sums.points.extend(part.points);
    }
    sums
}
