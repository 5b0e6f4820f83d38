//! Rehashing of the paths above changed leaves.

use alloc::vec::Vec;

use mina_curves::Fp;

use super::{DEPTH, LedgerError, NodePosition};
use crate::hash::merge_many;

/// Where rehashing reads and writes nodes.
pub(super) trait Nodes {
    /// The hash of a node.
    fn read(&self, position: NodePosition) -> Result<Fp, LedgerError>;
    /// Sets the hash of a node.
    fn write(&mut self, position: NodePosition, hash: Fp);
}

/// Writes leaf hashes, in ascending order of index, and every node above them.
pub(super) fn update_leaves(
    nodes: &mut impl Nodes,
    leaves: impl IntoIterator<Item = (u64, Fp)>,
) -> Result<(), LedgerError> {
    let mut changed: Vec<u64> = Vec::new();
    for (index, hash) in leaves {
        nodes.write(NodePosition::new(0, index), hash);
        changed.push(index);
    }
    if changed.is_empty() {
        return Ok(());
    }
    for height in 0..DEPTH as u8 {
        for index in &mut changed {
            *index >>= 1;
        }
        changed.dedup();
        let pairs = changed
            .iter()
            .map(|parent| {
                Ok([
                    nodes.read(NodePosition::new(height, 2 * parent))?,
                    nodes.read(NodePosition::new(height, 2 * parent + 1))?,
                ])
            })
            .collect::<Result<Vec<_>, LedgerError>>()?;
        for (index, hash) in changed.iter().zip(merge_many(height.into(), &pairs)) {
            nodes.write(NodePosition::new(height + 1, *index), hash);
        }
    }
    Ok(())
}
