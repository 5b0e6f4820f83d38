//! `zeko deposit` and `zeko withdraw`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use mina_ledger::{
    Domain,
    rollup::DepositAction,
    types::{Amount, Era, NetworkId, Nonce, PublicKey, ZkappCommand},
};
use serde_json::{Value, json};
use zeko_bridge::sign;
use zeko_sdk::{
    amount::{format_mina, parse_mina},
    client::{Client, RpcClient},
    devnet::DevnetInfo,
    keys::KeyPair,
    transfer::{WantedDeposit, withdrawal},
};

use crate::account::{Password, unlock};

/// How often to ask how far something is.
const POLL: Duration = Duration::from_millis(500);

/// What a command or deposit on the L2 goes through, as the sequencer calls it.
const STAGES: [(&str, &str); 5] = [
    ("included", "on the L2"),
    ("da_certified", "certified by the DA layer"),
    ("proved", "proved"),
    ("committed", "committed on the L1"),
    ("final", "final"),
];

/// Where both layers are.
#[derive(Debug, Args)]
struct Network {
    /// The info file of a development network, in place of the URLs and the account below.
    #[arg(long, env = "ZEKO_INFO_FILE")]
    info_file: Option<PathBuf>,
    /// The L1's GraphQL.
    #[arg(long, env = "ZEKO_L1_URL", required_unless_present = "info_file")]
    l1: Option<String>,
    /// The sequencer's GraphQL.
    #[arg(long, env = "ZEKO_NODE_URL", required_unless_present = "info_file")]
    url: Option<String>,
    /// The sequencer's JSON-RPC.
    #[arg(long, env = "ZEKO_RPC_URL", required_unless_present = "info_file")]
    rpc: Option<String>,
    /// The rollup's account on the L1.
    #[arg(long, required_unless_present = "info_file")]
    rollup: Option<String>,
    /// The network that the L1 signs for.
    #[arg(long, default_value = "testnet")]
    l1_network_id: String,
    /// The network that the L2 signs for.
    #[arg(long, env = "ZEKO_NETWORK_ID", default_value = "testnet")]
    network_id: String,
}

struct Layers {
    l1: Client,
    l2: Client,
    rpc: RpcClient,
    rollup: PublicKey,
    l1_domain: Domain,
    l2_domain: Domain,
}

impl Network {
    fn open(&self) -> anyhow::Result<Layers> {
        let domain = |id: &str| -> anyhow::Result<Domain> {
            Ok(Domain::new(NetworkId::from_name(id).context(id.to_owned())?, Era::Berkeley))
        };
        let info: Option<DevnetInfo> = match &self.info_file {
            Some(path) => {
                let text = std::fs::read(path).with_context(|| path.display().to_string())?;
                Some(serde_json::from_slice(&text).with_context(|| path.display().to_string())?)
            }
            None => None,
        };
        let pick = |flag: &Option<String>, known: Option<&String>, what: &'static str| {
            flag.as_ref().or(known).cloned().context(what)
        };
        let info = info.as_ref();
        let l1 = pick(&self.l1, info.map(|info| &info.l1.graphql), "--l1")?;
        let url = pick(&self.url, info.map(|info| &info.l2.graphql), "--url")?;
        let rpc = pick(&self.rpc, info.map(|info| &info.l2.rpc), "--rpc")?;
        let rollup = info.and_then(|info| info.l1.rollup.as_ref());
        let rollup = pick(&self.rollup, rollup, "the network is not settled: no rollup account")?;
        Ok(Layers {
            l1: Client::new(&l1)?,
            l2: Client::new(&url)?,
            rpc: RpcClient::new(&rpc)?,
            rollup: PublicKey::from_base58(&rollup).context("--rollup")?,
            l1_domain: domain(&self.l1_network_id)?,
            l2_domain: domain(&self.network_id)?,
        })
    }
}

/// How far to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Until {
    /// Until the node has it.
    Sent,
    /// Until it is in a block of the L2.
    Included,
    /// Until its batch is committed on the L1.
    Committed,
    /// Until nothing can undo it; of a withdrawal, until it is paid.
    Final,
}

impl Until {
    /// How many of [`STAGES`] that is.
    fn stages(self) -> usize {
        match self {
            Self::Sent => 0,
            Self::Included => 1,
            Self::Committed => 4,
            Self::Final => 5,
        }
    }
}

/// What is moved, and by whom.
#[derive(Debug, Args)]
struct Transfer {
    /// The key file of who pays.
    #[arg(long, env = "ZEKO_KEY_FILE")]
    key: PathBuf,
    /// Who is paid on the other layer; the sender if absent.
    #[arg(long)]
    to: Option<String>,
    /// How much, in MINA.
    #[arg(long, value_parser = parse_mina)]
    amount: Amount,
    /// The fee on the layer that it is sent on, in MINA.
    #[arg(long, value_parser = parse_mina, default_value = "0.1")]
    fee: Amount,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    password: Password,
}

impl Transfer {
    /// The layers, the sender, and who is paid.
    fn open(&self) -> anyhow::Result<(Layers, KeyPair, PublicKey)> {
        let layers = self.network.open()?;
        let pair = unlock(&self.key, &self.password)?;
        let recipient = match &self.to {
            Some(to) => PublicKey::from_base58(to).context("--to")?,
            None => pair.public,
        };
        Ok((layers, pair, recipient))
    }
}

#[derive(Debug, Args)]
pub(crate) struct DepositCommand {
    #[command(flatten)]
    transfer: Transfer,
    /// How far to wait.
    #[arg(long, value_enum, default_value = "included")]
    until: Until,
}

#[derive(Debug, Args)]
pub(crate) struct WithdrawCommand {
    #[command(flatten)]
    transfer: Transfer,
    /// How far to wait.
    #[arg(long, value_enum, default_value = "final")]
    until: Until,
}

/// Shows how far something has come.
struct Steps(ProgressBar);

impl Steps {
    fn new(count: usize, first: &str) -> Self {
        let bar = ProgressBar::new(count as u64);
        // A template of ours, so it is one.
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:20}] {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar.set_message(first.to_owned());
        Self(bar)
    }

    fn set(&self, done: usize, next: impl Into<String>) {
        self.0.set_position(done as u64);
        self.0.set_message(next.into());
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

#[allow(clippy::print_stdout, reason = "what happened is the command's output")]
fn say(line: &str) {
    println!("{line}");
}

/// The number of stages that a status stands for.
fn stage(status: &Value) -> usize {
    let name = status["status"].as_str().unwrap_or_default();
    STAGES.iter().position(|(stage, _)| *stage == name).map_or(0, |place| place + 1)
}

pub(crate) async fn deposit(command: DepositCommand) -> anyhow::Result<()> {
    let DepositCommand { transfer, until } = command;
    let (layers, pair, recipient) = transfer.open()?;
    let account = layers.l1.account(&pair.public).await?;
    let nonce = account.context("the sender has no account on the L1")?.inferred_nonce;
    let wanted = WantedDeposit {
        rollup: layers.rollup,
        sender: pair.public,
        recipient,
        amount: transfer.amount,
        fee: transfer.fee,
        nonce,
    };
    let steps = Steps::new(2 + until.stages(), "the node proves the deposit");
    let request = json!([{
        "sender": pair.public, "recipient": recipient, "amount": transfer.amount,
        "fee": transfer.fee, "nonce": nonce,
    }]);
    let mut prepared: ZkappCommand = layers.rpc.call("zeko_prepareDeposit", request).await?;
    // The node is not believed.
    let action = wanted.check(&prepared, &layers.l1_domain)?;
    sign(&mut prepared, &[&pair.private], &layers.l1_domain)?;
    let hash = layers.l1.send_zkapp(&prepared).await?;
    if until != Until::Sent {
        steps.set(1, "in no block of the L1 yet");
        credited(&layers.rpc, &action, until, &steps).await.context(hash.clone())?;
    }
    steps.end();
    say(&hash);
    Ok(())
}

/// Waits until a deposit has come so far.
async fn credited(
    rpc: &RpcClient,
    action: &DepositAction,
    until: Until,
    steps: &Steps,
) -> anyhow::Result<()> {
    loop {
        let found = find(rpc, action).await?;
        let done = found.as_ref().map_or(0, stage);
        let receipt = found.as_ref().and_then(|found| found["receipt"].as_str());
        if let Some(receipt) = receipt.filter(|receipt| *receipt != "fulfilled") {
            steps.end();
            bail!("{receipt}: the L1 pays it back with a coming batch");
        }
        if done >= until.stages() {
            return Ok(());
        }
        if found.is_some() {
            let next = STAGES.get(done).map_or("", |(_, next)| next);
            steps.set(2 + done, format!("waits to be {next}"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A deposit among those of its recipient.
async fn find(rpc: &RpcClient, action: &DepositAction) -> anyhow::Result<Option<Value>> {
    let deposits: Vec<Value> = rpc.call("zeko_deposits", json!([action.recipient])).await?;
    let same = |one: &Value| {
        let read = |name: &str| one[name].clone();
        read("amount") == json!(action.amount)
            && read("timeout") == json!(action.timeout)
            && read("refundTo") == json!(action.refund_to)
    };
    Ok(deposits.into_iter().find(same))
}

/// What an account has; nothing if there is none.
async fn balance(client: &Client, key: &PublicKey) -> anyhow::Result<Amount> {
    let account = client.account(key).await?;
    Ok(account.map_or(Amount::ZERO, |account| account.balance.total))
}

pub(crate) async fn withdraw(command: WithdrawCommand) -> anyhow::Result<()> {
    let WithdrawCommand { transfer, until } = command;
    let (layers, pair, recipient) = transfer.open()?;
    let account = layers.l2.account(&pair.public).await?;
    let nonce: Nonce = account.context("the sender has no account on the L2")?.inferred_nonce;
    let terms = (transfer.fee, nonce);
    let amount = transfer.amount;
    let sent = withdrawal(&pair.private, recipient, amount, terms, &layers.l2_domain)?;
    let before = balance(&layers.l1, &recipient).await?;
    let hash = layers.l2.send_zkapp(&sent).await?;
    let steps = Steps::new(1 + until.stages(), "sent");
    let last = until.stages().min(4);
    loop {
        let status: Value = layers.rpc.call("zeko_status", json!([hash])).await?;
        let rejected = status["status"] == "rejected" || status["status"] == "unknown";
        if rejected || status["applied"] == json!(false) {
            steps.end();
            bail!("{hash}: {status}");
        }
        let done = stage(&status);
        if done >= last {
            break;
        }
        let next = STAGES.get(done).map_or("", |(_, next)| next);
        steps.set(1 + done, format!("waits to be {next}"));
        tokio::time::sleep(POLL).await;
    }
    if until == Until::Final {
        steps.set(5, "committed: waits to be paid");
        let now = paid(&layers.l1, &recipient, before).await?;
        steps.end();
        say(&format!("{} has {} MINA on the L1", recipient.to_base58(), format_mina(now)));
    }
    steps.end();
    say(&hash);
    Ok(())
}

/// Waits until an account has more than before; what it has.
async fn paid(l1: &Client, recipient: &PublicKey, before: Amount) -> anyhow::Result<Amount> {
    loop {
        let now = balance(l1, recipient).await?;
        if now > before {
            return Ok(now);
        }
        tokio::time::sleep(POLL).await;
    }
}
