//! The rollup account and its updates.

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::{constants::EMPTY_EVENTS_HASH, salt},
    rollup::{Field, RollupAccount},
    types::{Body, Era, PublicKey},
};

use crate::{
    Cs, Linear,
    alloc::{Allocate, Cells, constant},
    body::BodyVar,
    input::hash,
    key::PublicKeyVar,
};

/// Stands for any account where only the shape counts.
pub(super) const ANY_ACCOUNT: RollupAccount =
    RollupAccount { public_key: PublicKey::EMPTY, key_hash: Fp::ZERO };

/// The twin of [`RollupAccount`].
#[derive(Clone, Debug)]
pub struct RollupAccountVar {
    /// Its key.
    pub public_key: PublicKeyVar,
    /// The hash of its verification key, which Mina compares with the account's.
    pub key_hash: Linear,
}

impl Allocate for RollupAccountVar {
    type Native = RollupAccount;

    fn values(native: &RollupAccount, era: Era, out: &mut Vec<Fp>) {
        PublicKeyVar::values(&native.public_key, era, out);
        out.push(native.key_hash);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { public_key: PublicKeyVar::assign(cs, cells), key_hash: cells.field() }
    }
}

impl RollupAccountVar {
    /// An update of the account that is otherwise like `sample`, all of it constant.
    pub(super) fn body<I>(&self, cs: &mut Cs<I>, sample: &Body, era: Era) -> BodyVar {
        let mut body: BodyVar = constant(cs, era, sample);
        body.id.public_key = self.public_key.clone();
        body.key_hash = self.key_hash.clone();
        body
    }
}

/// Asks that a field has a value, where the sample asks that it has one.
pub(super) fn require(body: &mut BodyVar, field: Field, value: impl Into<Linear>) {
    body.account.state[field.index()].value = value.into();
}

/// Writes a field, where the sample writes one.
pub(super) fn write(body: &mut BodyVar, field: Field, value: impl Into<Linear>) {
    body.update.app_state[field.index()].value = value.into();
}

/// The hash of an update; about 400 rows.
pub(super) fn body_hash<I>(cs: &mut Cs<I>, body: &BodyVar, domain: &Domain) -> Linear {
    hash(cs, domain.body_state(), &body.fields()).into()
}

/// The hash of a forest whose first tree is one update without children; 24 rows.
pub(super) fn cons<I>(cs: &mut Cs<I>, body_hash: Linear, rest: Linear) -> Linear {
    let node = hash(cs, salt::UPDATE_NODE.state(), &[body_hash, Fp::default().into()]);
    hash(cs, salt::UPDATE_CONS.state(), &[node.into(), rest]).into()
}

/// The hash of one event by itself.
pub(super) fn one_event<I>(cs: &mut Cs<I>, fields: &[Linear]) -> Linear {
    let event = hash(cs, salt::EVENT.state(), fields).into();
    hash(cs, salt::EVENTS.state(), &[EMPTY_EVENTS_HASH.into(), event]).into()
}
