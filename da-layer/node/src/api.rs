//! The JSON-RPC interface, as server and client see it.
//!
//! Bytes are base64. Commitments, namespaces and hashes are 32 little-endian bytes in hexadecimal.

use jsonrpsee::{core::SubscriptionResult, proc_macros::rpc, types::ErrorObjectOwned};
use serde::{Deserialize, Serialize};

use crate::config::GenesisValidator;

/// Where an entry stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EntryStatus {
    /// Nobody here has seen it.
    Unknown,
    /// It waits to be proposed.
    Pending,
    /// It is in a block; a batch may still be under execution.
    Decided {
        /// The height.
        height: u64,
        /// Its place in the block.
        index: u32,
        /// What of the L1 a batch waits for here, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waits_for: Option<String>,
    },
    /// It is in a block, and is a batch that is not what it claims to be.
    Refused {
        /// The height.
        height: u64,
        /// Its place in the block.
        index: u32,
        /// Why.
        reason: String,
    },
    /// It is in a block, and more than two thirds have attested it.
    Certified {
        /// The height.
        height: u64,
        /// Its place in the block.
        index: u32,
    },
}

/// An entry of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryInfo {
    /// The height.
    pub height: u64,
    /// Its place in the block.
    pub index: u32,
    /// `batch`, `bridge_request` or `blob`.
    pub kind: String,
    /// Whose it is.
    pub namespace: String,
    /// Who sent it, in base58.
    pub sender: String,
    /// The commitment to its data.
    pub commitment: String,
    /// The length of its data in bytes.
    pub length: u64,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockInfo {
    /// The height.
    pub height: u64,
    /// The hash.
    pub id: String,
    /// The length in bytes.
    pub length: u64,
    /// How many attestations it carries.
    pub attestations: usize,
    /// What it carries.
    pub entries: Vec<EntryInfo>,
}

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The chain.
    pub chain: String,
    /// The node's name.
    pub moniker: String,
    /// The last decided height.
    pub height: u64,
    /// The first height that is kept.
    pub base: u64,
    /// Entries that wait.
    pub pending_entries: usize,
    /// Attestations that no block carries yet.
    pub pending_attestations: usize,
    /// Whether it is one of the validators.
    pub validator: bool,
    /// Why it is not ready, if it is not.
    pub not_ready: Option<String>,
}

/// The committee.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommitteeInfo {
    /// How often it has changed.
    pub epoch: u32,
    /// Its members in order.
    pub members: Vec<GenesisValidator>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Notification {
    /// A block was decided.
    Decided {
        /// Its height.
        height: u64,
    },
    /// An entry has a certificate.
    Certified {
        /// The commitment to its data.
        commitment: String,
    },
    /// A batch was refused.
    Refused {
        /// The commitment to its data.
        commitment: String,
        /// Why.
        reason: String,
    },
}

/// The interface.
#[rpc(server, client, namespace = "da")]
pub trait DaApi {
    /// Submits an envelope; the commitment to its data. When this returns, the entry is on disk.
    #[method(name = "submit")]
    async fn submit(&self, envelope: String) -> Result<String, ErrorObjectOwned>;

    /// What a validator hands to the one whose turn is next.
    #[method(name = "forward")]
    async fn forward(&self, envelope: String) -> Result<String, ErrorObjectOwned>;

    /// Where an entry stands.
    #[method(name = "entryStatus")]
    async fn entry_status(&self, commitment: String) -> Result<EntryStatus, ErrorObjectOwned>;

    /// The signed envelope at a place, data included.
    #[method(name = "envelope")]
    async fn envelope(&self, height: u64, index: u32) -> Result<String, ErrorObjectOwned>;

    /// What is known of some data.
    #[method(name = "entry")]
    async fn entry(&self, commitment: String) -> Result<Option<EntryInfo>, ErrorObjectOwned>;

    /// Up to 1 MiB of some data from `offset` on.
    #[method(name = "data")]
    async fn data(&self, commitment: String, offset: u64) -> Result<String, ErrorObjectOwned>;

    /// A block's entries.
    #[method(name = "block")]
    async fn block(&self, height: u64) -> Result<Option<BlockInfo>, ErrorObjectOwned>;

    /// A 256 KiB chunk of a block's bytes.
    #[method(name = "blockChunk")]
    async fn block_chunk(&self, height: u64, chunk: u32) -> Result<String, ErrorObjectOwned>;

    /// Up to `limit` entries of a namespace behind (height, index).
    #[method(name = "namespace")]
    async fn namespace(
        &self,
        namespace: String,
        after: Option<(u64, u32)>,
        limit: u32,
    ) -> Result<Vec<EntryInfo>, ErrorObjectOwned>;

    /// The certificate of some data, if there is one.
    #[method(name = "certificate")]
    async fn certificate(&self, commitment: String) -> Result<Option<String>, ErrorObjectOwned>;

    /// Where the node stands.
    #[method(name = "status")]
    async fn status(&self) -> Result<Status, ErrorObjectOwned>;

    /// The committee.
    #[method(name = "committee")]
    async fn committee(&self) -> Result<CommitteeInfo, ErrorObjectOwned>;

    /// Evidence of equivocation.
    #[method(name = "evidence")]
    async fn evidence(&self) -> Result<Vec<String>, ErrorObjectOwned>;

    /// Everything that happens from now on.
    #[subscription(name = "subscribe", unsubscribe = "unsubscribe", item = Notification)]
    async fn subscribe_events(&self) -> SubscriptionResult;
}
