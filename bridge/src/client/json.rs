//! The JSON of the L1's answers.

use mina_curves::Fp;
use mina_ledger::{
    hash::TransactionHash,
    types::{Amount, Length, Nonce, Permissions, Slot, from_decimal},
};
use serde::Deserialize;
use serde_json::Value;

use super::{ArchivedActions, ArchivedEvent, L1Account, L1Block, L1Command, L1Snapshot, L1Zkapp};

/// What [`AccountJson`] reads.
pub(super) const ACCOUNT_FIELDS: &str = "nonce inferredNonce balance { total }
zkappState actionState verificationKey { hash }
permissions {
  editState access send receive setDelegate setPermissions
  setVerificationKey { auth txnVersion }
  setZkappUri editActionState setTokenSymbol incrementNonce setVotingFor setTiming
}";

/// What [`BlockJson`] reads.
pub(super) const BLOCK_FIELDS: &str = "stateHash
protocolState { previousStateHash consensusState { blockHeight slotSinceGenesis } }
transactions { zkappCommands { hash failureReason { index } } }";

#[derive(Deserialize)]
pub(super) struct Response<T> {
    pub(super) data: Option<T>,
    #[serde(default)]
    pub(super) errors: Vec<ErrorJson>,
}

#[derive(Deserialize)]
pub(super) struct ErrorJson {
    pub(super) message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SnapshotData {
    account: Option<AccountJson>,
    best_chain: Option<Vec<BlockJson>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PairData {
    first: Option<AccountJson>,
    second: Option<AccountJson>,
    best_chain: Option<Vec<BlockJson>>,
}

impl PairData {
    pub(super) fn into_pair(self) -> Result<(Vec<L1Block>, [Option<L1Account>; 2]), String> {
        let read =
            |account: Option<AccountJson>| account.map(AccountJson::into_account).transpose();
        Ok((blocks(self.best_chain)?, [read(self.first)?, read(self.second)?]))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountJson {
    nonce: Option<Nonce>,
    inferred_nonce: Option<Nonce>,
    balance: BalanceJson,
    zkapp_state: Option<Vec<String>>,
    action_state: Option<Vec<String>>,
    verification_key: Option<KeyJson>,
    permissions: Permissions,
}

#[derive(Deserialize)]
struct BalanceJson {
    total: Amount,
}

#[derive(Deserialize)]
struct KeyJson {
    hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockJson {
    state_hash: String,
    protocol_state: StateJson,
    transactions: TransactionsJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateJson {
    previous_state_hash: String,
    consensus_state: ConsensusJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsensusJson {
    block_height: Length,
    slot_since_genesis: Slot,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionsJson {
    zkapp_commands: Vec<CommandJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommandJson {
    hash: String,
    failure_reason: Option<Value>,
}

fn field(text: &str) -> Result<Fp, String> {
    from_decimal(text).map_err(|error| error.to_string())
}

fn fields(texts: &[String]) -> Result<Vec<Fp>, String> {
    texts.iter().map(|text| field(text)).collect()
}

fn hash(text: &str) -> Result<TransactionHash, String> {
    TransactionHash::from_base58(text).map_err(|error| error.to_string())
}

/// The oldest first.
fn blocks(chain: Option<Vec<BlockJson>>) -> Result<Vec<L1Block>, String> {
    let blocks = chain.unwrap_or_default().into_iter();
    let mut blocks = blocks.map(BlockJson::into_block).collect::<Result<Vec<_>, _>>()?;
    // Nodes disagree about the order.
    blocks.sort_by_key(|block| block.height);
    Ok(blocks)
}

impl SnapshotData {
    pub(super) fn into_snapshot(self) -> Result<L1Snapshot, String> {
        let blocks = blocks(self.best_chain)?;
        let account = self.account.map(AccountJson::into_account).transpose()?;
        Ok(L1Snapshot { blocks, account })
    }
}

impl AccountJson {
    fn into_account(self) -> Result<L1Account, String> {
        let zkapp = match (self.zkapp_state, self.action_state) {
            (Some(state), Some(actions)) => {
                let short = |_| "an account with another number of fields".to_owned();
                let key = self.verification_key.map(|key| field(&key.hash)).transpose()?;
                Some(L1Zkapp {
                    state: fields(&state)?.try_into().map_err(short)?,
                    action_states: fields(&actions)?.try_into().map_err(short)?,
                    key_hash: key,
                })
            }
            _ => None,
        };
        let nonce = self.nonce.unwrap_or_default();
        Ok(L1Account {
            balance: self.balance.total,
            nonce,
            inferred_nonce: self.inferred_nonce.unwrap_or(nonce),
            permissions: self.permissions,
            zkapp,
        })
    }
}

impl BlockJson {
    fn into_block(self) -> Result<L1Block, String> {
        let consensus = self.protocol_state.consensus_state;
        let command = |command: CommandJson| {
            let failed = command.failure_reason.is_some_and(|reason| !reason.is_null());
            Ok(L1Command { hash: hash(&command.hash)?, failed })
        };
        let commands = self.transactions.zkapp_commands.into_iter().map(command);
        Ok(L1Block {
            height: consensus.block_height,
            slot: consensus.slot_since_genesis,
            state_hash: self.state_hash,
            parent: self.protocol_state.previous_state_hash,
            commands: commands.collect::<Result<_, String>>()?,
        })
    }
}

#[derive(Deserialize)]
struct HashJson {
    hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PoolData {
    pooled_zkapp_commands: Vec<HashJson>,
}

impl PoolData {
    pub(super) fn into_hashes(self) -> Result<Vec<TransactionHash>, String> {
        self.pooled_zkapp_commands.iter().map(|command| hash(&command.hash)).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendData {
    send_zkapp: SentJson,
}

#[derive(Deserialize)]
struct SentJson {
    zkapp: HashJson,
}

impl SendData {
    pub(super) fn into_hash(self) -> Result<TransactionHash, String> {
        hash(&self.send_zkapp.zkapp.hash)
    }
}

#[derive(Deserialize)]
pub(super) struct ActionsData {
    actions: Vec<Option<ActionsJson>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActionsJson {
    block_info: Option<BlockInfoJson>,
    action_data: Option<Vec<Option<ActionJson>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockInfoJson {
    height: Length,
    #[serde(default)]
    state_hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActionJson {
    account_update_id: String,
    data: Vec<Option<String>>,
    transaction_info: Option<TransactionInfoJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionInfoJson {
    #[serde(default)]
    sequence_number: i64,
    hash: Option<String>,
}

fn optional_fields(texts: &[Option<String>]) -> Result<Vec<Fp>, String> {
    texts.iter().map(|text| field(text.as_deref().unwrap_or_default())).collect()
}

impl ActionsData {
    pub(super) fn into_actions(self) -> Result<Vec<ArchivedActions>, String> {
        let mut blocks = Vec::new();
        for block in self.actions.into_iter().flatten() {
            let info = block.block_info.ok_or("actions of no block")?;
            blocks.push((info, block.action_data.unwrap_or_default()));
        }
        blocks.sort_by_key(|(info, _)| info.height);
        let mut all = Vec::new();
        for (info, data) in blocks {
            let mut data: Vec<ActionJson> = data.into_iter().flatten().collect();
            // Commands in the order of the block; updates stand in the order of their command.
            data.sort_by_key(|action| {
                action.transaction_info.as_ref().map_or(0, |info| info.sequence_number)
            });
            let mut last = None;
            for action in data {
                let fields = optional_fields(&action.data)?;
                let id = Some(action.account_update_id);
                if last != id {
                    let (height, state_hash) = (info.height, info.state_hash.clone());
                    let info = action.transaction_info.and_then(|info| info.hash);
                    let transaction = info.map(|text| hash(&text)).transpose()?;
                    let actions = Vec::new();
                    all.push(ArchivedActions { height, state_hash, transaction, actions });
                    last = id;
                }
                if let Some(update) = all.last_mut() {
                    update.actions.push(fields);
                }
            }
        }
        Ok(all)
    }
}

#[derive(Deserialize)]
pub(super) struct EventsData {
    events: Vec<Option<EventsJson>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventsJson {
    block_info: Option<BlockInfoJson>,
    event_data: Option<Vec<Option<EventJson>>>,
}

#[derive(Deserialize)]
struct EventJson {
    data: Vec<Option<String>>,
}

impl EventsData {
    pub(super) fn into_events(self) -> Result<Vec<ArchivedEvent>, String> {
        let mut events = Vec::new();
        for block in self.events.into_iter().flatten() {
            let height = block.block_info.ok_or("events of no block")?.height;
            for event in block.event_data.into_iter().flatten().flatten() {
                events.push(ArchivedEvent { height, fields: optional_fields(&event.data)? });
            }
        }
        events.sort_by_key(|event| event.height);
        Ok(events)
    }
}
