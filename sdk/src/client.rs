//! Asking a node over its GraphQL: a Mina node, a lightnet, the local L1 or a sequencer.

use std::time::Duration;

use mina_ledger::{
    Domain,
    signature::{SignatureError, sign_payload},
    types::{
        Amount, NetworkId, Nonce, PublicKey, SignedCommandBody, SignedCommandPayload, ZkappCommand,
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::keys::KeyPair;

/// The longest a node may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest a node may take that has to prove something first.
const PROOF_TIMEOUT: Duration = Duration::from_secs(300);

/// Why a node was no help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// It cannot be reached, or not in time.
    #[error("{url}: {reason}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// Why.
        reason: String,
    },
    /// It refuses.
    #[error("{0}")]
    Refused(String),
    /// It answered something else.
    #[error("unreadable answer: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Signing failed.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// A node.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// How a node is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// `SYNCED` if all is well.
    pub sync_status: String,
    /// Such as `mina:testnet`.
    #[serde(rename = "networkID")]
    pub network_id: String,
    /// The newest block, if there is one.
    pub best_chain: Option<Vec<Tip>>,
}

/// The newest block.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tip {
    /// Its hash.
    pub state_hash: String,
    /// Its state, as Mina nests it.
    pub protocol_state: TipState,
}

/// Where a block stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TipState {
    /// Height and slot.
    pub consensus_state: TipConsensus,
}

/// Height and slot of a block.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TipConsensus {
    /// The height.
    pub block_height: String,
    /// The slot.
    pub slot_since_genesis: String,
}

/// What an account has.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// Nanomina.
    pub balance: Balance,
    /// The nonce of its next command, those that wait included.
    pub inferred_nonce: Nonce,
}

/// A balance, as Mina nests it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Balance {
    /// All of it.
    pub total: Amount,
}

/// A payment to send.
#[derive(Clone, Debug)]
pub struct Payment {
    /// To whom.
    pub receiver: PublicKey,
    /// How much.
    pub amount: Amount,
    /// The fee.
    pub fee: Amount,
    /// A remark of at most 32 bytes.
    pub memo: mina_ledger::types::Memo,
    /// The nonce; the account's next if absent.
    pub nonce: Option<Nonce>,
}

/// A command that a node has taken in.
#[derive(Clone, Debug, Deserialize)]
pub struct Sent {
    /// Its hash.
    pub hash: String,
    /// What `transactionStatus` asks for.
    pub id: String,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<ErrorJson>,
}

#[derive(Deserialize)]
struct ErrorJson {
    message: String,
}

impl Client {
    /// The node at a URL such as `http://127.0.0.1:3085/graphql`.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if this machine cannot make HTTP requests at all.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        Self::with_timeout(url, TIMEOUT)
    }

    fn with_timeout(url: &str, timeout: Duration) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder().timeout(timeout).build();
        let unreachable = |error: reqwest::Error| ClientError::Unreachable {
            url: url.to_owned(),
            reason: error.to_string(),
        };
        Ok(Self { http: http.map_err(unreachable)?, url: url.to_owned() })
    }

    /// Asks anything.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<T, ClientError> {
        let unreachable = |error: reqwest::Error| ClientError::Unreachable {
            url: self.url.clone(),
            reason: error.without_url().to_string(),
        };
        let body = json!({ "query": query, "variables": variables });
        let answer = self.http.post(&self.url).json(&body).send().await.map_err(unreachable)?;
        let answer: Answer = serde_json::from_slice(&answer.bytes().await.map_err(unreachable)?)?;
        match answer.errors.into_iter().next() {
            Some(error) => Err(ClientError::Refused(error.message)),
            None => Ok(serde_json::from_value(answer.data.unwrap_or_default())?),
        }
    }

    /// How the node is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<NodeStatus, ClientError> {
        let query = "{ syncStatus networkID bestChain(maxLength: 1) { stateHash \
                     protocolState { consensusState { blockHeight slotSinceGenesis } } } }";
        self.ask(query, json!({})).await
    }

    /// An account of MINA; `None` if there is none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn account(&self, key: &PublicKey) -> Result<Option<AccountStatus>, ClientError> {
        #[derive(Deserialize)]
        struct Data {
            account: Option<AccountStatus>,
        }
        let query = "query ($key: PublicKey!) { account(publicKey: $key) { \
                     balance { total } inferredNonce } }";
        let data: Data = self.ask(query, json!({ "key": key })).await?;
        Ok(data.account)
    }

    /// Signs a payment and sends it.
    ///
    /// # Errors
    /// [`ClientError`]; the node says what is wrong with a payment.
    pub async fn pay(
        &self,
        from: &KeyPair,
        payment: &Payment,
        network: NetworkId,
    ) -> Result<Sent, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            send_payment: SendPayment,
        }
        #[derive(Deserialize)]
        struct SendPayment {
            payment: Sent,
        }
        let nonce = match payment.nonce {
            Some(nonce) => nonce,
            None => self.account(&from.public).await?.map_or(Nonce::ZERO, |one| one.inferred_nonce),
        };
        let Payment { receiver, amount, fee, memo, .. } = *payment;
        let valid_until = mina_ledger::types::Slot::MAX;
        let body = SignedCommandBody::Payment { receiver, amount };
        let payload =
            SignedCommandPayload { fee, fee_payer: from.public, nonce, valid_until, memo, body };
        let domain = Domain::new(network, mina_ledger::types::Era::Berkeley);
        let signature = sign_payload(&payload, &from.private, &domain)?;
        let signature = mina_ledger::types::SignatureJson::from(signature);
        let query = "mutation ($input: SendPaymentInput!, $signature: SignatureInput) { \
                     sendPayment(input: $input, signature: $signature) { payment { hash id } } }";
        let input = json!({
            "from": from.public,
            "to": receiver,
            "amount": amount,
            "fee": fee,
            "nonce": nonce,
            "validUntil": valid_until,
            "memo": memo.text().unwrap_or_default(),
        });
        let data: Data = self.ask(query, json!({ "input": input, "signature": signature })).await?;
        Ok(data.send_payment.payment)
    }

    /// Sends a zkApp command; its hash.
    ///
    /// # Errors
    /// [`ClientError`]; the node says what is wrong with it.
    pub async fn send_zkapp(&self, command: &ZkappCommand) -> Result<String, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            send_zkapp: SendZkapp,
        }
        #[derive(Deserialize)]
        struct SendZkapp {
            zkapp: Sent,
        }
        let query = "mutation ($input: SendZkappInput!) { sendZkapp(input: $input) { \
                     zkapp { hash id } } }";
        let input = json!({ "zkappCommand": command });
        let data: Data = self.ask(query, json!({ "input": input })).await?;
        Ok(data.send_zkapp.zkapp.hash)
    }

    /// `INCLUDED`, `PENDING` or `UNKNOWN`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn payment_status(&self, id: &str) -> Result<String, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            transaction_status: String,
        }
        let query = "query ($id: ID!) { transactionStatus(payment: $id) }";
        let data: Data = self.ask(query, json!({ "id": id })).await?;
        Ok(data.transaction_status)
    }
}

/// JSON-RPC of a sequencer, over HTTP.
#[derive(Clone, Debug)]
pub struct RpcClient {
    http: reqwest::Client,
    url: String,
}

#[derive(Deserialize)]
struct RpcAnswer {
    #[serde(default)]
    result: Value,
    error: Option<ErrorJson>,
}

impl RpcClient {
    /// The sequencer at a URL such as `http://127.0.0.1:3086`.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if this machine cannot make HTTP requests at all.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let Client { http, url } = Client::with_timeout(url, PROOF_TIMEOUT)?;
        Ok(Self { http, url })
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, ClientError> {
        let unreachable = |error: reqwest::Error| ClientError::Unreachable {
            url: self.url.clone(),
            reason: error.without_url().to_string(),
        };
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.http.post(&self.url).json(&body).send().await.map_err(unreachable)?;
        let bytes = answer.bytes().await.map_err(unreachable)?;
        let answer: RpcAnswer = serde_json::from_slice(&bytes)?;
        match answer.error {
            Some(error) => Err(ClientError::Refused(error.message)),
            None => Ok(serde_json::from_value(answer.result)?),
        }
    }
}
