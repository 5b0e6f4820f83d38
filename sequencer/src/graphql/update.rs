//! Fields of zkApp commands and their account updates.
//!
//! One at a time, as they are asked for: keys in base58 and elements in decimal cost more than all
//! else about an answer, and o1js asks for few of them after each command that it sends.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use mina_curves::Fp;
use mina_ledger::types::{
    AccountUpdate, Authorization, AuthorizationKind, Body, ForestNode, MayUseToken, ZkappCommand,
    to_decimal,
};
use serde_json::{Value as Json, json};

use super::resolve::{Output, Resolved};

/// An account update of a command.
#[derive(Clone, Debug)]
pub(super) struct UpdateOf {
    command: Arc<ZkappCommand>,
    index: usize,
}

/// A field of a command.
pub(super) fn command_field(command: &Arc<ZkappCommand>, name: &str) -> Resolved {
    match name {
        "feePayer" => Resolved::Json(json!(command.fee_payer)),
        "memo" => Resolved::Json(json!(command.memo)),
        "accountUpdates" => {
            let update = |index| Output::Update(UpdateOf { command: Arc::clone(command), index });
            Resolved::List((0..command.account_updates.len()).map(update).collect())
        }
        _ => Resolved::Null,
    }
}

impl UpdateOf {
    fn node(&self) -> Option<&ForestNode> {
        self.command.account_updates.nodes().get(self.index)
    }

    /// A field of the update.
    pub(super) fn field(&self, name: &str) -> Resolved {
        match (name, self.node()) {
            ("body", Some(_)) => Output::UpdateBody(self.clone()).into(),
            (
                "authorization",
                Some(ForestNode { update: AccountUpdate { authorization, .. }, .. }),
            ) => Resolved::Json(authorization_json(authorization)),
            _ => Resolved::Null,
        }
    }

    /// A field of the update's body.
    pub(super) fn body_field(&self, name: &str) -> Resolved {
        self.node().map_or(Resolved::Null, |node| {
            Resolved::Json(match name {
                "callDepth" => json!(node.depth()),
                _ => body_json(&node.update.body, name),
            })
        })
    }
}

fn body_json(body: &Body, name: &str) -> Json {
    match name {
        "publicKey" => json!(body.public_key),
        "tokenId" => json!(body.token_id),
        "update" => json!(body.update),
        "balanceChange" => json!(body.balance_change),
        "incrementNonce" => json!(body.increment_nonce),
        "events" => lists(&body.events),
        "actions" => lists(&body.actions),
        "callData" => json!(to_decimal(body.call_data)),
        "preconditions" => json!(body.preconditions),
        "useFullCommitment" => json!(body.use_full_commitment),
        "implicitAccountCreationFee" => json!(body.implicit_account_creation_fee),
        "mayUseToken" => json!({
            "parentsOwnToken": body.may_use_token == MayUseToken::ParentsOwnToken,
            "inheritFromParent": body.may_use_token == MayUseToken::InheritFromParent,
        }),
        "authorizationKind" => json!({
            "isSigned": body.authorization_kind == AuthorizationKind::Signature,
            "isProved": matches!(body.authorization_kind, AuthorizationKind::Proof(_)),
            "verificationKeyHash": to_decimal(body.authorization_kind.verification_key_hash()),
        }),
        _ => Json::Null,
    }
}

fn lists(lists: &[Vec<Fp>]) -> Json {
    lists.iter().map(|list| list.iter().map(|x| to_decimal(*x)).collect::<Json>()).collect()
}

fn authorization_json(authorization: &Authorization) -> Json {
    let (proof, signature) = match authorization {
        Authorization::None => (None, None),
        Authorization::Signature(signature) => (None, Some(signature)),
        Authorization::Proof(proof) => (Some(STANDARD.encode(&proof.0)), None),
    };
    json!({ "proof": proof, "signature": signature })
}

#[cfg(test)]
mod tests {
    use mina_ledger::types::{Era, Proof, Signature};

    use super::*;

    fn json_of(resolved: Resolved) -> Json {
        match resolved {
            Resolved::Json(json) => json,
            _ => panic!("not a plain field"),
        }
    }

    /// The recorded command of o1js with something in every field that is shown one by one.
    fn commands() -> Vec<ZkappCommand> {
        let command = super::super::embedded::tests::recorded_command();
        let mut full = command.clone();
        for (index, update) in full.account_updates.updates_mut().enumerate() {
            let hash = Fp::from(77u64);
            (update.body.authorization_kind, update.authorization) = match index {
                0 => (AuthorizationKind::Proof(hash), Authorization::Proof(Proof([1, 2].into()))),
                _ => (AuthorizationKind::None, Authorization::None),
            };
            update.body.events = vec![vec![Fp::from(3u64), -Fp::from(1u64)], Vec::new()];
            update.body.actions = vec![vec![Fp::from(9u64)]];
            update.body.call_data = Fp::from(5u64);
            update.body.increment_nonce = true;
            update.body.implicit_account_creation_fee = true;
            update.body.may_use_token =
                [MayUseToken::ParentsOwnToken, MayUseToken::InheritFromParent][index % 2];
            update.body.update.app_state = vec![Some(hash); Era::Berkeley.app_state_len()];
        }
        let mut nested = full.clone();
        let mut updates = nested.account_updates.updates().cloned().collect::<Vec<_>>();
        updates[1].authorization = Authorization::Signature(Signature::DUMMY);
        updates[1].body.authorization_kind = AuthorizationKind::Signature;
        nested.account_updates = Default::default();
        for (depth, update) in updates.into_iter().enumerate() {
            nested.account_updates.push(update, depth as u32).unwrap();
        }
        vec![command, full, nested]
    }

    #[test]
    fn fields_are_those_of_the_commands_json() {
        for command in commands() {
            let json = json!(command);
            let command = Arc::new(command);
            for name in ["feePayer", "memo"] {
                assert_eq!(json_of(command_field(&command, name)), json[name], "{name}");
            }
            let Resolved::List(outputs) = command_field(&command, "accountUpdates") else {
                panic!("not a list")
            };
            assert_eq!(outputs.len(), json["accountUpdates"].as_array().unwrap().len());
            for (output, json) in outputs.iter().zip(json["accountUpdates"].as_array().unwrap()) {
                let Output::Update(update) = output else { panic!("not an update") };
                let fields: Vec<_> = json.as_object().unwrap().keys().collect();
                assert_eq!(fields, ["authorization", "body"]);
                assert_eq!(json_of(update.field("authorization")), json["authorization"]);
                assert!(matches!(update.field("body"), Resolved::One(Output::UpdateBody(_))));
                for (name, value) in json["body"].as_object().unwrap() {
                    assert_eq!(json_of(update.body_field(name)), *value, "{name}");
                }
            }
        }
    }
}
