//! An account's history, as the Auro wallet asks for it.

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use serde::Deserialize;

use super::{
    blocks::{DateTime, checked_limit, failure_text},
    coded, internal,
};
use crate::store::{CommandFilter, CommandRow, Store};

/// Whose history.
#[derive(Debug, Default, InputObject)]
struct AccountQueryInput {
    public_key: Option<String>,
    token_id: Option<String>,
}

/// Whose payments and delegations.
#[derive(Debug, Default, InputObject)]
struct TransactionQueryInput {
    /// Ignored: only the best chain is shown
    canonical: Option<bool>,
    from: Option<String>,
    to: Option<String>,
    /// Any of these
    #[graphql(name = "OR")]
    any: Option<Vec<Self>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
enum TransactionSortByInput {
    #[graphql(name = "DATETIME_DESC")]
    Descending,
    #[graphql(name = "DATETIME_ASC")]
    Ascending,
}

#[derive(Debug, SimpleObject)]
struct Transaction {
    fee: String,
    from: String,
    to: String,
    nonce: i64,
    amount: String,
    memo: String,
    hash: String,
    kind: String,
    date_time: DateTime,
    failure_reason: Option<String>,
}

#[derive(Debug, SimpleObject)]
struct FullTransaction {
    nonce: i64,
    /// Unix time in milliseconds
    timestamp: String,
    /// payment, stake_delegation or zkApp
    kind: String,
    body: Option<Transaction>,
    zk_app_body: Option<FullZkapp>,
}

#[derive(Debug, SimpleObject)]
struct FullZkapp {
    hash: String,
    date_time: DateTime,
    failure_reasons: Option<Vec<FailureReason>>,
    zkapp_command: Option<HistoryZkappCommand>,
}

#[derive(Debug, SimpleObject)]
struct Zkapp {
    hash: String,
    date_time: DateTime,
    failure_reason: Option<Vec<FailureReason>>,
    zkapp_command: Option<HistoryZkappCommand>,
}

#[derive(Debug, SimpleObject, Deserialize)]
struct FailureReason {
    index: String,
    failures: Vec<String>,
}

#[derive(Debug, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryZkappCommand {
    memo: String,
    fee_payer: HistoryFeePayer,
    account_updates: Vec<HistoryUpdate>,
}

#[derive(Debug, SimpleObject, Deserialize)]
struct HistoryFeePayer {
    body: HistoryFeePayerBody,
}

#[derive(Debug, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryFeePayerBody {
    public_key: String,
    fee: String,
    nonce: String,
}

#[derive(Debug, SimpleObject, Deserialize)]
struct HistoryUpdate {
    body: HistoryUpdateBody,
}

#[derive(Debug, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryUpdateBody {
    public_key: String,
    token_id: String,
    balance_change: HistoryBalanceChange,
    update: HistoryModification,
}

#[derive(Debug, SimpleObject, Deserialize)]
struct HistoryBalanceChange {
    magnitude: String,
    sgn: String,
}

#[derive(Debug, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryModification {
    app_state: Vec<Option<String>>,
    token_symbol: Option<String>,
    zkapp_uri: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct HistoryQuery;

#[Object]
impl HistoryQuery {
    /// Everything that an account takes part in, the newest first
    async fn full_transactions(
        &self,
        context: &Context<'_>,
        limit: Option<i64>,
        query: Option<AccountQueryInput>,
    ) -> Result<Vec<FullTransaction>> {
        let rows = account_history(context, query, None, limit).await?;
        Ok(rows.into_iter().map(full_transaction).collect())
    }

    /// An account's zkApp commands, the newest first
    async fn zkapps(
        &self,
        context: &Context<'_>,
        limit: Option<i64>,
        query: Option<AccountQueryInput>,
        sort_by: Option<TransactionSortByInput>,
    ) -> Result<Vec<Zkapp>> {
        let mut rows = account_history(context, query, Some(true), limit).await?;
        if sort_by == Some(TransactionSortByInput::Ascending) {
            rows.reverse();
        }
        Ok(rows
            .into_iter()
            .map(|row| Zkapp {
                zkapp_command: zkapp_command(&row),
                failure_reason: failure_reasons(&row),
                date_time: DateTime(row.block.timestamp_ms),
                hash: row.hash,
            })
            .collect())
    }

    /// An account's payments and delegations, the newest first
    async fn transactions(
        &self,
        context: &Context<'_>,
        limit: Option<i64>,
        query: Option<TransactionQueryInput>,
        sort_by: Option<TransactionSortByInput>,
    ) -> Result<Vec<Transaction>> {
        let public_key = query.map(only_account).transpose()?.flatten();
        let query = AccountQueryInput { public_key, token_id: None };
        let mut rows = account_history(context, Some(query), Some(false), limit).await?;
        if sort_by == Some(TransactionSortByInput::Ascending) {
            rows.reverse();
        }
        Ok(rows.into_iter().map(transaction).collect())
    }
}

/// An account's history names one account on both sides.
fn only_account(query: TransactionQueryInput) -> Result<Option<String>> {
    let mut named = Vec::from([query.from, query.to]);
    named.extend(query.any.into_iter().flatten().flat_map(|one| [one.from, one.to]));
    let mut named = named.into_iter().flatten();
    let public_key = named.next();
    match named.all(|other| Some(&other) == public_key.as_ref()) {
        true => Ok(public_key),
        false => Err(coded("BAD_USER_INPUT", "name one account".into())),
    }
}

async fn account_history(
    context: &Context<'_>,
    query: Option<AccountQueryInput>,
    zkapps: Option<bool>,
    limit: Option<i64>,
) -> Result<Vec<CommandRow>> {
    let AccountQueryInput { public_key, token_id } = query.unwrap_or_default();
    let filter = CommandFilter {
        public_key,
        token_id,
        zkapps,
        limit: checked_limit(limit)?,
        ..CommandFilter::default()
    };
    let store: &Store = context.data()?;
    let mut snapshot = store.read().await.map_err(|error| internal(&error))?;
    snapshot.commands(&filter).await.map_err(|error| internal(&error))
}

fn transaction(row: CommandRow) -> Transaction {
    Transaction {
        fee: row.fee,
        from: row.fee_payer,
        to: row.receiver,
        nonce: row.nonce,
        amount: row.amount,
        memo: row.memo,
        hash: row.hash,
        kind: row.kind,
        date_time: DateTime(row.block.timestamp_ms),
        failure_reason: failure_text(row.failure.as_deref()),
    }
}

fn full_transaction(row: CommandRow) -> FullTransaction {
    let kind = match row.kind.as_str() {
        "ZKAPP" => "zkApp",
        "PAYMENT" => "payment",
        _ => "stake_delegation",
    };
    let (nonce, timestamp) = (row.nonce, row.block.timestamp_ms.to_string());
    let (body, zk_app_body) = if row.kind == "ZKAPP" {
        let zkapp = FullZkapp {
            zkapp_command: zkapp_command(&row),
            failure_reasons: failure_reasons(&row),
            date_time: DateTime(row.block.timestamp_ms),
            hash: row.hash,
        };
        (None, Some(zkapp))
    } else {
        (Some(transaction(row)), None)
    };
    FullTransaction { nonce, timestamp, kind: kind.into(), body, zk_app_body }
}

fn zkapp_command(row: &CommandRow) -> Option<HistoryZkappCommand> {
    serde_json::from_str(row.body.as_deref()?).ok()
}

fn failure_reasons(row: &CommandRow) -> Option<Vec<FailureReason>> {
    serde_json::from_str(row.failure.as_deref()?).ok()
}
