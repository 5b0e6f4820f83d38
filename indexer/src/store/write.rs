//! Moving along the chain.

use mina_curves::Fp;
use mina_ledger::{
    hash::{actions_hash, push_actions},
    types::{Era, ZkappAccount, from_decimal, to_decimal},
};
use sqlx::{Any, Row, Transaction};

use super::{Store, StoreError};
use crate::block::{Batch, Block, Command, CommandBody, Header, Update};

/// A fee payer's or payment's account.
const DEFAULT_TOKEN: &str = "wSHV2S4qX9jFsLjQo8r1BsMLH2ZRKsZx6EJd1sbozGPieEC4Jf";

/// The five action states of an account; `None` where history does not reach back far enough.
type ActionStates = [Option<Fp>; 5];

impl Store {
    /// Unwinds from `tip` to `ancestor` and applies `blocks` on top of it, in one transaction.
    /// Without blocks the chain only becomes shorter. Returns how many blocks were unwound.
    ///
    /// On a rollup, `batches` are what its node has from the first batch on that is not final here, and
    /// blocks are canonical once their batch is final. Elsewhere it is `None`, and depth decides.
    ///
    /// # Errors
    /// [`StoreError::Contended`] if `tip` is not the tip (any more); nothing has changed then, nor
    /// on any other error.
    pub async fn apply(
        &self,
        tip: Option<&Header>,
        ancestor: Option<&Header>,
        blocks: &[Block],
        batches: Option<&[Batch]>,
    ) -> Result<u64, StoreError> {
        let Some(last) = blocks.last().map(|block| &block.header).or(ancestor) else {
            return Ok(0);
        };
        let mut transaction = self.pool.begin().await?;
        // First, so that a second writer waits here or fails.
        let query = "UPDATE chain SET tip_hash = $1, tip_height = $2 WHERE tip_hash = $3";
        let moved = sqlx::query(query)
            .bind(&last.state_hash)
            .bind(last.height)
            .bind(tip.map_or("", |tip| &tip.state_hash))
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::Contended);
        }
        let query =
            "UPDATE blocks SET status = 'orphaned' WHERE height > $1 AND status <> 'orphaned'";
        let kept = ancestor.map_or(i64::MIN, |ancestor| ancestor.height);
        let unwound = sqlx::query(query).bind(kept).execute(&mut *transaction).await?;
        for block in blocks {
            Writer { transaction: &mut transaction, block }.write().await?;
        }
        let canonical = match batches {
            Some(batches) => write_batches(&mut transaction, batches, kept).await?,
            None => last.height - self.canonical_depth,
        };
        let query =
            "UPDATE blocks SET status = 'canonical' WHERE height <= $1 AND status = 'pending'";
        sqlx::query(query).bind(canonical).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(unwound.rows_affected())
    }
}

/// Replaces the batches that are not final, and those behind the last block that is kept. Returns the
/// height up to which they are final.
async fn write_batches(
    transaction: &mut Transaction<'static, Any>,
    batches: &[Batch],
    kept: i64,
) -> Result<i64, StoreError> {
    let query = "DELETE FROM batches WHERE stage <> 'final' OR last_height > $1";
    sqlx::query(query).bind(kept).execute(&mut **transaction).await?;
    let query = "SELECT MAX(number) FROM batches";
    let row = sqlx::query(query).fetch_one(&mut **transaction).await?;
    let next = row.try_get::<Option<i64>, _>(0)?.map_or(0, |last| last + 1);
    // Without gaps; what is missing comes with the next step.
    let follow = batches.iter().filter(|batch| batch.number >= next);
    for (_, batch) in (next..).zip(follow).take_while(|(number, batch)| batch.number == *number) {
        let query = "INSERT INTO batches (number, first_height, last_height, commands, messages, \
                     stage, data, settled_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        sqlx::query(query)
            .bind(batch.number)
            .bind(batch.first_height)
            .bind(batch.last_height)
            .bind(batch.commands)
            .bind(batch.messages)
            .bind(&batch.stage)
            .bind(&batch.data)
            .bind(&batch.settled_by)
            .execute(&mut **transaction)
            .await?;
    }
    let query = "SELECT MAX(last_height) FROM batches WHERE stage = 'final'";
    let row = sqlx::query(query).fetch_one(&mut **transaction).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or(i64::MIN))
}

/// Writes one block.
struct Writer<'t, 'b> {
    transaction: &'t mut Transaction<'static, Any>,
    block: &'b Block,
}

impl Writer<'_, '_> {
    async fn write(&mut self) -> Result<(), StoreError> {
        let query = "UPDATE blocks SET status = 'pending' WHERE state_hash = $1";
        let returned = sqlx::query(query)
            .bind(&self.block.header.state_hash)
            .execute(&mut **self.transaction)
            .await?;
        if returned.rows_affected() > 0 {
            return Ok(());
        }
        self.write_block().await?;
        for (sequence, command) in (0..).zip(&self.block.commands) {
            self.write_command(sequence, command).await?;
        }
        self.write_fee_transfers().await
    }

    async fn write_block(&mut self) -> Result<(), StoreError> {
        let query = "INSERT INTO blocks (state_hash, parent_hash, height, status, \
                     slot_since_genesis, slot_since_hard_fork, ledger_hash, timestamp_ms, creator, \
                     coinbase) VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9)";
        let block = self.block;
        sqlx::query(query)
            .bind(&block.header.state_hash)
            .bind(&block.header.parent_hash)
            .bind(block.header.height)
            .bind(block.slot_since_genesis)
            .bind(block.slot_since_hard_fork)
            .bind(&block.ledger_hash)
            .bind(block.timestamp_ms)
            .bind(&block.creator)
            .bind(&block.coinbase)
            .execute(&mut **self.transaction)
            .await?;
        Ok(())
    }

    async fn write_fee_transfers(&mut self) -> Result<(), StoreError> {
        for (position, transfer) in (0i64..).zip(&self.block.fee_transfers) {
            let query = "INSERT INTO fee_transfers (block_hash, position, recipient, fee, kind) \
                         VALUES ($1, $2, $3, $4, $5)";
            sqlx::query(query)
                .bind(&self.block.header.state_hash)
                .bind(position)
                .bind(&transfer.recipient)
                .bind(&transfer.fee)
                .bind(&transfer.kind)
                .execute(&mut **self.transaction)
                .await?;
        }
        Ok(())
    }

    async fn write_command(&mut self, sequence: i64, command: &Command) -> Result<(), StoreError> {
        let (kind, receiver, amount, updates, json) = match &command.body {
            CommandBody::Signed { kind, receiver, amount } => {
                (kind.name(), receiver.as_str(), amount.as_str(), &[][..], None)
            }
            CommandBody::Zkapp { updates, json } => {
                ("ZKAPP", "", "0", updates.as_slice(), Some(json.to_string()))
            }
        };
        let query = "INSERT INTO commands (block_hash, sequence, hash, kind, fee_payer, receiver, \
                     amount, fee, nonce, memo, failure, updates, body) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        sqlx::query(query)
            .bind(&self.block.header.state_hash)
            .bind(sequence)
            .bind(&command.hash)
            .bind(kind)
            .bind(&command.fee_payer)
            .bind(receiver)
            .bind(amount)
            .bind(&command.fee)
            .bind(command.nonce)
            .bind(&command.memo)
            .bind(command.failure.as_ref().map(ToString::to_string))
            .bind(updates.len() as i64)
            .bind(json)
            .execute(&mut **self.transaction)
            .await?;
        self.write_participant(sequence, &command.fee_payer, DEFAULT_TOKEN).await?;
        if !receiver.is_empty() {
            self.write_participant(sequence, receiver, DEFAULT_TOKEN).await?;
        }
        for (position, update) in (0..).zip(updates) {
            self.write_participant(sequence, &update.public_key, &update.token_id).await?;
            // A command that failed has no events or actions.
            if command.failure.is_none() {
                self.write_emissions(sequence, position, update).await?;
            }
        }
        Ok(())
    }

    async fn write_participant(
        &mut self,
        sequence: i64,
        public_key: &str,
        token_id: &str,
    ) -> Result<(), StoreError> {
        let query = "INSERT INTO participants (block_hash, sequence, height, public_key, token_id) \
                     VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT (block_hash, sequence, public_key, token_id) DO NOTHING";
        sqlx::query(query)
            .bind(&self.block.header.state_hash)
            .bind(sequence)
            .bind(self.block.header.height)
            .bind(public_key)
            .bind(token_id)
            .execute(&mut **self.transaction)
            .await?;
        Ok(())
    }

    async fn write_emissions(
        &mut self,
        sequence: i64,
        position: i64,
        update: &Update,
    ) -> Result<(), StoreError> {
        if update.events.is_empty() && update.actions.is_empty() {
            return Ok(());
        }
        let query = "INSERT INTO emissions (block_hash, sequence, position, height, public_key, \
                     token_id, authorization_kind, events, actions) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        sqlx::query(query)
            .bind(&self.block.header.state_hash)
            .bind(sequence)
            .bind(position)
            .bind(self.block.header.height)
            .bind(&update.public_key)
            .bind(&update.token_id)
            .bind(update.authorization_kind)
            .bind(lists_to_json(&update.events))
            .bind(lists_to_json(&update.actions))
            .execute(&mut **self.transaction)
            .await?;
        if !update.actions.is_empty() {
            self.push_actions(update).await?;
        }
        Ok(())
    }

    /// Moves the action states of an account. The first actions of a block shift them, as on Mina,
    /// where a slot has one block; a chain with several blocks a slot is shown in the same way, so
    /// that the second state is always the one that the block's actions came on top of.
    async fn push_actions(&mut self, update: &Update) -> Result<(), StoreError> {
        let block_hash = &self.block.header.state_hash;
        let (found, states) = match self.states(update, Some(block_hash)).await? {
            Some(states) => (true, states),
            None => (false, self.states_before(update).await?),
        };
        let [current, second, third, fourth, _] = states;
        let pushed = current.map(|current| push_actions(current, actions_hash(&update.actions)));
        let after = match found {
            true => [pushed, second, third, fourth, states[4]],
            false => [pushed, current, second, third, fourth],
        };
        let query = "INSERT INTO action_states (block_hash, public_key, token_id, height, state_1, \
                     state_2, state_3, state_4, state_5) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                     ON CONFLICT (block_hash, public_key, token_id) DO UPDATE SET \
                     state_1 = excluded.state_1";
        let mut query = sqlx::query(query)
            .bind(block_hash)
            .bind(&update.public_key)
            .bind(&update.token_id)
            .bind(self.block.header.height);
        for state in after {
            query = query.bind(state.map(to_decimal));
        }
        query.execute(&mut **self.transaction).await?;
        Ok(())
    }

    /// The states before this block: those of the last block with actions, or those that accounts
    /// begin with, if all of history is there to tell.
    async fn states_before(&mut self, update: &Update) -> Result<ActionStates, StoreError> {
        if let Some(states) = self.states(update, None).await? {
            return Ok(states);
        }
        let query = "SELECT 1 FROM blocks b JOIN chain c ON b.state_hash = c.genesis_hash";
        let complete = sqlx::query(query).fetch_optional(&mut **self.transaction).await?.is_some();
        let empty = ZkappAccount::new(Era::Berkeley).action_state;
        Ok(if complete { empty.map(Some) } else { [None; 5] })
    }

    /// The states after a block, or after the last one on the best chain.
    async fn states(
        &mut self,
        update: &Update,
        block_hash: Option<&str>,
    ) -> Result<Option<ActionStates>, StoreError> {
        let filter = match block_hash {
            Some(_) => "a.block_hash = $3",
            None => "b.status <> $3",
        };
        let query = format!(
            "SELECT a.state_1, a.state_2, a.state_3, a.state_4, a.state_5 FROM action_states a \
             JOIN blocks b ON b.state_hash = a.block_hash \
             WHERE a.public_key = $1 AND a.token_id = $2 AND {filter} \
             ORDER BY a.height DESC LIMIT 1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(&update.public_key)
            .bind(&update.token_id)
            .bind(block_hash.unwrap_or("orphaned"))
            .fetch_optional(&mut **self.transaction)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let mut states = [None; 5];
        for (index, state) in states.iter_mut().enumerate() {
            let text: Option<String> = row.try_get(index)?;
            let corrupt = |_| StoreError::Corrupt { what: "action state" };
            *state = text.map(|text| from_decimal(&text).map_err(corrupt)).transpose()?;
        }
        Ok(Some(states))
    }
}

/// `None` for nothing; else JSON of decimal strings.
fn lists_to_json(lists: &[Vec<Fp>]) -> Option<String> {
    let decimals =
        |list: &Vec<Fp>| -> Vec<String> { list.iter().copied().map(to_decimal).collect() };
    let lists: Vec<_> = lists.iter().map(decimals).collect();
    (!lists.is_empty()).then(|| serde_json::json!(lists).to_string())
}
