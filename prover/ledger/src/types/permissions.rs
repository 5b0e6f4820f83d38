//! Permissions: what authorises which change of an account.

use serde::{Deserialize, Serialize};

use super::{Era, TxnVersion};

/// What a permission asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AuthRequired {
    /// Nothing.
    None,
    /// A signature or a proof.
    Either,
    /// A proof.
    Proof,
    /// A signature.
    Signature,
    /// Cannot be met.
    Impossible,
}

/// How an update was authorised, once its signature or proof has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthKind {
    /// Not at all.
    None,
    /// By a signature.
    Signature,
    /// By a proof.
    Proof,
}

impl AuthRequired {
    /// Whether `auth` is enough.
    pub fn permits(self, auth: AuthKind) -> bool {
        match self {
            Self::None => true,
            Self::Either => auth != AuthKind::None,
            Self::Proof => auth == AuthKind::Proof,
            Self::Signature => auth == AuthKind::Signature,
            Self::Impossible => false,
        }
    }

    /// The bits constant, signature necessary, signature sufficient, as they are hashed.
    pub fn to_bits(self) -> [bool; 3] {
        match self {
            Self::None => [true, false, true],
            Self::Either => [false, false, true],
            Self::Proof => [false, false, false],
            Self::Signature => [false, true, true],
            Self::Impossible => [true, true, false],
        }
    }

    /// What a permission to set the verification key becomes when it was set under older rules: an
    /// account must not lose its key's upgrade path because proofs of its key no longer verify.
    pub fn fallback_to_signature(self) -> Self {
        match self {
            Self::Proof | Self::Impossible => Self::Signature,
            other => other,
        }
    }
}

/// The permission to set the verification key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetVerificationKey {
    /// What is asked for.
    pub auth: AuthRequired,
    /// The version of the rules it was set under.
    pub txn_version: TxnVersion,
}

/// The permissions of an account, in the order of Mina's record. Source: Mina `permissions.ml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // each field is named after the change that it guards
pub struct Permissions {
    pub edit_state: AuthRequired,
    pub access: AuthRequired,
    pub send: AuthRequired,
    pub receive: AuthRequired,
    pub set_delegate: AuthRequired,
    pub set_permissions: AuthRequired,
    pub set_verification_key: SetVerificationKey,
    pub set_zkapp_uri: AuthRequired,
    pub edit_action_state: AuthRequired,
    pub set_token_symbol: AuthRequired,
    pub increment_nonce: AuthRequired,
    pub set_voting_for: AuthRequired,
    pub set_timing: AuthRequired,
}

impl Permissions {
    /// The same requirement everywhere.
    pub fn all(auth: AuthRequired, era: Era) -> Self {
        Self {
            edit_state: auth,
            access: auth,
            send: auth,
            receive: auth,
            set_delegate: auth,
            set_permissions: auth,
            set_verification_key: SetVerificationKey { auth, txn_version: era.txn_version() },
            set_zkapp_uri: auth,
            edit_action_state: auth,
            set_token_symbol: auth,
            increment_nonce: auth,
            set_voting_for: auth,
            set_timing: auth,
        }
    }

    /// Those of a new account: anyone may access and pay in, all else takes a signature.
    pub fn user_default(era: Era) -> Self {
        Self {
            access: AuthRequired::None,
            receive: AuthRequired::None,
            ..Self::all(AuthRequired::Signature, era)
        }
    }

    /// What stands for absent permissions in hashes.
    pub fn empty(era: Era) -> Self {
        Self::all(AuthRequired::None, era)
    }
}
