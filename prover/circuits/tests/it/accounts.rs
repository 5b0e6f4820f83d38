//! New accounts are new: the list of a batch against the set of accounts.

use std::collections::BTreeMap;

use ark_ff::AdditiveGroup;
use kimchi::builder::testing::Lab;
use mina_curves::Fp;
use mina_ledger::{
    hash::{derive_token_id, merge},
    ledger::{DEPTH, Location, MerklePath},
    rollup::Hashed,
    types::{AccountId, PublicKey},
};
use zeko_circuits::{
    accounts::{AccountLeaf, AccountSet, AccountSetError},
    program::{Accounts, AccountsInput, Creations, Sizes},
    update::NewAccount,
};

use crate::settlement::free;

type AccountsLab = Lab<Fp, AccountsInput>;

fn id(x: u64) -> AccountId {
    AccountId::of(PublicKey { x: Fp::from(x), is_odd: false })
}

fn ids(range: core::ops::Range<u64>) -> Vec<AccountId> {
    range.map(id).collect()
}

/// The set before the batches here.
fn old() -> AccountSet {
    AccountSet::new(&ids(0..5)).unwrap()
}

fn lab(entries: usize) -> AccountsLab {
    Lab::new(|cs| {
        let [before, after] = Accounts::new(entries).creations(cs, |input: &AccountsInput| input);
        for side in [before, after] {
            for x in [side.list, side.from, side.to, side.command] {
                cs.expose(x);
            }
        }
    })
}

/// The entries of commands, each with the accounts that it opens and whether it fails after them.
fn list(commands: &[(&[u64], bool)]) -> Vec<NewAccount> {
    let mut entries: Vec<NewAccount> = Vec::new();
    let mut len = old().len() as u64;
    let last = |entries: &[NewAccount]| entries.last().map_or(Fp::ZERO, Hashed::digest);
    for (accounts, fails) in commands {
        let before = last(&entries);
        for (account, place) in accounts.iter().zip(len..) {
            let created = (id(*account), Location::new(place));
            entries.extend(NewAccount::of(before, last(&entries), Some(&created), false));
        }
        if *fails {
            entries.extend(NewAccount::of(before, last(&entries), None, true));
        } else {
            len += accounts.len() as u64;
        }
    }
    entries
}

fn inputs(commands: &[(&[u64], bool)], room: usize) -> Vec<AccountsInput> {
    AccountsInput::of_batch(&mut old(), &list(commands), room).unwrap()
}

fn fields(creations: &Creations) -> [Fp; 4] {
    [creations.list, creations.from, creations.to, creations.command]
}

/// Commands that fail leave the set as it was, wherever proofs begin and end.
#[test]
fn lists_lead_from_set_to_set() {
    let commands: [(&[u64], bool); 4] =
        [(&[10, 11], false), (&[12, 13], true), (&[], true), (&[12], false)];
    let entries = list(&commands);
    // A command that fails without having opened anything is not on the list.
    assert_eq!(entries.len(), 6);
    let mut set = old();
    let before = set.root();
    let whole = AccountSet::new(&[ids(0..5), ids(10..13)].concat()).unwrap();
    for room in [1, 2, 4] {
        let lab = lab(room);
        let mut last = Creations::none(before);
        for input in AccountsInput::of_batch(&mut set, &entries, room).unwrap() {
            assert_eq!(input.earlier, last);
            lab.accepts(&input);
            last = *input.creations();
            assert_eq!(lab.public(&input), [fields(&input.earlier), fields(&last)].concat());
        }
        assert_eq!((last.from, last.to), (before, whole.root()));
        assert_eq!(last.list, entries.last().unwrap().digest());
        assert_eq!(set.root(), whole.root());
        set.truncate(5);
        assert_eq!(set.root(), before);
    }
    assert!(AccountsInput::of_batch(&mut set, &[], 2).unwrap().is_empty());
}

#[test]
fn whoever_is_there_is_not_new() {
    let mut set = old();
    for commands in [&[(&[10u64, 3][..], false)], &[(&[10, 10], false)]] {
        let error = AccountsInput::of_batch(&mut set, &list(commands), 2).unwrap_err();
        assert!(matches!(error, AccountSetError::Exists { .. }));
        assert_eq!(set.root(), old().root());
    }
    // Nor in a command that fails: it might not have, had the account been there.
    let error = AccountsInput::of_batch(&mut set, &list(&[(&[3], true)]), 2).unwrap_err();
    assert!(matches!(error, AccountSetError::Exists { .. }));
}

/// An account of the set joins it once more: whatever the prover takes for the leaf below it.
#[test]
fn no_leaf_shows_that_an_account_of_the_set_is_missing() {
    let lab = lab(1);
    let set = old();
    let token = derive_token_id(&id(3)).0;
    let honest = inputs(&[(&[10], false)], 1).remove(0);
    let mut forged = honest.clone();
    forged.places[0].entry.owned_token = token;
    // The leaf below each account, which the one next to it would have to show.
    for other in ids(0..5) {
        let close = derive_token_id(&other).0 + Fp::from(1u64);
        forged.places[0].insertion = set.clone().insert(close).unwrap();
        let regions = lab.rejects(&forged);
        assert!(regions.iter().all(|region| region.starts_with("entry/set")), "{regions:?}");
    }
    // Claimed leaves that are in no tree.
    for low in [
        AccountLeaf { key: Fp::ZERO, next: honest.places[0].insertion.low.next },
        AccountLeaf { key: Fp::ZERO, next: Fp::ZERO },
    ] {
        forged.places[0].insertion.low = low;
        lab.rejects(&forged);
    }
}

#[test]
fn entries_are_followed_to_the_letter() {
    let lab = lab(2);
    let honest = inputs(&[(&[10, 11], false)], 2).remove(0);
    let public = lab.public(&honest);
    let rejected = |edit: &dyn Fn(&mut AccountsInput)| {
        let mut input = honest.clone();
        edit(&mut input);
        let regions = lab.rejects(&input);
        assert!(regions.iter().all(|region| region.starts_with("entry/set")), "{regions:?}");
    };
    // In the place of another account, over itself, on a path of something else.
    rejected(&|input| {
        let insertion = &mut input.places[0].insertion;
        insertion.path = insertion.low_path.clone();
    });
    rejected(&|input| input.places[1].insertion = input.places[0].insertion.clone());
    rejected(&|input| input.places[1].entry.owned_token = input.places[0].entry.owned_token);
    rejected(&|input| input.places[0].insertion.low.key += Fp::from(1u64));
    rejected(&|input| input.places[0].insertion.low.next -= Fp::from(1u64));

    // In another place than the ledger's: another list, and one that nobody has made.
    let mut moved = inputs(&[(&[10], false)], 1).remove(0);
    let set = old();
    let lab = self::lab(1);
    let expected = lab.public(&moved)[4];
    let key = split(moved.places[0].entry.owned_token);
    let insertion = &mut moved.places[0].insertion;
    let mut siblings = insertion.path.siblings().to_vec();
    // The empty half of the tree.
    let leaf = AccountLeaf { next: key, ..insertion.low };
    siblings[DEPTH - 1] = {
        let path = &insertion.low_path;
        let half = MerklePath::new(path.location(), path.siblings()[..DEPTH - 1].to_vec());
        half.root(leaf.digest())
    };
    for (height, sibling) in siblings.iter_mut().enumerate().take(DEPTH - 1) {
        *sibling = empty(height);
    }
    insertion.path = MerklePath::new(Location::new(1 << (DEPTH - 1)), siblings);
    lab.accepts(&moved);
    assert_ne!(lab.public(&moved)[4], expected);
    assert_ne!(set.root(), lab.public(&moved)[6]);
    let lab = self::lab(2);

    // What is said of an entry is in the list, which no command has then made.
    let elsewhere = |edit: &dyn Fn(&mut AccountsInput)| {
        let mut input = honest.clone();
        edit(&mut input);
        let witness = lab.witness(&input);
        let list = witness[0][4];
        assert_ne!(list, public[4]);
    };
    elsewhere(&|input| input.places[1].counts = false);
    elsewhere(&|input| input.places[1].entry.reverts = true);
    elsewhere(&|input| input.places[1].entry.is_first = true);
    elsewhere(&|input| input.places[0].entry.is_new = false);
    elsewhere(&|input| input.places.swap(0, 1));
}

#[test]
fn forged_entries() {
    let lab = lab(1);
    let honest = inputs(&[(&[10], false)], 1).remove(0);
    assert_eq!(free(&lab, &honest), BTreeMap::new());
    // Where nobody joins, the paths are anybody's.
    let mut idle = honest.clone();
    idle.places = inputs(&[(&[10], true)], 2).remove(0).places.split_off(1);
    let unnoticed = free(&lab, &idle);
    assert!(unnoticed.keys().all(|name| name.starts_with("entry/set")), "{unnoticed:?}");
    let rows = [1, 2].map(|entries| self::lab(entries).circuit.rows());
    assert_eq!(rows, [2_166, 4_304]);
    // With those of a proof.
    assert!(rows[0] + (Sizes::MAX.accounts - 1) * (rows[1] - rows[0]) + 11_600 < 1 << 16);
}

/// The key of the account that owns a token.
fn split(owned_token: Fp) -> Fp {
    let mut set = AccountSet::new([]).unwrap();
    set.insert(owned_token).unwrap();
    // What the leaf below it now names.
    set.insert(owned_token - Fp::from(1u64)).unwrap().low.next
}

fn empty(height: usize) -> Fp {
    (0..height).fold(Fp::ZERO, |node, height| merge(height, node, node))
}
