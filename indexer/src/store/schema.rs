//! Tables.

use sqlx::Row;

use super::{Store, StoreError};

/// Of what [`TABLES`] describes.
const VERSION: i64 = 1;

/// Blocks that left the best chain stay, with status `orphaned`: a chain that returns to them does
/// not fetch them again, and a command that was rolled back can be told from one that never was.
/// What a block holds never changes, so only `blocks.status`, `chain` and `batches` are ever updated.
const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS schema_version (id BIGINT PRIMARY KEY, version BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS chain (
        id BIGINT PRIMARY KEY,
        genesis_hash TEXT NOT NULL,
        tip_hash TEXT NOT NULL,
        tip_height BIGINT NOT NULL
    )",
    "CREATE TABLE IF NOT EXISTS blocks (
        state_hash TEXT PRIMARY KEY,
        parent_hash TEXT NOT NULL,
        height BIGINT NOT NULL,
        status TEXT NOT NULL,
        slot_since_genesis BIGINT NOT NULL,
        slot_since_hard_fork BIGINT NOT NULL,
        ledger_hash TEXT NOT NULL,
        timestamp_ms BIGINT NOT NULL,
        creator TEXT NOT NULL,
        coinbase TEXT NOT NULL
    )",
    "CREATE INDEX IF NOT EXISTS blocks_height ON blocks (height)",
    "CREATE TABLE IF NOT EXISTS commands (
        block_hash TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        hash TEXT NOT NULL,
        kind TEXT NOT NULL,
        fee_payer TEXT NOT NULL,
        receiver TEXT NOT NULL,
        amount TEXT NOT NULL,
        fee TEXT NOT NULL,
        nonce BIGINT NOT NULL,
        memo TEXT NOT NULL,
        failure TEXT,
        updates BIGINT NOT NULL,
        body TEXT,
        PRIMARY KEY (block_hash, sequence)
    )",
    "CREATE INDEX IF NOT EXISTS commands_hash ON commands (hash)",
    "CREATE TABLE IF NOT EXISTS participants (
        block_hash TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        height BIGINT NOT NULL,
        public_key TEXT NOT NULL,
        token_id TEXT NOT NULL,
        PRIMARY KEY (block_hash, sequence, public_key, token_id)
    )",
    "CREATE INDEX IF NOT EXISTS participants_account ON participants (public_key, height)",
    "CREATE TABLE IF NOT EXISTS fee_transfers (
        block_hash TEXT NOT NULL,
        position BIGINT NOT NULL,
        recipient TEXT NOT NULL,
        fee TEXT NOT NULL,
        kind TEXT NOT NULL,
        PRIMARY KEY (block_hash, position)
    )",
    "CREATE TABLE IF NOT EXISTS emissions (
        block_hash TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        position BIGINT NOT NULL,
        height BIGINT NOT NULL,
        public_key TEXT NOT NULL,
        token_id TEXT NOT NULL,
        authorization_kind TEXT NOT NULL,
        events TEXT,
        actions TEXT,
        PRIMARY KEY (block_hash, sequence, position)
    )",
    "CREATE INDEX IF NOT EXISTS emissions_account ON emissions (public_key, token_id, height)",
    "CREATE TABLE IF NOT EXISTS action_states (
        block_hash TEXT NOT NULL,
        public_key TEXT NOT NULL,
        token_id TEXT NOT NULL,
        height BIGINT NOT NULL,
        state_1 TEXT,
        state_2 TEXT,
        state_3 TEXT,
        state_4 TEXT,
        state_5 TEXT,
        PRIMARY KEY (block_hash, public_key, token_id)
    )",
    "CREATE TABLE IF NOT EXISTS batches (
        number BIGINT PRIMARY KEY,
        first_height BIGINT NOT NULL,
        last_height BIGINT NOT NULL,
        commands BIGINT NOT NULL,
        messages BIGINT NOT NULL,
        stage TEXT NOT NULL,
        data TEXT,
        settled_by TEXT
    )",
    "CREATE INDEX IF NOT EXISTS action_states_account
        ON action_states (public_key, token_id, height)",
];

impl Store {
    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for table in TABLES {
            sqlx::query(*table).execute(&mut *transaction).await?;
        }
        let insert = "INSERT INTO schema_version (id, version) VALUES (1, $1) \
                      ON CONFLICT (id) DO NOTHING";
        sqlx::query(insert).bind(VERSION).execute(&mut *transaction).await?;
        let select = "SELECT version FROM schema_version WHERE id = 1";
        let got: i64 = sqlx::query(select).fetch_one(&mut *transaction).await?.try_get(0)?;
        transaction.commit().await?;
        match got {
            VERSION => Ok(()),
            got => Err(StoreError::Version { expected: VERSION, got }),
        }
    }
}
