//! Both layers without proofs, of which every part can fail: an L1 in this process, which can be out
//! of reach; four validators and a sequencer in processes of their own.

use std::{
    fs::OpenOptions,
    path::PathBuf,
    time::{Duration, Instant},
};

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::TransactionHash,
    rollup::{BRIDGE_SUPPLY, ChainId, DepositAction, bridge_public_key},
    types::{AccountId, Amount, Nonce, PublicKey, ZkappCommand},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use zeko_bridge::{L1Config, sign};
use zeko_derive::{BridgeRequest, EntryKind, Envelope, Wire};
use zeko_indexer::Indexer;
use zeko_sdk::{
    client::{Client, RpcClient},
    keys::{KeyFile, KeyPair},
    local_da::{LocalDa, LocalDaConfig},
    local_l1::{LocalL1, LocalL1Config},
    publisher::rollup_config,
    settlement::{L1Settings, SettlementSettings, genesis_funds},
    transfer::withdrawal,
};
use zeko_sequencer::{GenesisAccount, GenesisConfig, graphql::MinaNode};

use super::{
    here::{Health, Here, Site},
    keys::{FEE, MINA, governance, operator, rollup_key, sequencer_key, user},
    link::{ArchiveLink, Link},
};
use crate::kit::{Running, index, succeed, zeko};

/// Blocks on top of a deposit's before it is consumed.
pub(crate) const DEPTH: u32 = 2;
/// Blocks on top of a settlement's before it is final.
pub(crate) const FINALITY: u32 = 8;
const DEPOSIT_TIMEOUT: u32 = 2000;
const SLOT: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Deserialize)]
pub(crate) struct Ready {
    pub(crate) graphql: String,
    pub(crate) rpc: String,
    pub(crate) health: String,
}

/// The stack. The first accounts of either layer have funds.
pub(crate) struct Stack {
    folder: TempDir,
    genesis: GenesisConfig,
    pub(crate) l1: LocalL1,
    archive: Indexer,
    archive_link: ArchiveLink,
    link: Link,
    pub(crate) da: LocalDa,
    sequencer: Option<Running<Ready>>,
    /// If it is in this process.
    here: Option<Here>,
    cancel: CancellationToken,
}

impl Stack {
    /// With a sequencer in a process of its own.
    pub(crate) async fn start() -> Self {
        let mut stack = Self::prepare(400).await;
        stack.start_sequencer(&[]);
        stack
    }

    /// With a sequencer in this process, and so many slots for a batch to be committed in.
    pub(crate) async fn start_here(window: u32) -> Self {
        let mut stack = Self::prepare(window).await;
        let here = Here::start(Site {
            folder: stack.folder.path(),
            genesis: &stack.genesis,
            l1: L1Config::new(
                format!("http://{}/graphql", stack.l1.graphql()),
                format!("http://{}", stack.archive.address()),
            ),
            da: stack.da.links().clone(),
            settings: SettlementSettings {
                unsafe_no_proofs: true,
                committee: 4,
                window,
                deposit_timeout: DEPOSIT_TIMEOUT,
                ..SettlementSettings::default()
            },
        });
        stack.here = Some(here.await);
        stack
    }

    /// Everything but the sequencer.
    async fn prepare(window: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::new();
        let funded = (0..3).map(user).chain([sequencer_key()]);
        let genesis = GenesisConfig {
            chain_id: "faults".into(),
            slot_ms: SLOT.as_millis() as u64,
            finality: FINALITY,
            accounts: funded
                .map(|pair| GenesisAccount {
                    public_key: pair.public,
                    balance: Amount::new(1000 * MINA),
                })
                .collect(),
            ..GenesisConfig::default()
        };
        let funds = genesis_funds(&genesis).get() + 1000 * MINA;
        let l1 = LocalL1Config {
            slot: SLOT,
            unsafe_no_proofs: true,
            endowed: vec![(operator().public, Amount::new(funds))],
            ..LocalL1Config::default()
        };
        let l1 = LocalL1::start(l1, &cancel).await.unwrap();
        let timestamp_ms = l1.node().genesis_timestamp_ms();
        let genesis = GenesisConfig { timestamp_ms, ..genesis };
        let graphql = format!("http://{}/graphql", l1.graphql());
        let archive = index(&graphql, Duration::from_millis(50), 290, &cancel).await;
        let archive_url = format!("http://{}", archive.address());
        let (archive_link, linked_archive) = ArchiveLink::to(archive_url.clone()).await;
        let link = Link::to(l1.graphql()).await;
        let accounts = folder.path().join("accounts.json");
        std::fs::write(&accounts, serde_json::to_vec(&genesis.ledger().unwrap()).unwrap()).unwrap();
        let [rollup, own] = [rollup_key().public, sequencer_key().public];
        let da = LocalDaConfig {
            program: env!("CARGO_BIN_EXE_zeko").into(),
            dir: folder.path().join("da"),
            chain: "faults-da".into(),
            listen: [127, 0, 0, 1].into(),
            rpc_port: 0,
            rollups: vec![rollup_config(&genesis, rollup, own, accounts)],
            l1: Some(L1Settings { graphql, archive: archive_url, depth: DEPTH, poll_ms: 100 }),
        };
        let da = LocalDa::start(&da).await.unwrap();
        let (sequencer, here) = (None, None);
        let stack =
            Self { folder, genesis, l1, archive, archive_link, link, da, sequencer, here, cancel };
        stack.write_settings(window, &linked_archive);
        stack.command(&["deploy", "--account", "rollup.json", "--payer", "operator.json"]);
        let checked = ["verify-deployment", "--account", &rollup.to_base58()];
        assert_eq!(stack.command(&checked).trim(), "the contract is as expected");
        stack
    }

    fn write_settings(&self, window: u32, archive: &str) {
        for (name, pair) in
            [("operator", operator()), ("sequencer", sequencer_key()), ("rollup", rollup_key())]
        {
            let file = KeyFile::encrypt(&pair, "correct horse").unwrap();
            file.write(&self.path(&format!("{name}.json"))).unwrap();
        }
        let any = "127.0.0.1:0";
        let GenesisConfig { chain_id, slot_ms, timestamp_ms, .. } = &self.genesis;
        let account = |account: &GenesisAccount| {
            let GenesisAccount { public_key, balance } = account;
            format!(
                "[[sequencer.genesis.accounts]]\npublic_key = {:?}\nbalance = \"{balance}\"\n",
                public_key.to_base58(),
            )
        };
        let accounts: String = self.genesis.accounts.iter().map(account).collect();
        let urls = &self.da.links().urls;
        let [rollup, governance, own] =
            [rollup_key(), governance(), sequencer_key()].map(|pair| pair.public.to_base58());
        let l1 = format!("http://{}/graphql", self.link.address);
        let settings = format!(
            "[sequencer]
            data_dir = 'data'
            block_ms = 200
            graphql_listen = '{any}'
            health_listen = '{any}'
            [sequencer.rpc]
            listen = '{any}'
            [sequencer.batch]
            max_age_ms = 400
            [sequencer.genesis]
            chain_id = '{chain_id}'
            slot_ms = {slot_ms}
            timestamp_ms = {timestamp_ms}
            finality = {FINALITY}
            {accounts}
            [settlement]
            unsafe_no_proofs = true
            committee = 4
            window = {window}
            deposit_timeout = {DEPOSIT_TIMEOUT}
            [bridge]
            graphql = '{l1}'
            archive = '{archive}'
            payer = 'operator.json'
            governance = '{governance}'
            sequencer = '{own}'
            da_genesis = 'da/genesis.json'
            data_dir = 'bridge'
            depth = {DEPTH}
            finality = {FINALITY}
            poll = '100ms'
            stuck_blocks = 20
            [publish]
            genesis = 'da/genesis.json'
            rollup_account = '{rollup}'
            nodes = {urls:?}
            "
        );
        std::fs::write(self.path("zeko.toml"), settings).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn zeko(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = zeko(&["--config", "zeko.toml"]);
        command.args(arguments).current_dir(&self.folder);
        command
    }

    fn command(&self, arguments: &[&str]) -> String {
        succeed(&mut self.zeko(arguments))
    }

    pub(crate) fn start_sequencer(&mut self, flags: &[&str]) {
        let log = OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.zeko(&["sequencer", "--key", "sequencer.json"]);
        self.sequencer = Some(Running::start(command.args(flags).stderr(log)));
    }

    /// `kill -9`.
    pub(crate) fn kill_sequencer(&mut self) {
        assert_eq!(self.sequencer.take().unwrap().signal("KILL"), None);
    }

    /// Everything that the sequencer has on disk is gone.
    pub(crate) fn wipe(&self) {
        for name in ["data", "bridge"] {
            std::fs::remove_dir_all(self.path(name)).unwrap();
        }
    }

    /// Whether the sequencer reaches the L1.
    pub(crate) fn link(&self, is_up: bool) {
        self.link.set(is_up);
    }

    /// Whether the archive that the sequencer asks has no actions.
    pub(crate) fn forget_actions(&self, forgets: bool) {
        self.archive_link.forget(forgets);
    }

    fn ready(&self) -> &Ready {
        match &self.here {
            Some(here) => &here.info,
            None => &self.sequencer.as_ref().unwrap().info,
        }
    }

    /// How the prover is from now on.
    pub(crate) fn prover(&self, health: Health) {
        self.here.as_ref().unwrap().health.send_replace(health);
    }

    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        RpcClient::new(&self.ready().rpc).unwrap().call(method, params).await.unwrap()
    }

    /// Waits until something is the case.
    pub(crate) async fn until(&self, what: &str, is: impl AsyncFn(&Self) -> bool) {
        let start = Instant::now();
        while !is(self).await {
            if start.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
                let tail: Vec<_> = log.lines().rev().take(40).collect();
                panic!("{what} does not happen: {tail:#?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Pays a deposit of `from` on the L1 into the rollup, as the node prepares it.
    pub(crate) async fn deposit(&self, from: usize, to: PublicKey, amount: u64) {
        self.send_to_l1(&self.prepare_deposit(from, to, amount).await).await;
    }

    pub(crate) async fn send_to_l1(&self, command: &ZkappCommand) -> TransactionHash {
        let l1 = Client::new(&format!("http://{}/graphql", self.l1.graphql())).unwrap();
        TransactionHash::from_base58(&l1.send_zkapp(command).await.unwrap()).unwrap()
    }

    /// A deposit of `from`, signed.
    pub(crate) async fn prepare_deposit(
        &self,
        from: usize,
        to: PublicKey,
        amount: u64,
    ) -> ZkappCommand {
        let sender = self.l1.funded()[from].clone();
        let request = json!({
            "sender": sender.public, "recipient": to,
            "amount": amount.to_string(), "fee": FEE.to_string(),
        });
        let start = Instant::now();
        let mut command: ZkappCommand = loop {
            let rpc = RpcClient::new(&self.ready().rpc).unwrap();
            match rpc.call("zeko_prepareDeposit", json!([request])).await {
                Ok(prepared) => break prepared,
                // Settlement starts behind the sequencer.
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        sign(&mut command, &[&sender.private], &Domain::default()).unwrap();
        command
    }

    /// The newest action state of the rollup account.
    pub(crate) fn action_state(&self) -> Fp {
        let record = self.l1.node().account(&AccountId::of(rollup_key().public)).unwrap();
        record.account.zkapp.unwrap().action_state[0]
    }

    /// Requests in the bridge request pool.
    pub(crate) async fn relayed(&self) -> usize {
        let node = self.da.links().client(0).await.unwrap();
        let namespace = ChainId::new("faults").unwrap().field();
        let entries = node.namespace(namespace, None, 100).await.unwrap();
        entries.iter().filter(|entry| entry.kind == "bridge_request").count()
    }

    /// Sends a request to the bridge request pool, as a stranger does.
    pub(crate) async fn relay(&self, transaction: TransactionHash, before: Fp, to: DepositAction) {
        let links = self.da.links();
        let request =
            BridgeRequest { rollup_account: rollup_key().public, transaction, before, deposit: to };
        let (kind, chain) = (EntryKind::BridgeRequest, ChainId::new("faults").unwrap());
        let (key, data) = (&user(91).private, request.to_bytes());
        let entry = Envelope::sign(links.chain, kind, chain.field(), data, key).unwrap();
        links.client(0).await.unwrap().submit(&entry).await.unwrap();
    }

    /// The first deposit for a key, as the sequencer knows it.
    pub(crate) async fn deposit_status(&self, to: PublicKey) -> String {
        let deposits = self.ask("zeko_deposits", json!([to])).await;
        deposits[0]["status"].as_str().unwrap_or("unknown").to_owned()
    }

    /// Sends a first withdrawal; its hash.
    pub(crate) async fn withdraw(&self, from: &KeyPair, to: PublicKey, amount: u64) -> String {
        self.withdraw_next(from, 0, to, amount).await
    }

    /// Sends a withdrawal behind others.
    pub(crate) async fn withdraw_next(
        &self,
        from: &KeyPair,
        nonce: u32,
        to: PublicKey,
        amount: u64,
    ) -> String {
        let paid = (Amount::new(FEE), Nonce::new(nonce));
        let amount = Amount::new(amount);
        let command = withdrawal(&from.private, to, amount, paid, &Domain::default()).unwrap();
        Client::new(&self.ready().graphql).unwrap().send_zkapp(&command).await.unwrap()
    }

    pub(crate) async fn status(&self, hash: &str) -> Value {
        self.ask("zeko_status", json!([hash])).await
    }

    pub(crate) async fn l2_balance(&self, key: PublicKey) -> u64 {
        let account = self.ask("zeko_account", json!([key])).await;
        account["balance"].as_str().map_or(0, |balance| balance.parse().unwrap())
    }

    pub(crate) fn l1_balance(&self, key: PublicKey) -> u64 {
        let account = self.l1.node().account(&AccountId::of(key));
        account.map_or(0, |record| record.account.balance.get())
    }

    pub(crate) fn l1_height(&self) -> u32 {
        self.l1.node().tip().height.get()
    }

    /// Whether a command of the operator waits on the L1.
    pub(crate) fn is_settling(&self) -> bool {
        let pool = self.l1.node().pool(&Default::default());
        pool.iter().any(|command| command.fee_payer() == operator().public)
    }

    /// What the contract holds, and what there is on the L2: the same when nothing is on its way.
    pub(crate) async fn funds(&self) -> (u64, u64) {
        let bridge = self.l2_balance(bridge_public_key()).await;
        (self.l1_balance(rollup_key().public), BRIDGE_SUPPLY.get() - bridge)
    }

    /// What the sequencer has in its metrics.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let url = format!("{}/metrics", self.ready().health);
        let metrics = reqwest::get(url).await.ok()?.text().await.ok()?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    /// What the sequencer says of settlement.
    pub(crate) async fn settlement(&self) -> String {
        let url = format!("{}/settlement", self.ready().health);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    /// How often the sequencer of this process has rolled back.
    pub(crate) fn generation(&self) -> u32 {
        self.here.as_ref().unwrap().generation()
    }

    /// How often the sequencers so far have logged something.
    pub(crate) fn said(&self, what: &str) -> usize {
        std::fs::read_to_string(self.path("log")).unwrap().matches(what).count()
    }

    pub(crate) async fn stop(mut self) {
        if let Some(sequencer) = self.sequencer.take() {
            assert_eq!(sequencer.signal("TERM"), Some(0));
        }
        if let Some(here) = self.here.take() {
            here.stop().await;
        }
        self.da.stop().await.unwrap();
        self.cancel.cancel();
        self.l1.join().await.unwrap();
    }
}
