//! Accounts.

use alloc::{boxed::Box, vec, vec::Vec};

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    AccountId, Amount, AuthKind, Era, Nonce, Permissions, PublicKey, Slot, Timing, TokenId,
    TokenSymbol, VerificationKey, ZkappUri, field::decimal,
};
use crate::hash::constants::{EMPTY_ACTION_STATE, EMPTY_RECEIPT_CHAIN_HASH};

/// An account. Source: Mina `account.ml`.
///
/// Its JSON is o1js' of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The key that controls it.
    pub public_key: PublicKey,
    /// The token it holds.
    pub token_id: TokenId,
    /// The symbol of the token that it owns.
    pub token_symbol: TokenSymbol,
    /// What it holds.
    pub balance: Amount,
    /// Commands and nonce increments so far.
    pub nonce: Nonce,
    /// Chain of what it authorised.
    #[serde(with = "decimal")]
    pub receipt_chain_hash: Fp,
    /// Whom its stake is delegated to.
    pub delegate: Option<PublicKey>,
    /// The protocol state it votes for.
    #[serde(with = "decimal")]
    pub voting_for: Fp,
    /// The vesting schedule, if it is timed.
    #[serde(with = "account_timing")]
    pub timing: Option<Timing>,
    /// What authorises which change.
    pub permissions: Permissions,
    /// The zkApp part; `None` if it is as it starts out.
    pub zkapp: Option<Box<ZkappAccount>>,
}

/// The zkApp part of an account. Source: Mina `zkapp_account.ml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZkappAccount {
    /// The state: [`Era::app_state_len`] fields.
    #[serde(with = "decimal")]
    pub app_state: Vec<Fp>,
    /// The key that proofs are checked against.
    pub verification_key: Option<VerificationKey>,
    /// Reserved; always zero.
    pub zkapp_version: super::TxnVersion,
    /// The newest action state and those of the last slots with actions before it.
    #[serde(with = "decimal")]
    pub action_state: [Fp; 5],
    /// The slot of the last actions.
    pub last_action_slot: Slot,
    /// Whether all of the state was set by proofs.
    pub proved_state: bool,
    /// Where to find the zkApp.
    pub zkapp_uri: ZkappUri,
}

impl ZkappAccount {
    /// What an account without a zkApp part counts as.
    pub fn new(era: Era) -> Self {
        Self {
            app_state: vec![Fp::ZERO; era.app_state_len()],
            verification_key: None,
            zkapp_version: super::TxnVersion::ZERO,
            action_state: [EMPTY_ACTION_STATE; 5],
            last_action_slot: Slot::ZERO,
            proved_state: false,
            zkapp_uri: ZkappUri::default(),
        }
    }

    /// Whether it is as it starts out.
    pub fn is_new(&self, era: Era) -> bool {
        self.verification_key.is_none() && *self == Self::new(era)
    }
}

impl Account {
    /// A new account with `balance`: delegating to itself if it holds MINA.
    pub fn new(id: AccountId, balance: Amount, era: Era) -> Self {
        Self {
            public_key: id.public_key,
            token_id: id.token_id,
            token_symbol: TokenSymbol::default(),
            balance,
            nonce: Nonce::ZERO,
            receipt_chain_hash: EMPTY_RECEIPT_CHAIN_HASH,
            delegate: id.token_id.is_default().then_some(id.public_key),
            voting_for: Fp::ZERO,
            timing: None,
            permissions: Permissions::user_default(era),
            zkapp: None,
        }
    }

    /// The account of which an empty leaf is the hash.
    pub fn empty(era: Era) -> Self {
        let id = AccountId::of(PublicKey::EMPTY);
        Self { delegate: None, ..Self::new(id, Amount::ZERO, era) }
    }

    /// What identifies it.
    pub fn id(&self) -> AccountId {
        AccountId::new(self.public_key, self.token_id)
    }

    /// The smallest balance allowed at `slot`.
    pub fn minimum_balance(&self, slot: Slot) -> Amount {
        self.timing.map_or(Amount::ZERO, |timing| timing.minimum_balance(slot))
    }

    /// Whether a signature of its key may access and send from it.
    pub fn may_send(&self) -> bool {
        self.permits(AuthKind::Signature, self.permissions.send)
    }

    /// Whether anyone may access and pay into it.
    pub fn may_receive(&self) -> bool {
        self.permits(AuthKind::None, self.permissions.receive)
    }

    /// Whether a block may pay into it. Access does not count here, as in Mina.
    pub fn may_receive_from_block(&self) -> bool {
        self.permissions.receive.permits(AuthKind::None)
    }

    /// Whether a signature of its key may access it and set the delegate.
    pub fn may_set_delegate(&self) -> bool {
        self.permits(AuthKind::Signature, self.permissions.set_delegate)
    }

    /// Whether a signature of its key may access it and increment the nonce.
    pub fn may_increment_nonce(&self) -> bool {
        self.permits(AuthKind::Signature, self.permissions.increment_nonce)
    }

    fn permits(&self, auth: AuthKind, permission: super::AuthRequired) -> bool {
        self.permissions.access.permits(auth) && permission.permits(auth)
    }
}

/// The flat form with `isTimed`.
mod account_timing {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Flat {
        is_timed: bool,
        #[serde(flatten)]
        timing: Timing,
    }

    pub(super) fn serialize<S: Serializer>(x: &Option<Timing>, s: S) -> Result<S::Ok, S::Error> {
        Flat { is_timed: x.is_some(), timing: x.unwrap_or(Timing::UNTIMED) }.serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timing>, D::Error> {
        let Flat { is_timed, timing } = Flat::deserialize(d)?;
        Ok(is_timed.then_some(timing))
    }
}
