//! Windows, buckets and their sums.

use alloc::{vec, vec::Vec};
use core::marker::PhantomData;

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Zero};
#[cfg(feature = "parallel")]
use rayon::prelude::*;

use super::{
    glv,
    groups::{RawPoint, SumGroups, Sums},
    table::{Convert, Entry, Picked, Restore, Turn},
};
use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    lanes::{LaneBackend, run},
};

/// Points that one task sums: its scratch space should stay in the second-level cache.
const SEGMENT: usize = 1 << 13;

/// Pairs in a round of additions that are worth an inversion of their own.
const LEAST: usize = 512;

/// Bases that are converted by one task.
const CONVERT: usize = 1 << 12;

/// Low bits of an entry that say how its point is turned.
const TURNS: u32 = 2;

/// Bits of a split scalar, one more for the carry of signed digits.
const HALF_BITS: u32 = 128;

/// `f` of every item, in parallel where that is enabled.
pub(super) fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "parallel")]
    return items.par_iter().map(f).collect();
    #[cfg(not(feature = "parallel"))]
    return items.iter().map(f).collect();
}

/// Bases in the domain of `backend`.
pub(super) struct Prepared<C> {
    backend: LaneBackend,
    bases: Vec<RawPoint>,
    /// Which bases are infinity, if some are.
    infinity: Option<Vec<bool>>,
    curve: PhantomData<C>,
}

impl<C: PastaCurve> Prepared<C> {
    /// # Panics
    /// For 2^30 bases or more, which an [`Entry`] does not tell apart: they would take 64 GiB.
    pub(super) fn new(backend: LaneBackend, bases: &[Point<C>]) -> Self {
        assert!(bases.len() < 1 << 30, "{} bases are too many for one sum", bases.len());
        let chunks: Vec<&[Point<C>]> = bases.chunks(CONVERT).collect();
        let converted = map(&chunks, |chunk| run(backend, Convert::<C>(chunk)));
        let infinity = bases
            .iter()
            .any(Point::<C>::is_zero)
            .then(|| bases.iter().map(Point::<C>::is_zero).collect());
        Self { backend, bases: converted.concat(), infinity, curve: PhantomData }
    }

    /// `Σ scalars[i]·bases[i]`.
    pub(super) fn msm(&self, scalars: &[C::ScalarField]) -> ProjectivePoint<C> {
        let len = scalars.len().min(self.bases.len());
        let chunks: Vec<(usize, &[C::ScalarField])> =
            scalars[..len].chunks(CONVERT).enumerate().collect();
        let mut halves = map(&chunks, |(chunk, scalars)| {
            let mut out = Vec::with_capacity(2 * scalars.len());
            for (i, scalar) in scalars.iter().enumerate() {
                let i = chunk * CONVERT + i;
                if scalar.is_zero() || self.infinity.as_ref().is_some_and(|inf| inf[i]) {
                    continue;
                }
                for (endomorphism, half) in glv::split::<C>(*scalar).into_iter().enumerate() {
                    if half.magnitude != 0 {
                        out.push((half.magnitude, Entry::new(i, endomorphism, half.negative)));
                    }
                }
            }
            out
        })
        .concat();
        if halves.is_empty() {
            return ProjectivePoint::<C>::ZERO;
        }
        let windows = Windows::choose(&halves);
        let offset = windows.offset();
        for (half, _) in &mut halves {
            *half += offset;
        }
        let sums = self.window_sums(&windows, &halves);
        let mut total = ProjectivePoint::<C>::ZERO;
        for sum in sums.into_iter().rev() {
            for _ in 0..windows.bits {
                total.double_in_place();
            }
            total += sum;
        }
        total
    }

    /// `Σ digit·point` of every window.
    fn window_sums(&self, windows: &Windows, halves: &[(u128, Entry)]) -> Vec<ProjectivePoint<C>> {
        let indices: Vec<u32> = (0..windows.count).collect();
        // Short windows share an inversion.
        let together: Vec<&[u32]> = indices.chunks((SEGMENT / halves.len()).max(1)).collect();
        let sorted = map(&together, |together| {
            let mut all = Sorted { keys: Vec::new(), order: Vec::new() };
            for window in *together {
                let sorted = windows.sort(*window, halves);
                all.keys.extend(sorted.keys);
                all.order.extend(sorted.order);
            }
            all
        });
        let mut segments = Vec::new();
        for sorted in &sorted {
            segments.extend(sorted.segments());
        }
        let buckets = concat(map(&segments, |segment| self.sum_bucket_parts(segment)));
        drop(sorted);
        // Digit d = high·2^low_bits + low: Σ d·B = 2^low_bits·Σ high·row + Σ low·column.
        let low_bits = windows.bits / 2;
        let high_bits = windows.bits - low_bits;
        let rows = self.regroup(&buckets, windows.count << high_bits, |key| {
            (key >> windows.bits) << high_bits | (key & windows.mask()) >> low_bits
        });
        let columns = self.regroup(&buckets, windows.count << low_bits, |key| {
            (key >> windows.bits) << low_bits | (key & ((1 << low_bits) - 1))
        });
        let (rows, columns) = (self.weighted(&rows, high_bits), self.weighted(&columns, low_bits));
        let (rows, columns) = (rows.sums(&indices), columns.sums(&indices));
        rows.into_iter()
            .zip(columns)
            .map(|(mut row, column)| {
                for _ in 0..low_bits {
                    row.double_in_place();
                }
                row + column
            })
            .collect()
    }

    /// Sums of points grouped by a function of their keys with values below `limit`. A group that
    /// two tasks shared has two sums, one after the other.
    fn regroup(&self, sums: &Sums, limit: u32, key: impl Fn(u32) -> u32) -> Sums {
        let keys: Vec<u32> = sums.keys.iter().map(|old| key(*old)).collect();
        let sorted = Sorted::new(&keys, limit, 0, |i| i as u32);
        let segments: Vec<Segment<'_>> = sorted.segments().collect();
        concat(map(&segments, |Segment { keys, order }| {
            let source = &Picked { points: &sums.points, order };
            run(self.backend, SumGroups { source, keys, least: 1, curve: PhantomData::<C> })
        }))
    }

    /// The sums of a window's buckets, of whose keys the low bits say how the points are turned.
    fn sum_bucket_parts(&self, segment: &Segment<'_>) -> Sums {
        let curve = PhantomData::<C>;
        let Segment { keys, order } = segment;
        let source = &Picked { points: &self.bases, order };
        let mut parts = run(self.backend, SumGroups { source, keys, least: LEAST, curve });
        run(self.backend, Turn { sums: &mut parts, curve });
        for key in &mut parts.keys {
            *key >>= TURNS;
        }
        let (source, keys) = (parts.points.as_slice(), &parts.keys);
        run(self.backend, SumGroups { source, keys, least: 1, curve })
    }

    /// The points of `sums`, whose keys are `window·2^bits + weight`.
    fn weighted(&self, sums: &Sums, bits: u32) -> Weighted<C> {
        let points = run(self.backend, Restore { points: &sums.points, curve: PhantomData::<C> });
        Weighted { keys: sums.keys.clone(), points, bits }
    }
}

/// Points with small weights, by window.
struct Weighted<C: PastaCurve> {
    keys: Vec<u32>,
    points: Vec<Point<C>>,
    bits: u32,
}

impl<C: PastaCurve> Weighted<C> {
    /// `Σ weight·point` for each window.
    fn sums(&self, windows: &[u32]) -> Vec<ProjectivePoint<C>> {
        map(windows, |window| {
            let start = self.keys.partition_point(|key| key >> self.bits < *window);
            let end = self.keys.partition_point(|key| key >> self.bits <= *window);
            self.sum(&self.keys[start..end], &self.points[start..end])
        })
    }

    /// Running sums from the largest weight down: a point is in the running sum as often as its
    /// weight says.
    fn sum(&self, keys: &[u32], points: &[Point<C>]) -> ProjectivePoint<C> {
        let mask = (1 << self.bits) - 1;
        let mut running = ProjectivePoint::<C>::ZERO;
        let mut total = ProjectivePoint::<C>::ZERO;
        for (i, point) in points.iter().enumerate().rev() {
            running += point;
            let below = if i == 0 { 0 } else { keys[i - 1] & mask };
            for _ in below..keys[i] & mask {
                total += running;
            }
        }
        total
    }
}

/// One list after the other.
fn concat(parts: Vec<Sums>) -> Sums {
    let mut sums = Sums::default();
    for part in parts {
        sums.keys.extend(part.keys);
        sums.points.extend(part.points);
    }
    sums
}

/// Which points have which key, by key.
struct Sorted {
    keys: Vec<u32>,
    order: Vec<u32>,
}

/// Points that one task sums.
struct Segment<'a> {
    keys: &'a [u32],
    order: &'a [u32],
}

impl Sorted {
    /// Sorts `point(i)` by `keys[i]`, which is below `limit`, without the keys below `first`.
    fn new(keys: &[u32], limit: u32, first: u32, point: impl Fn(usize) -> u32) -> Self {
        let mut starts = vec![0u32; limit as usize];
        for key in keys {
            starts[*key as usize] += 1;
        }
        starts[..first as usize].fill(0);
        let total: u32 = starts.iter().sum();
        let (mut sorted, mut order) = (vec![0; total as usize], vec![0; total as usize]);
        let mut start = 0;
        for (key, count) in starts.iter_mut().enumerate() {
            let end = start + *count;
            sorted[start as usize..end as usize].fill(key as u32);
            *count = core::mem::replace(&mut start, end);
        }
        for (i, key) in keys.iter().enumerate() {
            if *key >= first {
                let at = &mut starts[*key as usize];
                order[*at as usize] = point(i);
                *at += 1;
            }
        }
        Self { keys: sorted, order }
    }

    fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        let order = self.order.chunks(SEGMENT);
        self.keys.chunks(SEGMENT).zip(order).map(|(keys, order)| Segment { keys, order })
    }
}

/// How scalars are cut into digits.
struct Windows {
    bits: u32,
    count: u32,
}

impl Windows {
    /// The width that costs the fewest additions for these halves.
    fn choose(halves: &[(u128, Entry)]) -> Self {
        // How many halves have how many bits, with a bit for the carry.
        let mut lengths = [0u64; HALF_BITS as usize + 1];
        for (half, _) in halves {
            lengths[(u128::BITS - half.leading_zeros() + 1).min(HALF_BITS) as usize] += 1;
        }
        let longest = lengths.iter().rposition(|count| *count > 0).unwrap_or(1) as u32;
        let cost = |bits: u32| {
            let digits = lengths.iter().zip(0u64..);
            let additions: u64 =
                digits.map(|(count, length)| count * length.div_ceil(u64::from(bits))).sum();
            // What a bucket costs was measured: four parts to turn and to add, a row and a column,
            // and points that wait for a partner. Then two projective sums over rows and columns.
            let buckets = 6 * (1 << (bits - 1)) + 8 * (1 << bits.div_ceil(2));
            additions + u64::from(longest.div_ceil(bits)) * buckets
        };
        let bits = (2..=16).min_by_key(|bits| cost(*bits)).unwrap_or(2);
        Self { bits, count: longest.div_ceil(bits) }
    }

    /// What [`Self::digit`] wants added to its argument: `2^(bits−1)` in every window but the last,
    /// so that digits from `−2^(bits−1)` to `2^(bits−1) − 1` become non-negative. Below `2^127`.
    fn offset(&self) -> u128 {
        (0..self.count - 1).map(|window| 1u128 << (window * self.bits + self.bits - 1)).sum()
    }

    /// The signed digit of a half, plus [`Self::offset`], in window `index`. The last window, which
    /// has a bit to spare, takes a carry and no offset: its digit is at most `2^(bits−1)`.
    fn digit(&self, shifted: u128, index: u32) -> i32 {
        let digit = (shifted >> (index * self.bits)) as u32 & self.mask();
        let offset = if index + 1 < self.count { 1 << (self.bits - 1) } else { 0 };
        digit as i32 - offset
    }

    /// The low `bits` bits.
    fn mask(&self) -> u32 {
        (1 << self.bits) - 1
    }

    /// The bases of window `index` under the keys
    /// `(index·2^bits + magnitude of the digit)·4 + endomorphism·2 + negated`, without the digit 0.
    fn sort(&self, index: u32, halves: &[(u128, Entry)]) -> Sorted {
        let key = |(half, entry): &(u128, Entry)| {
            let digit = self.digit(*half, index);
            let turn = entry.0 & ((1 << TURNS) - 1) ^ u32::from(digit < 0);
            digit.unsigned_abs() << TURNS | turn
        };
        let keys: Vec<u32> = halves.iter().map(key).collect();
        let limit = ((1 << (self.bits - 1)) + 1) << TURNS;
        let mut sorted = Sorted::new(&keys, limit, 1 << TURNS, |i| halves[i].1.0 >> TURNS);
        for key in &mut sorted.keys {
            *key |= index << (self.bits + TURNS);
        }
        sorted
    }
}
