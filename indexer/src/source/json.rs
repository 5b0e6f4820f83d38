//! A node's JSON of blocks.

use mina_curves::Fp;
use mina_ledger::types::from_decimal;
use serde::Deserialize;
use serde_json::Value;

use super::SourceError;
use crate::block::{Block, Command, CommandBody, FeeTransfer, Header, SignedKind, Update};

/// What [`HeaderJson`] reads.
pub(super) const HEADER_FIELDS: &str =
    "stateHash protocolState { previousStateHash consensusState { blockHeight } }";

/// What [`BlockJson`] reads.
pub(super) const BLOCK_FIELDS: &str = "stateHash creator
protocolState {
  previousStateHash
  blockchainState { date stagedLedgerHash }
  consensusState { blockHeight slotSinceGenesis slot epoch }
}
transactions {
  coinbase
  feeTransfer { recipient fee type }
  userCommands { hash kind nonce from to amount fee memo failureReason }
  zkappCommands {
    hash
    failureReason { index failures }
    zkappCommand {
      memo
      feePayer { body { publicKey fee nonce validUntil } }
      accountUpdates {
        body {
          publicKey tokenId callDepth events actions
          balanceChange { magnitude sgn }
          authorizationKind { isSigned isProved }
          update { appState tokenSymbol zkappUri }
        }
      }
    }
  }
}";

/// The fields of a [`Batch`](crate::block::Batch).
pub(super) const BATCH_FIELDS: &str =
    "number firstHeight lastHeight commands messages stage data settledBy";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeaderJson {
    state_hash: String,
    protocol_state: HeaderStateJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeaderStateJson {
    previous_state_hash: String,
    consensus_state: HeightJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeightJson {
    block_height: Number,
}

/// Numbers are strings in Mina's JSON where they may exceed 32 bits, and sometimes where not.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(i64),
    Text(String),
}

impl Number {
    fn get(&self, what: &str) -> Result<i64, SourceError> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => text.parse().map_err(|_| unreadable(what)),
        }
    }
}

fn unreadable(what: &str) -> SourceError {
    SourceError::Unreadable { what: what.to_owned() }
}

impl HeaderJson {
    pub(super) fn into_header(self) -> Result<Header, SourceError> {
        Ok(Header {
            state_hash: self.state_hash,
            parent_hash: self.protocol_state.previous_state_hash,
            height: self.protocol_state.consensus_state.block_height.get("blockHeight")?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockJson {
    state_hash: String,
    creator: String,
    protocol_state: StateJson,
    transactions: TransactionsJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateJson {
    previous_state_hash: String,
    blockchain_state: BlockchainJson,
    consensus_state: ConsensusJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockchainJson {
    date: Number,
    staged_ledger_hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsensusJson {
    block_height: Number,
    slot_since_genesis: Number,
    slot: Number,
    epoch: Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionsJson {
    coinbase: String,
    fee_transfer: Vec<FeeTransferJson>,
    user_commands: Vec<SignedJson>,
    zkapp_commands: Vec<ZkappJson>,
}

#[derive(Deserialize)]
struct FeeTransferJson {
    recipient: String,
    fee: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedJson {
    hash: String,
    kind: String,
    nonce: Number,
    from: String,
    to: String,
    amount: String,
    fee: String,
    memo: String,
    failure_reason: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZkappJson {
    hash: String,
    failure_reason: Option<Value>,
    zkapp_command: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZkappCommandJson {
    memo: String,
    fee_payer: FeePayerJson,
    account_updates: Vec<UpdateJson>,
}

#[derive(Deserialize)]
struct FeePayerJson {
    body: FeePayerBodyJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeePayerBodyJson {
    public_key: String,
    fee: String,
    nonce: Number,
}

#[derive(Deserialize)]
struct UpdateJson {
    body: UpdateBodyJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateBodyJson {
    public_key: String,
    token_id: String,
    events: Vec<Vec<String>>,
    actions: Vec<Vec<String>>,
    authorization_kind: AuthorizationKindJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationKindJson {
    is_signed: bool,
    is_proved: bool,
}

impl BlockJson {
    pub(super) fn into_block(self, slots_per_epoch: i64) -> Result<Block, SourceError> {
        let state = self.protocol_state;
        let consensus = state.consensus_state;
        let since_hard_fork = consensus
            .epoch
            .get("epoch")?
            .checked_mul(slots_per_epoch)
            .and_then(|slots| slots.checked_add(consensus.slot.get("slot").ok()?))
            .ok_or_else(|| unreadable("slot"))?;
        let transactions = self.transactions;
        let signed = transactions.user_commands.into_iter().map(SignedJson::into_command);
        let zkapps = transactions.zkapp_commands.into_iter().map(ZkappJson::into_command);
        Ok(Block {
            header: Header {
                state_hash: self.state_hash,
                parent_hash: state.previous_state_hash,
                height: consensus.block_height.get("blockHeight")?,
            },
            slot_since_genesis: consensus.slot_since_genesis.get("slotSinceGenesis")?,
            slot_since_hard_fork: since_hard_fork,
            ledger_hash: state.blockchain_state.staged_ledger_hash,
            timestamp_ms: state.blockchain_state.date.get("date")?,
            creator: self.creator,
            coinbase: transactions.coinbase,
            commands: signed.chain(zkapps).collect::<Result<_, _>>()?,
            fee_transfers: transactions
                .fee_transfer
                .into_iter()
                .map(|FeeTransferJson { recipient, fee, kind }| FeeTransfer {
                    recipient,
                    fee,
                    kind,
                })
                .collect(),
        })
    }
}

impl SignedJson {
    fn into_command(self) -> Result<Command, SourceError> {
        let kind = match self.kind.as_str() {
            "PAYMENT" => SignedKind::Payment,
            "STAKE_DELEGATION" => SignedKind::Delegation,
            other => return Err(unreadable(&format!("a command of kind {other}"))),
        };
        Ok(Command {
            hash: self.hash,
            fee_payer: self.from,
            fee: self.fee,
            nonce: self.nonce.get("nonce")?,
            memo: self.memo,
            failure: self.failure_reason.filter(|failure| !failure.is_null()),
            body: CommandBody::Signed { kind, receiver: self.to, amount: self.amount },
        })
    }
}

impl ZkappJson {
    fn into_command(self) -> Result<Command, SourceError> {
        let parsed: ZkappCommandJson = serde_json::from_value(self.zkapp_command.clone())
            .map_err(|error| unreadable(&format!("zkApp command {}: {error}", self.hash)))?;
        let payer = parsed.fee_payer.body;
        let updates = parsed.account_updates.into_iter().map(|update| update.body.into_update());
        Ok(Command {
            hash: self.hash,
            fee_payer: payer.public_key,
            fee: payer.fee,
            nonce: payer.nonce.get("nonce")?,
            memo: parsed.memo,
            failure: self.failure_reason.filter(|failure| !failure.is_null()),
            body: CommandBody::Zkapp {
                updates: updates.collect::<Result<_, _>>()?,
                json: self.zkapp_command,
            },
        })
    }
}

impl UpdateBodyJson {
    fn into_update(self) -> Result<Update, SourceError> {
        Ok(Update {
            public_key: self.public_key,
            token_id: self.token_id,
            authorization_kind: match self.authorization_kind {
                AuthorizationKindJson { is_proved: true, .. } => "Proof",
                AuthorizationKindJson { is_signed: true, .. } => "Signature",
                AuthorizationKindJson { .. } => "None_given",
            },
            events: fields(&self.events)?,
            actions: fields(&self.actions)?,
        })
    }
}

fn fields(lists: &[Vec<String>]) -> Result<Vec<Vec<Fp>>, SourceError> {
    let field = |text: &String| from_decimal(text).map_err(|_| unreadable("a field element"));
    lists.iter().map(|list| list.iter().map(field).collect()).collect()
}
