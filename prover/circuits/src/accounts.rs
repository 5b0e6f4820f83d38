//! The set of a ledger's accounts: what shows that an account is new.
//!
//! An indexed Merkle tree: each leaf holds the key of an account and that of the next larger one in
//! the set, so that a single leaf shows that a key between the two is missing. Accounts have the
//! places in which the ledger has them, one further on, behind a leaf below all keys. So whoever has the
//! ledger can make the set; nobody but a prover needs it.

use std::collections::BTreeMap;

use ark_ff::{AdditiveGroup, PrimeField};
use mina_curves::{Fp, PastaField};
use mina_ledger::{
    hash::{Input, derive_token_id, merge, merge_many},
    ledger::{DEPTH, Location, MerklePath},
    rollup::Hashed,
    types::AccountId,
};

/// Bits of a key: so many of the id of the token that the account owns. Two accounts with the same key
/// take 2^112 hashes to find; a batch that opens the second has no proof.
pub const KEY_BITS: usize = 224;

/// Why an account cannot join a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountSetError {
    /// It is there, or another one with the same key.
    #[error("the account {key} is there already")]
    Exists {
        /// Its key.
        key: Fp,
    },
    /// The circuit has no room for the top of its hash, of which there are 2^-128.
    #[error("the account {key} has a hash out of range")]
    OutOfRange {
        /// Its key.
        key: Fp,
    },
    /// More accounts than a ledger has room for.
    #[error("the set is full")]
    Full,
}

/// An account in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLeaf {
    /// Its key.
    pub key: Fp,
    /// The next larger key in the set; `2^KEY_BITS` behind the last one.
    pub next: Fp,
}

impl Hashed for AccountLeaf {
    const PREFIX: &'static str = "ZekoAccountLeaf";

    fn append(&self, input: &mut Input) {
        input.field(self.key).field(self.next);
    }
}

/// What shows that an account was missing, and where it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insertion {
    /// The leaf with the next smaller key, before.
    pub low: AccountLeaf,
    /// Its path.
    pub low_path: MerklePath,
    /// The path of the new leaf, behind the change of that one.
    pub path: MerklePath,
}

impl Insertion {
    /// In place of one where no account joins: the circuit looks at the order of keys only.
    pub fn none() -> Self {
        let path = MerklePath::new(Location::new(0), vec![Fp::ZERO; DEPTH]);
        let low = AccountLeaf { key: Fp::ZERO, next: end() };
        Self { low, low_path: path.clone(), path }
    }
}

/// What is larger than every key.
pub(crate) fn end() -> Fp {
    crate::number::power(KEY_BITS)
}

/// The key of the account that owns a token, and the bits above it.
pub(crate) fn split_key(owned_token: Fp) -> [Fp; 2] {
    let limbs = owned_token.to_limbs();
    const HIGH: usize = KEY_BITS - 192;
    let low = [limbs[0], limbs[1], limbs[2], limbs[3] & ((1 << HIGH) - 1)];
    [low, [limbs[3] >> HIGH, 0, 0, 0]]
        .map(|limbs| Fp::from_bigint(ark_ff::BigInt(limbs)).unwrap_or_default())
}

/// The set.
#[derive(Clone, Debug)]
pub struct AccountSet {
    leaves: Vec<AccountLeaf>,
    places: BTreeMap<Fp, usize>,
    /// The hashes of the nodes at each height, from the left; those further on are empty.
    nodes: Vec<Vec<Fp>>,
    empty: Vec<Fp>,
}

impl AccountSet {
    /// The set of these accounts, in the order of the ledger.
    ///
    /// # Errors
    /// [`AccountSetError`].
    pub fn new<'a>(
        accounts: impl IntoIterator<Item = &'a AccountId>,
    ) -> Result<Self, AccountSetError> {
        let mut leaves = vec![AccountLeaf { key: Fp::ZERO, next: end() }];
        let mut places = BTreeMap::from([(Fp::ZERO, 0)]);
        for id in accounts {
            let key = checked_key(derive_token_id(id).0)?;
            if places.insert(key, leaves.len()).is_some() {
                return Err(AccountSetError::Exists { key });
            }
            leaves.push(AccountLeaf { key, next: end() });
        }
        if leaves.len() as u64 > 1 << DEPTH {
            return Err(AccountSetError::Full);
        }
        let following = places.keys().skip(1);
        for (place, next) in places.values().zip(following) {
            leaves[*place].next = *next;
        }
        let mut empty = vec![Fp::ZERO];
        for height in 0..DEPTH {
            empty.push(merge(height, empty[height], empty[height]));
        }
        let mut nodes = vec![leaves.iter().map(Hashed::digest).collect::<Vec<_>>()];
        for height in 0..DEPTH {
            let pairs: Vec<_> = nodes[height]
                .chunks(2)
                .map(|pair| [pair[0], pair.get(1).copied().unwrap_or(empty[height])])
                .collect();
            nodes.push(merge_many(height, &pairs));
        }
        Ok(Self { leaves, places, nodes, empty })
    }

    /// The root.
    pub fn root(&self) -> Fp {
        self.nodes[DEPTH][0]
    }

    /// The number of accounts.
    pub fn len(&self) -> usize {
        self.leaves.len() - 1
    }

    /// Whether there is no account.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn path(&self, place: usize) -> MerklePath {
        let sibling = |height: usize| {
            let index = (place >> height) ^ 1;
            self.nodes[height].get(index).copied().unwrap_or(self.empty[height])
        };
        MerklePath::new(Location::new(place as u64), (0..DEPTH).map(sibling).collect())
    }

    /// Sets a leaf, or the one behind the last.
    fn set(&mut self, place: usize, leaf: AccountLeaf) {
        if place == self.leaves.len() {
            self.leaves.push(leaf);
        } else {
            self.leaves[place] = leaf;
        }
        self.write(place, leaf.digest());
    }

    fn write(&mut self, place: usize, hash: Fp) {
        let mut node = hash;
        for height in 0..=DEPTH {
            let index = place >> height;
            if index == self.nodes[height].len() {
                self.nodes[height].push(node);
            } else {
                self.nodes[height][index] = node;
            }
            if height < DEPTH {
                let pair = [index & !1, index | 1];
                let [left, right] =
                    pair.map(|i| self.nodes[height].get(i).copied().unwrap_or(self.empty[height]));
                node = merge(height, left, right);
            }
        }
    }

    /// Adds the account that owns a token.
    ///
    /// # Errors
    /// [`AccountSetError`]; the set is as it was.
    pub fn insert(&mut self, owned_token: Fp) -> Result<Insertion, AccountSetError> {
        let key = checked_key(owned_token)?;
        let place = self.leaves.len();
        if place as u64 >= 1 << DEPTH {
            return Err(AccountSetError::Full);
        }
        let low_place = self.places.range(..=key).next_back().map_or(0, |(_, place)| *place);
        let low = self.leaves[low_place];
        if low.key == key {
            return Err(AccountSetError::Exists { key });
        }
        let low_path = self.path(low_place);
        self.set(low_place, AccountLeaf { next: key, ..low });
        let path = self.path(place);
        self.set(place, AccountLeaf { key, next: low.next });
        self.places.insert(key, place);
        Ok(Insertion { low, low_path, path })
    }

    /// Takes the last accounts out until `len` are left.
    pub fn truncate(&mut self, len: usize) {
        while self.len() > len {
            let Some(AccountLeaf { key, next }) = self.leaves.pop() else { return };
            self.places.remove(&key);
            self.write(self.leaves.len(), Fp::ZERO);
            let low_place = self.places.range(..key).next_back().map_or(0, |(_, place)| *place);
            let low = self.leaves[low_place];
            self.set(low_place, AccountLeaf { next, ..low });
        }
    }
}

fn checked_key(owned_token: Fp) -> Result<Fp, AccountSetError> {
    let [key, top] = split_key(owned_token);
    let fits = top.to_limbs()[0] < 1 << 30 && key != Fp::ZERO;
    if fits { Ok(key) } else { Err(AccountSetError::OutOfRange { key }) }
}

#[cfg(test)]
mod tests {
    use mina_ledger::types::PublicKey;

    use super::*;

    fn ids(count: u64) -> Vec<AccountId> {
        let key = |x: u64| PublicKey { x: Fp::from(x), is_odd: false };
        (0..count).map(|x| AccountId::of(key(x))).collect()
    }

    /// One after another or all at once, and back again.
    #[test]
    fn a_set_is_its_accounts() {
        let ids = ids(40);
        let mut set = AccountSet::new([]).unwrap();
        let mut roots = vec![set.root()];
        for (count, id) in (1..).zip(&ids) {
            let token = derive_token_id(id).0;
            let [key, _] = split_key(token);
            let before = set.root();
            let Insertion { low, low_path, path } = set.insert(token).unwrap();
            low_path.check(low.digest(), before).unwrap();
            assert!(low.key < key && key < low.next);
            let middle = low_path.root(AccountLeaf { next: key, ..low }.digest());
            path.check(Fp::ZERO, middle).unwrap();
            let leaf = AccountLeaf { key, next: low.next };
            assert_eq!(path.root(leaf.digest()), set.root());
            assert_eq!(path.location().index(), count as u64);
            let whole = AccountSet::new(&ids[..count]).unwrap();
            assert_eq!((whole.root(), whole.len()), (set.root(), count));
            assert_eq!(set.insert(token), Err(AccountSetError::Exists { key }));
            roots.push(set.root());
        }
        for (len, root) in roots.iter().enumerate().rev() {
            set.truncate(len);
            assert_eq!((set.root(), set.len()), (*root, len));
        }
        let twice = [&ids[0], &ids[0]];
        assert!(matches!(AccountSet::new(twice), Err(AccountSetError::Exists { .. })));
    }

    #[test]
    fn keys_are_the_lower_bits() {
        let x = Fp::ZERO - Fp::from(5u64);
        let [key, top] = split_key(x);
        assert_eq!(key + top * end(), x);
        assert_eq!(top, Fp::from(1u64 << 30));
        assert_eq!(checked_key(x), Err(AccountSetError::OutOfRange { key }));
        assert!(checked_key(end()).is_err());
        assert_eq!(checked_key(end() + Fp::from(7u64)), Ok(Fp::from(7u64)));
    }
}
