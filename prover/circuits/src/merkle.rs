//! Merkle paths.

use kimchi::builder::Var;
use mina_curves::Fp;
use mina_ledger::{
    hash::salt,
    ledger::{DEPTH, MerklePath},
};

use crate::{Boolean, Cs, Linear, input::hash};

/// The path from a leaf to the root of a ledger.
#[derive(Clone, Debug)]
pub struct MerklePathVar {
    /// For each level, lowest first, whether the node is to the right, and the node beside it.
    levels: Vec<(Boolean, Var<Fp>)>,
}

impl MerklePathVar {
    /// A private path; half a row for each level.
    pub fn witness<I>(
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &MerklePath + Send + Sync + 'static,
    ) -> Self {
        let vars = cs.try_witnesses(2 * DEPTH, move |v| {
            let path = source(v.input());
            let index = path.location().index();
            let sides = (0..DEPTH).map(|height| Fp::from(index >> height & 1));
            Ok(sides.chain(path.siblings().iter().copied()).collect())
        });
        let (sides, siblings) = vars.split_at(DEPTH);
        let levels = sides
            .iter()
            .zip(siblings)
            .map(|(side, sibling)| (Boolean::assert(cs, *side), *sibling))
            .collect();
        Self { levels }
    }

    /// A private path to leaf 0; free.
    pub fn first<I>(
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &MerklePath + Send + Sync + 'static,
    ) -> Self {
        let siblings = cs.try_witnesses(DEPTH, move |v| Ok(source(v.input()).siblings().to_vec()));
        let left = Boolean::constant(false);
        Self { levels: siblings.into_iter().map(|sibling| (left.clone(), sibling)).collect() }
    }

    /// The index of the leaf; free.
    pub fn index(&self) -> Linear {
        Linear::from_bits(self.levels.iter().map(|(is_right, _)| Linear::from(is_right)))
    }

    /// The root over `leaf`; 14 rows for each level.
    pub fn root<I>(&self, cs: &mut Cs<I>, leaf: &Linear) -> Linear {
        self.levels.iter().enumerate().fold(leaf.clone(), |node, (height, (is_right, sibling))| {
            let change = cs.mul(is_right, *sibling - &node);
            let children = [node + change, *sibling - change];
            hash(cs, &salt::merkle(height), &children).into()
        })
    }
}
