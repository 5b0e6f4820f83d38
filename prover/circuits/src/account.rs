//! Accounts and their hashes.

use ark_ff::Field;
use mina_curves::Fp;
use mina_ledger::{
    hash::{
        account_hash,
        constants::{DUMMY_VERIFICATION_KEY_HASH, EMPTY_RECEIPT_CHAIN_HASH},
        salt, zkapp_uri_hash,
    },
    types::{Account, Era, Permissions, Timing, ZkappAccount},
};

use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells, constant},
    input::{InputVar, ToInputVar, hash},
    key::{AccountIdVar, PublicKeyVar},
    message::push,
    number::{AmountVar, NumberValue, U32Var, UIntVar},
    permissions::PermissionsVar,
    timing::TimingVar,
};

/// The six bytes of a token symbol.
pub type TokenSymbolVar = UIntVar<48>;

/// The zkApp part of an account; that of an account without one is as it starts out.
#[derive(Clone, Debug)]
pub struct ZkappVar {
    /// The state.
    pub app_state: Vec<Linear>,
    /// The hash of the verification key.
    pub verification_key: Linear,
    /// Reserved.
    pub zkapp_version: U32Var,
    /// The newest action state and those of the last slots with actions before it.
    pub action_state: [Linear; 5],
    /// The slot of the last actions.
    pub last_action_slot: U32Var,
    /// Whether all of the state was set by proofs.
    pub proved_state: Boolean,
    /// The hash of the URI.
    pub zkapp_uri: Linear,
}

/// An account.
#[derive(Clone, Debug)]
pub struct AccountVar {
    /// What identifies it.
    pub id: AccountIdVar,
    /// The symbol of the token that it owns.
    pub token_symbol: TokenSymbolVar,
    /// The balance.
    pub balance: AmountVar,
    /// The nonce.
    pub nonce: U32Var,
    /// The receipt chain hash.
    pub receipt_chain_hash: Linear,
    /// The delegate; the empty key for none.
    pub delegate: PublicKeyVar,
    /// The protocol state voted for.
    pub voting_for: Linear,
    /// Whether the account is timed.
    pub is_timed: Boolean,
    /// The vesting schedule.
    pub timing: TimingVar,
    /// What authorises which change.
    pub permissions: PermissionsVar,
    /// The zkApp part.
    pub zkapp: ZkappVar,
}

/// The key hash of a zkApp part.
fn key_hash(zkapp: &ZkappAccount) -> Fp {
    zkapp.verification_key.as_ref().map_or(DUMMY_VERIFICATION_KEY_HASH, |key| key.hash())
}

impl Allocate for ZkappVar {
    type Native = ZkappAccount;

    fn values(native: &ZkappAccount, _: Era, out: &mut Vec<Fp>) {
        out.extend(&native.app_state);
        out.push(key_hash(native));
        out.push(native.zkapp_version.value());
        out.extend(native.action_state);
        out.push(native.last_action_slot.value());
        out.push(Fp::from(native.proved_state));
        out.push(zkapp_uri_hash(&native.zkapp_uri));
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            app_state: (0..cells.era().app_state_len()).map(|_| cells.field()).collect(),
            verification_key: cells.field(),
            zkapp_version: cells.uint(cs),
            action_state: core::array::from_fn(|_| cells.field()),
            last_action_slot: cells.uint(cs),
            proved_state: cells.bit(cs),
            zkapp_uri: cells.field(),
        }
    }
}

impl Allocate for AccountVar {
    type Native = Account;

    fn values(native: &Account, era: Era, out: &mut Vec<Fp>) {
        AccountIdVar::values(&native.id(), era, out);
        out.extend([
            Fp::from(native.token_symbol.to_u48()),
            native.balance.value(),
            native.nonce.value(),
            native.receipt_chain_hash,
        ]);
        PublicKeyVar::values(
            &native.delegate.unwrap_or(mina_ledger::types::PublicKey::EMPTY),
            era,
            out,
        );
        out.extend([native.voting_for, Fp::from(native.timing.is_some())]);
        TimingVar::values(&native.timing.unwrap_or(Timing::UNTIMED), era, out);
        PermissionsVar::values(&native.permissions, era, out);
        match native.zkapp.as_deref() {
            Some(zkapp) => ZkappVar::values(zkapp, era, out),
            None => ZkappVar::values(&ZkappAccount::new(era), era, out),
        }
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            id: AccountIdVar::assign(cs, cells),
            token_symbol: cells.uint(cs),
            balance: cells.uint(cs),
            nonce: cells.uint(cs),
            receipt_chain_hash: cells.field(),
            delegate: PublicKeyVar::assign(cs, cells),
            voting_for: cells.field(),
            is_timed: cells.bit(cs),
            timing: TimingVar::assign(cs, cells),
            permissions: PermissionsVar::assign(cs, cells),
            zkapp: ZkappVar::assign(cs, cells),
        }
    }
}

impl ZkappVar {
    /// All values in the order of the hash.
    fn fields(&self) -> Vec<Linear> {
        let mut input = InputVar::new();
        input.field(&self.zkapp_uri).add(&self.proved_state).add(&self.last_action_slot);
        for state in &self.action_state {
            input.field(state);
        }
        input.add(&self.zkapp_version).field(&self.verification_key);
        for state in &self.app_state {
            input.field(state);
        }
        input.into_fields()
    }
}

impl ZkappVar {
    /// Appends actions with this hash, if the bit is 1. The first actions of a slot keep the state
    /// before them.
    pub fn push_actions<I>(
        &mut self,
        cs: &mut Cs<I>,
        actions: &Linear,
        has_some: &Boolean,
        slot: &U32Var,
    ) {
        let same_slot = cs.is_equal(self.last_action_slot.linear().clone(), slot.linear());
        let shifts = has_some.and(cs, &same_slot.not());
        let pushed = push(cs, &self.action_state[0], actions);
        for i in (1..self.action_state.len()).rev() {
            let [newer, older] = [i - 1, i].map(|i| self.action_state[i].clone());
            self.action_state[i] = shifts.select(cs, newer, older).into();
        }
        let newest = self.action_state[0].clone();
        self.action_state[0] = has_some.select(cs, pushed, newest).into();
        self.last_action_slot = U32Var::select(cs, has_some, slot, &self.last_action_slot);
    }
}

impl AccountVar {
    /// A new account with nothing in it; two halves.
    pub fn new<I>(cs: &mut Cs<I>, id: &AccountIdVar, is_default_token: &Boolean, era: Era) -> Self {
        Self {
            id: id.clone(),
            token_symbol: TokenSymbolVar::constant(0),
            balance: AmountVar::constant(0),
            nonce: U32Var::constant(0),
            receipt_chain_hash: Linear::from(EMPTY_RECEIPT_CHAIN_HASH),
            delegate: PublicKeyVar {
                x: cs.mul(is_default_token, &id.public_key.x).into(),
                is_odd: is_default_token.and(cs, &id.public_key.is_odd),
            },
            voting_for: Linear::from(Fp::default()),
            is_timed: Boolean::constant(false),
            timing: constant(cs, era, &Timing::UNTIMED),
            permissions: constant(cs, era, &Permissions::user_default(era)),
            zkapp: constant(cs, era, &ZkappAccount::new(era)),
        }
    }

    /// All values in the order of the hash, the zkApp part's apart.
    fn own_fields(&self) -> Vec<Linear> {
        let mut input = InputVar::new();
        input
            .add(&self.permissions)
            .add(&self.is_timed)
            .add(&self.timing)
            .field(&self.voting_for)
            .add(&self.delegate)
            .field(&self.receipt_chain_hash)
            .add(&self.nonce)
            .add(&self.balance)
            .add(&self.token_symbol)
            .field(&self.id.token_id)
            .add(&self.id.public_key);
        input.into_fields()
    }

    /// The hash: the leaf of a ledger; 156 rows and those of packing.
    pub fn hash<I>(&self, cs: &mut Cs<I>) -> Linear {
        let zkapp = hash(cs, salt::ZKAPP_ACCOUNT.state(), &self.zkapp.fields());
        let mut fields = vec![Linear::from(zkapp)];
        fields.extend(self.own_fields());
        hash(cs, salt::ACCOUNT.state(), &fields).into()
    }

    /// Asserts that `leaf`, the account's hash, is not that of an empty leaf, if the bit is 1: the
    /// account of the empty key would be at each of those; one row.
    pub fn assert_exists_if<I>(cs: &mut Cs<I>, bit: impl Into<Linear>, leaf: &Linear, era: Era) {
        let (bit, difference) =
            (bit.into(), leaf.clone() - account_hash(&Account::empty(era), era));
        let inverse = {
            let (bit, difference) = (bit.clone(), difference.clone());
            cs.witness(move |v| {
                v.evaluate(&bit) * v.evaluate(&difference).inverse().unwrap_or_default()
            })
        };
        cs.assert_mul(difference, inverse, bit);
    }

    /// Asserts that this is `other`, if the bit is 1; half a row for each element that is hashed, and
    /// those of packing.
    pub fn assert_equal_if<I>(&self, cs: &mut Cs<I>, bit: &Boolean, other: &Self) {
        let fields =
            |account: &Self| account.zkapp.fields().into_iter().chain(account.own_fields());
        for (a, b) in fields(self).zip(fields(other)) {
            cs.assert_mul(bit, a - b, Fp::default());
        }
    }
}

impl ToInputVar for AccountIdVar {
    fn append(&self, input: &mut InputVar) {
        input.add(&self.public_key).field(&self.token_id);
    }
}
