//! The bridge on the local L1, whose archive is an indexer: from the deployment to the payouts, with
//! proofs throughout.

mod layer2;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::TransactionHash,
    rollup::{
        ChainId, Committee, CommitteeMember, Configuration, ContractState, Field, Hashed,
        OutboxEntry, Sequencer, SettlementParameters, SignedStatement,
    },
    types::{AccountId, Amount, Era, NetworkId, PublicKey, Slot, SlotSpan, ZkappCommand},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeko_bridge::{
    CertifiedBatch, ContractProver, ContractRule, DeployError, Deployment, DepositError,
    DepositRequest, Deposits, DepositsConfig, ExpectedDeployment, Fees, FoldSizes, HandInError,
    L1Client, L1Config, L1View, L1Watcher, Settler, SettlerConfig, SettlerError, SettlerStatus,
    Stage, WatcherConfig, deploy, sign, verify_deployment,
};
use zeko_indexer::Indexer;
use zeko_sdk::{
    keys::{KeyPair, development_key},
    local_l1::{LocalL1, LocalL1Config, Node},
};
use zeko_sequencer::{Command, graphql::MinaNode};

use layer2::Layer2;

use crate::kit::index;

const MINA: u64 = 1_000_000_000;
/// What the accounts of the L2 begin with.
const VAULT: Amount = Amount::new(20 * MINA);
const NETWORK: &str = "testnet";
const CHAIN: &str = "bridge-test";
const PATIENCE: Duration = Duration::from_secs(600);

fn domain() -> Domain {
    Domain::new(NetworkId::Testnet, Era::Berkeley)
}

fn key(index: u32) -> KeyPair {
    development_key("bridge-test", index)
}

/// A chain on which nothing happens by itself but for the miner, and its archive.
struct Layer1 {
    l1: LocalL1,
    indexer: Indexer,
    client: L1Client,
    mines: Arc<AtomicBool>,
    cancel: CancellationToken,
}

impl Layer1 {
    async fn start() -> Self {
        let cancel = CancellationToken::new();
        let config = LocalL1Config { slot: Duration::from_secs(36_000), ..Default::default() };
        let l1 = LocalL1::start(config, &cancel).await.unwrap();
        let graphql = format!("http://{}/graphql", l1.graphql());
        let indexer = index(&graphql, Duration::from_millis(20), 290, &cancel).await;
        let archive = format!("http://{}", indexer.address());
        let client = L1Client::new(L1Config::new(graphql, archive)).unwrap();
        let mines = Arc::new(AtomicBool::new(true));
        tokio::spawn(mine(Arc::clone(l1.node()), Arc::clone(&mines)));
        Self { l1, indexer, client, mines, cancel }
    }

    /// Commands go into blocks, or wait.
    fn mine(&self, mines: bool) {
        self.mines.store(mines, Ordering::SeqCst);
    }

    fn pool(&self) -> Vec<TransactionHash> {
        self.l1.node().pool(&Default::default()).iter().map(|command| command.hash()).collect()
    }

    /// The zkApp command that waits.
    fn zkapp(&self) -> ZkappCommand {
        let waiting = self.l1.node().pool(&Default::default());
        let zkapp = waiting.iter().find_map(|command| match &**command {
            Command::Zkapp(command) => Some(ZkappCommand::clone(command)),
            Command::Signed(_) => None,
        });
        zkapp.unwrap()
    }

    fn account(&self, key: PublicKey) -> mina_ledger::types::Account {
        self.l1.node().account(&AccountId::of(key)).unwrap().account
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.l1.join().await.unwrap();
        self.indexer.join().await.unwrap();
    }
}

/// The clock of a chain whose blocks all have commands.
async fn mine(node: Arc<Node>, mines: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        if mines.load(Ordering::SeqCst) && !node.pool(&Default::default()).is_empty() {
            node.produce().unwrap();
        }
    }
}

async fn wait<T>(watched: &mut watch::Receiver<Arc<T>>, what: &str, is: impl Fn(&T) -> bool)
where
    T: std::fmt::Debug,
{
    let waited = tokio::time::timeout(PATIENCE, watched.wait_for(|value| is(value)));
    let seen = waited.await.is_ok_and(|seen| seen.is_ok());
    assert!(seen, "{what}: {:?}", watched.borrow());
}

/// A rollup and everybody who has to do with it.
struct Site {
    layer1: Layer1,
    layer2: Layer2,
    prover: ContractProver,
    committee: Committee,
    configuration: Configuration,
    state: ContractState,
}

const ACCOUNT: u32 = 1;
const SEQUENCER: u32 = 5;

impl Site {
    async fn start() -> Self {
        let layer1 = Layer1::start().await;
        let layer2 = Layer2::new(key(ACCOUNT).public, key(SEQUENCER).public);
        let parameters = SettlementParameters {
            domain: domain(),
            l1_network: ChainId::new(NETWORK).unwrap(),
            chain: ChainId::new(CHAIN).unwrap(),
            minimum_deposit: MINA.into(),
            deposit_timeout: SlotSpan::new(40),
            window: SlotSpan::new(20),
            message_quota: 4,
        };
        let batch = layer2.program.program.verification_key().clone();
        let sizes = FoldSizes { actions: 4, waiting: 2, members: 4 };
        let prover = ContractProver::compile(parameters, batch, sizes, None).unwrap();
        let member = |index| CommitteeMember { key: key(index).public, power: 1 };
        let committee = Committee::new((10..14).map(member).collect()).unwrap();
        let configuration = Configuration {
            sequencer: Sequencer { key: key(SEQUENCER).public }.digest(),
            committee: committee.digest(),
            epoch: 0,
            governance: key(6).public,
            pending: Fp::default(),
        };
        let state = ContractState::genesis(layer2.root(), configuration, Slot::ZERO);
        Self { layer1, layer2, prover, committee, configuration, state }
    }

    fn funded(&self, index: usize) -> KeyPair {
        self.layer1.l1.funded()[index].clone()
    }

    async fn deploy(&self) {
        let deployment = Deployment {
            account: key(ACCOUNT).private,
            payer: self.funded(0).private,
            fee: (MINA / 10).into(),
            creation_fee: MINA.into(),
            vault: VAULT,
            state: self.state,
            committee: self.committee.clone(),
        };
        let (client, contract) = (&self.layer1.client, &self.prover);
        let deployed = deploy(client, contract, &deployment, PATIENCE).await.unwrap();
        assert_eq!(deployed.height.get(), 2);
        let again = deploy(client, contract, &deployment, PATIENCE).await;
        assert!(matches!(again, Err(DeployError::Exists(_))), "{again:?}");

        let account = client.account(&key(ACCOUNT).public).await.unwrap().unwrap();
        let root = self.layer2.root();
        let right = ExpectedDeployment::of(contract, self.configuration, root);
        assert!(verify_deployment(&account, None, &right).is_empty());
        let governance = Configuration { governance: key(7).public, ..self.configuration };
        let mut wrong = ExpectedDeployment::of(contract, governance, Default::default());
        wrong.key_hash = Fp::from(1u64);
        let names = |account, expected| -> Vec<String> {
            verify_deployment(account, None, expected).into_iter().map(|one| one.what).collect()
        };
        assert_eq!(names(&account, &wrong), ["verification key", "configuration", "genesis root"]);
        let user = client.account(&self.funded(0).public).await.unwrap().unwrap();
        let differences = names(&user, &right);
        assert!(differences.contains(&"contract".into()), "{differences:?}");
        assert!(differences.contains(&"permission editState".into()), "{differences:?}");
    }

    /// Two deposits, of which the crate makes all but the signatures.
    async fn deposits(&self, view: &mut watch::Receiver<Arc<L1View>>) {
        let deposits = |at_once| {
            let longest = SlotSpan::new(30);
            let config = DepositsConfig { account: key(ACCOUNT).public, at_once, longest };
            Deposits::new(config, self.layer1.client.clone(), self.prover.clone())
        };
        let sender = self.funded(1);
        let request = DepositRequest {
            sender: sender.public,
            recipient: key(8).public,
            amount: (5 * MINA).into(),
            fee: (MINA / 10).into(),
            nonce: None,
            valid_for: SlotSpan::new(20),
        };
        let refused = |request| async move { deposits(1).prepare(&request).await.unwrap_err() };
        let busy = deposits(0).prepare(&request).await.unwrap_err();
        assert!(matches!(busy, DepositError::Busy { at_once: 0 }) && busy.is_transient());
        let small = refused(DepositRequest { amount: 1.into(), ..request }).await;
        assert!(matches!(small, DepositError::Invalid(_)), "{small}");
        let rich = refused(DepositRequest { amount: Amount::new(u64::MAX / 2), ..request }).await;
        assert!(matches!(rich, DepositError::Balance { .. }), "{rich}");
        let long = refused(DepositRequest { valid_for: SlotSpan::new(31), ..request }).await;
        assert!(matches!(long, DepositError::Span { .. }), "{long}");
        let unknown = refused(DepositRequest { sender: key(77).public, ..request }).await;
        assert!(matches!(unknown, DepositError::NoSender), "{unknown}");

        for count in 1..=2 {
            let mut command = deposits(1).prepare(&request).await.unwrap();
            sign(&mut command, &[&sender.private], &domain()).unwrap();
            self.layer1.client.send(&command).await.unwrap();
            wait(view, "a deposit", |view| view.inbox().len() == count).await;
        }
        let view = view.borrow();
        let message = &view.inbox()[0];
        let deposit = message.deposit.unwrap();
        assert_eq!((deposit.recipient, deposit.refund_to), (key(8).public, sender.public));
        assert_eq!(view.contract().unwrap().action_states[0], view.inbox()[1].after);
        assert_eq!(
            self.layer1.account(key(ACCOUNT).public).balance,
            (VAULT.get() + 10 * MINA).into()
        );
    }

    fn settler(&self, dir: &Path) -> SettlerConfig {
        SettlerConfig {
            data_dir: dir.to_owned(),
            account: key(ACCOUNT).public,
            sequencer: key(SEQUENCER).private,
            payer: self.funded(2).private,
            committee: self.committee.clone(),
            configuration: self.configuration,
            fees: Fees::default(),
            finality: 3,
            margin: SlotSpan::new(1),
            retry: Duration::from_millis(200),
        }
    }
}

fn stage(status: &SettlerStatus) -> Option<Stage> {
    status.batches.get(&0).map(|batch| batch.stage)
}

fn is_included(status: &SettlerStatus) -> bool {
    matches!(stage(status), Some(Stage::Included { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn deploy_deposit_commit_and_payout() {
    let mut site = Site::start().await;
    site.deploy().await;
    let config = WatcherConfig {
        poll: Duration::from_millis(20),
        ..WatcherConfig::new(key(ACCOUNT).public)
    };
    let watcher = L1Watcher::start(site.layer1.client.clone(), config, &site.layer1.cancel);
    let mut view = watcher.view();
    site.deposits(&mut view).await;

    // A batch of one block: the first deposit is credited, and somebody withdraws.
    let entry = OutboxEntry::Withdrawal { recipient: key(20).public, amount: (3 * MINA).into() };
    let slot = site.layer1.l1.node().tip().slot;
    let inbox = view.borrow().confirmed(1);
    assert_eq!(inbox.messages().len(), 1);
    let recorded = site.layer2.batch(&inbox, slot, key(SEQUENCER).public, &entry);
    let (statement, attestation) = (recorded.statement, recorded.attestation);
    let signed = |index| (index != 11).then(|| attestation.sign(&key(index).private).unwrap());
    let batch = CertifiedBatch {
        attestation,
        signatures: (10..14).map(signed).collect(),
        statement,
        outbox: vec![entry],
    };
    let proof = site.layer2.prove(recorded).await;

    // What is not certified, or not so, is not taken.
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let (client, cancel) = (site.layer1.client.clone(), &site.layer1.cancel);
        let config = site.settler(dir.path());
        Settler::start(config, client, watcher.view(), site.prover.clone(), cancel).await
    };
    let settler = start().await.unwrap();
    let handle = settler.handle().clone();
    let mut forged = batch.clone();
    forged.signatures[0] = forged.signatures[2];
    assert_eq!(handle.certified(forged).await, Err(HandInError::Certificate { batch: 0 }));
    let mut poor = batch.clone();
    poor.signatures[0] = None;
    assert_eq!(handle.certified(poor).await, Err(HandInError::Certificate { batch: 0 }));
    let silent = CertifiedBatch { outbox: vec![], ..batch.clone() };
    let differs = HandInError::Differs { batch: 0, what: "the outbox" };
    assert_eq!(handle.certified(silent).await, Err(differs));
    assert_eq!(handle.proved(proof.clone()).await, Err(HandInError::Unknown));

    // Proved and sent, and then the process is gone before there is a block.
    site.layer1.mine(false);
    handle.certified(batch.clone()).await.unwrap();
    handle.proved(proof).await.unwrap();
    let mut status = handle.status();
    let is_sent = |status: &SettlerStatus| matches!(stage(status), Some(Stage::Submitted { .. }));
    wait(&mut status, "the commit", is_sent).await;
    let pool = site.layer1.pool();
    assert_eq!(stage(&status.borrow()), Some(Stage::Submitted { hash: pool[0] }));
    settler.stop();
    settler.join().await.unwrap();
    assert_eq!(handle.certified(batch.clone()).await, Err(HandInError::Stopped));
    let other = SettlerConfig { payer: site.funded(3).private, ..site.settler(dir.path()) };
    let (client, cancel) = (site.layer1.client.clone(), &site.layer1.cancel);
    let other = Settler::start(other, client, watcher.view(), site.prover.clone(), cancel).await;
    assert!(matches!(other, Err(SettlerError::Owner { .. })), "{other:?}");

    // Its successor needs no proof of the batch, and makes none: the command is known.
    let settler = start().await.unwrap();
    let handle = settler.handle().clone();
    handle.certified(batch).await.unwrap();
    let mut status = handle.status();
    wait(&mut status, "the commit again", is_sent).await;
    assert_eq!(stage(&status.borrow()), Some(Stage::Submitted { hash: pool[0] }));
    assert_eq!(site.layer1.pool(), pool);
    let commit = site.layer1.zkapp();
    assert_eq!(handle.check(commit.clone()).await, Ok(ContractRule::Commit));
    site.layer1.mine(true);
    wait(&mut status, "a block", is_included).await;
    let refusal = handle.check(commit).await.unwrap_err();
    assert_eq!(refusal.code(), 1010, "{refusal}");

    // A rollback in which the command gets lost: the very same is sent again.
    site.layer1.mine(false);
    let Some(Stage::Included { height }) = stage(&status.borrow()) else { panic!("{status:?}") };
    let depth = site.layer1.l1.node().tip().height.get() - height.get() + 1;
    site.layer1.l1.node().reorganise(depth as usize, true).unwrap();
    wait(&mut status, "the rollback", is_sent).await;
    wait(&mut view, "the rollback", |view| view.progress().is_some_and(|one| one.batch == 0)).await;
    site.layer1.mine(true);
    wait(&mut status, "another block", is_included).await;
    let account = site.layer1.account(key(ACCOUNT).public);
    let fields = &account.zkapp.as_deref().unwrap().app_state;
    assert_eq!(fields[Field::Root.index()], statement.target.root.digest());
    assert_eq!(fields[Field::Inbox.index()], statement.target.inbox);
    assert_eq!(fields[Field::Data.index()], attestation.data.field());

    // The payout follows by itself.
    let is_paid =
        |view: &L1View| view.payout().is_some_and(|payout| payout.paid == statement.target.outbox);
    wait(&mut view, "the payout", is_paid).await;
    assert_eq!(site.layer1.account(key(20).public).balance, (2 * MINA).into());
    assert_eq!(site.layer1.account(key(ACCOUNT).public).balance, (VAULT.get() + 7 * MINA).into());
    for _ in 0..3 {
        site.layer1.l1.node().produce().unwrap();
    }
    wait(&mut status, "the end", |status| {
        stage(status) == Some(Stage::Final) && status.unpaid == 0 && status.reasons.is_empty()
    })
    .await;
    // Nothing was paid for twice.
    let payer = site.layer1.account(site.funded(2).public);
    assert_eq!(payer.nonce.get(), 2);
    assert!(site.layer1.pool().is_empty());
    assert!(handle.reasons().is_empty());

    settler.stop();
    settler.join().await.unwrap();
    watcher.stop();
    watcher.join().await.unwrap();
    site.layer1.stop().await;
}
