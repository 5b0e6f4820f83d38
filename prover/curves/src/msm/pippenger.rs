//! Windows, buckets and their sums.

use alloc::{vec, vec::Vec};
use core::marker::PhantomData;

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Zero};
#[cfg(feature = "parallel")]
use rayon::prelude::*;

use super::{
    glv,
    groups::{Group, RawPoint, SumGroups, Sums},
    table::{Base, Convert, Entries, Entry, Restore},
};
use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    lanes::{LaneBackend, run},
};

/// Points that one task sums: its scratch space should stay in the second-level cache.
const SEGMENT: usize = 1 << 14;

/// Bases that are converted by one task.
const CONVERT: usize = 1 << 12;

/// Bits of a split scalar, one more for the carry of signed digits.
const HALF_BITS: u32 = 128;

/// `f` of every item, in parallel where that is enabled.
fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
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
        let sorted = map(&indices, |window| windows.sort(*window, halves));
        let buckets = map(&sorted, |(entries, groups)| self.sum(groups, entries));
        drop(sorted);
        // bucket d = high·2^low_bits + low: Σ d·B = 2^low_bits·Σ high·row + Σ low·column.
        map(&buckets, |buckets| {
            let low_bits = windows.bits / 2;
            let low = |key: u32| key & ((1 << low_bits) - 1);
            let columns = self.regroup(buckets, low);
            let rows = self.regroup(buckets, |key| key >> low_bits);
            let mut total = self.weighted(&rows);
            for _ in 0..low_bits {
                total.double_in_place();
            }
            total + self.weighted(&columns)
        })
    }

    /// Sums of points grouped by a function of their keys.
    fn regroup(&self, sums: &Sums, key: impl Fn(u32) -> u32) -> Sums {
        let mut order: Vec<(u32, u32)> =
            sums.keys.iter().enumerate().map(|(i, k)| (key(*k), i as u32)).collect();
        order.sort_unstable();
        let mut groups: Vec<Group> = Vec::new();
        for (key, _) in &order {
            match groups.last_mut() {
                Some(group) if group.key == *key => group.len += 1,
                _ => groups.push(Group { key: *key, len: 1 }),
            }
        }
        let points: Vec<RawPoint> =
            order.into_iter().map(|(_, i)| sums.points[i as usize]).collect();
        run(
            self.backend,
            SumGroups { source: points.as_slice(), groups: &groups, curve: PhantomData::<C> },
        )
    }

    /// Sums of groups of `entries`, in segments.
    fn sum(&self, groups: &[Group], entries: &[Entry]) -> Sums {
        let segments = cut(groups);
        let parts = map(&segments, |(start, groups)| {
            let len = groups.iter().map(|group| group.len as usize).sum::<usize>();
            let source = Entries { bases: &self.bases, entries: &entries[*start..*start + len] };
            run(self.backend, SumGroups { source: &source, groups, curve: PhantomData::<C> })
        });
        let mut sums = Sums::default();
        for part in parts {
            sums.keys.extend(part.keys);
            sums.points.extend(part.points);
        }
        // A group that was cut has left several partial sums.
        if sums.keys.windows(2).any(|pair| pair[0] == pair[1]) {
            sums = self.regroup(&sums, |key| key);
        }
        sums
    }

    /// `Σ key·point`, keys ascending.
    fn weighted(&self, sums: &Sums) -> ProjectivePoint<C> {
        let points = run(self.backend, Restore { points: &sums.points, curve: PhantomData::<C> });
        let mut running = ProjectivePoint::<C>::ZERO;
        let mut total = ProjectivePoint::<C>::ZERO;
        let mut at = sums.keys.last().copied().unwrap_or(0);
        for (key, point) in sums.keys.iter().zip(points).rev() {
            while at > *key {
                total += running;
                at -= 1;
            }
            running += point;
        }
        while at > 0 {
            total += running;
            at -= 1;
        }
        total
    }
}

/// Cuts groups into runs of about [`SEGMENT`] points, each with the index of its first point.
fn cut(groups: &[Group]) -> Vec<(usize, Vec<Group>)> {
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
                segments.push((start, core::mem::take(&mut current)));
                start += len;
                len = 0;
            }
        }
    }
    if len > 0 {
        segments.push((start, current));
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

    /// The entries of window `index` ordered by the magnitude of their digits, with the groups of
    /// equal magnitude.
    fn sort(&self, index: u32, halves: &[(u128, Entry)]) -> (Vec<Entry>, Vec<Group>) {
        let buckets = (1usize << (self.bits - 1)) + 1;
        let mut starts = vec![0u32; buckets + 1];
        let digits: Vec<i32> = halves.iter().map(|(half, _)| self.digit(*half, index)).collect();
        for digit in &digits {
            starts[digit.unsigned_abs() as usize] += 1;
        }
        starts[0] = 0;
        let mut groups = Vec::new();
        let mut sum = 0;
        for (key, start) in starts.iter_mut().enumerate() {
            let len = *start;
            *start = sum;
            sum += len;
            if len > 0 {
                groups.push(Group { key: key as u32, len });
            }
        }
        let mut entries = vec![Entry(0); sum as usize];
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
