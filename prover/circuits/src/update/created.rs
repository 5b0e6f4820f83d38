//! The list of accounts that commands create.
//!
//! That a leaf is empty does not show that its account is nowhere else in the ledger: a prover could
//! open it a second time, with the nonce and the state that it began with. So every new account goes
//! on a list, and what the list leads to must have been shown to hold each account once.

use mina_curves::Fp;
use mina_ledger::{hash::Input, rollup::Hashed, types::AccountId};

use super::Step;
use crate::{
    Cs, Linear,
    input::{InputVar, hash, salted},
};

/// A new account on top of a list of others, which is zero if there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// The list before.
    pub others: Fp,
    /// The account.
    pub id: AccountId,
}

impl Hashed for NewAccount {
    const PREFIX: &'static str = "ZekoNewAccount";

    fn append(&self, input: &mut Input) {
        input.field(self.others).add(&self.id.public_key).field(self.id.token_id.0);
    }
}

impl Step<'_> {
    /// The list with this account, if it is new; 24 rows.
    pub(super) fn list_account<I>(&self, cs: &mut Cs<I>) -> Linear {
        let before = self.before;
        let accounts =
            Linear::from(self.is_start.select(cs, &before.accounts, &before.local_accounts));
        let mut input = InputVar::new();
        input.field(&accounts).add(&self.body.id);
        let longer = hash(cs, &salted(NewAccount::PREFIX), &input.into_fields());
        self.is_new.select(cs, longer, accounts).into()
    }
}
