//! `zeko send` and `zeko status`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use mina_ledger::types::{Amount, Memo, NetworkId, Nonce, PublicKey};
use serde_json::json;
use zeko_sdk::{
    amount::parse_mina,
    client::{Client, Payment, RpcClient},
};
use zeko_sequencer::BatchRecord;

use crate::account::{Password, unlock};

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The key file of the sender.
    #[arg(long, env = "ZEKO_KEY_FILE")]
    key: PathBuf,
    /// Whom to pay.
    #[arg(long)]
    to: String,
    /// How much, in MINA.
    #[arg(long, value_parser = parse_mina)]
    amount: Amount,
    /// The fee in MINA.
    #[arg(long, value_parser = parse_mina, default_value = "0.1")]
    fee: Amount,
    /// A remark of at most 32 bytes.
    #[arg(long, default_value = "")]
    memo: String,
    /// The nonce; the account's next if absent.
    #[arg(long)]
    nonce: Option<u32>,
    /// The network that the node signs for: mainnet, testnet, or a name of its own.
    #[arg(long, env = "ZEKO_NETWORK_ID", default_value = "testnet")]
    network_id: String,
    /// The node's GraphQL.
    #[arg(long, env = "ZEKO_NODE_URL", default_value = "http://127.0.0.1:3085/graphql")]
    url: String,
    /// Return when the payment is in a block.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    password: Password,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The node's GraphQL.
    #[arg(long, env = "ZEKO_NODE_URL", default_value = "http://127.0.0.1:3085/graphql")]
    url: String,
    /// A sequencer's JSON-RPC: shows how far its last batches have come, too.
    #[arg(long, env = "ZEKO_RPC_URL")]
    rpc: Option<String>,
}

/// Batches that are shown.
const BATCHES: u64 = 10;

#[allow(clippy::print_stdout, reason = "the hash is the command's output")]
pub(crate) async fn send(command: Send) -> anyhow::Result<()> {
    let client = Client::new(&command.url)?;
    let receiver = PublicKey::from_base58(&command.to).context("--to")?;
    let network = NetworkId::from_name(&command.network_id).context("--network-id")?;
    let payment = Payment {
        receiver,
        amount: command.amount,
        fee: command.fee,
        memo: Memo::from_text(&command.memo).context("--memo")?,
        nonce: command.nonce.map(Nonce::new),
    };
    let pair = unlock(&command.key, &command.password)?;
    let sent = client.pay(&pair, &payment, network).await?;
    println!("{}", sent.hash);
    let mut status = String::from("PENDING");
    while command.wait && status != "INCLUDED" {
        // A node cannot be asked to say when.
        tokio::time::sleep(Duration::from_millis(500)).await;
        status = client.payment_status(&sent.id).await?;
        if status == "UNKNOWN" {
            bail!("{}: the node does not know it any more", sent.hash);
        }
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the status is the command's output")]
pub(crate) async fn status(command: &Status) -> anyhow::Result<()> {
    let status = Client::new(&command.url)?.status().await?;
    println!("network  {}", status.network_id);
    println!("sync     {}", status.sync_status);
    if let Some(tip) = status.best_chain.iter().flatten().next() {
        let consensus = &tip.protocol_state.consensus_state;
        println!("height   {}", consensus.block_height);
        println!("slot     {}", consensus.slot_since_genesis);
        println!("block    {}", tip.state_hash);
    }
    if let Some(rpc) = &command.rpc {
        for batch in last_batches(&RpcClient::new(rpc)?).await? {
            let BatchRecord { number, stage, commands, messages, .. } = batch;
            let stage = serde_json::to_value(stage)?;
            let stage = stage.as_str().unwrap_or_default();
            println!("batch    {number}: {stage}, {commands} commands, {messages} messages");
        }
    }
    if status.sync_status != "SYNCED" {
        bail!("the node is not synced");
    }
    Ok(())
}

/// The last batches, oldest first.
async fn last_batches(rpc: &RpcClient) -> anyhow::Result<Vec<BatchRecord>> {
    let (mut last, mut from) = (Vec::new(), 0);
    loop {
        let batches: Vec<BatchRecord> = rpc.call("zeko_batches", json!([from, 250])).await?;
        let Some(newest) = batches.last() else { break };
        from = newest.number + 1;
        last.extend(batches);
        last.retain(|batch| batch.number + BATCHES >= from);
    }
    Ok(last)
}
