//! New accounts are new.

use ark_ff::AdditiveGroup;
use kimchi::builder::{Boolean, Var};
use mina_curves::Fp;
use mina_ledger::{hash::Input, rollup::Hashed, types::Era};
use pickles::{PreviousStatement, Rule, RuleStatement, Slot, StepBuilder, StepInput, StepKey};

use crate::{
    Cs, Linear,
    accounts::{AccountLeaf, AccountSet, AccountSetError, Insertion, KEY_BITS, split_key},
    alloc::{Allocate, Cells, witness},
    input::{hash, salted},
    merkle::MerklePathVar,
    number::power,
    update::{NewAccount, NewAccountVar},
};

/// How far a batch's list of new accounts has been gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Creations {
    /// The list up to here; zero if it is empty.
    pub list: Fp,
    /// The root of the set of accounts before the batch.
    pub from: Fp,
    /// The root with the accounts on the list.
    pub to: Fp,
    /// The root without those of the last command on the list: what it goes back to if that fails.
    pub command: Fp,
}

impl Creations {
    /// Of an empty list, with the root of the set.
    pub fn none(root: Fp) -> Self {
        Self { list: Fp::ZERO, from: root, to: root, command: root }
    }
}

impl Hashed for Creations {
    const PREFIX: &'static str = "ZekoCreations";

    fn append(&self, input: &mut Input) {
        input.field(self.list).field(self.from).field(self.to).field(self.command);
    }
}

/// The twin of [`Creations`].
#[derive(Clone, Debug)]
pub struct CreationsVar {
    /// The list up to here.
    pub list: Linear,
    /// The root before the batch.
    pub from: Linear,
    /// The root with the accounts on the list.
    pub to: Linear,
    /// The root without those of the last command.
    pub command: Linear,
}

impl Allocate for CreationsVar {
    type Native = Creations;

    fn values(native: &Creations, _: Era, out: &mut Vec<Fp>) {
        let Creations { list, from, to, command } = *native;
        out.extend([list, from, to, command]);
    }

    fn assign<I>(_: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { list: cells.field(), from: cells.field(), to: cells.field(), command: cells.field() }
    }
}

impl CreationsVar {
    /// What an earlier proof shows; there is none for an empty list.
    pub(super) fn witness<I: 'static>(
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &Creations + Send + Sync + 'static,
    ) -> Self {
        witness(cs, Era::default(), &Creations::none(Fp::ZERO), source)
    }

    fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        let Self { list, from, to, command } = self;
        let fields = [list, from, to, command].map(Linear::clone);
        hash(cs, &salted(Creations::PREFIX), &fields).into()
    }

    /// As the statement of an earlier proof, which there must be unless the list is empty: then the
    /// set stays as it is. 27 rows.
    pub(super) fn to_previous<I>(&self, cs: &mut Cs<I>) -> PreviousStatement {
        let is_empty = cs.is_zero(&self.list);
        for root in [&self.to, &self.command] {
            cs.assert_mul(&is_empty, root.clone() - &self.from, Fp::ZERO);
        }
        PreviousStatement { app_state: vec![self.digest(cs)], must_verify: is_empty.not() }
    }

    fn select<I>(cs: &mut Cs<I>, bit: &Boolean<Fp>, then: &Self, otherwise: &Self) -> Self {
        let mut select =
            |part: fn(&Self) -> &Linear| Linear::from(bit.select(cs, part(then), part(otherwise)));
        Self {
            list: select(|x| &x.list),
            from: otherwise.from.clone(),
            to: select(|x| &x.to),
            command: select(|x| &x.command),
        }
    }
}

/// The accounts on the next entries of a list join the set of accounts, each of which was missing; if
/// their command fails, they leave it again. Rows: 2,138 for each entry, and those of a proof.
#[derive(Clone, Copy, Debug)]
pub struct Accounts {
    /// How many entries.
    entries: usize,
}

impl Accounts {
    /// The rule for up to `entries` entries.
    pub fn new(entries: usize) -> Self {
        Self { entries }
    }
}

/// A place for an entry, and what a prover knows of that.
#[derive(Clone, Debug)]
pub struct AccountsPlace {
    /// Whether there is an entry in this place.
    pub counts: bool,
    /// The entry.
    pub entry: NewAccount,
    /// How its account joins the set.
    pub insertion: Insertion,
}

impl AccountsPlace {
    fn spare() -> Self {
        let entry = NewAccount {
            others: Fp::ZERO,
            owned_token: Fp::ZERO,
            place: 0,
            is_new: false,
            is_first: false,
            reverts: false,
        };
        Self { counts: false, entry, insertion: Insertion::none() }
    }
}

/// What a proof of [`Accounts`] is made from.
#[derive(Clone, Debug)]
pub struct AccountsInput {
    /// What the earlier proof shows.
    pub earlier: Creations,
    /// As many as the circuit has room for.
    pub places: Vec<AccountsPlace>,
    last: Creations,
}

impl AccountsInput {
    /// The inputs for all of a list, for circuits with `room`; none for an empty list. The accounts
    /// join `set`.
    ///
    /// # Errors
    /// [`AccountSetError`]; the set is then as it was.
    pub fn of_batch(
        set: &mut AccountSet,
        entries: &[NewAccount],
        room: usize,
    ) -> Result<Vec<Self>, AccountSetError> {
        let before = set.len();
        let mut last = Creations::none(set.root());
        // How many accounts there are before the command under way.
        let mut command = before;
        let mut follow = |set: &mut AccountSet, entries: &[NewAccount]| {
            let earlier = last;
            let mut places = Vec::with_capacity(room);
            for entry in entries {
                if entry.is_first {
                    (last.command, command) = (last.to, set.len());
                }
                let insertion =
                    if entry.is_new { set.insert(entry.owned_token)? } else { Insertion::none() };
                if entry.reverts {
                    set.truncate(command);
                }
                last = Creations { list: entry.digest(), to: set.root(), ..last };
                places.push(AccountsPlace { counts: true, entry: *entry, insertion });
            }
            places.resize(room, AccountsPlace::spare());
            Ok(Self { earlier, places, last })
        };
        let inputs: Result<_, _> =
            entries.chunks(room.max(1)).map(|entries| follow(set, entries)).collect();
        inputs.inspect_err(|_| set.truncate(before))
    }

    /// What a proof from this shows.
    pub fn creations(&self) -> &Creations {
        &self.last
    }
}

impl Accounts {
    /// The constraints: what the earlier proof shows, and what this one does.
    pub fn creations<I: 'static>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &AccountsInput + Clone + Send + Sync + 'static,
    ) -> [CreationsVar; 2] {
        let given = source.clone();
        let earlier = CreationsVar::witness(cs, move |input| &given(input).earlier);
        let mut creations = earlier.clone();
        for index in 0..self.entries {
            let given = source.clone();
            creations = cs.region("entry", |cs| {
                follow(cs, &creations, move |input| &given(input).places[index])
            });
        }
        [earlier, creations]
    }
}

impl Rule for Accounts {
    type Input = AccountsInput;

    fn name(&self) -> &'static str {
        "accounts"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Own]
    }

    fn constrain(&self, cs: &mut StepBuilder<AccountsInput>, _: &[StepKey]) -> RuleStatement {
        let [earlier, creations] = self.creations(cs, StepInput::<AccountsInput>::rule);
        let previous = vec![earlier.to_previous(cs)];
        RuleStatement { app_state: vec![creations.digest(cs)], previous }
    }
}

/// What there is behind the next entry, if there is one.
fn follow<I: 'static>(
    cs: &mut Cs<I>,
    before: &CreationsVar,
    source: impl Fn(&I) -> &AccountsPlace + Clone + Send + Sync + 'static,
) -> CreationsVar {
    let bit = |cs: &mut Cs<I>, part: fn(&AccountsPlace) -> bool| {
        let source = source.clone();
        Boolean::witness(cs, move |v| part(source(v.input())))
    };
    let counts = bit(cs, |place| place.counts);
    let is_new = bit(cs, |place| place.entry.is_new);
    let is_first = bit(cs, |place| place.entry.is_first);
    let reverts = bit(cs, |place| place.entry.reverts);
    let given = source.clone();
    let owned_token = cs.witness(move |v| given(v.input()).entry.owned_token);
    let given = source.clone();
    let path = MerklePathVar::witness(cs, move |input| &given(input).insertion.path);
    // The accounts have the places in which the ledger has them, behind the leaf below all keys.
    let place = cs.mul(&is_new, path.index() - Fp::from(1u64)).into();
    let entry = NewAccountVar {
        place,
        others: before.list.clone(),
        owned_token: owned_token.into(),
        is_new: is_new.clone(),
        is_first: is_first.clone(),
        reverts: reverts.clone(),
    };
    let list = entry.digest(cs);

    let command = Linear::from(is_first.select(cs, &before.to, &before.command));
    let joins = counts.and(cs, &is_new);
    let joined = cs.region("set", |cs| insert(cs, &before.to, owned_token, &joins, &path, source));
    let joined = is_new.select(cs, joined, &before.to);
    let to = reverts.select(cs, &command, joined).into();
    let from = before.from.clone();
    CreationsVar::select(cs, &counts, &CreationsVar { list, from, to, command }, before)
}

/// The root with one account more, which is shown to be missing before if it `joins`.
fn insert<I: 'static>(
    cs: &mut Cs<I>,
    root: &Linear,
    token: Var<Fp>,
    joins: &Boolean<Fp>,
    path: &MerklePathVar,
    source: impl Fn(&I) -> &AccountsPlace + Clone + Send + Sync + 'static,
) -> Linear {
    let [key, top] = cs.witnesses(move |v| split_key(v[token]));
    cs.assert_bits(key, KEY_BITS);
    // All below 2^254, so that there is one way to split; a handful of hashes are not.
    cs.assert_bits(top, 254 - KEY_BITS);
    cs.assert_equal(Linear::from(key) + Linear::from(top) * power(KEY_BITS), token);

    let given = source.clone();
    let [low, next] = cs.witnesses(move |v| {
        let AccountLeaf { key, next } = given(v.input()).insertion.low;
        [key, next]
    });
    // Where nothing joins, there is no key, and what stands here is the leaf below all keys.
    let key = Linear::from(key) + joins.not();
    for (smaller, larger) in [(low.into(), &key), (key.clone(), &next.into())] {
        let smaller: Linear = smaller;
        let between = cs.reduce(larger.clone() - smaller - Fp::from(1u64));
        cs.assert_bits(between, KEY_BITS);
    }

    let low_path = MerklePathVar::witness(cs, move |input| &source(input).insertion.low_path);
    let leaf = |cs: &mut Cs<I>, key: &Linear, next: &Linear| -> Linear {
        hash(cs, &salted(AccountLeaf::PREFIX), &[key.clone(), next.clone()]).into()
    };
    let [low, next] = [low, next].map(Linear::from);
    let low_before = leaf(cs, &low, &next);
    let low_after = leaf(cs, &low, &key);
    let added = leaf(cs, &key, &next);
    let found = low_path.root(cs, &low_before);
    cs.assert_mul(joins, found - root, Fp::ZERO);
    let middle = low_path.root(cs, &low_after);
    let empty = path.root(cs, &Fp::ZERO.into());
    cs.assert_mul(joins, empty - middle, Fp::ZERO);
    path.root(cs, &added)
}
