//! What the API asks of a node, and what it is told.

use std::{sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use mina_curves::Fp;
use mina_ledger::{
    hash::TransactionHash,
    ledger::MerklePath,
    logic::FailureTable,
    types::{
        Account, AccountId, Amount, Era, Length, NetworkId, Nonce, ProtocolStateView, PublicKey,
        Slot, TokenId,
    },
};
use tokio::sync::broadcast;

use crate::{bridge::Consumed, command::Command};

/// What a node has been told at its start.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// The network that commands are signed for.
    pub network: NetworkId,
    /// What `networkID` answers, such as `mina:testnet`.
    pub network_name: String,
    /// The hash or name that tells chains apart.
    pub chain_id: String,
    /// The era.
    pub era: Era,
    /// The fee for creating an account.
    pub account_creation_fee: Amount,
    /// The reward of a block.
    pub coinbase: Amount,
    /// The time of slot 0, in milliseconds since 1970.
    pub genesis_timestamp_ms: u64,
    /// Milliseconds of a slot.
    pub slot_ms: u64,
    /// Slots of an epoch.
    pub slots_per_epoch: u32,
    /// Blocks after which one is final.
    pub k: u32,
    /// When the node was started.
    pub started: Instant,
}

/// A fee that a block pays out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeTransfer {
    /// Who is paid.
    pub recipient: PublicKey,
    /// How much.
    pub fee: Amount,
    /// Whether it comes out of the coinbase.
    pub via_coinbase: bool,
}

/// A command in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its hash.
    pub hash: TransactionHash,
    /// The command.
    pub command: Arc<Command>,
    /// `None` if it was applied; else only its fee was charged, and why.
    pub failures: Option<FailureTable>,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its hash.
    pub state_hash: Fp,
    /// The hash of the block before it.
    pub parent: Fp,
    /// Its height.
    pub height: Length,
    /// Its slot since genesis.
    pub slot: Slot,
    /// When it was made, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Who made it.
    pub producer: PublicKey,
    /// The root of the ledger after it.
    pub ledger_hash: Fp,
    /// What network preconditions of commands on top of this block are checked against.
    pub view: ProtocolStateView,
    /// The messages of the L1 that it consumes, before its commands.
    pub messages: Vec<Consumed>,
    /// Its commands in order.
    pub commands: Vec<Included>,
    /// The reward.
    pub coinbase: Amount,
    /// Who is rewarded.
    pub coinbase_receiver: Option<PublicKey>,
    /// The fees that it pays out.
    pub fee_transfers: Vec<FeeTransfer>,
}

/// An account as of the newest block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// The account.
    pub account: Account,
    /// Its leaf.
    pub index: u64,
}

/// How far a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Mina's names
pub enum SyncStatus {
    Connecting,
    Listening,
    Offline,
    Bootstrap,
    Synced,
    Catchup,
}

/// Where a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// In a block of the best chain.
    Included,
    /// In the pool.
    Pending,
    /// Neither, as far as the node remembers.
    Unknown,
}

/// Which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockSelector {
    /// The first.
    Genesis,
    /// By height on the best chain.
    Height(Length),
    /// By hash.
    StateHash(Fp),
}

/// Which commands of the pool; what is `None` does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolFilter {
    /// Those that this key pays for.
    pub fee_payer: Option<PublicKey>,
    /// Those with one of these hashes.
    pub hashes: Option<Vec<TransactionHash>>,
}

/// A command of an account's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The command and what became of it.
    pub included: Included,
    /// When its block was made, in milliseconds since 1970.
    pub timestamp_ms: u64,
}

/// Whose past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Fee payer, sender, receiver, or key of an account update.
    pub public_key: PublicKey,
    /// Only updates of this token.
    pub token: Option<TokenId>,
    /// Most entries.
    pub limit: usize,
    /// Newest first.
    pub newest_first: bool,
}

/// What happens at a node.
#[derive(Clone, Debug)]
pub enum NodeEvent {
    /// A block on top of the best chain.
    NewBlock(Arc<Block>),
    /// The best chain has changed its past.
    Reorganization,
    /// The node is as far as this.
    SyncStatus(SyncStatus),
}

/// Why a command is not taken. The names are those that Mina's daemon gives to the differences of
/// its pool; clients look for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The nonce does not follow.
    #[error("(Invalid_nonce \"expected {expected}, got {got}\")")]
    InvalidNonce {
        /// The next nonce, or the first of those that could be replaced.
        expected: Nonce,
        /// That of the command.
        got: Nonce,
    },
    /// There is no account to pay the fee from.
    #[error("Fee_payer_account_not_found")]
    FeePayerNotFound,
    /// The account of the fee payer may not be spent from by a signature.
    #[error("Fee_payer_not_permitted_to_send")]
    FeePayerNotPermitted,
    /// The balance does not cover fee and amount, with what is pending before.
    #[error("(Insufficient_funds \"balance {balance}, needed {needed}\")")]
    InsufficientFunds {
        /// What is there.
        balance: Amount,
        /// What is asked for.
        needed: Amount,
    },
    /// The fee is below what the work costs.
    #[error("(Insufficient_fee \"at least {expected}, got {got}\")")]
    InsufficientFee {
        /// The smallest fee for this command now.
        expected: Amount,
        /// Its fee.
        got: Amount,
    },
    /// There is a command with this nonce, and the fee is not enough above its fee.
    #[error("(Insufficient_replace_fee \"at least {expected}, got {got}\")")]
    InsufficientReplaceFee {
        /// The smallest fee that replaces it.
        expected: Amount,
        /// The fee.
        got: Amount,
    },
    /// The very command is in the pool or in a recent block.
    #[error("Duplicate")]
    Duplicate,
    /// `validUntil` is past.
    #[error("Expired")]
    Expired,
    /// No room; a higher fee may find some.
    #[error("(Overloaded \"{reason}\")")]
    Overloaded {
        /// What is full.
        reason: &'static str,
    },
    /// A signature does not verify.
    #[error("(Verification_failed \"Invalid_signature: {reason}\")")]
    InvalidSignature {
        /// Which.
        reason: String,
    },
    /// A proof does not verify, or its key is not that of the account.
    #[error("(Verification_failed (Invalid_proof \"{reason}\"))")]
    InvalidProof {
        /// Which, and how.
        reason: String,
    },
    /// No node would let it through.
    #[error("(Not_well_formed \"{reason}\")")]
    Malformed {
        /// Why.
        reason: String,
    },
    /// The account is reserved by the chain.
    #[error("Reserved_account")]
    Reserved,
    /// The node stops, or cannot write.
    #[error("(Unavailable \"{reason}\")")]
    Unavailable {
        /// Why.
        reason: String,
    },
}

impl SubmitError {
    /// A short name, for metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::InvalidNonce { .. } => "nonce",
            Self::FeePayerNotFound | Self::FeePayerNotPermitted => "fee payer",
            Self::InsufficientFunds { .. } => "funds",
            Self::InsufficientFee { .. } | Self::InsufficientReplaceFee { .. } => "fee",
            Self::Duplicate => "duplicate",
            Self::Expired => "expired",
            Self::Overloaded { .. } => "full",
            Self::InvalidSignature { .. } => "signature",
            Self::InvalidProof { .. } => "proof",
            Self::Malformed { .. } => "malformed",
            Self::Reserved => "reserved",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// What the API asks of a node: the sequencer's, or that of a local Mina.
///
/// Everything but [`MinaNode::submit`] is answered from memory or a local store without waiting.
pub trait MinaNode: Send + Sync + 'static {
    /// What does not change.
    fn info(&self) -> &NodeInfo;

    /// How far the node is.
    fn sync_status(&self) -> SyncStatus;

    /// The newest block.
    fn tip(&self) -> Arc<Block>;

    /// The number of accounts.
    fn account_count(&self) -> u64;

    /// An account.
    fn account(&self, id: &AccountId) -> Option<AccountRecord>;

    /// All accounts of a key.
    fn accounts_of(&self, key: &PublicKey) -> Vec<AccountRecord>;

    /// The account that owns a token.
    fn token_owner(&self, token: &TokenId) -> Option<AccountRecord>;

    /// All accounts that hold a token.
    fn token_accounts(&self, token: &TokenId) -> Vec<AccountRecord>;

    /// The path from the leaf of an account to the root.
    fn merkle_path(&self, index: u64) -> Option<MerklePath>;

    /// The nonce of the next command of an account, with the pool taken into account.
    fn inferred_nonce(&self, id: &AccountId) -> Option<Nonce>;

    /// The newest blocks of the best chain, **newest first**: o1js takes the first for the tip.
    fn best_chain(&self, max_length: Option<usize>) -> Vec<Arc<Block>>;

    /// A block.
    fn block(&self, selector: BlockSelector) -> Option<Arc<Block>>;

    /// Commands that wait for a block.
    fn pool(&self, filter: &PoolFilter) -> Vec<Arc<Command>>;

    /// Where a command is.
    fn transaction_status(&self, hash: &TransactionHash) -> TransactionStatus;

    /// How far a command has come, as `CommandProgress` of the schema.
    fn progress(&self, hash: &TransactionHash) -> serde_json::Value {
        let status = match self.transaction_status(hash) {
            TransactionStatus::Pending => "pending",
            TransactionStatus::Included => "included",
            TransactionStatus::Unknown => "unknown",
        };
        serde_json::json!({ "status": status })
    }

    /// Closed batches from number `from` on, each as `Batch` of the schema; `None` on a chain that is no
    /// rollup.
    fn batches(&self, from: u64, limit: usize) -> Option<Vec<serde_json::Value>> {
        let _ = (from, limit);
        None
    }

    /// Takes a command in. The future ends once the command is safe: in the log of the sequencer.
    fn submit(&self, command: Command) -> BoxFuture<'_, Result<TransactionHash, SubmitError>>;

    /// An account's past.
    fn history(&self, query: &HistoryQuery) -> Vec<HistoryEntry>;

    /// The fee for a command of some weight.
    fn fee_for_weight(&self, weight: u32) -> Amount;

    /// What happens from now on.
    fn subscribe(&self) -> broadcast::Receiver<NodeEvent>;
}
