//! Account updates. Source: Mina `account_update.ml`.

use alloc::{sync::Arc, vec, vec::Vec};
use core::fmt;

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use serde::{Deserialize, Serialize};

use super::{
    AccountId, Amount, AuthKind, Bounds, Era, Nonce, Permissions, Preconditions, PublicKey,
    Signature, SignedAmount, Slot, Timing, TokenId, TokenSymbol, VerificationKey, ZkappUri,
    field::{decimal, state_hash_option},
};
use crate::hash::constants::DUMMY_VERIFICATION_KEY_HASH;

/// What an update sets; `None` keeps what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// The state: [`Era::app_state_len`] fields.
    #[serde(with = "decimal")]
    pub app_state: Vec<Option<Fp>>,
    /// The delegate; the empty key for none.
    pub delegate: Option<PublicKey>,
    /// The verification key.
    pub verification_key: Option<VerificationKey>,
    /// The permissions.
    pub permissions: Option<Permissions>,
    /// The URI.
    pub zkapp_uri: Option<ZkappUri>,
    /// The symbol of the owned token.
    pub token_symbol: Option<TokenSymbol>,
    /// The vesting schedule.
    pub timing: Option<Timing>,
    /// The protocol state voted for.
    #[serde(with = "state_hash_option")]
    pub voting_for: Option<Fp>,
}

impl Update {
    /// Keeps everything.
    pub fn none(era: Era) -> Self {
        Self {
            app_state: vec![None; era.app_state_len()],
            delegate: None,
            verification_key: None,
            permissions: None,
            zkapp_uri: None,
            token_symbol: None,
            timing: None,
            voting_for: None,
        }
    }
}

/// Which tokens other than MINA an update may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MayUseToken {
    /// None.
    #[default]
    No,
    /// The token that its parent owns.
    ParentsOwnToken,
    /// The token that its parent may use.
    InheritFromParent,
}

/// The kind of authorization that an update commits to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AuthorizationKind {
    /// None.
    #[default]
    None,
    /// A signature.
    Signature,
    /// A proof for the verification key with this hash.
    Proof(Fp),
}

impl AuthorizationKind {
    /// Without the hash.
    pub fn kind(&self) -> AuthKind {
        match self {
            Self::None => AuthKind::None,
            Self::Signature => AuthKind::Signature,
            Self::Proof(_) => AuthKind::Proof,
        }
    }

    /// The hash that is hashed: that of the dummy key unless there is a proof.
    pub fn verification_key_hash(&self) -> Fp {
        match self {
            Self::None | Self::Signature => DUMMY_VERIFICATION_KEY_HASH,
            Self::Proof(hash) => *hash,
        }
    }
}

/// What an account update does, without its authorization. Where it stands in the forest is not
/// part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The key of the account.
    pub public_key: PublicKey,
    /// The token of the account.
    pub token_id: TokenId,
    /// What is set.
    pub update: Update,
    /// What is added to the balance.
    pub balance_change: SignedAmount,
    /// Whether the nonce goes up.
    pub increment_nonce: bool,
    /// Lists of field elements that are only published.
    pub events: Vec<Vec<Fp>>,
    /// Lists of field elements that are pushed onto the action state.
    pub actions: Vec<Vec<Fp>>,
    /// A field element for the use of the zkApp.
    pub call_data: Fp,
    /// What must hold.
    pub preconditions: Preconditions,
    /// Whether the signature covers the fee payer and the memo.
    pub use_full_commitment: bool,
    /// Whether the fee of creating the account comes out of the balance change.
    pub implicit_account_creation_fee: bool,
    /// Which tokens it may use.
    pub may_use_token: MayUseToken,
    /// How it is authorised.
    pub authorization_kind: AuthorizationKind,
}

impl Body {
    /// An update of `id` that changes nothing and asks for nothing.
    pub fn new(id: AccountId, era: Era) -> Self {
        Self {
            public_key: id.public_key,
            token_id: id.token_id,
            update: Update::none(era),
            balance_change: SignedAmount::ZERO,
            increment_nonce: false,
            events: Vec::new(),
            actions: Vec::new(),
            call_data: Fp::ZERO,
            preconditions: Preconditions::none(era),
            use_full_commitment: false,
            implicit_account_creation_fee: false,
            may_use_token: MayUseToken::No,
            authorization_kind: AuthorizationKind::None,
        }
    }

    /// The account.
    pub fn account_id(&self) -> AccountId {
        AccountId::new(self.public_key, self.token_id)
    }
}

/// A proof of a zkApp, opaque here: the bytes behind the base64 that o1js writes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proof(pub Arc<[u8]>);

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({} bytes)", self.0.len())
    }
}

/// What authorises an update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Authorization {
    /// Nothing.
    #[default]
    None,
    /// A signature of the account's key.
    Signature(Signature),
    /// A proof for the account's verification key.
    Proof(Proof),
}

impl Authorization {
    /// Which of the three.
    pub fn kind(&self) -> AuthKind {
        match self {
            Self::None => AuthKind::None,
            Self::Signature(_) => AuthKind::Signature,
            Self::Proof(_) => AuthKind::Proof,
        }
    }
}

/// An account update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUpdate {
    /// What it does.
    pub body: Body,
    /// What authorises it.
    pub authorization: Authorization,
}

/// The fee payer of a zkApp command, without its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeePayerBody {
    /// Who pays, and whose nonce goes up.
    pub public_key: PublicKey,
    /// The fee.
    pub fee: Amount,
    /// The last slot of the protocol state view in which the command is valid.
    pub valid_until: Option<Slot>,
    /// The nonce of the account.
    pub nonce: Nonce,
}

/// The fee payer of a zkApp command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FeePayer {
    /// Who pays what.
    pub body: FeePayerBody,
    /// The signature over the full commitment.
    pub authorization: Signature,
}

impl FeePayerBody {
    /// The account update that the fee payer stands for: the first of every command.
    pub fn to_body(&self, era: Era) -> Body {
        let mut body = Body::new(AccountId::of(self.public_key), era);
        // Not `negative`: a fee of zero is minus zero here.
        body.balance_change = SignedAmount { magnitude: self.fee, sign: super::Sign::Negative };
        body.increment_nonce = true;
        body.preconditions.network.global_slot_since_genesis =
            Some(Bounds { lower: Slot::ZERO, upper: self.valid_until.unwrap_or(Slot::MAX) });
        body.preconditions.account.nonce = Some(Bounds::exactly(self.nonce));
        body.use_full_commitment = true;
        body.implicit_account_creation_fee = true;
        body.authorization_kind = AuthorizationKind::Signature;
        body
    }
}

impl FeePayer {
    /// The account update that the fee payer stands for.
    pub fn to_account_update(&self, era: Era) -> AccountUpdate {
        AccountUpdate {
            body: self.body.to_body(era),
            authorization: Authorization::Signature(self.authorization),
        }
    }
}
