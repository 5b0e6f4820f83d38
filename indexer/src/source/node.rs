//! A node, asked over its GraphQL.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    ChainSource, SourceError,
    json::{BATCH_FIELDS, BLOCK_FIELDS, BlockJson, HEADER_FIELDS, HeaderJson},
};
use crate::block::{Batch, Block, Header};

/// The longest a node may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that is read. A full Mina block has some 3 MB of commands.
const MAX_ANSWER: usize = 64 << 20;

/// A chain behind Mina's GraphQL: a Mina node, a lightnet, the local L1 or a sequencer.
#[derive(Clone, Debug)]
pub struct GraphQlSource {
    client: reqwest::Client,
    url: String,
    slots_per_epoch: Arc<OnceCell<i64>>,
    has_batches: Arc<OnceCell<bool>>,
}

#[derive(Deserialize)]
struct Response<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<ErrorJson>,
}

#[derive(Deserialize)]
struct ErrorJson {
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BestChainJson {
    best_chain: Option<Vec<HeaderJson>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenesisJson {
    genesis_block: HeaderJson,
}

#[derive(Deserialize)]
struct TypeJson {
    #[serde(rename = "__type")]
    found: Option<Value>,
}

#[derive(Deserialize)]
struct BatchesJson {
    batches: Option<Vec<Batch>>,
}

#[derive(Deserialize)]
struct OneBlockJson {
    block: BlockJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DaemonJson {
    daemon_status: DaemonStatusJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DaemonStatusJson {
    consensus_configuration: ConsensusConfigurationJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsensusConfigurationJson {
    slots_per_epoch: i64,
}

impl GraphQlSource {
    /// The node at a URL, such as `http://127.0.0.1:3085/graphql`.
    ///
    /// # Errors
    /// [`SourceError::Unreachable`] if this machine cannot make HTTP requests at all.
    pub fn new(url: &str) -> Result<Self, SourceError> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| SourceError::Unreachable(error.to_string()))?;
        Ok(Self {
            client,
            url: url.to_owned(),
            slots_per_epoch: Arc::default(),
            has_batches: Arc::default(),
        })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<T, SourceError> {
        let unreachable = |error: reqwest::Error| SourceError::Unreachable(error.to_string());
        let body = json!({ "query": query, "variables": variables });
        let mut response =
            self.client.post(&self.url).json(&body).send().await.map_err(unreachable)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(SourceError::Unreadable { what: "an answer too long".into() });
            }
            bytes.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(SourceError::Refused { message: status.to_string() });
        }
        let response: Response<T> = serde_json::from_slice(&bytes)
            .map_err(|error| SourceError::Unreadable { what: error.to_string() })?;
        match (response.data, response.errors.into_iter().next()) {
            (Some(data), None) => Ok(data),
            (_, Some(error)) => Err(SourceError::Refused { message: error.message }),
            (None, None) => Err(SourceError::Unreadable { what: "no data".into() }),
        }
    }

    async fn slots_per_epoch(&self) -> Result<i64, SourceError> {
        let query = "{ daemonStatus { consensusConfiguration { slotsPerEpoch } } }";
        let ask = || async {
            let answer: DaemonJson = self.ask(query, json!({})).await?;
            Ok(answer.daemon_status.consensus_configuration.slots_per_epoch)
        };
        self.slots_per_epoch.get_or_try_init(ask).await.copied()
    }
}

impl GraphQlSource {
    /// Whether the node's schema has batches: a sequencer's, and no Mina node's.
    async fn has_batches(&self) -> Result<bool, SourceError> {
        let ask = || async {
            let query = "{ __type(name: \"Batch\") { name } }";
            match self.ask::<TypeJson>(query, json!({})).await {
                Ok(answer) => Ok(answer.found.is_some()),
                // Some Mina nodes do not show their schema; a sequencer does.
                Err(SourceError::Refused { message })
                    if message.to_lowercase().contains("introspection") =>
                {
                    Ok(false)
                }
                Err(error) => Err(error),
            }
        };
        self.has_batches.get_or_try_init(ask).await.copied()
    }

    async fn find_block(
        &self,
        declaration: &str,
        argument: &str,
        variables: Value,
    ) -> Result<Option<Block>, SourceError> {
        let slots_per_epoch = self.slots_per_epoch().await?;
        let query = format!("query ({declaration}) {{ block({argument}) {{ {BLOCK_FIELDS} }} }}");
        match self.ask::<OneBlockJson>(&query, variables).await {
            Ok(answer) => answer.block.into_block(slots_per_epoch).map(Some),
            // Mina's way of saying that it does not have the block.
            Err(SourceError::Refused { message })
                if message.contains("not find") || message.contains("not found") =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl ChainSource for GraphQlSource {
    async fn genesis(&self) -> Result<Header, SourceError> {
        let query = format!("{{ genesisBlock {{ {HEADER_FIELDS} }} }}");
        let answer: GenesisJson = self.ask(&query, json!({})).await?;
        answer.genesis_block.into_header()
    }

    async fn best_chain(&self, max: u32) -> Result<Vec<Header>, SourceError> {
        let query =
            format!("query ($max: Int) {{ bestChain(maxLength: $max) {{ {HEADER_FIELDS} }} }}");
        let answer: BestChainJson = self.ask(&query, json!({ "max": max })).await?;
        let headers = answer.best_chain.unwrap_or_default().into_iter();
        let mut headers = headers.map(HeaderJson::into_header).collect::<Result<Vec<_>, _>>()?;
        // Nodes disagree about the order.
        headers.sort_by_key(|header| header.height);
        Ok(headers)
    }

    async fn block(&self, state_hash: &str) -> Result<Option<Block>, SourceError> {
        self.find_block("$hash: String", "stateHash: $hash", json!({ "hash": state_hash })).await
    }

    async fn block_at(&self, height: i64) -> Result<Option<Block>, SourceError> {
        self.find_block("$height: Int", "height: $height", json!({ "height": height })).await
    }

    async fn batches(&self, from: i64) -> Result<Option<Vec<Batch>>, SourceError> {
        if !self.has_batches().await? {
            return Ok(None);
        }
        let query = format!("query ($from: Int!) {{ batches(from: $from) {{ {BATCH_FIELDS} }} }}");
        let answer: BatchesJson = self.ask(&query, json!({ "from": from })).await?;
        Ok(answer.batches)
    }
}
