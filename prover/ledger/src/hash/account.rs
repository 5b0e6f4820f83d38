//! Hashes of accounts and of what is in them.

use alloc::{boxed::Box, vec::Vec};

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_poseidon::{Kimchi, Permutation};
use once_cell::race::OnceBox;

use super::{
    SaltedState,
    batch::{hash_many, hash_one},
    constants::{DUMMY_VERIFICATION_KEY_HASH, NO_URI_HASH},
    input::{Input, ToInput},
    salt,
};
use crate::types::{
    Account, AccountId, AuthRequired, Era, KeyParts, Permissions, PublicKey, Timing, TokenId,
    TokenSymbol, ZkappAccount, ZkappUri,
};

/// The id of the token that `owner` owns.
pub fn derive_token_id(owner: &AccountId) -> TokenId {
    let is_odd = Fp::from(u64::from(owner.public_key.is_odd));
    let input = [owner.public_key.x, owner.token_id.0, is_odd];
    TokenId(hash_one(salt::TOKEN_ID.state(), &input))
}

/// The hash of a URI: its bits, and a final 1 that tells it from a longer one.
pub fn zkapp_uri_hash(uri: &ZkappUri) -> Fp {
    let mut input = Input::new();
    for byte in uri.as_bytes() {
        for i in 0..8 {
            input.bits((byte >> i & 1).into(), 1);
        }
    }
    input.bits(1, 1);
    hash_one(salt::ZKAPP_URI.state(), &input.into_fields())
}

/// The hash of a side-loaded verification key.
pub(crate) fn verification_key_hash(key: &KeyParts) -> Fp {
    let mut input = Input::new();
    for tag in key.tags {
        for i in 0..3 {
            input.add(&(tag == i));
        }
    }
    for x in &key.coordinates {
        input.field(*x);
    }
    hash_one(salt::SIDE_LOADED_KEY.state(), &input.into_fields())
}

impl ToInput for AuthRequired {
    fn append(&self, input: &mut Input) {
        for bit in self.to_bits() {
            input.add(&bit);
        }
    }
}

impl ToInput for Permissions {
    fn append(&self, input: &mut Input) {
        input
            .add(&self.edit_state)
            .add(&self.access)
            .add(&self.send)
            .add(&self.receive)
            .add(&self.set_delegate)
            .add(&self.set_permissions)
            .add(&self.set_verification_key.auth)
            .add(&self.set_verification_key.txn_version)
            .add(&self.set_zkapp_uri)
            .add(&self.edit_action_state)
            .add(&self.set_token_symbol)
            .add(&self.increment_nonce)
            .add(&self.set_voting_for)
            .add(&self.set_timing);
    }
}

impl ToInput for Timing {
    fn append(&self, input: &mut Input) {
        input
            .add(&self.initial_minimum_balance)
            .add(&self.cliff_time)
            .add(&self.cliff_amount)
            .add(&self.vesting_period)
            .add(&self.vesting_increment);
    }
}

impl ToInput for TokenSymbol {
    fn append(&self, input: &mut Input) {
        input.bits(self.to_u48(), 48);
    }
}

/// The fields hashed for a zkApp part.
fn zkapp_input(zkapp: &ZkappAccount) -> Vec<Fp> {
    let key_hash =
        zkapp.verification_key.as_ref().map_or(DUMMY_VERIFICATION_KEY_HASH, |key| key.hash());
    let mut input = Input::new();
    input.field(zkapp_uri_hash(&zkapp.zkapp_uri));
    input.add(&zkapp.proved_state).add(&zkapp.last_action_slot);
    for x in &zkapp.action_state {
        input.field(*x);
    }
    input.add(&zkapp.zkapp_version).field(key_hash);
    for x in &zkapp.app_state {
        input.field(*x);
    }
    input.into_fields()
}

/// The hash of a zkApp part.
pub fn zkapp_hash(zkapp: &ZkappAccount) -> Fp {
    hash_one(salt::ZKAPP_ACCOUNT.state(), &zkapp_input(zkapp))
}

/// The hash of the zkApp part that is as it starts out.
fn new_zkapp_hash(era: Era) -> Fp {
    static BERKELEY: OnceBox<Fp> = OnceBox::new();
    static MESA: OnceBox<Fp> = OnceBox::new();
    let cell = match era {
        Era::Berkeley => &BERKELEY,
        Era::Mesa => &MESA,
    };
    *cell.get_or_init(|| Box::new(zkapp_hash(&ZkappAccount::new(era))))
}

/// What is hashed for an account, with the state to start from. The first two elements are the hash
/// of the zkApp part and `voting_for`: where both are as they start out, which is nearly everywhere, the
/// state after them is known.
fn account_input(account: &Account, zkapp_hash: Option<Fp>, era: Era) -> (SaltedState, Vec<Fp>) {
    let mut input = Input::new();
    let state = if zkapp_hash.is_none() && account.voting_for == Fp::ZERO {
        *plain_account(era)
    } else {
        input.field(zkapp_hash.unwrap_or_else(|| new_zkapp_hash(era))).field(account.voting_for);
        *salt::ACCOUNT.state()
    };
    input
        .add(&account.permissions)
        .add(&account.timing.is_some())
        .add(&account.timing.unwrap_or(Timing::UNTIMED))
        .add(&account.delegate.unwrap_or(PublicKey::EMPTY))
        .field(account.receipt_chain_hash)
        .add(&account.nonce)
        .add(&account.balance)
        .add(&account.token_symbol)
        .add(&account.token_id)
        .add(&account.public_key);
    (state, input.into_fields())
}

/// The state after the hash of the zkApp part that is as it starts out, and a `voting_for` of zero.
fn plain_account(era: Era) -> &'static SaltedState {
    static BERKELEY: OnceBox<SaltedState> = OnceBox::new();
    static MESA: OnceBox<SaltedState> = OnceBox::new();
    let cell = match era {
        Era::Berkeley => &BERKELEY,
        Era::Mesa => &MESA,
    };
    cell.get_or_init(|| {
        let [first, second, third] = *salt::ACCOUNT.state();
        let mut state = [first + new_zkapp_hash(era), second, third];
        Kimchi::permute(&mut state);
        Box::new(state)
    })
}

/// The hash of an account: a leaf of the ledger.
pub fn account_hash(account: &Account, era: Era) -> Fp {
    let (state, input) = account_input(account, account.zkapp.as_deref().map(zkapp_hash), era);
    hash_one(&state, &input)
}

/// The hashes of many accounts.
pub fn account_hashes(accounts: &[&Account], era: Era) -> Vec<Fp> {
    let zkapp_inputs: Vec<_> = accounts
        .iter()
        .filter_map(|account| account.zkapp.as_deref())
        .map(|zkapp| (*salt::ZKAPP_ACCOUNT.state(), zkapp_input(zkapp)))
        .collect();
    let mut zkapp_hashes = hash_many(&zkapp_inputs).into_iter();
    let inputs: Vec<_> = accounts
        .iter()
        .map(|account| {
            // There is one hash for each zkApp part.
            let zkapp = account.zkapp.as_ref().and_then(|_| zkapp_hashes.next());
            account_input(account, zkapp, era)
        })
        .collect();
    hash_many(&inputs)
}

/// What is hashed for a URI in an update that keeps it.
pub(crate) fn no_uri_hash() -> Fp {
    NO_URI_HASH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Amount;

    /// The known state is that after the first two elements.
    #[test]
    fn plain_accounts_hash_as_all_elements() {
        for era in [Era::Berkeley, Era::Mesa] {
            let id = AccountId::of(PublicKey { x: Fp::from(7u64), is_odd: true });
            let plain = Account::new(id, Amount::new(5), era);
            let zkapp = Account { zkapp: Some(Box::new(ZkappAccount::new(era))), ..plain.clone() };
            let votes = Account { voting_for: Fp::from(3u64), ..plain.clone() };
            assert_eq!(account_hash(&plain, era), account_hash(&zkapp, era));
            assert_ne!(account_hash(&plain, era), account_hash(&votes, era));
            let all = [&votes, &plain, &zkapp, &plain];
            let each: Vec<Fp> = all.iter().map(|account| account_hash(account, era)).collect();
            assert_eq!(account_hashes(&all, era), each);
        }
    }
}
