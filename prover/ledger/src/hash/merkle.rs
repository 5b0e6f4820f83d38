//! Nodes of the ledger's Merkle tree.

use alloc::{boxed::Box, vec::Vec};

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use once_cell::race::OnceBox;

use super::{
    account::account_hash,
    batch::{hash_one, hash_pairs},
    salt,
};
use crate::{
    ledger::DEPTH,
    types::{Account, Era},
};

/// The node over two children of `height` (0 for leaves).
pub fn merge(height: usize, left: Fp, right: Fp) -> Fp {
    hash_one(&salt::merkle(height), &[left, right])
}

/// The nodes over many pairs of children of `height`.
pub fn merge_many(height: usize, pairs: &[[Fp; 2]]) -> Vec<Fp> {
    hash_pairs(&salt::merkle(height), pairs)
}

/// The root of an empty subtree of `height`, 0 for an empty leaf, at most [`DEPTH`].
pub fn empty_subtree(height: usize, era: Era) -> Fp {
    static BERKELEY: OnceBox<[Fp; DEPTH + 1]> = OnceBox::new();
    static MESA: OnceBox<[Fp; DEPTH + 1]> = OnceBox::new();
    let cell = match era {
        Era::Berkeley => &BERKELEY,
        Era::Mesa => &MESA,
    };
    let roots = cell.get_or_init(|| {
        let mut node = account_hash(&Account::empty(era), era);
        Box::new(core::array::from_fn(|height| {
            let root = node;
            node = merge(height, node, node);
            root
        }))
    });
    roots.get(height).copied().unwrap_or(Fp::ZERO)
}
