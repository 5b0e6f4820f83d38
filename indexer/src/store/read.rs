//! What the API asks.

use futures_util::TryStreamExt;
use sqlx::{Any, AssertSqlSafe, Row, Transaction, any::AnyRow, query::Query};

use super::{BATCH, Store, StoreError, batch};
use crate::block::Batch;

/// The most bytes of events or actions that one answer carries.
const MAX_ANSWER: usize = 16 << 20;

/// Which events.
#[derive(Clone, Debug)]
pub struct EventQuery {
    /// The account's key.
    pub public_key: String,
    /// The account's token.
    pub token_id: String,
    /// Only from blocks with this status: `pending` or `canonical`.
    pub status: Option<&'static str>,
    /// The first height.
    pub from: i64,
    /// The height after the last.
    pub to: i64,
}

/// Which actions.
#[derive(Clone, Debug)]
pub struct ActionQuery {
    /// As for events.
    pub account: EventQuery,
    /// Blocks from the one that ends in this state, in decimal.
    pub from_state: Option<String>,
    /// Blocks up to the one that ends in this state, in decimal.
    pub end_state: Option<String>,
}

/// Heights that answers refer to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heights {
    pub(crate) tip: i64,
    pub(crate) canonical: i64,
}

/// A block.
#[derive(Clone, Debug)]
pub(crate) struct BlockRow {
    pub(crate) state_hash: String,
    pub(crate) parent_hash: String,
    pub(crate) height: i64,
    pub(crate) status: String,
    pub(crate) slot_since_genesis: i64,
    pub(crate) slot_since_hard_fork: i64,
    pub(crate) ledger_hash: String,
    pub(crate) timestamp_ms: i64,
    pub(crate) creator: String,
    pub(crate) coinbase: String,
}

const BLOCK: &str = "b.state_hash, b.parent_hash, b.height, b.status, b.slot_since_genesis, \
                     b.slot_since_hard_fork, b.ledger_hash, b.timestamp_ms, b.creator, b.coinbase";
const BLOCK_COLUMNS: usize = 10;

impl BlockRow {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            state_hash: row.try_get(0)?,
            parent_hash: row.try_get(1)?,
            height: row.try_get(2)?,
            status: row.try_get(3)?,
            slot_since_genesis: row.try_get(4)?,
            slot_since_hard_fork: row.try_get(5)?,
            ledger_hash: row.try_get(6)?,
            timestamp_ms: row.try_get(7)?,
            creator: row.try_get(8)?,
            coinbase: row.try_get(9)?,
        })
    }
}

/// The events or actions of an account update.
#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) block: BlockRow,
    pub(crate) command_hash: String,
    pub(crate) memo: String,
    pub(crate) sequence: i64,
    /// Account updates in the command.
    pub(crate) updates: i64,
    /// The position of this one.
    pub(crate) position: i64,
    pub(crate) authorization_kind: String,
    pub(crate) data: Vec<Vec<String>>,
}

/// The actions of an account in a block.
#[derive(Clone, Debug)]
pub(crate) struct ActionRow {
    pub(crate) event: EventRow,
    /// After the block.
    pub(crate) states: [Option<String>; 5],
}

/// A command.
#[derive(Clone, Debug)]
pub(crate) struct CommandRow {
    pub(crate) block: BlockRow,
    pub(crate) sequence: i64,
    pub(crate) hash: String,
    pub(crate) kind: String,
    pub(crate) fee_payer: String,
    pub(crate) receiver: String,
    pub(crate) amount: String,
    pub(crate) fee: String,
    pub(crate) nonce: i64,
    pub(crate) memo: String,
    pub(crate) failure: Option<String>,
    pub(crate) body: Option<String>,
}

const COMMAND: &str = "c.sequence, c.hash, c.kind, c.fee_payer, c.receiver, c.amount, c.fee, \
                       c.nonce, c.memo, c.failure, c.body";

impl CommandRow {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let at = |column: usize| BLOCK_COLUMNS + column;
        Ok(Self {
            block: BlockRow::read(row)?,
            sequence: row.try_get(at(0))?,
            hash: row.try_get(at(1))?,
            kind: row.try_get(at(2))?,
            fee_payer: row.try_get(at(3))?,
            receiver: row.try_get(at(4))?,
            amount: row.try_get(at(5))?,
            fee: row.try_get(at(6))?,
            nonce: row.try_get(at(7))?,
            memo: row.try_get(at(8))?,
            failure: row.try_get(at(9))?,
            body: row.try_get(at(10))?,
        })
    }
}

/// Which commands.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandFilter {
    pub(crate) hash: Option<String>,
    pub(crate) public_key: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) block_hash: Option<String>,
    /// `Some(true)`: zkApp commands only; `Some(false)`: payments and delegations only.
    pub(crate) zkapps: Option<bool>,
    /// Include those of blocks that left the best chain.
    pub(crate) orphaned: bool,
    pub(crate) limit: i64,
}

/// A fee paid out.
#[derive(Clone, Debug)]
pub(crate) struct FeeTransferRow {
    pub(crate) recipient: String,
    pub(crate) fee: String,
    pub(crate) kind: String,
}

/// Which blocks.
#[derive(Clone, Debug)]
pub(crate) struct BlockFilter {
    pub(crate) from_height: i64,
    pub(crate) to_height: i64,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    /// `Some(true)`: canonical; `Some(false)`: not.
    pub(crate) canonical: Option<bool>,
    pub(crate) in_best_chain: bool,
    pub(crate) descending: bool,
    pub(crate) limit: i64,
}

type AnyQuery<'q> = Query<'q, Any, sqlx::any::AnyArguments>;

fn query<'q>(sql: String) -> AnyQuery<'q> {
    // Values are bound, and what is put together is from this file.
    sqlx::query(AssertSqlSafe(sql))
}

/// One state of the database: what several queries of an answer see.
pub(crate) struct Snapshot {
    transaction: Transaction<'static, Any>,
}

impl Store {
    /// A snapshot for reading.
    pub(crate) async fn read(&self) -> Result<Snapshot, StoreError> {
        let mut transaction = self.pool.begin().await?;
        if self.is_postgres {
            let isolation = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
            sqlx::query(isolation).execute(&mut *transaction).await?;
        }
        Ok(Snapshot { transaction })
    }
}

impl Snapshot {
    pub(crate) async fn heights(&mut self) -> Result<Heights, StoreError> {
        let sql = "SELECT MAX(height), MAX(CASE WHEN status = 'canonical' THEN height END) \
                   FROM blocks WHERE status <> 'orphaned'";
        let row = sqlx::query(sql).fetch_one(&mut *self.transaction).await?;
        let [tip, canonical]: [Option<i64>; 2] = [row.try_get(0)?, row.try_get(1)?];
        Ok(Heights { tip: tip.unwrap_or(0), canonical: canonical.unwrap_or(0) })
    }

    pub(crate) async fn events(
        &mut self,
        wanted: &EventQuery,
    ) -> Result<Vec<EventRow>, StoreError> {
        let sql = emissions_sql("events", wanted, "", "");
        let mut rows = bind_account(query(sql), wanted).fetch(&mut *self.transaction);
        let (mut events, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            events.push(read_event(&row, &mut bytes)?);
        }
        Ok(events)
    }

    pub(crate) async fn actions(
        &mut self,
        wanted: &EventQuery,
    ) -> Result<Vec<ActionRow>, StoreError> {
        let states = ", a.state_1, a.state_2, a.state_3, a.state_4, a.state_5";
        let join = "JOIN action_states a ON a.block_hash = e.block_hash \
                    AND a.public_key = e.public_key AND a.token_id = e.token_id";
        let sql = emissions_sql("actions", wanted, states, join);
        let mut rows = bind_account(query(sql), wanted).fetch(&mut *self.transaction);
        let (mut actions, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let event = read_event(&row, &mut bytes)?;
            let mut states: [Option<String>; 5] = Default::default();
            for (index, state) in states.iter_mut().enumerate() {
                *state = row.try_get(EVENT_COLUMNS + index)?;
            }
            actions.push(ActionRow { event, states });
        }
        Ok(actions)
    }

    /// The height of the best chain's block after which the account is in a state.
    pub(crate) async fn height_of_state(
        &mut self,
        wanted: &EventQuery,
        state: &str,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT a.height FROM action_states a JOIN blocks b ON b.state_hash = a.block_hash \
                   WHERE a.public_key = $1 AND a.token_id = $2 AND a.state_1 = $3 \
                   AND b.status <> 'orphaned' LIMIT 1";
        let row = sqlx::query(sql)
            .bind(&wanted.public_key)
            .bind(&wanted.token_id)
            .bind(state)
            .fetch_optional(&mut *self.transaction)
            .await?;
        row.map(|row| Ok(row.try_get(0)?)).transpose()
    }

    pub(crate) async fn blocks(
        &mut self,
        wanted: &BlockFilter,
    ) -> Result<Vec<BlockRow>, StoreError> {
        let status = match (wanted.in_best_chain, wanted.canonical) {
            (false, _) => "b.status = 'orphaned'",
            (true, None) => "b.status <> 'orphaned'",
            (true, Some(true)) => "b.status = 'canonical'",
            (true, Some(false)) => "b.status = 'pending'",
        };
        let order = if wanted.descending { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT {BLOCK} FROM blocks b WHERE {status} AND b.height >= $1 AND b.height < $2 \
             AND b.timestamp_ms >= $3 AND b.timestamp_ms < $4 ORDER BY b.height {order} LIMIT $5"
        );
        let rows = query(sql)
            .bind(wanted.from_height)
            .bind(wanted.to_height)
            .bind(wanted.from_ms)
            .bind(wanted.to_ms)
            .bind(wanted.limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        rows.iter().map(BlockRow::read).collect()
    }

    /// The last batches, the newest first; of a block, the one that it is in.
    pub(crate) async fn batches(
        &mut self,
        height: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Batch>, StoreError> {
        let of_block = "$1 < 0 OR first_height <= $1 AND last_height >= $1";
        let sql =
            format!("SELECT {BATCH} FROM batches WHERE {of_block} ORDER BY number DESC LIMIT $2");
        let bound = query(sql).bind(height.unwrap_or(-1)).bind(limit);
        bound.fetch_all(&mut *self.transaction).await?.iter().map(batch).collect()
    }

    /// Commands, the newest first.
    pub(crate) async fn commands<'w>(
        &mut self,
        wanted: &'w CommandFilter,
    ) -> Result<Vec<CommandRow>, StoreError> {
        let mut values: Vec<&str> = Vec::new();
        let mut bind = |value: &'w Option<String>, sql: &str| {
            values.push(value.as_deref()?);
            Some(format!("{sql} = ${}", values.len()))
        };
        let mut conditions: Vec<String> = Vec::new();
        conditions.extend(bind(&wanted.hash, "c.hash"));
        conditions.extend(bind(&wanted.block_hash, "c.block_hash"));
        let participant = [
            bind(&wanted.public_key, " AND p.public_key"),
            bind(&wanted.token_id, " AND p.token_id"),
        ];
        if participant.iter().any(Option::is_some) {
            let sql = "EXISTS (SELECT 1 FROM participants p WHERE p.block_hash = c.block_hash \
                       AND p.sequence = c.sequence";
            let filters: String = participant.into_iter().flatten().collect();
            conditions.push(format!("{sql}{filters})"));
        }
        match wanted.zkapps {
            Some(true) => conditions.push("c.kind = 'ZKAPP'".into()),
            Some(false) => conditions.push("c.kind <> 'ZKAPP'".into()),
            None => {}
        }
        if !wanted.orphaned {
            conditions.push("b.status <> 'orphaned'".into());
        }
        if conditions.is_empty() {
            conditions.push("1 = 1".into());
        }
        let sql = format!(
            "SELECT {BLOCK}, {COMMAND} FROM commands c \
             JOIN blocks b ON b.state_hash = c.block_hash WHERE {} \
             ORDER BY b.height DESC, c.sequence DESC LIMIT ${}",
            conditions.join(" AND "),
            values.len() + 1
        );
        let bound = values.into_iter().fold(query(sql), |query, value| query.bind(value));
        let rows = bound.bind(wanted.limit).fetch_all(&mut *self.transaction).await?;
        rows.iter().map(CommandRow::read).collect()
    }

    pub(crate) async fn fee_transfers(
        &mut self,
        block_hash: &str,
    ) -> Result<Vec<FeeTransferRow>, StoreError> {
        let sql = "SELECT recipient, fee, kind FROM fee_transfers WHERE block_hash = $1 \
                   ORDER BY position";
        let rows = sqlx::query(sql).bind(block_hash).fetch_all(&mut *self.transaction).await?;
        let read = |row: &AnyRow| {
            Ok(FeeTransferRow {
                recipient: row.try_get(0)?,
                fee: row.try_get(1)?,
                kind: row.try_get(2)?,
            })
        };
        rows.iter().map(read).collect()
    }
}

const EVENT_COLUMNS: usize = BLOCK_COLUMNS + 7;

fn emissions_sql(data: &str, wanted: &EventQuery, columns: &str, join: &str) -> String {
    let status = match wanted.status {
        Some("canonical") => "b.status = 'canonical'",
        Some(_) => "b.status = 'pending'",
        None => "b.status <> 'orphaned'",
    };
    format!(
        "SELECT {BLOCK}, c.hash, c.memo, c.sequence, c.updates, e.position, e.authorization_kind, \
         e.{data}{columns} FROM emissions e JOIN blocks b ON b.state_hash = e.block_hash \
         JOIN commands c ON c.block_hash = e.block_hash AND c.sequence = e.sequence {join} \
         WHERE e.public_key = $1 AND e.token_id = $2 AND e.height >= $3 AND e.height < $4 \
         AND e.{data} IS NOT NULL AND {status} ORDER BY b.height, c.sequence, e.position"
    )
}

fn bind_account<'q>(query: AnyQuery<'q>, wanted: &'q EventQuery) -> AnyQuery<'q> {
    query.bind(&wanted.public_key).bind(&wanted.token_id).bind(wanted.from).bind(wanted.to)
}

fn read_event(row: &AnyRow, bytes: &mut usize) -> Result<EventRow, StoreError> {
    let at = |column: usize| BLOCK_COLUMNS + column;
    let data: String = row.try_get(at(6))?;
    *bytes += data.len();
    if *bytes > MAX_ANSWER {
        return Err(StoreError::TooLong { limit: MAX_ANSWER });
    }
    Ok(EventRow {
        block: BlockRow::read(row)?,
        command_hash: row.try_get(at(0))?,
        memo: row.try_get(at(1))?,
        sequence: row.try_get(at(2))?,
        updates: row.try_get(at(3))?,
        position: row.try_get(at(4))?,
        authorization_kind: row.try_get(at(5))?,
        data: serde_json::from_str(&data)
            .map_err(|_| StoreError::Corrupt { what: "events or actions" })?,
    })
}
