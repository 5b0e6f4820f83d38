//! Blocks on their way: gossip brings parts in any order, and makes them one block here.

use std::collections::BTreeMap;

use crate::{
    MAX_BLOCK_BYTES, PART_BYTES,
    block::block_id,
    context::{Address, Height, PartHeader},
};

/// A block of which some parts have come.
#[derive(Debug)]
struct Partial {
    header: PartHeader,
    bytes: Vec<u8>,
    missing: Vec<bool>,
}

/// Blocks of which some parts have come, one at most of each validator: memory is bounded by the
/// committee's size.
#[derive(Debug, Default)]
pub(crate) struct Assembly(BTreeMap<Address, Partial>);

impl Assembly {
    /// Takes a part whose header has been verified; the block, if nothing is missing any more.
    pub(crate) fn add(&mut self, header: &PartHeader, index: u32, part: &[u8]) -> Option<Vec<u8>> {
        let (length, index) = (header.length as usize, index as usize);
        let start = index.checked_mul(PART_BYTES)?;
        let expected = length.checked_sub(start)?.min(PART_BYTES);
        if length > MAX_BLOCK_BYTES || expected == 0 || part.len() != expected {
            return None;
        }
        let at = |header: &PartHeader| (header.height, header.round);
        let known = self.0.get(&header.proposer);
        // What belongs to an earlier round has come late. A second block in one round is a fault of
        // its sender: the first one stays.
        if known.is_none_or(|known| at(&known.header) < at(header)) {
            let missing = vec![true; length.div_ceil(PART_BYTES)];
            let partial = Partial { header: *header, bytes: vec![0; length], missing };
            self.0.insert(header.proposer, partial);
        }
        let partial = self.0.get_mut(&header.proposer).filter(|p| p.header == *header)?;
        partial.bytes.get_mut(start..start + expected)?.copy_from_slice(part);
        *partial.missing.get_mut(index)? = false;
        if partial.missing.contains(&true) {
            return None;
        }
        let complete = self.0.remove(&header.proposer)?;
        (block_id(&complete.bytes) == header.id).then_some(complete.bytes)
    }

    /// Forgets what can no longer be decided.
    pub(crate) fn decided(&mut self, height: Height) {
        self.0.retain(|_, partial| partial.header.height > height);
    }
}

#[cfg(test)]
mod tests {
    use malachite::app::types::core::Round;

    use super::*;
    use crate::keys::ConsensusSignature;

    fn block(seed: u8, length: usize) -> Vec<u8> {
        (0..length).map(|i| (i / 7) as u8 ^ seed).collect()
    }

    fn header(bytes: &[u8], height: u64, round: u32) -> PartHeader {
        PartHeader {
            height: Height(height),
            round: Round::new(round),
            pol_round: Round::Nil,
            proposer: Address([1; 32]),
            id: block_id(bytes),
            length: bytes.len() as u32,
            signature: ConsensusSignature([0; 64]),
        }
    }

    fn parts(bytes: &[u8]) -> Vec<(u32, &[u8])> {
        (0..).zip(bytes.chunks(PART_BYTES)).collect()
    }

    /// Gossip forwards small parts faster than large ones: blocks were lost when the last part came
    /// first.
    #[test]
    fn parts_come_in_any_order() {
        for length in [1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES - 1] {
            let bytes = block(0, length);
            let header = header(&bytes, 1, 0);
            let mut order = parts(&bytes);
            for turn in 0..order.len() {
                order.rotate_left(turn);
                let mut assembly = Assembly::default();
                let (last, first) = order.split_last().unwrap();
                for (index, part) in first {
                    assert_eq!(assembly.add(&header, *index, part), None);
                    assert_eq!(assembly.add(&header, *index, part), None, "twice is once");
                }
                assert_eq!(assembly.add(&header, last.0, last.1).as_ref(), Some(&bytes));
            }
        }
    }

    #[test]
    fn a_later_round_replaces_an_earlier_one_and_not_the_other_way() {
        let [early, late, other] = [1, 2, 3].map(|seed| block(seed, PART_BYTES + 5));
        let headers = [header(&early, 3, 0), header(&late, 3, 1), header(&other, 3, 1)];
        let mut assembly = Assembly::default();
        assert_eq!(assembly.add(&headers[0], 0, parts(&early)[0].1), None);
        assert_eq!(assembly.add(&headers[1], 1, parts(&late)[1].1), None);
        // The rest of the earlier one, and another one in the same round.
        assert_eq!(assembly.add(&headers[0], 1, parts(&early)[1].1), None);
        assert_eq!(assembly.add(&headers[2], 0, parts(&other)[0].1), None);
        assert_eq!(assembly.add(&headers[1], 0, parts(&late)[0].1), Some(late));
    }

    #[test]
    fn wrong_parts_are_dropped() {
        let bytes = block(4, PART_BYTES + 5);
        let good = header(&bytes, 1, 0);
        let huge = PartHeader { length: u32::MAX, ..good };
        let empty = PartHeader { length: 0, ..good };
        let mut assembly = Assembly::default();
        for (header, index, part) in [
            (huge, 0, &bytes[..PART_BYTES]),
            (huge, u32::MAX, &bytes[..PART_BYTES]),
            (empty, 0, &bytes[..0]),
            (good, 0, &bytes[..PART_BYTES - 1]),
            (good, 1, &bytes[..6]),
            (good, 2, &bytes[..0]),
            (good, u32::MAX, &bytes[..5]),
        ] {
            assert_eq!(assembly.add(&header, index, part), None);
        }
        assert!(assembly.0.is_empty(), "nothing is kept of them");
        // Other bytes under its id: dropped when it is whole.
        let other = block(5, PART_BYTES + 5);
        for (index, part) in parts(&other) {
            assert_eq!(assembly.add(&good, index, part), None);
        }
        assert!(assembly.0.is_empty());
    }
}
