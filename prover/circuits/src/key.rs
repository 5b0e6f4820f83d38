//! Public keys and account ids.

use mina_curves::Fp;
use mina_ledger::{
    hash::salt,
    types::{AccountId, Era, PublicKey, TokenId},
};

use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells},
    input::{InputVar, ToInputVar, hash},
};

/// A compressed point, which need not exist.
#[derive(Clone, Debug)]
pub struct PublicKeyVar {
    /// The x-coordinate.
    pub x: Linear,
    /// Whether the canonical y is odd.
    pub is_odd: Boolean,
}

impl PublicKeyVar {
    /// Whether two keys are equal; 5 halves.
    pub fn is_equal<I>(&self, cs: &mut Cs<I>, other: &Self) -> Boolean {
        let same_x = cs.is_equal(self.x.clone(), &other.x);
        let same_parity = self.is_odd.xor(cs, &other.is_odd).not();
        same_x.and(cs, &same_parity)
    }

    /// `then` if the bit is 1, else `otherwise`.
    pub fn select<I>(cs: &mut Cs<I>, bit: &Boolean, then: &Self, otherwise: &Self) -> Self {
        Self {
            x: bit.select(cs, &then.x, &otherwise.x).into(),
            is_odd: select_bit(cs, bit, &then.is_odd, &otherwise.is_odd),
        }
    }
}

/// `then` if the bit is 1, else `otherwise`.
pub fn select_bit<I>(
    cs: &mut Cs<I>,
    bit: &Boolean,
    then: &Boolean,
    otherwise: &Boolean,
) -> Boolean {
    let selected = bit.select(cs, then, otherwise);
    Boolean::assert(cs, selected)
}

impl AccountIdVar {
    /// Asserts that two ids are the same; free.
    pub fn assert_equal<I>(&self, cs: &mut Cs<I>, other: &Self) {
        cs.assert_equal(self.public_key.x.clone(), &other.public_key.x);
        cs.assert_equal(&self.public_key.is_odd, &other.public_key.is_odd);
        cs.assert_equal(self.token_id.clone(), &other.token_id);
    }
}

impl Allocate for PublicKeyVar {
    type Native = PublicKey;

    fn values(native: &PublicKey, _: Era, out: &mut Vec<Fp>) {
        out.extend([native.x, Fp::from(native.is_odd)]);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { x: cells.field(), is_odd: cells.bit(cs) }
    }
}

impl ToInputVar for PublicKeyVar {
    fn append(&self, input: &mut InputVar) {
        input.field(&self.x).add(&self.is_odd);
    }
}

/// What identifies an account.
#[derive(Clone, Debug)]
pub struct AccountIdVar {
    /// The key.
    pub public_key: PublicKeyVar,
    /// The token.
    pub token_id: Linear,
}

impl AccountIdVar {
    /// The id of the token that this account owns; 24 rows.
    pub fn derive_token_id<I>(&self, cs: &mut Cs<I>) -> Linear {
        let Self { public_key, token_id } = self;
        let input = [public_key.x.clone(), token_id.clone(), Linear::from(&public_key.is_odd)];
        hash(cs, salt::TOKEN_ID.state(), &input).into()
    }

    /// Whether the token is MINA; two halves.
    pub fn is_default_token<I>(&self, cs: &mut Cs<I>) -> Boolean {
        cs.is_equal(self.token_id.clone(), TokenId::DEFAULT.0)
    }
}

impl Allocate for AccountIdVar {
    type Native = AccountId;

    fn values(native: &AccountId, era: Era, out: &mut Vec<Fp>) {
        PublicKeyVar::values(&native.public_key, era, out);
        out.push(native.token_id.0);
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { public_key: PublicKeyVar::assign(cs, cells), token_id: cells.field() }
    }
}
