//! Points in the order of their buckets.
//!
//! The keys are cut into ranges of about as many points as a few tasks sum. Each chunk of scalars sorts its
//! digits by range, then each range sorts what all chunks have for it: all of both is done in parallel and
//! in the second-level cache.

use alloc::{vec, vec::Vec};

use super::{
    table::{Entry, TURNS},
    windows::{Place, Shifted, Windows},
};

/// Points that one task sums: its scratch space should stay in the second-level cache.
const SEGMENT: usize = 3 << 12;

/// Items of a range, if digits are spread evenly: few enough for that cache, and enough to be worth the
/// lists of as many chunks.
const RANGE: usize = 3 * SEGMENT;

/// A key, and the point that has it.
pub(super) type Item = (u32, u32);

/// Ranges of `2^shift` keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranges {
    shift: u32,
    /// How many.
    pub(super) count: usize,
}

impl Ranges {
    pub(super) fn new(windows: &Windows) -> Self {
        let keys = u64::from(windows.sets * windows.buckets()) << TURNS;
        let each = (keys * RANGE as u64 / windows.digits.max(1)).max(1);
        // Points of a bucket stay together.
        let shift = each.ilog2().clamp(TURNS, u64::BITS - keys.leading_zeros());
        Self { shift, count: ((keys - 1) >> shift) as usize + 1 }
    }
}

/// The digits of some halves, by range.
pub(super) struct Chunk {
    items: Vec<Item>,
    /// Where each range ends.
    ends: Vec<u32>,
}

impl Chunk {
    /// `offset` is that of the places.
    pub(super) fn new(
        halves: &[(u128, Entry)],
        places: &[Place],
        offset: u128,
        ranges: Ranges,
    ) -> Self {
        let halves: Vec<Shifted> =
            halves.iter().map(|(half, entry)| Shifted::new(*half, *entry, offset)).collect();
        let mut unsorted = vec![(0, 0); halves.len() * places.len()];
        let mut ends = vec![0u32; ranges.count];
        // Which digits are 0 is hard to predict where most are not: every digit is written to the list,
        // which only grows by those that belong there.
        let mut len = 0;
        for place in places {
            for half in &halves {
                let (key, point, some) = place.item(half);
                unsorted[len] = (key, point);
                len += usize::from(some);
                let range = ((key >> ranges.shift) as usize).min(ranges.count - 1);
                ends[range] += u32::from(some);
            }
        }
        unsorted.truncate(len);
        if ranges.count == 1 {
            return Self { items: unsorted, ends };
        }
        starts(&mut ends);
        let mut items = vec![(0, 0); len];
        for item in unsorted {
            let at = &mut ends[(item.0 >> ranges.shift) as usize];
            items[*at as usize] = item;
            *at += 1;
        }
        Self { items, ends }
    }

    fn range(&self, range: usize) -> &[Item] {
        let start = if range == 0 { 0 } else { self.ends[range - 1] };
        &self.items[start as usize..self.ends[range] as usize]
    }
}

/// Turns numbers of items into where each number's items start.
fn starts(counts: &mut [u32]) {
    let mut start = 0;
    for count in counts {
        let end = start + *count;
        *count = core::mem::replace(&mut start, end);
    }
}

/// Which points have which key, by key.
pub(super) struct Sorted {
    keys: Vec<u32>,
    order: Vec<u32>,
}

/// Points that one task sums.
pub(super) struct Segment<'a> {
    pub(super) keys: &'a [u32],
    pub(super) order: &'a [u32],
}

impl Sorted {
    /// All items of a range.
    pub(super) fn range(chunks: &[Chunk], ranges: Ranges, range: usize) -> Self {
        let parts: Vec<&[Item]> = chunks.iter().map(|chunk| chunk.range(range)).collect();
        Self::new(&parts, (range as u32) << ranges.shift, 1 << ranges.shift)
    }

    /// Items with keys from `first` to `first + count − 1`.
    pub(super) fn new(parts: &[&[Item]], first: u32, count: u32) -> Self {
        let mut places = vec![0u32; count as usize];
        for part in parts {
            for (key, _) in *part {
                places[(key - first) as usize] += 1;
            }
        }
        let total = parts.iter().map(|part| part.len()).sum();
        let (mut keys, mut order) = (vec![0; total], vec![0; total]);
        starts(&mut places);
        let mut key = first;
        for ends in places.windows(2) {
            keys[ends[0] as usize..ends[1] as usize].fill(key);
            key += 1;
        }
        if let Some(start) = places.last() {
            keys[*start as usize..].fill(key);
        }
        for part in parts {
            for (key, point) in *part {
                let at = &mut places[(key - first) as usize];
                order[*at as usize] = *point;
                *at += 1;
            }
        }
        Self { keys, order }
    }

    /// The items in equal parts, at most a segment each.
    pub(super) fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        let parts = self.keys.len().div_ceil(SEGMENT).max(1);
        let each = self.keys.len().div_ceil(parts).max(1);
        let order = self.order.chunks(each);
        self.keys.chunks(each).zip(order).map(|(keys, order)| Segment { keys, order })
    }
}
