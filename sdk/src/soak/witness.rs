//! Everything that the sequencer has said, and whether it stands by it.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Result, anyhow, bail};
use futures_util::{StreamExt, stream};
use jsonrpsee::{
    core::{
        client::{ClientT, Error as RpcError, Subscription, SubscriptionClientT},
        params::ArrayParams,
    },
    rpc_params,
};
use mina_ledger::{hash::TransactionHash, types::PublicKey};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use zeko_sdk::client::ClientError;

use super::{process::Links, report::Report};
use crate::load::Payer;

/// The longest until everything that was acknowledged is in a block.
const PATIENCE: Duration = Duration::from_secs(60);

/// Questions asked at the same time.
const CONCURRENCY: usize = 32;

/// One who sends, with what is known of it.
pub(super) struct Sender {
    payer: Payer,
    to: PublicKey,
    /// By nonce: what has to be in the chain. All of it is acknowledged but what was found there
    /// after a kill.
    chain: Vec<String>,
    /// How many of these have been found.
    verified: usize,
    /// Sent, and not answered because of the kill.
    in_doubt: Option<String>,
    acknowledged: u64,
}

/// Whether a command was taken.
enum Sent {
    Acknowledged,
    Gone,
}

impl Sender {
    /// Sends until there is nobody any more.
    pub(super) async fn send_all(mut self, links: &Links) -> Result<Self> {
        loop {
            let nonce = u32::try_from(self.chain.len())?;
            let (hash, sent) = if nonce % 3 == 0 {
                let command = self.payer.transfer(self.to, nonce)?;
                let hash = TransactionHash::of_zkapp_command(&command).to_base58();
                let command = serde_json::to_value(&command)?;
                (hash, send_zkapp(links, command, nonce % 2 == 0).await?)
            } else {
                let (hash, payment) = self.payer.payment(self.to, nonce)?;
                let sent = send(links, "zeko_sendPayment", payment).await?;
                (hash.to_base58(), sent)
            };
            match sent {
                Sent::Acknowledged => {
                    self.chain.push(hash);
                    self.acknowledged += 1;
                }
                Sent::Gone => {
                    self.in_doubt = Some(hash);
                    return Ok(self);
                }
            }
        }
    }
}

async fn send(links: &Links, method: &str, command: Value) -> Result<Sent> {
    match links.rpc.request::<Value, _>(method, rpc_params![command]).await {
        Ok(_) => Ok(Sent::Acknowledged),
        Err(RpcError::Call(error)) => bail!("{method} was refused: {error}"),
        Err(_) => Ok(Sent::Gone),
    }
}

async fn send_zkapp(links: &Links, command: Value, by_rpc: bool) -> Result<Sent> {
    if by_rpc {
        return send(links, "zeko_sendZkapp", command).await;
    }
    let query =
        "mutation ($input: SendZkappInput!) { sendZkapp(input: $input) { zkapp { hash } } }";
    let variables = json!({ "input": { "zkappCommand": command } });
    match links.graphql.ask::<Value>(query, variables).await {
        Ok(_) => Ok(Sent::Acknowledged),
        Err(ClientError::Refused(error)) => bail!("sendZkapp was refused: {error}"),
        Err(_) => Ok(Sent::Gone),
    }
}

/// Everything that is confirmed until the process dies.
pub(super) async fn listen(links: Links) -> Result<Vec<Value>> {
    let subscribed: Result<Subscription<Vec<Value>>, _> = links
        .rpc
        .subscribe(
            "zeko_subscribePreConfirmations",
            ArrayParams::new(),
            "zeko_unsubscribePreConfirmations",
        )
        .await;
    // Without an answer the process is gone already.
    let Ok(mut subscribed) = subscribed else { return Ok(Vec::new()) };
    let mut heard = Vec::new();
    while let Some(confirmations) = subscribed.next().await {
        heard.extend(confirmations?);
    }
    Ok(heard)
}

/// What has been said in all rounds.
pub(super) struct Witness {
    pub(super) senders: BTreeMap<usize, Sender>,
    /// By height, less one: the hashes of the blocks.
    blocks: Vec<String>,
    /// Height and index of each command.
    places: HashMap<String, (usize, usize)>,
    /// By command, as it was signed.
    confirmations: HashMap<String, Value>,
    /// Confirmed, and not yet asked again.
    unchecked: HashSet<String>,
}

impl Witness {
    pub(super) fn new(payers: &[Payer]) -> Self {
        let receivers = payers.iter().cycle().skip(1).map(|payer| payer.public_key);
        let sender = |(payer, to): (&Payer, PublicKey)| Sender {
            payer: payer.clone(),
            to,
            chain: Vec::new(),
            verified: 0,
            in_doubt: None,
            acknowledged: 0,
        };
        Self {
            senders: payers.iter().zip(receivers).map(sender).enumerate().collect(),
            blocks: Vec::new(),
            places: HashMap::new(),
            confirmations: HashMap::new(),
            unchecked: HashSet::new(),
        }
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.senders.values().map(|sender| sender.acknowledged).sum()
    }

    pub(super) fn confirmed(&self) -> usize {
        self.confirmations.len()
    }

    pub(super) fn height(&self) -> usize {
        self.blocks.len()
    }

    /// Remembers confirmations; the same command is never confirmed in two places.
    pub(super) fn heard(&mut self, confirmations: Vec<Value>) -> Result<()> {
        for confirmation in confirmations {
            let command = text(&confirmation, "command")?;
            let known = self.confirmations.insert(command.clone(), confirmation.clone());
            if known.is_some_and(|known| known != confirmation) {
                bail!("{command} has two confirmations");
            }
            self.unchecked.insert(command);
        }
        Ok(())
    }

    /// Compares what a new process has with everything that was said before.
    pub(super) async fn check(&mut self, links: &Links, report: &mut Report) -> Result<()> {
        self.resolve_doubts(links, report).await?;
        // What was in a block stays there, and with it by its hash everything before.
        if let Some(last) = self.blocks.last() {
            let block = ask(links, "zeko_block", rpc_params![self.blocks.len()]).await?;
            if block["stateHash"] != last.as_str() {
                report.loss(format!("block {}: {last} has become {block}", self.blocks.len()));
            }
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.read_blocks(links, report).await?;
            let missing = self.missing();
            if missing.is_empty() {
                break;
            }
            if Instant::now() >= deadline {
                for hash in missing {
                    let status = ask(links, "zeko_status", rpc_params![&hash]).await?;
                    report.loss(format!("{hash} was acknowledged and is not in a block: {status}"));
                }
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.check_order(report);
        self.check_nonces(links, report).await?;
        self.check_confirmations(links, report).await
    }

    /// Whether commands that were not answered were taken.
    async fn resolve_doubts(&mut self, links: &Links, report: &mut Report) -> Result<()> {
        for sender in self.senders.values_mut() {
            let Some(hash) = sender.in_doubt.clone() else { continue };
            let status = ask(links, "zeko_status", rpc_params![&hash]).await?;
            match status["status"].as_str() {
                Some("unknown") => {}
                Some("pending" | "included") => {
                    sender.chain.push(hash);
                    report.in_doubt_taken += 1;
                }
                _ => report.loss(format!("{hash} was sent and is {status}")),
            }
            sender.in_doubt = None;
        }
        Ok(())
    }

    async fn read_blocks(&mut self, links: &Links, report: &mut Report) -> Result<()> {
        loop {
            let height = self.blocks.len() + 1;
            let block = ask(links, "zeko_block", rpc_params![height]).await?;
            if block.is_null() {
                return Ok(());
            }
            if self.blocks.last().is_some_and(|last| block["parent"] != last.as_str()) {
                report.loss(format!("block {height} does not follow the one before"));
            }
            self.blocks.push(text(&block, "stateHash")?);
            for (index, hash) in hashes(&block)?.into_iter().enumerate() {
                if let Some(place) = self.places.insert(hash.clone(), (height, index)) {
                    report.loss(format!("{hash} is at {place:?} and at {:?}", (height, index)));
                }
            }
        }
    }

    fn missing(&self) -> Vec<String> {
        let unverified =
            self.senders.values().flat_map(|sender| sender.chain.get(sender.verified..));
        let missing = unverified.flatten().filter(|hash| !self.places.contains_key(*hash));
        missing.cloned().collect()
    }

    /// Commands of a sender are in the order in which they were acknowledged.
    fn check_order(&mut self, report: &mut Report) {
        for sender in self.senders.values_mut() {
            let from = sender.verified.saturating_sub(1);
            let places: Vec<_> =
                sender.chain.iter().skip(from).filter_map(|hash| self.places.get(hash)).collect();
            if !places.is_sorted_by(|before, after| before < after) {
                let key = sender.payer.public_key.to_base58();
                report.loss(format!("commands of {key} are out of order: {places:?}"));
            }
            sender.verified = sender.chain.len();
        }
        let ours: usize = self.senders.values().map(|sender| sender.chain.len()).sum();
        if self.places.len() != ours {
            report.loss(format!("{} commands in blocks, {ours} were sent", self.places.len()));
        }
    }

    async fn check_nonces(&self, links: &Links, report: &mut Report) -> Result<()> {
        for sender in self.senders.values() {
            let key = sender.payer.public_key.to_base58();
            let account = ask(links, "zeko_account", rpc_params![&key]).await?;
            let sent = sender.chain.len().to_string();
            if account["nonce"] != sent {
                report.loss(format!("{key} sent {sent} commands; its account: {account}"));
            }
        }
        Ok(())
    }

    async fn check_confirmations(&mut self, links: &Links, report: &mut Report) -> Result<()> {
        let hashes: Vec<String> = self.unchecked.iter().cloned().collect();
        let again = stream::iter(hashes).map(|hash| async move {
            let now = ask(links, "zeko_preConfirmation", rpc_params![&hash]).await;
            now.map(|now| (hash, now))
        });
        let mut again = again.buffer_unordered(CONCURRENCY);
        while let Some(answer) = again.next().await {
            let (hash, now) = answer?;
            let before = &self.confirmations[&hash];
            if *before != now {
                report.loss(format!("{hash} was confirmed as {before}, now as {now}"));
            }
        }
        drop(again);
        self.unchecked.clear();
        Ok(())
    }

    /// Reads every block again, from the first.
    pub(super) async fn check_whole_chain(&self, links: &Links, report: &mut Report) -> Result<()> {
        let mut count = 0;
        for (height, hash) in (1..).zip(&self.blocks) {
            let block = ask(links, "zeko_block", rpc_params![height]).await?;
            let commands = hashes(&block)?;
            count += commands.len();
            let same = |(index, hash)| self.places.get(hash) == Some(&(height, index));
            if block["stateHash"] != hash.as_str() || !commands.iter().enumerate().all(same) {
                report.loss(format!("block {height} was {hash}, and is {block}"));
            }
        }
        if count != self.places.len() {
            report.loss(format!("{count} commands are in blocks, {} were", self.places.len()));
        }
        Ok(())
    }
}

async fn ask(links: &Links, method: &str, params: ArrayParams) -> Result<Value> {
    Ok(links.rpc.request(method, params).await?)
}

fn text(value: &Value, field: &str) -> Result<String> {
    let text = value[field].as_str();
    text.map(str::to_owned).ok_or_else(|| anyhow!("no {field} in {value}"))
}

/// The commands of a block.
fn hashes(block: &Value) -> Result<Vec<String>> {
    let commands = block["commands"].as_array().ok_or_else(|| anyhow!("no commands in {block}"))?;
    commands.iter().map(|command| text(command, "hash")).collect()
}
