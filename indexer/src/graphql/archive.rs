//! Events, actions and the network state: what o1js asks.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use mina_ledger::types::{Era, ZkappAccount, to_decimal};

use super::{coded, internal};
use crate::store::{ActionQuery, ActionRow, BlockRow, EventQuery, EventRow, Heights, Store};

/// The most blocks that one query spans if it names both ends.
const MAX_RANGE: i64 = 10_000;

/// MINA.
const DEFAULT_TOKEN: &str = "wSHV2S4qX9jFsLjQo8r1BsMLH2ZRKsZx6EJd1sbozGPieEC4Jf";

/// Filter for the consensus status of the block
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
enum BlockStatusFilter {
    /// All blocks
    #[default]
    All,
    /// Only pending blocks
    Pending,
    /// Only canonical (finalized) blocks
    Canonical,
}

/// Filter events from a specific account
#[derive(Debug, InputObject)]
struct EventFilterOptionsInput {
    address: String,
    token_id: Option<String>,
    status: Option<BlockStatusFilter>,
    /// Mina block height to filter events to, exclusive
    to: Option<i64>,
    /// Mina block height to filter events from, inclusive
    from: Option<i64>,
}

/// Filter actions from a specific account
#[derive(Debug, InputObject)]
struct ActionFilterOptionsInput {
    address: String,
    token_id: Option<String>,
    status: Option<BlockStatusFilter>,
    /// Mina block height to filter actions to, exclusive
    to: Option<i64>,
    /// Mina block height to filter actions from, inclusive
    from: Option<i64>,
    /// Filter for actions that happened after this action state, inclusive
    from_action_state: Option<String>,
    /// Filter for actions that happened before this action state, inclusive
    end_action_state: Option<String>,
}

#[derive(Debug, SimpleObject)]
struct EventData {
    account_update_id: String,
    transaction_info: Option<TransactionInfo>,
    data: Vec<Option<String>>,
}

#[derive(Debug, SimpleObject)]
struct ActionData {
    account_update_id: String,
    transaction_info: Option<TransactionInfo>,
    data: Vec<Option<String>>,
}

#[derive(Debug, SimpleObject)]
struct BlockInfo {
    height: i64,
    state_hash: String,
    parent_hash: String,
    ledger_hash: String,
    chain_status: String,
    timestamp: String,
    global_slot_since_hardfork: i64,
    global_slot_since_genesis: i64,
    distance_from_max_block_height: i64,
}

impl BlockInfo {
    fn new(block: &BlockRow, heights: Heights) -> Self {
        Self {
            height: block.height,
            state_hash: block.state_hash.clone(),
            parent_hash: block.parent_hash.clone(),
            ledger_hash: block.ledger_hash.clone(),
            chain_status: block.status.clone(),
            timestamp: block.timestamp_ms.to_string(),
            global_slot_since_hardfork: block.slot_since_hard_fork,
            global_slot_since_genesis: block.slot_since_genesis,
            distance_from_max_block_height: heights.tip - block.height,
        }
    }
}

#[derive(Debug, SimpleObject)]
struct MaxBlockHeightInfo {
    canonical_max_block_height: i64,
    pending_max_block_height: i64,
}

#[derive(Clone, Debug, SimpleObject)]
struct TransactionInfo {
    status: String,
    hash: String,
    memo: String,
    authorization_kind: String,
    sequence_number: i64,
    zkapp_account_update_ids: Vec<Option<i64>>,
}

#[derive(Debug, SimpleObject)]
struct ActionStates {
    action_state_one: Option<String>,
    action_state_two: Option<String>,
    action_state_three: Option<String>,
    action_state_four: Option<String>,
    action_state_five: Option<String>,
}

#[derive(Debug, SimpleObject)]
struct EventOutput {
    block_info: Option<BlockInfo>,
    event_data: Option<Vec<Option<EventData>>>,
}

#[derive(Debug, SimpleObject)]
struct ActionOutput {
    block_info: Option<BlockInfo>,
    transaction_info: Option<TransactionInfo>,
    action_data: Option<Vec<Option<ActionData>>>,
    action_state: ActionStates,
}

/// Metadata about the network
#[derive(Debug, SimpleObject)]
struct NetworkStateOutput {
    /// The latest pending and canonical block heights that the indexer has.
    max_block_height: Option<MaxBlockHeightInfo>,
}

#[derive(Debug, Default)]
pub(super) struct ArchiveQuery;

#[Object]
impl ArchiveQuery {
    async fn events(
        &self,
        context: &Context<'_>,
        input: EventFilterOptionsInput,
    ) -> Result<Vec<Option<EventOutput>>> {
        let EventFilterOptionsInput { address, token_id, status, to, from } = input;
        let query = account_query(address, token_id, status, from, to)?;
        let store: &Store = context.data()?;
        let mut snapshot = store.read().await.map_err(|error| internal(&error))?;
        let heights = snapshot.heights().await.map_err(|error| internal(&error))?;
        let rows = snapshot.events(&query).await.map_err(|error| internal(&error))?;
        let blocks = by_block(rows, |row| row.block.height);
        Ok(blocks.into_values().map(|rows| Some(event_output(rows, heights))).collect())
    }

    async fn actions(
        &self,
        context: &Context<'_>,
        input: ActionFilterOptionsInput,
    ) -> Result<Vec<Option<ActionOutput>>> {
        let ActionFilterOptionsInput { address, token_id, status, to, from, .. } = input;
        let account = account_query(address, token_id, status, from, to)?;
        let query = ActionQuery {
            account,
            from_state: input.from_action_state,
            end_state: input.end_action_state,
        };
        let store: &Store = context.data()?;
        let (rows, heights) = read_actions(store, query).await?;
        let blocks = by_block(rows, |row| row.event.block.height);
        Ok(blocks.into_values().map(|rows| action_output(rows, heights)).collect())
    }

    async fn network_state(&self, context: &Context<'_>) -> Result<NetworkStateOutput> {
        let store: &Store = context.data()?;
        let mut snapshot = store.read().await.map_err(|error| internal(&error))?;
        let heights = snapshot.heights().await.map_err(|error| internal(&error))?;
        Ok(NetworkStateOutput {
            max_block_height: Some(MaxBlockHeightInfo {
                canonical_max_block_height: heights.canonical,
                pending_max_block_height: heights.tip,
            }),
        })
    }
}

/// Checks the range and fills in what is left out. A range that is open at one end is not cut:
/// a client that names no height gets everything about its account.
fn account_query(
    public_key: String,
    token_id: Option<String>,
    status: Option<BlockStatusFilter>,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<EventQuery> {
    if let (Some(from), Some(to)) = (from, to) {
        if from > to {
            let message = format!("from ({from}) is greater than to ({to})");
            return Err(coded("BLOCK_RANGE_ERROR", message));
        }
        if to.saturating_sub(from) > MAX_RANGE {
            let message = format!("the block range is greater than {MAX_RANGE}");
            return Err(coded("BLOCK_RANGE_ERROR", message));
        }
    }
    Ok(EventQuery {
        public_key,
        token_id: token_id.unwrap_or_else(|| DEFAULT_TOKEN.to_owned()),
        status: match status.unwrap_or_default() {
            BlockStatusFilter::All => None,
            BlockStatusFilter::Pending => Some("pending"),
            BlockStatusFilter::Canonical => Some("canonical"),
        },
        from: from.unwrap_or(0),
        to: to.unwrap_or(i64::MAX),
    })
}

async fn read_actions(store: &Store, query: ActionQuery) -> Result<(Vec<ActionRow>, Heights)> {
    let ActionQuery { mut account, from_state, end_state } = query;
    let mut snapshot = store.read().await.map_err(|error| internal(&error))?;
    let heights = snapshot.heights().await.map_err(|error| internal(&error))?;
    let initial = to_decimal(ZkappAccount::new(Era::Berkeley).action_state[0]);
    let mut bounds = [None, None];
    for (bound, state) in bounds.iter_mut().zip([&from_state, &end_state]) {
        let Some(state) = state else { continue };
        let height = snapshot.height_of_state(&account, state).await;
        *bound = match height.map_err(|error| internal(&error))? {
            Some(height) => Some(height),
            // Before all actions.
            None if *state == initial => Some(i64::MIN),
            None => {
                let message = format!("the account was never in action state {state}");
                return Err(coded("ACTION_STATE_NOT_FOUND", message));
            }
        };
    }
    let [first, last] = bounds;
    if let (Some(first), Some(last)) = (first, last)
        && first > last
    {
        let message = "fromActionState comes after endActionState".into();
        return Err(coded("ACTION_STATE_NOT_FOUND", message));
    }
    account.from = account.from.max(first.unwrap_or(i64::MIN));
    account.to = account.to.min(last.map_or(i64::MAX, |last| last.saturating_add(1)));
    let rows = snapshot.actions(&account).await.map_err(|error| internal(&error))?;
    Ok((rows, heights))
}

fn by_block<T>(rows: Vec<T>, height: impl Fn(&T) -> i64) -> BTreeMap<i64, Vec<T>> {
    let mut blocks = BTreeMap::new();
    for row in rows {
        blocks.entry(height(&row)).or_insert_with(Vec::new).push(row);
    }
    blocks
}

/// Ids of account updates: unique in a block, and in order.
fn update_id(sequence: i64, position: i64) -> i64 {
    (sequence << 8) + position
}

fn transaction_info(row: &EventRow) -> TransactionInfo {
    let ids = (0..row.updates).map(|position| Some(update_id(row.sequence, position)));
    TransactionInfo {
        status: "applied".into(),
        hash: row.command_hash.clone(),
        memo: row.memo.clone(),
        authorization_kind: row.authorization_kind.clone(),
        sequence_number: row.sequence,
        zkapp_account_update_ids: ids.collect(),
    }
}

fn event_output(rows: Vec<EventRow>, heights: Heights) -> EventOutput {
    let block_info = rows.first().map(|row| BlockInfo::new(&row.block, heights));
    let data = rows.into_iter().flat_map(|mut row| {
        let info = transaction_info(&row);
        let id = update_id(row.sequence, row.position).to_string();
        std::mem::take(&mut row.data).into_iter().map(move |fields| {
            Some(EventData {
                account_update_id: id.clone(),
                transaction_info: Some(info.clone()),
                data: fields.into_iter().map(Some).collect(),
            })
        })
    });
    EventOutput { event_data: Some(data.collect()), block_info }
}

fn action_output(rows: Vec<ActionRow>, heights: Heights) -> Option<ActionOutput> {
    let first = rows.first()?;
    let block_info = BlockInfo::new(&first.event.block, heights);
    let [one, two, three, four, five] = first.states.clone();
    let events = rows.into_iter().map(|row| row.event).collect();
    let data = event_output(events, heights).event_data.into_iter().flatten().flatten();
    let data = data.map(|EventData { account_update_id, transaction_info, data }| {
        Some(ActionData { account_update_id, transaction_info, data })
    });
    Some(ActionOutput {
        block_info: Some(block_info),
        transaction_info: None,
        action_data: Some(data.collect()),
        action_state: ActionStates {
            action_state_one: one,
            action_state_two: two,
            action_state_three: three,
            action_state_four: four,
            action_state_five: five,
        },
    })
}
