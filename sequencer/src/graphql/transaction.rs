//! Fields of commands.

use std::sync::Arc;

use mina_ledger::{
    hash::TransactionHash,
    logic::{FailureTable, TransactionFailure},
    types::{Amount, SignedCommand, SignedCommandBody, TokenId},
};
use serde_json::{Value as Json, json};

use super::{
    account::of_key,
    node::{HistoryEntry, Included, MinaNode},
    resolve::{Output, Resolved},
};
use crate::command::Command;

/// Mina's text of a failure.
fn failure_name(failure: &TransactionFailure) -> String {
    match failure {
        TransactionFailure::AccountAppStatePrecondition(index) => {
            format!("Account_app_state_{index}_precondition_unsatisfied")
        }
        _ => failure.name().to_owned(),
    }
}

/// The failures of a zkApp command: buckets that are not empty, the last update first.
pub(super) fn failure_reason(failures: Option<&FailureTable>) -> Json {
    let Some(table) = failures else { return Json::Null };
    let buckets = table.iter().enumerate().rev().filter(|(_, bucket)| !bucket.is_empty());
    buckets
        .map(|(index, bucket)| {
            json!({
                "index": index.to_string(),
                "failures": bucket.iter().map(failure_name).collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// The failure of a payment or delegation.
fn signed_failure(failures: Option<&FailureTable>) -> Json {
    json!(failures.and_then(|table| table.iter().flatten().next()).map(failure_name))
}

/// A command of the pool has not failed yet.
pub(super) fn pooled(command: Arc<Command>) -> Output {
    Output::Command(Box::new(Included { hash: command.hash(), command, failures: None }))
}

/// A field of a command.
pub(super) fn field(included: &Included, name: &str, node: &dyn MinaNode) -> Resolved {
    let Included { hash, command, failures } = included;
    match (name, command.as_ref()) {
        ("id", _) => Resolved::Json(json!(command.id())),
        ("hash", _) => Resolved::Json(json!(hash.to_base58())),
        ("failureReason", Command::Zkapp(_)) => Resolved::Json(failure_reason(failures.as_ref())),
        ("zkappCommand", Command::Zkapp(command)) => Output::Zkapp(Arc::clone(command)).into(),
        ("failureReason", Command::Signed(_)) => Resolved::Json(signed_failure(failures.as_ref())),
        (_, Command::Signed(command)) => signed_field(command, name, node),
        _ => Resolved::Null,
    }
}

fn signed_field(command: &SignedCommand, name: &str, node: &dyn MinaNode) -> Resolved {
    let payload = &command.payload;
    let json = match name {
        "kind" => json!(kind(&payload.body)),
        // A GraphQL Int has 32 bits with a sign.
        "nonce" => json!(payload.nonce.get()),
        "source" | "fromAccount" | "feePayer" | "delegator" => {
            return of_key(&payload.fee_payer, node).into();
        }
        "receiver" | "toAccount" | "delegatee" => return of_key(&payload.receiver(), node).into(),
        "validUntil" => json!(payload.valid_until),
        "token" | "feeToken" => json!(TokenId::DEFAULT),
        "amount" => json!(amount(&payload.body)),
        "fee" => json!(payload.fee),
        "memo" => json!(payload.memo),
        "isDelegation" => json!(matches!(payload.body, SignedCommandBody::Delegation { .. })),
        "from" => json!(payload.fee_payer),
        "to" => json!(payload.receiver()),
        _ => Json::Null,
    };
    Resolved::Json(json)
}

fn kind(body: &SignedCommandBody) -> &'static str {
    match body {
        SignedCommandBody::Payment { .. } => "PAYMENT",
        SignedCommandBody::Delegation { .. } => "STAKE_DELEGATION",
    }
}

fn amount(body: &SignedCommandBody) -> Amount {
    match body {
        SignedCommandBody::Payment { amount, .. } => *amount,
        SignedCommandBody::Delegation { .. } => Amount::ZERO,
    }
}

/// The type that a payment or delegation has behind the interface.
pub(super) fn signed_type(command: &Command) -> Option<&'static str> {
    match command {
        Command::Signed(SignedCommand { payload, .. }) => Some(match payload.body {
            SignedCommandBody::Payment { .. } => "UserCommandPayment",
            SignedCommandBody::Delegation { .. } => "UserCommandDelegation",
        }),
        Command::Zkapp(_) => None,
    }
}

/// A payment or delegation as histories show it.
pub(super) fn history_signed(entry: &HistoryEntry) -> Option<Json> {
    let Command::Signed(SignedCommand { payload, .. }) = entry.included.command.as_ref() else {
        return None;
    };
    Some(json!({
        "fee": payload.fee,
        "from": payload.fee_payer,
        "to": payload.receiver(),
        "nonce": payload.nonce.get(),
        "amount": amount(&payload.body),
        "memo": payload.memo,
        "hash": entry.included.hash.to_base58(),
        "kind": kind(&payload.body),
        "dateTime": super::block::iso_time(entry.timestamp_ms),
        "failureReason": signed_failure(entry.included.failures.as_ref()),
    }))
}

/// A zkApp command as histories show it.
pub(super) fn history_zkapp(entry: &HistoryEntry) -> Option<Json> {
    let Command::Zkapp(command) = entry.included.command.as_ref() else { return None };
    let failures = failure_reason(entry.included.failures.as_ref());
    Some(json!({
        "hash": entry.included.hash.to_base58(),
        "dateTime": super::block::iso_time(entry.timestamp_ms),
        "failureReason": failures,
        "failureReasons": failures,
        "zkappCommand": command.as_ref(),
    }))
}

/// An entry of either kind.
pub(super) fn history_entry(entry: &HistoryEntry) -> Json {
    let zkapp = history_zkapp(entry);
    json!({
        "nonce": entry.included.command.nonce().get(),
        "timestamp": entry.timestamp_ms.to_string(),
        "kind": if zkapp.is_some() { "ZKAPP" } else { "USER_COMMAND" },
        "body": history_signed(entry),
        "zkAppBody": zkapp,
    })
}

/// The hash behind an id of `transactionStatus`: the bytes of a command in base64, or a hash.
pub(super) fn hash_of_id(id: &str, era: mina_ledger::types::Era) -> Option<TransactionHash> {
    TransactionHash::from_base58(id)
        .ok()
        .or_else(|| Command::from_id(id, era).ok().map(|command| command.hash()))
}
