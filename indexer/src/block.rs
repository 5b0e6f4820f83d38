//! Blocks as the indexer keeps them.

use async_graphql::SimpleObject;
use mina_curves::Fp;
use serde::Deserialize;
use serde_json::Value;

/// Where a block stands in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The state hash, base58check.
    pub state_hash: String,
    /// The state hash of the block before.
    pub parent_hash: String,
    /// The height; 1 for genesis on Mina, 0 where a chain counts so.
    pub height: i64,
}

/// A closed batch of a rollup: as a sequencer's GraphQL has it, and as the indexer's does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Its number.
    pub number: i64,
    /// The height of its first block.
    pub first_height: i64,
    /// The height of its last block.
    pub last_height: i64,
    /// Commands in it.
    pub commands: i64,
    /// Messages of the L1 that it consumes.
    pub messages: i64,
    /// How far it has come, as the node says it: `included`, `da_certified`, `proved`, `committed` or
    /// `final`.
    pub stage: String,
    /// The commitment to its data, in hexadecimal.
    pub data: Option<String>,
    /// The command on the L1 that commits it.
    pub settled_by: Option<String>,
}

/// A block and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Its place.
    pub header: Header,
    /// Slots since the genesis of the first chain.
    pub slot_since_genesis: i64,
    /// Slots since the last hard fork.
    pub slot_since_hard_fork: i64,
    /// The root of the ledger after the block, base58check.
    pub ledger_hash: String,
    /// Unix time in milliseconds.
    pub timestamp_ms: i64,
    /// The producer's key.
    pub creator: String,
    /// The block reward, in nanomina.
    pub coinbase: String,
    /// Commands in the order in which they were applied.
    pub commands: Vec<Command>,
    /// Fees paid out.
    pub fee_transfers: Vec<FeeTransfer>,
}

/// A command of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The transaction hash, `5J…`.
    pub hash: String,
    /// Who paid the fee.
    pub fee_payer: String,
    /// The fee in nanomina.
    pub fee: String,
    /// The nonce of the fee payer.
    pub nonce: i64,
    /// The memo, base58check.
    pub memo: String,
    /// Why it failed, in Mina's JSON: a string for payments and delegations, a list of
    /// `{index, failures}` for zkApp commands. `None` if it was applied.
    pub failure: Option<Value>,
    /// What it does.
    pub body: CommandBody,
}

/// What a command does.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandBody {
    /// A payment or delegation.
    Signed {
        /// Which.
        kind: SignedKind,
        /// Receiver or new delegate.
        receiver: String,
        /// Nanomina; 0 for delegations.
        amount: String,
    },
    /// A zkApp command.
    Zkapp {
        /// The account updates in order.
        updates: Vec<Update>,
        /// The command in Mina's JSON, without authorizations.
        json: Value,
    },
}

/// Payments and delegations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedKind {
    /// Sends MINA.
    Payment,
    /// Delegates stake.
    Delegation,
}

impl SignedKind {
    /// Mina's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Payment => "PAYMENT",
            Self::Delegation => "STAKE_DELEGATION",
        }
    }
}

/// What the indexer needs of an account update.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The account's key.
    pub public_key: String,
    /// The account's token.
    pub token_id: String,
    /// `Proof`, `Signature` or `None_given`, as the archive calls them.
    pub authorization_kind: &'static str,
    /// Events in order.
    pub events: Vec<Vec<Fp>>,
    /// Actions in order.
    pub actions: Vec<Vec<Fp>>,
}

/// A fee paid out by a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeTransfer {
    /// Who is paid.
    pub recipient: String,
    /// Nanomina.
    pub fee: String,
    /// Mina's name of the kind, such as `Fee_transfer`.
    pub kind: String,
}
