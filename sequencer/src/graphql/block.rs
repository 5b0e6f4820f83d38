//! Fields of blocks, and what the node says of its chain.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use mina_ledger::types::{
    EpochDataView, epoch_seed_to_base58, ledger_hash_to_base58, state_hash_to_base58, to_decimal,
};
use serde_json::{Value as Json, json};

use super::{
    account::of_key,
    node::{Block, MinaNode, NodeInfo},
    resolve::{Output, Resolved},
};
use crate::command::Command;

/// A field of a block.
pub(super) fn field(block: &Arc<Block>, name: &str, node: &dyn MinaNode) -> Resolved {
    let json = match name {
        "creator" => json!(block.producer),
        "creatorAccount" | "winnerAccount" => return of_key(&block.producer, node).into(),
        "stateHash" => json!(state_hash_to_base58(block.state_hash)),
        "stateHashField" => json!(to_decimal(block.state_hash)),
        "protocolState" => protocol_state(block, node.info()),
        "transactions" => return Output::Transactions(Arc::clone(block)).into(),
        "commandTransactionCount" => json!(block.commands.len()),
        _ => Json::Null,
    };
    Resolved::Json(json)
}

/// A field of a block's transactions.
pub(super) fn transactions_field(block: &Block, name: &str, node: &dyn MinaNode) -> Resolved {
    let commands = |zkapps: bool| {
        let kind = |command: &Command| matches!(command, Command::Zkapp(_)) == zkapps;
        let commands = block.commands.iter().filter(|included| kind(&included.command));
        Resolved::List(commands.cloned().map(|one| Output::Command(Box::new(one))).collect())
    };
    match name {
        "userCommands" => commands(false),
        "zkappCommands" => commands(true),
        "feeTransfer" => {
            let transfers = block.fee_transfers.iter().map(|transfer| {
                let kind = if transfer.via_coinbase {
                    "Fee_transfer_via_coinbase"
                } else {
                    "Fee_transfer"
                };
                json!({ "recipient": transfer.recipient, "fee": transfer.fee, "type": kind })
            });
            Resolved::Json(transfers.collect())
        }
        "coinbase" => Resolved::Json(json!(block.coinbase)),
        "coinbaseReceiverAccount" => {
            block.coinbase_receiver.map_or(Resolved::Null, |key| of_key(&key, node).into())
        }
        _ => Resolved::Null,
    }
}

fn protocol_state(block: &Block, info: &NodeInfo) -> Json {
    let time = block.timestamp_ms.to_string();
    let (slot, epoch) = (block.slot.get(), block.slot.get() / info.slots_per_epoch.max(1));
    json!({
        "previousStateHash": state_hash_to_base58(block.parent),
        "blockchainState": {
            "date": time,
            "utcDate": time,
            "snarkedLedgerHash": ledger_hash_to_base58(block.view.snarked_ledger_hash),
            "stagedLedgerHash": ledger_hash_to_base58(block.ledger_hash),
            "stagedLedgerProofEmitted": false,
        },
        "consensusState": {
            "blockchainLength": block.height,
            "blockHeight": block.height,
            "epochCount": epoch.to_string(),
            "minWindowDensity": block.view.min_window_density,
            "totalCurrency": block.view.total_currency,
            "stakingEpochData": epoch_data(&block.view.staking_epoch_data),
            "nextEpochData": epoch_data(&block.view.next_epoch_data),
            "hasAncestorInSameCheckpointWindow": true,
            "slot": (slot % info.slots_per_epoch.max(1)).to_string(),
            "slotSinceGenesis": slot.to_string(),
            "epoch": epoch.to_string(),
            "superchargedCoinbase": false,
            "blockStakeWinner": block.producer,
            "blockCreator": block.producer,
            "coinbaseReceiever": block.coinbase_receiver.unwrap_or(block.producer),
        },
    })
}

fn epoch_data(view: &EpochDataView) -> Json {
    json!({
        "ledger": {
            "hash": ledger_hash_to_base58(view.ledger.hash),
            "totalCurrency": view.ledger.total_currency,
        },
        "seed": epoch_seed_to_base58(view.seed),
        "startCheckpoint": state_hash_to_base58(view.start_checkpoint),
        "lockCheckpoint": state_hash_to_base58(view.lock_checkpoint),
        "epochLength": view.epoch_length,
    })
}

/// What `daemonStatus` answers.
pub(super) fn daemon_status(node: &dyn MinaNode) -> Json {
    let (info, tip) = (node.info(), node.tip());
    let now_slot = now_ms().saturating_sub(info.genesis_timestamp_ms) / info.slot_ms.max(1);
    json!({
        "numAccounts": node.account_count(),
        "blockchainLength": tip.height.get(),
        "highestBlockLengthReceived": tip.height.get(),
        "highestUnvalidatedBlockLengthReceived": tip.height.get(),
        "uptimeSecs": info.started.elapsed().as_secs(),
        "ledgerMerkleRoot": ledger_hash_to_base58(tip.ledger_hash),
        "stateHash": state_hash_to_base58(tip.state_hash),
        "chainId": info.chain_id,
        "commitId": env!("CARGO_PKG_VERSION"),
        "peers": [],
        "syncStatus": sync_status(node),
        "blockProductionKeys": [tip.producer],
        "coinbaseReceiver": tip.coinbase_receiver,
        "consensusTimeBestTip": consensus_time(tip.slot.get().into(), info),
        "globalSlotSinceGenesisBestTip": tip.slot.get(),
        "consensusTimeNow": consensus_time(now_slot, info),
        "consensusMechanism": "proof_of_stake",
        "consensusConfiguration": {
            "delta": 0,
            "k": info.k,
            "slotsPerEpoch": info.slots_per_epoch,
            "slotDuration": info.slot_ms,
            "epochDuration": info.slot_ms * u64::from(info.slots_per_epoch),
            "genesisStateTimestamp": iso_time(info.genesis_timestamp_ms),
            "acceptableNetworkDelay": 0,
        },
    })
}

pub(super) fn sync_status(node: &dyn MinaNode) -> Json {
    json!(format!("{:?}", node.sync_status()).to_uppercase())
}

fn consensus_time(slot: u64, info: &NodeInfo) -> Json {
    let per_epoch = u64::from(info.slots_per_epoch.max(1));
    let start = info.genesis_timestamp_ms.saturating_add(slot.saturating_mul(info.slot_ms));
    json!({
        "epoch": (slot / per_epoch).to_string(),
        "slot": (slot % per_epoch).to_string(),
        "globalSlot": slot.to_string(),
        "startTime": start.to_string(),
        "endTime": start.saturating_add(info.slot_ms).to_string(),
    })
}

/// What `genesisConstants` answers.
pub(super) fn genesis_constants(info: &NodeInfo) -> Json {
    json!({
        "accountCreationFee": info.account_creation_fee,
        "coinbase": info.coinbase,
        "genesisTimestamp": iso_time(info.genesis_timestamp_ms),
    })
}

/// What `runtimeConfig` answers: the part of Mina's that applies.
pub(super) fn runtime_config(info: &NodeInfo) -> Json {
    json!({
        "genesis": {
            "genesis_state_timestamp": iso_time(info.genesis_timestamp_ms),
            "k": info.k,
            "slots_per_epoch": info.slots_per_epoch,
        },
        "proof": {
            "block_window_duration_ms": info.slot_ms,
            "account_creation_fee": info.account_creation_fee,
            "coinbase_amount": info.coinbase,
        },
        "network": info.network.name(),
    })
}

fn now_ms() -> u64 {
    // Before 1970 is slot 0.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// ISO 8601 in UTC with milliseconds.
pub(super) fn iso_time(ms: u64) -> String {
    let (days, time) = (ms / 86_400_000, ms % 86_400_000);
    // Days since 1 March of year 0 fall into cycles of 400 years, of which the last day is a leap
    // day; see H. Hinnant, "chrono-compatible low-level date algorithms".
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hours, minutes, seconds) = (time / 3_600_000, time / 60_000 % 60, time / 1000 % 60);
    let ms = time % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::iso_time;

    #[test]
    fn dates() {
        assert_eq!(iso_time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_time(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso_time(1_717_545_600_123), "2024-06-05T00:00:00.123Z");
        assert_eq!(iso_time(1_798_761_599_999), "2026-12-31T23:59:59.999Z");
    }
}
