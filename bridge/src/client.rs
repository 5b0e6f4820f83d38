//! The L1, asked over Mina's GraphQL and the archive API: nothing else is known of it, so that a Mina
//! node, a lightnet and the local L1 are interchangeable.

mod json;

use std::time::Duration;

use mina_curves::Fp;
use mina_ledger::{
    hash::TransactionHash,
    types::{Amount, Length, Nonce, Permissions, PublicKey, Slot, ZkappCommand},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use json::{
    ACCOUNT_FIELDS, ActionsData, BLOCK_FIELDS, EventsData, PairData, PoolData, Response, SendData,
    SnapshotData,
};

/// The longest answer of a node that is read.
const MAX_NODE_ANSWER: usize = 16 << 20;

/// The longest answer of an archive that is read.
const MAX_ARCHIVE_ANSWER: usize = 64 << 20;

/// How often to ask again where blocks come between the parts of an answer.
const ATTEMPTS: usize = 5;

/// Where the L1 is.
#[derive(Clone, Debug)]
pub struct L1Config {
    /// Mina's GraphQL, as `http://127.0.0.1:3085/graphql`.
    pub graphql: String,
    /// The archive API that o1js asks.
    pub archive: String,
    /// The longest that an answer may take.
    pub timeout: Duration,
}

impl L1Config {
    /// Half a minute for an answer.
    pub fn new(graphql: impl Into<String>, archive: impl Into<String>) -> Self {
        let (graphql, archive) = (graphql.into(), archive.into());
        Self { graphql, archive, timeout: Duration::from_secs(30) }
    }
}

/// Why the L1 has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum L1Error {
    /// It cannot be reached, or not in time. Try again.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// Why.
        reason: String,
    },
    /// It has no block yet, is not synced, or changes while it answers. Try again.
    #[error("{url} has no settled best chain")]
    NotSynced {
        /// Where it is.
        url: String,
    },
    /// It refuses: of a command, as nodes do; of a question, that it is another kind of server.
    #[error("{url} refuses: {message}")]
    Refused {
        /// Where it is.
        url: String,
        /// What it says.
        message: String,
    },
    /// What it sent is not what was asked for.
    #[error("{url}: unreadable answer: {what}")]
    Unreadable {
        /// Where it is.
        url: String,
        /// What is wrong.
        what: String,
    },
}

impl L1Error {
    /// Whether the same may go well later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NotSynced { .. })
    }

    /// Whether a command was refused because its fee is too low for it to be taken, or to take the
    /// place of another with its nonce.
    pub fn is_fee_too_low(&self) -> bool {
        let Self::Refused { message, .. } = self else { return false };
        // The names of Mina's errors, of its pool and of its GraphQL.
        ["Insufficient_fee", "Insufficient_replace_fee", "Overloaded", "fee is too low"]
            .iter()
            .any(|name| message.contains(name))
    }
}

/// A block of the best chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Block {
    /// Its height.
    pub height: Length,
    /// Its slot since genesis.
    pub slot: Slot,
    /// Its hash, as `3N…`.
    pub state_hash: String,
    /// The hash of the block before it.
    pub parent: String,
    /// The zkApp commands in it.
    pub commands: Vec<L1Command>,
}

/// A zkApp command in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Command {
    /// Its hash.
    pub hash: TransactionHash,
    /// Whether only its fee was paid.
    pub failed: bool,
}

/// An account of MINA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Account {
    /// Its balance.
    pub balance: Amount,
    /// The nonce of its next command in a block.
    pub nonce: Nonce,
    /// The nonce of its next command behind those that wait.
    pub inferred_nonce: Nonce,
    /// What authorises what.
    pub permissions: Permissions,
    /// Of a zkApp.
    pub zkapp: Option<L1Zkapp>,
}

/// The state of a zkApp account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Zkapp {
    /// The fields.
    pub state: [Fp; 8],
    /// The last five action states, the newest first.
    pub action_states: [Fp; 5],
    /// The hash of the verification key.
    pub key_hash: Option<Fp>,
}

/// The best chain with two accounts after its last block.
#[derive(Clone, Debug)]
pub struct L1Snapshot {
    /// The last blocks, the oldest first; there is always one.
    pub blocks: Vec<L1Block>,
    /// The account that was asked for.
    pub account: Option<L1Account>,
}

/// The actions of one account update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedActions {
    /// The height of the block.
    pub height: Length,
    /// The hash of the block.
    pub state_hash: String,
    /// The hash of the command, if the archive says it.
    pub transaction: Option<TransactionHash>,
    /// The fields of each action.
    pub actions: Vec<Vec<Fp>>,
}

/// An event of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedEvent {
    /// The height of the block.
    pub height: Length,
    /// The fields.
    pub fields: Vec<Fp>,
}

/// A client of the L1.
#[derive(Clone, Debug)]
pub struct L1Client {
    http: reqwest::Client,
    config: L1Config,
}

impl L1Client {
    /// A client.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`] if this machine cannot make HTTP requests at all.
    pub fn new(config: L1Config) -> Result<Self, L1Error> {
        let http = reqwest::Client::builder().timeout(config.timeout).build();
        let http = http.map_err(|error| L1Error::Unreachable {
            url: config.graphql.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self { http, config })
    }

    /// Where it is.
    pub fn config(&self) -> &L1Config {
        &self.config
    }

    /// The last `blocks` blocks of the best chain, and an account.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn snapshot(&self, key: &PublicKey, blocks: u32) -> Result<L1Snapshot, L1Error> {
        let query = format!(
            "query ($key: PublicKey!, $max: Int) {{ account(publicKey: $key) {{ {ACCOUNT_FIELDS} }} \
             bestChain(maxLength: $max) {{ {BLOCK_FIELDS} }} }}"
        );
        let variables = json!({ "key": key, "max": blocks.max(1) });
        let data: SnapshotData = self.ask_node(&query, variables).await?;
        let snapshot = data.into_snapshot().map_err(|what| self.unreadable_node(what))?;
        if snapshot.blocks.is_empty() {
            return Err(L1Error::NotSynced { url: self.config.graphql.clone() });
        }
        Ok(snapshot)
    }

    /// The last `blocks` blocks of the best chain with two accounts, all after the same block: nodes
    /// answer a question in parts, between which blocks may come.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn consistent(
        &self,
        [first, second]: [&PublicKey; 2],
        blocks: u32,
    ) -> Result<(Vec<L1Block>, [Option<L1Account>; 2]), L1Error> {
        let query = format!(
            "query ($first: PublicKey!, $second: PublicKey!, $max: Int) {{ \
             first: account(publicKey: $first) {{ {ACCOUNT_FIELDS} }} \
             second: account(publicKey: $second) {{ {ACCOUNT_FIELDS} }} \
             bestChain(maxLength: $max) {{ {BLOCK_FIELDS} }} }}"
        );
        let variables = json!({ "first": first, "second": second, "max": blocks.max(1) });
        let mut before = self.tip().await?;
        for _ in 0..ATTEMPTS {
            let data: PairData = self.ask_node(&query, variables.clone()).await?;
            let (blocks, accounts) = data.into_pair().map_err(|what| self.unreadable_node(what))?;
            let after = self.tip().await?;
            if before == after && blocks.last() == Some(&after) {
                return Ok((blocks, accounts));
            }
            before = after;
        }
        Err(L1Error::NotSynced { url: self.config.graphql.clone() })
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn tip(&self) -> Result<L1Block, L1Error> {
        let query = format!("{{ bestChain(maxLength: 1) {{ {BLOCK_FIELDS} }} }}");
        let data: SnapshotData = self.ask_node(&query, json!({})).await?;
        let mut snapshot = data.into_snapshot().map_err(|what| self.unreadable_node(what))?;
        snapshot.blocks.pop().ok_or(L1Error::NotSynced { url: self.config.graphql.clone() })
    }

    /// An account of MINA.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn account(&self, key: &PublicKey) -> Result<Option<L1Account>, L1Error> {
        Ok(self.snapshot(key, 1).await?.account)
    }

    /// Those of these commands that wait in the node's pool.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn pending(
        &self,
        hashes: &[TransactionHash],
    ) -> Result<Vec<TransactionHash>, L1Error> {
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let query = "query ($hashes: [String!]) { pooledZkappCommands(hashes: $hashes) { hash } }";
        let hashes: Vec<String> = hashes.iter().map(TransactionHash::to_base58).collect();
        let data: PoolData = self.ask_node(query, json!({ "hashes": hashes })).await?;
        data.into_hashes().map_err(|what| self.unreadable_node(what))
    }

    /// Sends a signed command.
    ///
    /// # Errors
    /// [`L1Error`]; the node says what is wrong with a command.
    pub async fn send(&self, command: &ZkappCommand) -> Result<TransactionHash, L1Error> {
        let query =
            "mutation ($input: SendZkappInput!) { sendZkapp(input: $input) { zkapp { hash } } }";
        let input = json!({ "zkappCommand": command });
        let data: SendData = self.ask_node(query, json!({ "input": input })).await?;
        data.into_hash().map_err(|what| self.unreadable_node(what))
    }

    /// The actions of an account in the blocks from height `from` to below `to`, in order.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn actions(
        &self,
        account: &PublicKey,
        from: u32,
        to: u32,
    ) -> Result<Vec<ArchivedActions>, L1Error> {
        let query = "query ($input: ActionFilterOptionsInput!) { actions(input: $input) { \
                     blockInfo { height stateHash } \
                     actionData { accountUpdateId data transactionInfo { sequenceNumber hash } } } }";
        let input = json!({ "address": account, "from": from, "to": to });
        let data: ActionsData = self.ask_archive(query, json!({ "input": input })).await?;
        data.into_actions().map_err(|what| self.unreadable_archive(what))
    }

    /// The events of an account in the blocks from height `from` to below `to`, in order of height.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn events(
        &self,
        account: &PublicKey,
        from: u32,
        to: u32,
    ) -> Result<Vec<ArchivedEvent>, L1Error> {
        let query = "query ($input: EventFilterOptionsInput!) { events(input: $input) { \
                     blockInfo { height } eventData { data } } }";
        let input = json!({ "address": account, "from": from, "to": to });
        let data: EventsData = self.ask_archive(query, json!({ "input": input })).await?;
        data.into_events().map_err(|what| self.unreadable_archive(what))
    }

    fn unreadable_node(&self, what: String) -> L1Error {
        L1Error::Unreadable { url: self.config.graphql.clone(), what }
    }

    fn unreadable_archive(&self, what: String) -> L1Error {
        L1Error::Unreadable { url: self.config.archive.clone(), what }
    }

    async fn ask_node<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<T, L1Error> {
        self.ask(&self.config.graphql, MAX_NODE_ANSWER, query, variables).await
    }

    async fn ask_archive<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<T, L1Error> {
        self.ask(&self.config.archive, MAX_ARCHIVE_ANSWER, query, variables).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        url: &str,
        longest: usize,
        query: &str,
        variables: Value,
    ) -> Result<T, L1Error> {
        let unreachable = |error: reqwest::Error| L1Error::Unreachable {
            url: url.to_owned(),
            reason: error.without_url().to_string(),
        };
        let unreadable = |what: String| L1Error::Unreadable { url: url.to_owned(), what };
        let body = json!({ "query": query, "variables": variables });
        let mut response = self.http.post(url).json(&body).send().await.map_err(unreachable)?;
        let status = response.status();
        if status.is_server_error() {
            return Err(L1Error::Unreachable { url: url.to_owned(), reason: status.to_string() });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > longest {
                return Err(unreadable(format!("longer than {longest} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        let answer: Result<Response<T>, _> = serde_json::from_slice(&bytes);
        match answer {
            Ok(Response { errors, .. }) if !errors.is_empty() => {
                let message = errors.into_iter().map(|error| error.message).collect::<Vec<_>>();
                Err(L1Error::Refused { url: url.to_owned(), message: message.join("; ") })
            }
            _ if !status.is_success() => {
                Err(L1Error::Refused { url: url.to_owned(), message: status.to_string() })
            }
            Ok(Response { data: Some(data), .. }) => Ok(data),
            Ok(_) => Err(unreadable("no data".into())),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }
}
