//! Configuration: plain data, whatever it is loaded from.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use malachite::app::types::core::LinearTimeouts;
use mina_ledger::{
    Domain,
    rollup::{BridgeParameters, ChainId, Committee, CommitteeMember},
    types::{Amount, Era, NetworkId, PublicKey},
};
use serde::{Deserialize, Serialize};
use zeko_derive::ChainParameters;

use crate::{
    context::{Address, Validator, ValidatorSet},
    error::DaError,
    keys::ConsensusKey,
};

/// A node of the DA chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaConfig {
    /// The node's name in logs and metrics.
    pub moniker: String,
    /// Where it keeps everything.
    pub data_dir: PathBuf,
    /// The chain.
    pub genesis: Genesis,
    /// Where it listens for peers, as a multiaddr.
    pub p2p_listen: String,
    /// Peers that it stays connected to, as multiaddrs.
    #[serde(default)]
    pub p2p_peers: Vec<String>,
    /// Where it serves JSON-RPC, over HTTP and WebSocket.
    pub rpc_listen: SocketAddr,
    /// Where it serves `/livez`, `/readyz` and `/metrics`.
    pub http_listen: SocketAddr,
    /// Nodes that missing data are fetched from, as URLs, besides those of the genesis.
    #[serde(default)]
    pub rpc_peers: Vec<String>,
    /// Limits of what it accepts from clients.
    #[serde(default)]
    pub limits: Limits,
    /// Timeouts of consensus.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// What it keeps.
    #[serde(default)]
    pub storage: Storage,
    /// The rollups of which it re-executes batches.
    #[serde(default)]
    pub rollups: Vec<RollupConfig>,
}

/// What all nodes of a chain have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The name of the chain: 1 to 31 visible ASCII characters.
    pub chain: String,
    /// How often the committee has changed.
    #[serde(default)]
    pub committee_epoch: u32,
    /// Most bytes of one sender's entries in a block.
    #[serde(default = "default_quota")]
    pub sender_quota: u32,
    /// The validators, in the committee's order.
    pub validators: Vec<GenesisValidator>,
}

fn default_quota() -> u32 {
    crate::MAX_BLOCK_BYTES as u32
}

/// A validator of the genesis: what `zeko da init` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// The Mina key that attests.
    pub key: PublicKey,
    /// The key that votes.
    pub consensus_key: ConsensusKey,
    /// How much its word counts.
    pub power: u32,
    /// Where it serves JSON-RPC, as a URL.
    #[serde(default)]
    pub rpc: Option<String>,
}

impl Genesis {
    /// The chain's id.
    ///
    /// # Errors
    /// [`DaError::Config`].
    pub fn chain_id(&self) -> Result<ChainId, DaError> {
        ChainId::new(&self.chain).map_err(|error| DaError::config("genesis.chain", error))
    }

    /// The committee.
    ///
    /// # Errors
    /// [`DaError::Config`].
    pub fn committee(&self) -> Result<Committee, DaError> {
        let member = |v: &GenesisValidator| CommitteeMember { key: v.key, power: v.power };
        Committee::new(self.validators.iter().map(member).collect()).ok_or_else(|| {
            DaError::config("genesis.validators", "1 to 16 different keys with power")
        })
    }

    pub(crate) fn validator_set(&self) -> ValidatorSet {
        let validator = |v: &GenesisValidator| Validator::new(v.consensus_key, v.power);
        ValidatorSet::new(self.validators.iter().map(validator).collect())
    }

    /// The place of a validator with this address.
    pub(crate) fn by_address(&self, address: &Address) -> Option<&GenesisValidator> {
        self.validators.iter().find(|validator| validator.consensus_key.to_bytes() == address.0)
    }
}

/// Limits of what a node accepts from clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most entries that wait.
    pub pending_entries: usize,
    /// Most bytes of entries that wait.
    pub pending_bytes: u64,
    /// Bytes per second that one sender may submit on average; ten times as much at once.
    pub sender_bytes_per_second: u64,
    /// Bridge requests per minute that one sender may submit.
    pub bridge_requests_per_minute: u32,
    /// Most connections of clients.
    pub connections: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending_entries: 4096,
            pending_bytes: 128 << 20,
            sender_bytes_per_second: 16 << 20,
            bridge_requests_per_minute: 600,
            connections: 256,
        }
    }
}

/// Timeouts of consensus, in milliseconds. Each grows by half of itself with every round.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// How long to wait for a proposal.
    pub propose_ms: u64,
    /// How long to wait for more votes.
    pub vote_ms: u64,
    /// How often an idle or stuck node tells others how far it is.
    pub announce_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { propose_ms: 2000, vote_ms: 500, announce_ms: 500 }
    }
}

impl Timeouts {
    pub(crate) fn consensus(&self) -> LinearTimeouts {
        let [propose, vote] = [self.propose_ms, self.vote_ms].map(Duration::from_millis);
        LinearTimeouts {
            propose,
            propose_delta: propose / 2,
            prevote: vote,
            prevote_delta: vote / 2,
            precommit: vote,
            precommit_delta: vote / 2,
            rebroadcast: propose + vote,
            max_timeout: Duration::from_secs(60),
        }
    }
}

/// What a node keeps.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// Blocks without batches are dropped when they are this many heights old; 0 keeps all.
    pub retention: u64,
    /// Most bytes of blocks: when there are more, the node accepts no entries from clients.
    pub max_bytes: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self { retention: 0, max_bytes: 64 << 30 }
    }
}

/// A rollup of which batches are re-executed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupConfig {
    /// The L2's chain id.
    pub chain: String,
    /// The id of the network that its users sign for.
    pub network: String,
    /// The id of the L1.
    pub l1_network: String,
    /// The rollup account on the L1.
    pub rollup_account: PublicKey,
    /// In nanomina.
    #[serde(default = "default_creation_fee")]
    pub account_creation_fee: u64,
    /// In nanomina.
    #[serde(default = "default_minimum_fee")]
    pub minimum_fee: u64,
    /// In nanomina.
    #[serde(default = "default_minimum_withdrawal")]
    pub minimum_withdrawal: u64,
    /// In nanomina.
    #[serde(default)]
    pub deposit_fee: u64,
    /// Most messages in a batch.
    #[serde(default = "default_message_quota")]
    pub message_quota: u32,
    /// Who may send batches; anybody if there are none.
    #[serde(default)]
    pub sequencers: Vec<PublicKey>,
    /// The accounts of the genesis ledger in order, the bridge account first: a JSON list.
    pub genesis_accounts: PathBuf,
    /// A file with what the L1's inbox has, kept up to date by whoever watches the L1:
    /// `{"prefix": "…", "actions": ["…", …]}`, decimal field elements.
    #[serde(default)]
    pub inbox: Option<PathBuf>,
}

fn default_creation_fee() -> u64 {
    100_000_000
}

fn default_minimum_fee() -> u64 {
    1_000_000
}

fn default_minimum_withdrawal() -> u64 {
    1_000_000_000
}

fn default_message_quota() -> u32 {
    32
}

impl RollupConfig {
    /// The constants of the L2.
    ///
    /// # Errors
    /// [`DaError::Config`].
    pub fn parameters(&self) -> Result<ChainParameters, DaError> {
        let id = |what, name: &str| ChainId::new(name).map_err(|e| DaError::config(what, e));
        let network = NetworkId::from_name(&self.network)
            .map_err(|error| DaError::config("rollups.network", error))?;
        Ok(ChainParameters {
            l1_network: id("rollups.l1_network", &self.l1_network)?,
            rollup_account: self.rollup_account,
            chain: id("rollups.chain", &self.chain)?,
            domain: Domain::new(network, Era::Berkeley),
            account_creation_fee: Amount::new(self.account_creation_fee),
            minimum_fee: Amount::new(self.minimum_fee),
            bridge: BridgeParameters {
                minimum_withdrawal: Amount::new(self.minimum_withdrawal),
                deposit_fee: Amount::new(self.deposit_fee),
            },
            message_quota: self.message_quota,
            sequencers: self.sequencers.clone(),
        })
    }
}
