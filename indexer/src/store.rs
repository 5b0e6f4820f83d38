//! What the indexer keeps, in SQL that SQLite and PostgreSQL both understand.

mod read;
mod schema;
mod write;

use std::{collections::BTreeMap, str::FromStr};

use sqlx::{
    AnyPool, AssertSqlSafe, Row,
    any::{AnyConnectOptions, AnyPoolOptions, AnyRow},
};

pub use read::{ActionQuery, EventQuery};
pub(crate) use read::{
    ActionRow, BlockFilter, BlockRow, CommandFilter, CommandRow, EventRow, Heights, Snapshot,
};

use crate::block::{Batch, Header};

/// Why the database does not do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The database was made by another version.
    #[error("database schema: expected version {expected}, got {got}")]
    Version {
        /// What this version reads and writes.
        expected: i64,
        /// What is there.
        got: i64,
    },
    /// Somebody else writes to the database.
    #[error("another indexer writes to the same database")]
    Contended,
    /// A value in the database is not what this version writes.
    #[error("unreadable value in the database: {what}")]
    Corrupt {
        /// Which.
        what: &'static str,
    },
    /// A query would return too much.
    #[error("the answer would exceed {limit} bytes: ask for a shorter range")]
    TooLong {
        /// The most that is returned.
        limit: usize,
    },
}

/// A database of one chain.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    is_postgres: bool,
    canonical_depth: i64,
}

impl Store {
    /// Opens or creates a database: `sqlite:PATH`, `sqlite::memory:` or `postgres://…`. Blocks that
    /// have `canonical_depth` others on top of them count as canonical.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(url: &str, canonical_depth: u32) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let is_postgres = url.starts_with("postgres");
        let is_memory = url.contains(":memory:");
        let mut options = AnyPoolOptions::new().max_connections(8);
        if is_memory {
            // Each connection would be a database of its own.
            options =
                options.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
        }
        if !is_postgres {
            options = options.after_connect(|connection, _| {
                Box::pin(async move {
                    for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"] {
                        sqlx::query(pragma).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            });
        }
        // A database that is not there yet is made.
        let creates = is_postgres || is_memory || url.contains('?');
        let url = if creates { url.to_owned() } else { format!("{url}?mode=rwc") };
        let pool = options.connect_with(AnyConnectOptions::from_str(&url)?).await?;
        let store = Self { pool, is_postgres, canonical_depth: i64::from(canonical_depth) };
        store.migrate().await?;
        Ok(store)
    }

    /// Lets go of the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The genesis that the database belongs to; an empty one belongs to `genesis` from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn genesis_or_set(&self, genesis: &str) -> Result<String, StoreError> {
        let insert = "INSERT INTO chain (id, genesis_hash, tip_hash, tip_height) \
                      VALUES (1, $1, '', 0) ON CONFLICT (id) DO NOTHING";
        sqlx::query(insert).bind(genesis).execute(&self.pool).await?;
        let row = sqlx::query("SELECT genesis_hash FROM chain").fetch_one(&self.pool).await?;
        Ok(row.try_get(0)?)
    }

    /// The last block of the best chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tip(&self) -> Result<Option<Header>, StoreError> {
        let query = "SELECT b.state_hash, b.parent_hash, b.height \
                     FROM chain c JOIN blocks b ON b.state_hash = c.tip_hash";
        let row = sqlx::query(query).fetch_optional(&self.pool).await?;
        row.as_ref().map(header).transpose()
    }

    /// The best chain from a height on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn best_chain(&self, from: i64) -> Result<BTreeMap<i64, Header>, StoreError> {
        let query = "SELECT state_hash, parent_hash, height FROM blocks \
                     WHERE height >= $1 AND status <> 'orphaned'";
        let rows = sqlx::query(query).bind(from).fetch_all(&self.pool).await?;
        rows.iter().map(|row| header(row).map(|header| (header.height, header))).collect()
    }

    /// The batches that are not final.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn open_batches(&self) -> Result<OpenBatches, StoreError> {
        let query = format!("SELECT {BATCH} FROM batches WHERE stage <> 'final' ORDER BY number");
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(&self.pool).await?;
        let batches = rows.iter().map(batch).collect::<Result<Vec<_>, _>>()?;
        let first = match batches.first() {
            Some(batch) => batch.number,
            None => {
                let row = sqlx::query("SELECT MAX(number) FROM batches");
                let last: Option<i64> = row.fetch_one(&self.pool).await?.try_get(0)?;
                last.map_or(0, |last| last + 1)
            }
        };
        Ok(OpenBatches { first, batches })
    }

    /// The block of the best chain at a height.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn best_chain_at(&self, height: i64) -> Result<Option<Header>, StoreError> {
        let query = "SELECT state_hash, parent_hash, height FROM blocks \
                     WHERE height = $1 AND status <> 'orphaned'";
        let row = sqlx::query(query).bind(height).fetch_optional(&self.pool).await?;
        row.as_ref().map(header).transpose()
    }
}

/// Batches that are not final.
pub(crate) struct OpenBatches {
    /// The number of the first of them, or of the next if there are none.
    pub(crate) first: i64,
    /// All that are known.
    pub(crate) batches: Vec<Batch>,
}

/// The columns of a [`Batch`].
const BATCH: &str =
    "number, first_height, last_height, commands, messages, stage, data, settled_by";

fn batch(row: &AnyRow) -> Result<Batch, StoreError> {
    Ok(Batch {
        number: row.try_get(0)?,
        first_height: row.try_get(1)?,
        last_height: row.try_get(2)?,
        commands: row.try_get(3)?,
        messages: row.try_get(4)?,
        stage: row.try_get(5)?,
        data: row.try_get(6)?,
        settled_by: row.try_get(7)?,
    })
}

fn header(row: &AnyRow) -> Result<Header, StoreError> {
    Ok(Header {
        state_hash: row.try_get(0)?,
        parent_hash: row.try_get(1)?,
        height: row.try_get(2)?,
    })
}
