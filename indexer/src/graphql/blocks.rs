//! Blocks and commands.

use async_graphql::{
    Context, Enum, InputObject, Object, Result, Scalar, ScalarType, SimpleObject, Value,
};
use serde_json::Value as Json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{coded, internal};
use crate::{
    block::Batch,
    store::{BlockFilter, BlockRow, CommandFilter, CommandRow, Snapshot, Store},
};

/// Blocks or commands that an answer has if the query does not say.
const DEFAULT_LIMIT: i64 = 200;

/// The most that an answer has.
const MAX_LIMIT: i64 = 1_000;

/// A time in RFC 3339, kept in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct DateTime(pub(super) i64);

#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> async_graphql::InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(async_graphql::InputValueError::expected_type(value));
        };
        let time = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|error| async_graphql::InputValueError::custom(error.to_string()))?;
        i64::try_from(time.unix_timestamp_nanos() / 1_000_000)
            .map(Self)
            .map_err(|_| async_graphql::InputValueError::custom("a time out of range"))
    }

    fn to_value(&self) -> Value {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000);
        match time.ok().and_then(|time| time.format(&Rfc3339).ok()) {
            Some(text) => Value::String(text),
            None => Value::String(self.0.to_string()),
        }
    }
}

/// How blocks are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
enum BlockSortByInput {
    #[graphql(name = "BLOCKHEIGHT_ASC")]
    Ascending,
    #[default]
    #[graphql(name = "BLOCKHEIGHT_DESC")]
    Descending,
}

/// Filter for blocks by date range, canonical status, and other criteria
#[derive(Debug, Default, InputObject)]
struct BlockQueryInput {
    /// Filter blocks from this height, inclusive
    #[graphql(name = "blockHeight_gte")]
    height_from: Option<i64>,
    /// Filter blocks to this height, exclusive
    #[graphql(name = "blockHeight_lt")]
    height_to: Option<i64>,
    /// Filter blocks from this date/time, inclusive
    #[graphql(name = "dateTime_gte")]
    time_from: Option<DateTime>,
    /// Filter blocks to this date/time, exclusive
    #[graphql(name = "dateTime_lt")]
    time_to: Option<DateTime>,
    /// Filter for canonical (finalized) blocks only
    canonical: Option<bool>,
    /// Filter for blocks in best chain only
    in_best_chain: Option<bool>,
}

#[derive(Debug, SimpleObject)]
struct UserCommand {
    hash: String,
    kind: String,
    from: String,
    to: String,
    amount: String,
    fee: String,
    memo: String,
    nonce: i64,
    status: String,
    failure_reason: Option<String>,
}

#[derive(Debug, SimpleObject)]
struct ZkAppCommand {
    hash: String,
    fee_payer: String,
    fee: String,
    memo: String,
    status: String,
    failure_reason: Option<String>,
}

#[derive(Debug, SimpleObject)]
struct FeeTransfer {
    recipient: String,
    fee: String,
    #[graphql(name = "type")]
    kind: String,
}

#[derive(Debug, SimpleObject)]
struct BlockTransactions {
    coinbase: String,
    user_commands: Vec<UserCommand>,
    zkapp_commands: Vec<ZkAppCommand>,
    fee_transfer: Vec<FeeTransfer>,
}

#[derive(Debug, SimpleObject)]
struct Block {
    block_height: i64,
    creator: String,
    state_hash: String,
    parent_hash: String,
    date_time: DateTime,
    transactions: BlockTransactions,
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
enum CommandState {
    /// In no block that the indexer knows: pending, or never sent.
    Unknown,
    /// In a block of the best chain.
    Included,
    /// Of a rollup: the DA layer has a certificate of its batch.
    #[graphql(name = "DA_CERTIFIED")]
    Certified,
    /// Of a rollup: its batch is proved.
    Proved,
    /// Of a rollup: its batch is settled on the L1.
    Committed,
    /// In a canonical block; of a rollup, one whose batch is final on the L1.
    Final,
    /// In a block that left the best chain, and in none that is on it.
    RolledBack,
}

/// A command and the block it is in.
#[derive(Debug, SimpleObject)]
struct Command {
    hash: String,
    /// PAYMENT, STAKE_DELEGATION or ZKAPP
    kind: String,
    fee_payer: String,
    /// Receiver or new delegate; null for zkApp commands
    receiver: Option<String>,
    /// In nanomina; null for zkApp commands
    amount: Option<String>,
    fee: String,
    nonce: i64,
    /// Base58check
    memo: String,
    /// applied or failed
    status: String,
    /// In Mina's JSON; null if the command was applied
    failure_reason: Option<String>,
    sequence_number: i64,
    block_height: i64,
    block_state_hash: String,
    date_time: DateTime,
    /// pending, canonical or orphaned
    block_status: String,
}

/// How far a command has come.
#[derive(Debug, SimpleObject)]
struct CommandStatus {
    hash: String,
    state: CommandState,
    /// Blocks on top of the one that the command is in
    confirmations: Option<i64>,
    /// The batch of a rollup that it is in; null before that is closed
    batch: Option<Batch>,
    /// The command; null if it is unknown
    command: Option<Command>,
}

impl Command {
    fn new(row: CommandRow) -> Self {
        let is_zkapp = row.kind == "ZKAPP";
        Self {
            status: status(&row).into(),
            hash: row.hash,
            kind: row.kind,
            fee_payer: row.fee_payer,
            receiver: (!is_zkapp).then_some(row.receiver),
            amount: (!is_zkapp).then_some(row.amount),
            fee: row.fee,
            nonce: row.nonce,
            memo: row.memo,
            failure_reason: failure_text(row.failure.as_deref()),
            sequence_number: row.sequence,
            block_height: row.block.height,
            block_state_hash: row.block.state_hash,
            date_time: DateTime(row.block.timestamp_ms),
            block_status: row.block.status,
        }
    }
}

fn status(row: &CommandRow) -> &'static str {
    if row.failure.is_some() { "failed" } else { "applied" }
}

/// Failures are kept as JSON; those of payments are one string.
pub(super) fn failure_text(failure: Option<&str>) -> Option<String> {
    let failure = failure?;
    match serde_json::from_str(failure) {
        Ok(Json::String(text)) => Some(text),
        _ => Some(failure.to_owned()),
    }
}

#[derive(Debug, Default)]
pub(super) struct BlocksQuery;

#[Object]
impl BlocksQuery {
    async fn blocks(
        &self,
        context: &Context<'_>,
        query: Option<BlockQueryInput>,
        limit: Option<i64>,
        sort_by: Option<BlockSortByInput>,
    ) -> Result<Vec<Option<Block>>> {
        let query = query.unwrap_or_default();
        let filter = BlockFilter {
            from_height: query.height_from.unwrap_or(i64::MIN),
            to_height: query.height_to.unwrap_or(i64::MAX),
            from_ms: query.time_from.map_or(i64::MIN, |time| time.0),
            to_ms: query.time_to.map_or(i64::MAX, |time| time.0),
            canonical: query.canonical,
            in_best_chain: query.in_best_chain.unwrap_or(true),
            descending: sort_by.unwrap_or_default() == BlockSortByInput::Descending,
            limit: checked_limit(limit)?,
        };
        let store: &Store = context.data()?;
        let mut snapshot = store.read().await.map_err(|error| internal(&error))?;
        let rows = snapshot.blocks(&filter).await.map_err(|error| internal(&error))?;
        let mut blocks = Vec::with_capacity(rows.len());
        for row in rows {
            blocks.push(Some(block(&mut snapshot, row).await?));
        }
        Ok(blocks)
    }

    /// Commands of the best chain, the newest first
    async fn commands(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only those that an account takes part in")] public_key: Option<String>,
        #[graphql(desc = "Only those of a block")] block_state_hash: Option<String>,
        limit: Option<i64>,
    ) -> Result<Vec<Command>> {
        let filter = CommandFilter {
            public_key,
            block_hash: block_state_hash,
            limit: checked_limit(limit)?,
            ..CommandFilter::default()
        };
        let store: &Store = context.data()?;
        let mut snapshot = store.read().await.map_err(|error| internal(&error))?;
        let rows = snapshot.commands(&filter).await.map_err(|error| internal(&error))?;
        Ok(rows.into_iter().map(Command::new).collect())
    }

    /// How far a command has come
    async fn command_status(&self, context: &Context<'_>, hash: String) -> Result<CommandStatus> {
        let filter = CommandFilter {
            hash: Some(hash.clone()),
            orphaned: true,
            limit: MAX_LIMIT,
            ..CommandFilter::default()
        };
        let store: &Store = context.data()?;
        let mut snapshot = store.read().await.map_err(|error| internal(&error))?;
        let heights = snapshot.heights().await.map_err(|error| internal(&error))?;
        let rows = snapshot.commands(&filter).await.map_err(|error| internal(&error))?;
        // At most one of them is on the best chain.
        let best = rows.iter().position(|row| row.block.status != "orphaned").unwrap_or(0);
        let command = rows.into_iter().nth(best).map(Command::new);
        let Some(found) = command.as_ref().filter(|found| found.block_status != "orphaned") else {
            let state = match command {
                None => CommandState::Unknown,
                Some(_) => CommandState::RolledBack,
            };
            return Ok(CommandStatus { hash, state, confirmations: None, batch: None, command });
        };
        let batch = snapshot.batches(Some(found.block_height), 1).await;
        let batch = batch.map_err(|error| internal(&error))?.pop();
        let stage = batch.as_ref().map(|batch| batch.stage.as_str());
        let state = match (found.block_status.as_str(), stage) {
            ("canonical", _) => CommandState::Final,
            (_, Some("da_certified")) => CommandState::Certified,
            (_, Some("proved")) => CommandState::Proved,
            (_, Some("committed")) => CommandState::Committed,
            _ => CommandState::Included,
        };
        let confirmations = Some(heights.tip - found.block_height);
        Ok(CommandStatus { hash, state, confirmations, batch, command })
    }

    /// Closed batches of a rollup, the newest first
    async fn batches(&self, context: &Context<'_>, limit: Option<i64>) -> Result<Vec<Batch>> {
        let store: &Store = context.data()?;
        let mut snapshot = store.read().await.map_err(|error| internal(&error))?;
        let batches = snapshot.batches(None, checked_limit(limit)?).await;
        batches.map_err(|error| internal(&error))
    }
}

pub(super) fn checked_limit(limit: Option<i64>) -> Result<i64> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 0..=MAX_LIMIT => Ok(limit),
        limit => {
            Err(coded("BAD_USER_INPUT", format!("limit: {limit} is not from 0 to {MAX_LIMIT}")))
        }
    }
}

async fn block(snapshot: &mut Snapshot, row: BlockRow) -> Result<Block> {
    let filter = CommandFilter {
        block_hash: Some(row.state_hash.clone()),
        orphaned: true,
        limit: i64::MAX,
        ..CommandFilter::default()
    };
    let mut commands = snapshot.commands(&filter).await.map_err(|error| internal(&error))?;
    commands.reverse();
    let transfers = snapshot.fee_transfers(&row.state_hash).await;
    let transfers = transfers.map_err(|error| internal(&error))?.into_iter();
    let (zkapps, signed): (Vec<_>, Vec<_>) =
        commands.into_iter().partition(|command| command.kind == "ZKAPP");
    let user_command = |command: CommandRow| UserCommand {
        status: status(&command).into(),
        hash: command.hash,
        kind: command.kind,
        from: command.fee_payer,
        to: command.receiver,
        amount: command.amount,
        fee: command.fee,
        memo: command.memo,
        nonce: command.nonce,
        failure_reason: failure_text(command.failure.as_deref()),
    };
    let zkapp_command = |command: CommandRow| ZkAppCommand {
        status: status(&command).into(),
        hash: command.hash,
        fee_payer: command.fee_payer,
        fee: command.fee,
        memo: command.memo,
        failure_reason: failure_text(command.failure.as_deref()),
    };
    Ok(Block {
        block_height: row.height,
        creator: row.creator,
        state_hash: row.state_hash,
        parent_hash: row.parent_hash,
        date_time: DateTime(row.timestamp_ms),
        transactions: BlockTransactions {
            coinbase: row.coinbase,
            user_commands: signed.into_iter().map(user_command).collect(),
            zkapp_commands: zkapps.into_iter().map(zkapp_command).collect(),
            fee_transfer: transfers
                .map(|transfer| FeeTransfer {
                    recipient: transfer.recipient,
                    fee: transfer.fee,
                    kind: transfer.kind,
                })
                .collect(),
        },
    })
}
