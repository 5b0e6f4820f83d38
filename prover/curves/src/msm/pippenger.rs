//! Windows, buckets and their sums.

use alloc::{vec, vec::Vec};
use core::marker::PhantomData;

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Zero};
#[cfg(feature = "parallel")]
use rayon::prelude::*;

use super::{
    glv,
    groups::{Group, RawPoint, Source, SumGroups, Sums},
    table::{Base, Convert, Entries, Entry, Restore},
};
use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    lanes::{LaneBackend, Raw, run},
};

/// Points that one task sums: its scratch space should stay in the second-level cache.
const SEGMENT: usize = 1 << 13;

/// Bases that are converted by one task.
const CONVERT: usize = 1 << 12;

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
    bases: Vec<Base>,
    /// Where base `i` of the caller stands in `bases`, if some are infinity.
    infinity: Option<Vec<bool>>,
    curve: PhantomData<C>,
}

impl<C: PastaCurve> Prepared<C> {
    pub(super) fn new(backend: LaneBackend, bases: &[Point<C>]) -> Self {
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
        let (entries, groups): (Vec<_>, Vec<_>) =
            map(&indices, |window| windows.sort(*window, halves)).into_iter().unzip();
        let (entries, groups) = (entries.concat(), groups.concat());
        let buckets =
            self.sum(&groups, |range| Entries { bases: &self.bases, entries: &entries[range] });
        drop(entries);
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

    /// Sums of points grouped by a function of their keys with values below `limit`.
    fn regroup(&self, sums: &Sums, limit: u32, key: impl Fn(u32) -> u32) -> Sums {
        let mut starts = vec![0u32; limit as usize];
        for old in &sums.keys {
            starts[key(*old) as usize] += 1;
        }
        let groups = groups_of(&mut starts);
        let mut order = vec![0u32; sums.keys.len()];
        for (i, old) in sums.keys.iter().enumerate() {
            let at = &mut starts[key(*old) as usize];
            order[*at as usize] = i as u32;
            *at += 1;
        }
        self.sum(&groups, |range| Picked { points: &sums.points, order: &order[range] })
    }

    /// Sums of groups, in segments; `source` gives a range of the points that the groups tile.
    fn sum<S: Source>(
        &self,
        groups: &[Group],
        source: impl Fn(core::ops::Range<usize>) -> S + Sync + Send,
    ) -> Sums {
        let segments = cut(groups);
        let mut parts = map(&segments, |segment| {
            let source = source(segment.range.clone());
            let groups = &segment.groups;
            run(self.backend, SumGroups { source: &source, groups, curve: PhantomData::<C> })
        });
        if parts.len() == 1 {
            return parts.pop().unwrap_or_default();
        }
        let mut sums = Sums::default();
        for part in parts {
            sums.keys.extend(part.keys);
            sums.points.extend(part.points);
        }
        // A group that was cut has left several partial sums.
        if sums.keys.windows(2).any(|pair| pair[0] == pair[1]) {
            let mut groups: Vec<Group> = Vec::new();
            for key in &sums.keys {
                match groups.last_mut() {
                    Some(group) if group.key == *key => group.len += 1,
                    _ => groups.push(Group { key: *key, len: 1 }),
                }
            }
            let source = sums.points.as_slice();
            return run(
                self.backend,
                SumGroups { source, groups: &groups, curve: PhantomData::<C> },
            );
        }
        sums
    }

    /// The points of `sums`, whose keys are `window·2^bits + weight`.
    fn weighted(&self, sums: &Sums, bits: u32) -> Weighted<C> {
        let points = run(self.backend, Restore { points: &sums.points, curve: PhantomData::<C> });
        Weighted { keys: sums.keys.clone(), points, bits }
    }
}

/// Some of the points in a list.
struct Picked<'a> {
    points: &'a [RawPoint],
    order: &'a [u32],
}

impl Source for Picked<'_> {
    #[inline(always)]
    fn get(&self, i: usize) -> (&Raw, &Raw) {
        let point = &self.points[self.order[i] as usize];
        (&point.x, &point.y)
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

/// Turns counts per key into the start of each key's range, and lists the ranges that are not
/// empty.
fn groups_of(counts: &mut [u32]) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut start = 0;
    for (key, count) in counts.iter_mut().enumerate() {
        let len = core::mem::replace(count, start);
        start += len;
        if len > 0 {
            groups.push(Group { key: key as u32, len });
        }
    }
    groups
}

/// Groups that one task sums, and where their points are.
struct Segment {
    range: core::ops::Range<usize>,
    groups: Vec<Group>,
}

/// Cuts groups into runs of about [`SEGMENT`] points.
fn cut(groups: &[Group]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let (mut start, mut len) = (0, 0);
    let mut current: Vec<Group> = Vec::new();
    for group in groups {
        let mut rest = group.len;
        while rest > 0 {
            let taken = rest.min((SEGMENT - len) as u32);
            current.push(Group { key: group.key, len: taken });
            len += taken as usize;
            rest -= taken;
            if len == SEGMENT {
                let groups = core::mem::take(&mut current);
                segments.push(Segment { range: start..start + len, groups });
                start += len;
                len = 0;
            }
        }
    }
    if len > 0 {
        segments.push(Segment { range: start..start + len, groups: current });
    }
    segments
}

/// How scalars are cut into digits.
struct Windows {
    bits: u32,
    count: u32,
}

impl Windows {
    /// The width that costs the fewest additions for these halves.
    fn choose(halves: &[(u128, Entry)]) -> Self {
        let total_bits: u64 =
            halves.iter().map(|(half, _)| u64::from(u128::BITS - half.leading_zeros()) + 1).sum();
        let longest =
            halves.iter().map(|(half, _)| u128::BITS - half.leading_zeros()).max().unwrap_or(0) + 1;
        let longest = longest.min(HALF_BITS);
        let cost = |bits: u32| {
            let count = u64::from(longest.div_ceil(bits));
            let additions = total_bits.div_ceil(u64::from(bits));
            // Rows and columns of the buckets, then two projective sums over each of them.
            additions + count * ((2 << (bits - 1)) + 8 * (1 << bits.div_ceil(2)))
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
        let mask = (1u128 << self.bits) - 1;
        let digit = (shifted >> (index * self.bits)) & mask;
        let offset = if index + 1 < self.count { 1 << (self.bits - 1) } else { 0 };
        digit as i32 - offset
    }

    /// The low `bits` bits.
    fn mask(&self) -> u32 {
        (1 << self.bits) - 1
    }

    /// The entries of window `index` ordered by the magnitude of their digits, with the groups of
    /// equal magnitude under the keys `index·2^bits + magnitude`.
    fn sort(&self, index: u32, halves: &[(u128, Entry)]) -> (Vec<Entry>, Vec<Group>) {
        let mut starts = vec![0u32; (1 << (self.bits - 1)) + 1];
        let digits: Vec<i32> = halves.iter().map(|(half, _)| self.digit(*half, index)).collect();
        for digit in &digits {
            starts[digit.unsigned_abs() as usize] += 1;
        }
        starts[0] = 0;
        let mut groups = groups_of(&mut starts);
        let len: u32 = groups.iter().map(|group| group.len).sum();
        for group in &mut groups {
            group.key |= index << self.bits;
        }
        let mut entries = vec![Entry(0); len as usize];
        for (digit, (_, entry)) in digits.into_iter().zip(halves) {
            if digit != 0 {
                let at = &mut starts[digit.unsigned_abs() as usize];
                entries[*at as usize] = Entry(entry.0 ^ u32::from(digit < 0));
                *at += 1;
            }
        }
        (entries, groups)
    }
}
