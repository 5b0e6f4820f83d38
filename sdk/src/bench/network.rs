//! The second half of `zeko bench circuits`: batches of several sizes through a local network with
//! proofs, from their inclusion on the L2 to the L1.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zeko_sdk::{
    client::RpcClient,
    devnet::{Devnet, DevnetConfig, DevnetSettlement},
    keys::{KeyPair, development_key},
    settlement::SettlementSettings,
};

use super::report::Report;
use crate::load::Payer;

/// Account updates of a transfer, its fee payer included.
const TRANSFER: usize = 3;

/// Transfers of each batch; the last have 255 account updates.
const TRANSFERS: [usize; 5] = [1, 3, 10, 40, 85];

/// What batches go through, behind their inclusion.
const STAGES: [&str; 4] = ["da_certified", "proved", "committed", "final"];

/// The longest that a batch may take.
const PATIENCE: Duration = Duration::from_secs(900);

const POLL: Duration = Duration::from_millis(50);

/// Prints how long each batch took to each stage. Validators are processes of this program.
pub(super) fn network(report: &Report) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let mut config = DevnetConfig::new(folder.path().into());
        let mut settlement = DevnetSettlement::new(config.l1_slot);
        // The rollup's circuits as large as they can be, as in production.
        let SettlementSettings { updates, proved, messages, accounts, payments, .. } =
            SettlementSettings::default();
        settlement.settings = SettlementSettings {
            updates,
            proved,
            messages,
            accounts,
            payments,
            ..settlement.settings
        };
        config.settlement = Some(settlement);
        config.validator = Some(std::env::current_exe()?);
        let start = Instant::now();
        let devnet = Devnet::start(config, &CancellationToken::new()).await?;
        report.time("network, ready", "", start.elapsed().as_secs_f64());
        let rpc = RpcClient::new(&devnet.info().l2.rpc)?;
        let mut nonce = 0;
        for transfers in TRANSFERS {
            one_batch(report, &rpc, transfers, &mut nonce).await?;
        }
        devnet.stop();
        Ok(devnet.join().await?)
    })
}

/// Transfers that are sent together, and when they get where.
async fn one_batch(
    report: &Report,
    rpc: &RpcClient,
    transfers: usize,
    nonce: &mut u32,
) -> Result<()> {
    let KeyPair { private, .. } = development_key("l2", 0);
    let (payer, to) = (Payer::with_key(private), development_key("l2", 1).public);
    let mut commands = Vec::new();
    for _ in 0..transfers {
        commands.push(json!({ "zkapp": payer.transfer(to, *nonce)? }));
        *nonce += 1;
    }
    let sent: Vec<Value> = rpc.call("zeko_sendMany", json!([commands])).await?;
    let last = sent.last().and_then(|sent| sent["hash"].as_str());
    let last = last.with_context(|| format!("not sent: {sent:?}"))?;
    let mut included = None;
    let mut reached = BTreeMap::new();
    let start = Instant::now();
    while reached.len() < STAGES.len() {
        ensure!(start.elapsed() < PATIENCE, "not settled within {PATIENCE:?}: {reached:?}");
        let status: Value = rpc.call("zeko_status", json!([last])).await?;
        let status = status["status"].as_str().unwrap_or_default();
        if status == "rejected" || status == "unknown" {
            bail!("a transfer is {status}");
        }
        if status != "pending" {
            let since = *included.get_or_insert_with(Instant::now);
            let come = STAGES.iter().position(|stage| *stage == status).map_or(0, |at| at + 1);
            for stage in &STAGES[..come] {
                reached.entry(*stage).or_insert_with(|| since.elapsed().as_secs_f64());
            }
        }
        tokio::time::sleep(POLL).await;
    }
    let updates = (TRANSFER * transfers).to_string();
    for stage in STAGES {
        report.time(&format!("inclusion to {stage}"), &updates, reached[stage]);
    }
    Ok(())
}
