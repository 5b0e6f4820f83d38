//! Fields of accounts.

use mina_ledger::{
    hash::account_hash,
    types::{
        Account, AccountId, Amount, PublicKey, SetVerificationKey, Slot, Timing,
        receipt_chain_hash_to_base58, state_hash_to_base58, to_decimal,
    },
};
use serde_json::{Value as Json, json};

use super::{
    node::{AccountRecord, MinaNode},
    resolve::{Output, Resolved},
};

/// A field of an account.
pub(super) fn field(record: &AccountRecord, name: &str, node: &dyn MinaNode) -> Resolved {
    let AccountRecord { account, index } = record;
    let zkapp = account.zkapp.as_deref();
    let json = match name {
        "publicKey" => json!(account.public_key),
        "tokenId" | "token" => json!(account.token_id),
        "timing" => timing(account.timing),
        "balance" => balance(account, node),
        "nonce" => json!(account.nonce),
        "inferredNonce" => json!(node.inferred_nonce(&account.id()).unwrap_or(account.nonce)),
        "receiptChainHash" => json!(receipt_chain_hash_to_base58(account.receipt_chain_hash)),
        "delegate" => json!(account.delegate),
        "delegateAccount" => {
            return account
                .delegate
                .map_or(Resolved::Null, |key| Resolved::from(of_key(&key, node)));
        }
        "votingFor" => json!(state_hash_to_base58(account.voting_for)),
        "stakingActive" => json!(false),
        "index" => json!(index),
        "zkappUri" => json!(zkapp.map(|zkapp| &zkapp.zkapp_uri)),
        "zkappState" => {
            json!(zkapp.map(|zkapp| {
                zkapp.app_state.iter().map(|x| to_decimal(*x)).collect::<Vec<_>>()
            }))
        }
        "provedState" => json!(zkapp.map(|zkapp| zkapp.proved_state)),
        "permissions" => permissions(account),
        "tokenSymbol" => json!(account.token_symbol),
        "verificationKey" => {
            let key = zkapp.and_then(|zkapp| zkapp.verification_key.as_ref());
            json!(key.map(|key| json!({
                "verificationKey": key.to_base64(),
                "hash": to_decimal(key.hash()),
            })))
        }
        "actionState" => {
            json!(zkapp.map(|zkapp| zkapp.action_state.map(to_decimal)))
        }
        "leafHash" => json!(to_decimal(account_hash(account, node.info().era))),
        "merklePath" => merkle_path(*index, node),
        // Nothing is staked: no snapshots of epochs, no wallets.
        _ => Json::Null,
    };
    Resolved::Json(json)
}

/// The MINA account of a key; one that is not there yet is shown empty.
pub(super) fn of_key(key: &PublicKey, node: &dyn MinaNode) -> Output {
    let id = AccountId::of(*key);
    let record = node.account(&id).unwrap_or_else(|| AccountRecord {
        account: Account::new(id, Amount::ZERO, node.info().era),
        index: node.account_count(),
    });
    Output::Account(Box::new(record))
}

fn timing(timing: Option<Timing>) -> Json {
    match timing {
        Some(timing) => json!(timing),
        // All null, as Mina has it.
        None => json!({}),
    }
}

fn balance(account: &Account, node: &dyn MinaNode) -> Json {
    let tip = node.tip();
    let minimum = account.minimum_balance(next_slot(tip.slot));
    let locked = minimum.min(account.balance);
    let liquid = account.balance.checked_sub(locked).unwrap_or_default();
    json!({
        "total": account.balance,
        "unknown": account.balance,
        "liquid": liquid,
        "locked": locked,
        "blockHeight": tip.height,
        "stateHash": state_hash_to_base58(tip.state_hash),
    })
}

fn next_slot(slot: Slot) -> Slot {
    slot.checked_add(Slot::new(1)).unwrap_or(slot)
}

fn permissions(account: &Account) -> Json {
    let SetVerificationKey { auth, txn_version } = account.permissions.set_verification_key;
    let mut json = json!(account.permissions);
    if let Some(fields) = json.as_object_mut() {
        let key = json!({ "auth": auth, "txnVersion": txn_version });
        fields.insert("setVerificationKey".into(), key);
    }
    json
}

fn merkle_path(index: u64, node: &dyn MinaNode) -> Json {
    let Some(path) = node.merkle_path(index) else { return Json::Null };
    let element = |(height, sibling): (usize, &mina_curves::Fp)| {
        // A node on the left has its sibling on the right.
        let is_left = index.checked_shr(height as u32).unwrap_or(0) & 1 == 0;
        let side = if is_left { "right" } else { "left" };
        json!({ side: to_decimal(*sibling) })
    };
    path.siblings().iter().enumerate().map(element).collect()
}
