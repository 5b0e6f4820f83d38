//! Account updates.

use mina_curves::Fp;
use mina_ledger::{
    hash::{actions_hash, constants::NO_URI_HASH, events_hash, zkapp_uri_hash},
    types::{
        Amount, AuthKind, Body, Era, FeePayerBody, MayUseToken, Nonce, Permissions, PublicKey,
        Timing, TokenSymbol, Update,
    },
};

use crate::{
    Boolean, Cs, Linear,
    account::TokenSymbolVar,
    alloc::{Allocate, Cells, OptionVar, constant},
    input::{InputVar, ToInputVar},
    key::{AccountIdVar, PublicKeyVar},
    number::SignedAmountVar,
    permissions::{AuthVar, PermissionsVar},
    precondition::{AccountPreconditionVar, NetworkPreconditionVar, OptionBounds},
    timing::TimingVar,
};

/// What an update sets.
#[derive(Clone, Debug)]
pub struct UpdateVar {
    /// The state.
    pub app_state: Vec<OptionVar<Linear>>,
    /// The delegate; the empty key for none.
    pub delegate: OptionVar<PublicKeyVar>,
    /// The hash of the verification key.
    pub verification_key: OptionVar<Linear>,
    /// The permissions.
    pub permissions: OptionVar<PermissionsVar>,
    /// The hash of the URI.
    pub zkapp_uri: OptionVar<Linear>,
    /// The symbol of the owned token.
    pub token_symbol: OptionVar<TokenSymbolVar>,
    /// The vesting schedule.
    pub timing: OptionVar<TimingVar>,
    /// The protocol state voted for.
    pub voting_for: OptionVar<Linear>,
}

/// What an account update does. Of events and actions it knows the hashes.
#[derive(Clone, Debug)]
pub struct BodyVar {
    /// The account.
    pub id: AccountIdVar,
    /// What is set.
    pub update: UpdateVar,
    /// What is added to the balance.
    pub balance_change: SignedAmountVar,
    /// Whether the nonce goes up.
    pub increment_nonce: Boolean,
    /// The hash of the events.
    pub events: Linear,
    /// The hash of the actions.
    pub actions: Linear,
    /// A field element for the use of the zkApp.
    pub call_data: Linear,
    /// What is asked of the protocol state.
    pub network: NetworkPreconditionVar,
    /// What is asked of the account.
    pub account: AccountPreconditionVar,
    /// The slots in which the update is valid.
    pub valid_while: OptionBounds<32>,
    /// Whether the signature covers the fee payer and the memo.
    pub use_full_commitment: Boolean,
    /// Whether the fee of creating the account comes out of the balance change.
    pub implicit_account_creation_fee: Boolean,
    /// Whether it may use the token that its parent owns.
    pub parents_own_token: Boolean,
    /// Whether it may use the token that its parent may use.
    pub inherit_from_parent: Boolean,
    /// How it is authorised.
    pub auth: AuthVar,
    /// The hash of the verification key of its proof.
    pub key_hash: Linear,
}

impl Allocate for TokenSymbolVar {
    type Native = TokenSymbol;

    fn values(native: &TokenSymbol, _: Era, out: &mut Vec<Fp>) {
        out.push(Fp::from(native.to_u48()));
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        cells.uint(cs)
    }
}

fn update_values(update: &Update, era: Era, out: &mut Vec<Fp>) {
    let zero = Fp::default();
    for state in &update.app_state {
        OptionVar::<Linear>::values(state.as_ref(), &zero, era, out);
    }
    let key = update.verification_key.as_ref().map(|key| key.hash());
    let uri = update.zkapp_uri.as_ref().map(zkapp_uri_hash);
    OptionVar::<PublicKeyVar>::values(update.delegate.as_ref(), &PublicKey::EMPTY, era, out);
    OptionVar::<Linear>::values(key.as_ref(), &zero, era, out);
    let permissions = update.permissions.as_ref();
    OptionVar::<PermissionsVar>::values(permissions, &Permissions::empty(era), era, out);
    OptionVar::<Linear>::values(uri.as_ref(), &NO_URI_HASH, era, out);
    let symbol = update.token_symbol.as_ref();
    OptionVar::<TokenSymbolVar>::values(symbol, &TokenSymbol::default(), era, out);
    OptionVar::<TimingVar>::values(update.timing.as_ref(), &Timing::DUMMY, era, out);
    OptionVar::<Linear>::values(update.voting_for.as_ref(), &zero, era, out);
}

impl Allocate for BodyVar {
    type Native = Body;

    fn values(native: &Body, era: Era, out: &mut Vec<Fp>) {
        AccountIdVar::values(&native.account_id(), era, out);
        update_values(&native.update, era, out);
        SignedAmountVar::values(&native.balance_change, era, out);
        out.extend([
            Fp::from(native.increment_nonce),
            events_hash(&native.events),
            actions_hash(&native.actions),
            native.call_data,
        ]);
        NetworkPreconditionVar::values(&native.preconditions.network, era, out);
        AccountPreconditionVar::values(&native.preconditions.account, era, out);
        OptionBounds::slot_values(native.preconditions.valid_while.as_ref(), out);
        let auth = native.authorization_kind.kind();
        let bits = [
            native.use_full_commitment,
            native.implicit_account_creation_fee,
            native.may_use_token == MayUseToken::ParentsOwnToken,
            native.may_use_token == MayUseToken::InheritFromParent,
            auth == AuthKind::Signature,
            auth == AuthKind::Proof,
        ];
        out.extend(bits.map(Fp::from));
        out.push(native.authorization_kind.verification_key_hash());
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        let body = Self {
            id: AccountIdVar::assign(cs, cells),
            update: UpdateVar::assign(cs, cells),
            balance_change: SignedAmountVar::assign(cs, cells),
            increment_nonce: cells.bit(cs),
            events: cells.field(),
            actions: cells.field(),
            call_data: cells.field(),
            network: NetworkPreconditionVar::assign(cs, cells),
            account: AccountPreconditionVar::assign(cs, cells),
            valid_while: OptionBounds::assign_slots(cs, cells),
            use_full_commitment: cells.bit(cs),
            implicit_account_creation_fee: cells.bit(cs),
            parents_own_token: cells.bit(cs),
            inherit_from_parent: cells.bit(cs),
            auth: AuthVar { is_signed: cells.bit(cs), is_proved: cells.bit(cs) },
            key_hash: cells.field(),
        };
        for (a, b) in [
            (&body.parents_own_token, &body.inherit_from_parent),
            (&body.auth.is_signed, &body.auth.is_proved),
        ] {
            cs.assert_mul(a, b, Fp::default());
        }
        body
    }
}

impl UpdateVar {
    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            app_state: (0..cells.era().app_state_len())
                .map(|_| OptionVar::assign(cs, cells))
                .collect(),
            delegate: OptionVar::assign(cs, cells),
            verification_key: OptionVar::assign(cs, cells),
            permissions: OptionVar::assign(cs, cells),
            zkapp_uri: OptionVar::assign(cs, cells),
            token_symbol: OptionVar::assign(cs, cells),
            timing: OptionVar::assign(cs, cells),
            voting_for: OptionVar::assign(cs, cells),
        }
    }
}

impl ToInputVar for UpdateVar {
    fn append(&self, input: &mut InputVar) {
        for state in &self.app_state {
            input.add(state);
        }
        input
            .add(&self.delegate)
            .add(&self.verification_key)
            .add(&self.permissions)
            .add(&self.zkapp_uri)
            .add(&self.token_symbol)
            .add(&self.timing)
            .add(&self.voting_for);
    }
}

impl BodyVar {
    /// All values in the order of the hash, the twin of [`mina_ledger::hash::body_hash`]. To pack
    /// them takes half a row for each value that is not a whole element.
    pub fn fields(&self) -> Vec<Linear> {
        let mut input = InputVar::new();
        input
            .add(&self.id)
            .add(&self.update)
            .add(&self.balance_change)
            .add(&self.increment_nonce)
            .field(&self.events)
            .field(&self.actions)
            .field(&self.call_data)
            .add(&self.network)
            .add(&self.account)
            .add(&self.valid_while)
            .add(&self.use_full_commitment)
            .add(&self.implicit_account_creation_fee)
            .add(&self.parents_own_token)
            .add(&self.inherit_from_parent)
            .add(&self.auth.is_signed)
            .add(&self.auth.is_proved)
            .field(&self.key_hash);
        input.into_fields()
    }

    /// Asserts, if the bit is 1, that this is what a fee payer stands for: of its body the key, the
    /// fee, the nonce and the last slot are its own, and everything else is fixed. `fields` are those
    /// of the body; half a row for each.
    ///
    /// Without this, whoever signs the updates of a command but not its fee payer could be made to
    /// pay for another one: the message of such a signature does not say who pays.
    pub fn assert_fee_payer<I>(&self, cs: &mut Cs<I>, bit: &Boolean, fields: &[Linear], era: Era) {
        let fee_payer = FeePayerBody {
            public_key: PublicKey::EMPTY,
            fee: Amount::ZERO,
            valid_until: None,
            nonce: Nonce::ZERO,
        };
        let mut expected: Self = constant(cs, era, &fee_payer.to_body(era));
        expected.id.public_key = self.id.public_key.clone();
        expected.balance_change.magnitude = self.balance_change.magnitude.clone();
        expected.network.take_last_slot(&self.network);
        expected.account.take_nonce(&self.account);
        for (got, expected) in fields.iter().zip(expected.fields()) {
            cs.assert_mul(bit, got.clone() - expected, Fp::default());
        }
    }
}
