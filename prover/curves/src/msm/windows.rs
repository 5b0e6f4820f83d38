//! How scalars are cut into digits.
//!
//! Bases may come with multiples, `2^(j·step)` times each for `j` below a count. A half is then cut into
//! pieces of `step` bits, and a piece into digits: a digit goes with its piece's multiple to the buckets
//! of its place in the piece. Buckets are as many sets as a piece has digits, however long the halves
//! are, so digits can be wider. Without multiples a piece is a half.

use alloc::vec::Vec;

use super::table::{Entry, TURNS};

/// Bits of a split scalar, one more for the carry of signed digits.
pub(super) const HALF_BITS: u32 = 128;

/// Bits of the widest digits.
const WIDEST: u32 = 16;

/// Which multiples of its bases a list of points holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Multiples {
    /// How many of each base, at least 1.
    pub(crate) count: u32,
    /// Doublings from one to the next.
    pub(crate) step: u32,
}

impl Multiples {
    /// The bases alone.
    pub(super) const NONE: Self = Self { count: 1, step: HALF_BITS };

    /// At most `count` multiples, at distances that are all the same, of two doublings or more: no digit
    /// is narrower.
    pub(super) fn at_most(count: u32) -> Self {
        let step = HALF_BITS.div_ceil(count.clamp(1, HALF_BITS / 2));
        Self { count: HALF_BITS.div_ceil(step), step }
    }

    /// Doublings for a base.
    pub(super) fn doublings(self) -> u64 {
        u64::from((self.count - 1) * self.step)
    }
}

/// How many halves have how many bits, with one for the carry.
#[derive(Clone, Debug)]
pub(super) struct Lengths([u64; HALF_BITS as usize + 1]);

impl Lengths {
    pub(super) const NONE: Self = Self([0; HALF_BITS as usize + 1]);

    /// Of `count` halves of random scalars.
    pub(super) fn full(count: u64) -> Self {
        let mut lengths = Self::NONE;
        lengths.0[HALF_BITS as usize - 1] = count;
        lengths
    }

    /// Counts a half.
    pub(super) fn add(&mut self, magnitude: u128) {
        let bits = u128::BITS - magnitude.leading_zeros();
        self.0[(bits + 1).min(HALF_BITS) as usize] += 1;
    }

    /// Counts the halves of another list.
    pub(super) fn merge(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }
}

/// How scalars are cut into digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// Bits of a piece.
    step: u32,
    /// Which of the multiples are taken: each `stride`-th.
    stride: u32,
    /// Bits of a digit; the last of a piece may be shorter.
    pub(super) bits: u32,
    /// Sets of buckets: digits of a piece.
    pub(super) sets: u32,
    /// Digits of the longest half.
    count: u32,
    /// Digits of all halves that need not be zero.
    pub(super) digits: u64,
    /// What the sum takes, in additions.
    pub(super) cost: u64,
}

impl Windows {
    /// The cut that costs the fewest additions for such halves, of which there is at least one.
    pub(super) fn choose(lengths: &Lengths, multiples: Multiples) -> Self {
        let lengths: Vec<(u64, u32)> = lengths
            .0
            .iter()
            .zip(0u32..)
            .filter_map(|(count, length)| (*count > 0).then_some((*count, length)))
            .collect();
        let longest = lengths.last().map_or(2, |(_, length)| (*length).max(2));
        let mut best: Option<Self> = None;
        for stride in 1..=multiples.count {
            let step = (stride * multiples.step).clamp(2, longest);
            for bits in 2..=WIDEST.min(step) {
                let sets = step.div_ceil(bits);
                if step.div_ceil(sets) != bits {
                    // As many digits do with fewer bits.
                    continue;
                }
                let of_length = |length: u32| length / step * sets + (length % step).div_ceil(bits);
                let digits: u64 = lengths
                    .iter()
                    .map(|(count, length)| count * u64::from(of_length(*length)))
                    .sum();
                // What a bucket costs was measured: four parts to turn and to add, a row and a column,
                // and points that wait for a partner. Then two projective sums over rows and columns.
                let buckets = (6 << (bits - 1)) + (8 << bits.div_ceil(2));
                let cost = digits + u64::from(sets) * buckets;
                if best.is_none_or(|best| cost < best.cost) {
                    let count = of_length(longest);
                    best = Some(Self { step, stride, bits, sets, count, digits, cost });
                }
            }
            if step == longest {
                break;
            }
        }
        // There is always a cut into digits of two bits.
        let none = Self { step: 2, stride: 1, bits: 2, sets: 1, count: 1, digits: 0, cost: 0 };
        best.unwrap_or(none)
    }

    /// Buckets of one set: one for each magnitude from 1 to `2^(bits−1)`.
    pub(super) fn buckets(&self) -> u32 {
        1 << (self.bits - 1)
    }

    /// All digits of a half, the lowest first. `bases` is how many bases there are.
    pub(super) fn places(&self, bases: usize) -> Vec<Place> {
        (0..self.count)
            .map(|index| {
                let (piece, set) = (index / self.sets, index % self.sets);
                let width = self.bits.min(self.step - set * self.bits);
                Place {
                    position: piece * self.step + set * self.bits,
                    mask: (1 << width) - 1,
                    // The last digit, which has a bit to spare, takes a carry and no offset.
                    offset: if index + 1 < self.count { 1 << (width - 1) } else { 0 },
                    bucket: set * self.buckets(),
                    multiple: piece * self.stride * bases as u32,
                }
            })
            .collect()
    }
}

/// A half, of which the offset of its digits was added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shifted {
    /// The lowest first, then a zero.
    words: [u64; 3],
    entry: Entry,
}

impl Shifted {
    pub(super) fn new(half: u128, entry: Entry, offset: u128) -> Self {
        let sum = half + offset;
        Self { words: [sum as u64, (sum >> 64) as u64, 0], entry }
    }
}

/// One digit of each half.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    position: u32,
    mask: u32,
    offset: i32,
    /// The first bucket of its set.
    bucket: u32,
    /// Where the multiples that it goes with begin in the list of points.
    multiple: u32,
}

impl Place {
    /// What [`Self::digit`] wants added to a half: half of each digit but the last, so that digits from
    /// `−2^(w−1)` to `2^(w−1) − 1` become non-negative. Below `2^127`.
    pub(super) fn offset(places: &[Self]) -> u128 {
        places.iter().map(|place| (place.offset as u128) << place.position).sum()
    }

    /// The signed digit of a half. The last one is at most `2^(w−1)`.
    #[inline(always)]
    fn digit(&self, half: &Shifted) -> i32 {
        let (word, bit) = ((self.position / 64) as usize, self.position % 64);
        let bits = half.words[word] >> bit | half.words[word + 1] << 1 << (63 - bit);
        // Both are below 2^16.
        (bits as u32 & self.mask).wrapping_sub(self.offset as u32) as i32
    }

    /// The key `bucket·4 + endomorphism·2 + negated` under which a point is added, and the point.
    /// Nothing is to be added for the digit 0: then the last is false.
    ///
    /// That nothing overflows is checked where tables are made: this is for each digit of each scalar.
    #[inline(always)]
    pub(super) fn item(&self, half: &Shifted) -> (u32, u32, bool) {
        let digit = self.digit(half);
        let bucket = self.bucket.wrapping_add(digit.unsigned_abs()).wrapping_sub(1);
        let key = bucket << TURNS | half.entry.turn() ^ u32::from(digit < 0);
        (key, self.multiple.wrapping_add(half.entry.base()), digit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digits of all places add up to the half, with every number of multiples and length of scalars.
    #[test]
    fn digits_add_up() {
        for count in 1..=16 {
            let multiples = Multiples::at_most(count);
            for (length, halves) in
                [(1, 3), (2, 100), (7, 9), (40, 1000), (100, 50), (127, 1 << 17)]
            {
                let mut lengths = Lengths::NONE;
                (0..halves).for_each(|_| lengths.add((1 << length) - 1));
                let windows = Windows::choose(&lengths, multiples);
                let places = windows.places(1);
                let offset = Place::offset(&places);
                let patterns = [u128::MAX, 1, 0x5555 << 100 | 0x5555, 0xfedc_ba98_7654_3210 << 63];
                for half in patterns.map(|pattern| pattern & ((1 << length) - 1)) {
                    let mut sum = 0i128;
                    for place in &places {
                        let digit =
                            place.digit(&Shifted::new(half, Entry::new(0, 0, false), offset));
                        assert!(digit.unsigned_abs() <= windows.buckets());
                        assert!(place.multiple < multiples.count);
                        // What the multiple does not cover is the place in the piece.
                        let set = place.bucket / windows.buckets();
                        let position = place.multiple * multiples.step + set * windows.bits;
                        assert_eq!(position, place.position);
                        sum = sum.wrapping_add(i128::from(digit) << position);
                    }
                    assert_eq!(sum as u128, half, "{windows:?}");
                }
            }
        }
    }

    /// What the tables are for: at each size the best number of multiples saves a fifth or more.
    #[test]
    fn multiples_save_additions() {
        for log in 9..=16 {
            let lengths = Lengths::full(2 << log);
            let cost = |count| Windows::choose(&lengths, Multiples::at_most(count)).cost;
            let best = (1..=16).map(cost).min().unwrap();
            assert!(best * 5 <= cost(1) * 4, "{best} and {} of 2^{log}", cost(1));
        }
    }
}
