//! What an operator sets.

use std::{net::SocketAddr, path::PathBuf};

use mina_ledger::types::{Amount, PublicKey};
use serde::{Deserialize, Serialize};

use crate::{fees::FeeConfig, graphql::GraphqlConfig, pool::PoolConfig, work::ProvingConfig};

/// The configuration of a sequencer. Every field has a default but those of
/// [`SequencerConfig::genesis`] that make the chain what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SequencerConfig {
    /// Where the log and the store are.
    pub data_dir: PathBuf,
    /// The chain.
    pub genesis: GenesisConfig,
    /// Who gets the fees; an account of the ledger. The key of the sequencer if absent.
    pub fee_recipient: Option<PublicKey>,
    /// Milliseconds between blocks.
    pub block_ms: u64,
    /// Milliseconds between executions within a block: the delay of pre-confirmations.
    pub tick_ms: u64,
    /// Most commands in a block.
    pub max_block_commands: usize,
    /// Blocks that can be rolled back.
    pub rollback_depth: u32,
    /// Bytes of the log after which it is rewritten.
    pub log_rewrite_bytes: u64,
    /// Megabytes that the store keeps in memory.
    pub store_cache_mib: u64,
    /// When batches are closed.
    pub batch: BatchConfig,
    /// How much of a batch can be proved in time.
    pub proving: ProvingConfig,
    /// The mempool.
    pub pool: PoolConfig,
    /// The fees.
    pub fees: FeeConfig,
    /// Where GraphQL is served.
    pub graphql_listen: SocketAddr,
    /// How GraphQL is served.
    pub graphql: GraphqlConfig,
    /// JSON-RPC.
    pub rpc: RpcConfig,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub health_listen: SocketAddr,
    /// The admin endpoint; off if absent.
    pub admin: Option<AdminConfig>,
    /// Accepts commands without looking at their proofs. For tests only.
    pub unsafe_no_proofs: bool,
}

impl SequencerConfig {
    /// Whether the data directory has a chain already.
    pub fn has_chain(&self) -> bool {
        crate::store::path(&self.data_dir).exists()
    }
}

impl Default for SequencerConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("zeko-sequencer"),
            genesis: GenesisConfig::default(),
            fee_recipient: None,
            block_ms: 1000,
            tick_ms: 25,
            max_block_commands: 10_000,
            rollback_depth: 200_000,
            log_rewrite_bytes: 256 << 20,
            store_cache_mib: 128,
            batch: BatchConfig::default(),
            proving: ProvingConfig::default(),
            pool: PoolConfig::default(),
            fees: FeeConfig::default(),
            graphql_listen: SocketAddr::from(([127, 0, 0, 1], 3085)),
            graphql: GraphqlConfig::default(),
            rpc: RpcConfig::default(),
            health_listen: SocketAddr::from(([127, 0, 0, 1], 3087)),
            admin: None,
            unsafe_no_proofs: false,
        }
    }
}

/// What all nodes of a chain must agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenesisConfig {
    /// The name of the chain: at most 31 visible ASCII characters.
    pub chain_id: String,
    /// The network that commands are signed for: `mainnet`, `testnet`, or a name of its own.
    pub network_id: String,
    /// The network of the L1: equal ids let commands be replayed between the layers.
    pub l1_network_id: String,
    /// What GraphQL's `networkID` answers; `zeko:` and the network's name if absent, as wallets
    /// sign for it.
    pub network_name: Option<String>,
    /// The time of slot 0, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Milliseconds of a slot.
    pub slot_ms: u64,
    /// Slots of an epoch.
    pub slots_per_epoch: u32,
    /// L1 blocks after which a settlement is final.
    pub finality: u32,
    /// The fee for creating an account.
    pub account_creation_fee: Amount,
    /// The smallest withdrawal.
    pub minimum_withdrawal: Amount,
    /// What the chain keeps of a deposit.
    pub deposit_fee: Amount,
    /// Most messages of the L1 that a batch consumes.
    pub message_quota: u32,
    /// The accounts that exist from the start, behind the bridge account, in order. What they hold
    /// counts as paid in.
    pub accounts: Vec<GenesisAccount>,
}

impl Default for GenesisConfig {
    fn default() -> Self {
        Self {
            chain_id: "zeko-local".into(),
            network_id: "testnet".into(),
            l1_network_id: "testnet".into(),
            network_name: None,
            timestamp_ms: 0,
            slot_ms: 180_000,
            slots_per_epoch: 7140,
            finality: 15,
            account_creation_fee: Amount::new(100_000_000),
            minimum_withdrawal: Amount::new(1_000_000_000),
            deposit_fee: Amount::new(100_000_000),
            message_quota: 32,
            accounts: Vec::new(),
        }
    }
}

/// An account that exists from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct GenesisAccount {
    /// Its key.
    pub public_key: PublicKey,
    /// Its balance in nanomina.
    pub balance: Amount,
}

/// When a batch is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// Blocks after which a batch with commands or messages is closed.
    pub max_blocks: u32,
    /// Milliseconds after which one is closed.
    pub max_age_ms: u64,
    /// Blocks after which no more are made for a batch in which nothing happens, until something does,
    /// and for one that has to wait for those before it, but for the one that closes it.
    pub most_blocks: u32,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { max_blocks: 1000, max_age_ms: 180_000, most_blocks: 10_000 }
    }
}

/// How JSON-RPC is served, over HTTP and WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RpcConfig {
    /// Where.
    pub listen: SocketAddr,
    /// WebSockets at a time.
    pub max_connections: u32,
    /// Requests over HTTP that are answered at a time; one more is refused.
    pub max_requests: u32,
    /// Longest request.
    pub max_body_bytes: u32,
    /// Subscriptions of one connection.
    pub max_subscriptions: u32,
    /// Most commands of one `zeko_sendMany`, and requests of one batch.
    pub max_commands: usize,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3086)),
            max_connections: 512,
            max_requests: 2048,
            max_body_bytes: 4 << 20,
            max_subscriptions: 32,
            max_commands: 1000,
        }
    }
}

/// The admin endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Where.
    pub listen: SocketAddr,
    /// What requests carry as `authorization: Bearer …`; at least 16 bytes.
    pub token: String,
}

impl std::fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminConfig").field("listen", &self.listen).finish_non_exhaustive()
    }
}
