//! The list of accounts that are taken to be new.
//!
//! That a leaf is empty does not show that its account is nowhere else in the ledger: a prover could
//! open it a second time, with the nonce and the state that it began with, or have a command fail that
//! does not cover the fee for a new account. So every account that is taken to be new goes on a list,
//! also in commands that fail, and the rule [`Accounts`](crate::program::Accounts) goes through it.

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_ledger::{
    hash::{Input, derive_token_id},
    ledger::{DEPTH, Location},
    rollup::Hashed,
    types::AccountId,
};

use super::StateVar;
use crate::{
    Boolean, Cs, Linear,
    input::{hash, salted},
};

/// An entry of the list, on top of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// The list before; zero if it is empty.
    pub others: Fp,
    /// The id of the token that the new account owns, which no other account owns; zero if there is
    /// no new account.
    pub owned_token: Fp,
    /// The index of its leaf in the ledger; zero if there is no new account.
    pub place: u64,
    /// Whether there is a new account.
    pub is_new: bool,
    /// Whether it is the first entry of its command.
    pub is_first: bool,
    /// Whether the command fails here, so that none of the accounts on its entries exists afterwards.
    pub reverts: bool,
}

impl NewAccount {
    /// The entry for an update behind the list `others`, of a command that began with the list
    /// `before`: there is one if the update's account was created, or if it fails and there is something
    /// to take back.
    pub fn of(
        before: Fp,
        others: Fp,
        created: Option<&(AccountId, Location)>,
        fails: bool,
    ) -> Option<Self> {
        let is_first = others == before;
        let listed = created.is_some() || fails && !is_first;
        listed.then(|| Self {
            others,
            owned_token: created.map_or(Fp::ZERO, |(id, _)| derive_token_id(id).0),
            place: created.map_or(0, |(_, place)| place.index()),
            is_new: created.is_some(),
            is_first,
            reverts: fails,
        })
    }
}

impl Hashed for NewAccount {
    const PREFIX: &'static str = "ZekoNewAccount";

    fn append(&self, input: &mut Input) {
        input
            .field(self.others)
            .field(self.owned_token)
            .bits(self.place, DEPTH as u32)
            .add(&self.is_new)
            .add(&self.is_first)
            .add(&self.reverts);
    }
}

/// The twin of [`NewAccount`].
#[derive(Clone, Debug)]
pub(crate) struct NewAccountVar {
    pub(crate) others: Linear,
    pub(crate) owned_token: Linear,
    /// Of 35 bits, as it is the index in a path.
    pub(crate) place: Linear,
    pub(crate) is_new: Boolean,
    pub(crate) is_first: Boolean,
    pub(crate) reverts: Boolean,
}

impl NewAccountVar {
    /// The list with this entry; 24 rows.
    pub(crate) fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        let Self { others, owned_token, place, is_new, is_first, reverts } = self;
        let bits = Linear::from_bits([reverts, is_first, is_new]);
        let bits = place.clone() * Fp::from(8u64) + bits;
        hash(cs, &salted(NewAccount::PREFIX), &[others.clone(), owned_token.clone(), bits]).into()
    }

    /// The list behind an update, as [`NewAccount::of`] has it; 24 rows and 10 halves.
    pub(super) fn extend<I>(
        cs: &mut Cs<I>,
        before: &StateVar,
        is_start: &Boolean,
        [owned_token, place]: [&Linear; 2],
        is_new: &Boolean,
        fails: &Boolean,
    ) -> Linear {
        let others = Linear::from(is_start.select(cs, &before.accounts, &before.local_accounts));
        let is_first = cs.is_equal(others.clone(), &before.accounts);
        let takes_back = fails.and(cs, &is_first.not());
        let is_listed = is_new.or(cs, &takes_back);
        let entry = Self {
            others: others.clone(),
            owned_token: cs.mul(is_new, owned_token).into(),
            place: cs.mul(is_new, place).into(),
            is_new: is_new.clone(),
            is_first,
            reverts: fails.clone(),
        };
        let longer = entry.digest(cs);
        is_listed.select(cs, longer, others).into()
    }
}
