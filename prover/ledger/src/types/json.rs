//! The JSON of zkApp commands that o1js, mina-signer and Mina's GraphQL share.

use alloc::{string::String, vec::Vec};

use base64::{Engine, engine::general_purpose::STANDARD};
use mina_curves::Fp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{
    AccountUpdate, Authorization, AuthorizationKind, Body, CallForest, FeePayer, MayUseToken, Memo,
    Preconditions, Proof, PublicKey, Signature, SignedAmount, TokenId, Update, ZkappCommand,
    field::decimal,
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommandJson {
    fee_payer: FeePayer,
    account_updates: Vec<UpdateJson>,
    memo: Memo,
}

#[derive(Serialize, Deserialize)]
struct UpdateJson {
    body: BodyJson,
    authorization: AuthorizationJson,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyJson {
    public_key: PublicKey,
    token_id: TokenId,
    update: Update,
    balance_change: SignedAmount,
    increment_nonce: bool,
    #[serde(with = "decimal")]
    events: Vec<Vec<Fp>>,
    #[serde(with = "decimal")]
    actions: Vec<Vec<Fp>>,
    #[serde(with = "decimal")]
    call_data: Fp,
    call_depth: u32,
    preconditions: Preconditions,
    use_full_commitment: bool,
    implicit_account_creation_fee: bool,
    may_use_token: MayUseTokenJson,
    authorization_kind: AuthorizationKindJson,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MayUseTokenJson {
    parents_own_token: bool,
    inherit_from_parent: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationKindJson {
    is_signed: bool,
    is_proved: bool,
    #[serde(with = "decimal")]
    verification_key_hash: Fp,
}

#[derive(Serialize, Deserialize)]
struct AuthorizationJson {
    #[serde(default)]
    proof: Option<String>,
    #[serde(default)]
    signature: Option<Signature>,
}

impl UpdateJson {
    fn from_update(update: &AccountUpdate, call_depth: u32) -> Self {
        let AccountUpdate { body, authorization } = update.clone();
        let (is_signed, is_proved) = match body.authorization_kind {
            AuthorizationKind::None => (false, false),
            AuthorizationKind::Signature => (true, false),
            AuthorizationKind::Proof(_) => (false, true),
        };
        let verification_key_hash = body.authorization_kind.verification_key_hash();
        Self {
            body: BodyJson {
                public_key: body.public_key,
                token_id: body.token_id,
                update: body.update,
                balance_change: body.balance_change,
                increment_nonce: body.increment_nonce,
                events: body.events,
                actions: body.actions,
                call_data: body.call_data,
                call_depth,
                preconditions: body.preconditions,
                use_full_commitment: body.use_full_commitment,
                implicit_account_creation_fee: body.implicit_account_creation_fee,
                may_use_token: MayUseTokenJson {
                    parents_own_token: body.may_use_token == MayUseToken::ParentsOwnToken,
                    inherit_from_parent: body.may_use_token == MayUseToken::InheritFromParent,
                },
                authorization_kind: AuthorizationKindJson {
                    is_signed,
                    is_proved,
                    verification_key_hash,
                },
            },
            authorization: AuthorizationJson::from(authorization),
        }
    }

    fn into_update<E: Error>(self) -> Result<AccountUpdate, E> {
        let Self { body, authorization } = self;
        Ok(AccountUpdate {
            body: Body {
                public_key: body.public_key,
                token_id: body.token_id,
                update: body.update,
                balance_change: body.balance_change,
                increment_nonce: body.increment_nonce,
                events: body.events,
                actions: body.actions,
                call_data: body.call_data,
                preconditions: body.preconditions,
                use_full_commitment: body.use_full_commitment,
                implicit_account_creation_fee: body.implicit_account_creation_fee,
                may_use_token: body.may_use_token.into_variant()?,
                authorization_kind: body.authorization_kind.into_variant()?,
            },
            authorization: authorization.into_variant()?,
        })
    }
}

impl MayUseTokenJson {
    fn into_variant<E: Error>(self) -> Result<MayUseToken, E> {
        match (self.parents_own_token, self.inherit_from_parent) {
            (false, false) => Ok(MayUseToken::No),
            (true, false) => Ok(MayUseToken::ParentsOwnToken),
            (false, true) => Ok(MayUseToken::InheritFromParent),
            (true, true) => Err(E::custom("mayUseToken: both flags are set")),
        }
    }
}

impl AuthorizationKindJson {
    /// Without a proof the hash does not count, as in Mina.
    fn into_variant<E: Error>(self) -> Result<AuthorizationKind, E> {
        match (self.is_signed, self.is_proved) {
            (false, false) => Ok(AuthorizationKind::None),
            (true, false) => Ok(AuthorizationKind::Signature),
            (false, true) => Ok(AuthorizationKind::Proof(self.verification_key_hash)),
            (true, true) => Err(E::custom("authorizationKind: both flags are set")),
        }
    }
}

impl From<Authorization> for AuthorizationJson {
    fn from(authorization: Authorization) -> Self {
        match authorization {
            Authorization::None => Self { proof: None, signature: None },
            Authorization::Signature(signature) => Self { proof: None, signature: Some(signature) },
            Authorization::Proof(Proof(bytes)) => {
                Self { proof: Some(STANDARD.encode(bytes)), signature: None }
            }
        }
    }
}

impl AuthorizationJson {
    fn into_variant<E: Error>(self) -> Result<Authorization, E> {
        match (self.proof, self.signature) {
            (None, None) => Ok(Authorization::None),
            (None, Some(signature)) => Ok(Authorization::Signature(signature)),
            (Some(proof), None) => {
                let bytes = STANDARD.decode(proof).map_err(|_| E::custom("proof: not base64"))?;
                Ok(Authorization::Proof(Proof(bytes.into())))
            }
            (Some(_), Some(_)) => Err(E::custom("authorization: proof and signature")),
        }
    }
}

impl Serialize for ZkappCommand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nodes = self.account_updates.nodes();
        CommandJson {
            fee_payer: self.fee_payer,
            account_updates: nodes
                .iter()
                .map(|node| UpdateJson::from_update(&node.update, node.depth()))
                .collect(),
            memo: self.memo,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ZkappCommand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let CommandJson { fee_payer, account_updates: updates, memo } =
            CommandJson::deserialize(deserializer)?;
        let mut account_updates = CallForest::new();
        for update in updates {
            let depth = update.body.call_depth;
            account_updates.push(update.into_update()?, depth).map_err(D::Error::custom)?;
        }
        Ok(Self { fee_payer, account_updates, memo })
    }
}

/// Reads the JSON of a zkApp command: for callers without `serde_json` of their own.
///
/// # Errors
/// [`serde_json::Error`] on anything else.
pub fn zkapp_command_from_json(json: &[u8]) -> Result<ZkappCommand, serde_json::Error> {
    serde_json::from_slice(json)
}

/// Writes the JSON of a zkApp command.
///
/// # Errors
/// [`serde_json::Error`]; there is nothing in a command that JSON cannot hold.
pub fn zkapp_command_to_json(command: &ZkappCommand) -> Result<String, serde_json::Error> {
    serde_json::to_string(command)
}

impl Serialize for Body {
    /// The JSON of an update's body at depth 0.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let update = AccountUpdate { body: self.clone(), authorization: Authorization::None };
        UpdateJson::from_update(&update, 0).body.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = BodyJson::deserialize(deserializer)?;
        let authorization = AuthorizationJson { proof: None, signature: None };
        UpdateJson { body, authorization }.into_update().map(|update| update.body)
    }
}
