//! Batches that leave a deposit behind which is past its timeout, on an L1 that does not look at proofs.

use std::{sync::Arc, time::Duration};

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::constants::EMPTY_ACTION_STATE,
    rollup::{
        Attestation, BatchStatement, ChainId, Committee, CommitteeMember, ContractState,
        DataCommitment, Hashed, Root, SETTLEMENT_VERSION, SettlementParameters, Side,
        SignedStatement,
    },
    types::{AccountId, Era, Length, NetworkId, Slot, SlotSpan},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeko_bridge::{
    CertifiedBatch, ContractProver, Deployment, DepositRequest, Deposits, DepositsConfig, Fees,
    L1Client, L1Config, L1View, L1Watcher, Settler, SettlerConfig, SettlerHandle, SettlerStatus,
    Stage, WatcherConfig, deploy, sign,
};
use zeko_sdk::{
    keys::{KeyPair, development_key},
    local_l1::{LocalL1, LocalL1Config},
    settlement::configuration,
};
use zeko_sequencer::graphql::MinaNode;

use crate::kit::index;

const MINA: u64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(60);
const WINDOW: u32 = 20;
const FINALITY: u32 = 3;

fn key(index: u32) -> KeyPair {
    development_key("overdue-test", index)
}

fn parameters() -> SettlementParameters {
    SettlementParameters {
        domain: Domain::new(NetworkId::Testnet, Era::Berkeley),
        l1_network: ChainId::new("testnet").unwrap(),
        chain: ChainId::new("overdue-test").unwrap(),
        minimum_deposit: MINA.into(),
        deposit_timeout: SlotSpan::new(0),
        window: SlotSpan::new(WINDOW),
        message_quota: 1,
    }
}

/// A block for whatever is in the pool.
async fn mine(l1: Arc<zeko_sdk::local_l1::Node>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        if !l1.pool(&Default::default()).is_empty() {
            l1.produce().unwrap();
        }
    }
}

async fn wait<T>(watched: &mut watch::Receiver<Arc<T>>, what: &str, is: impl Fn(&T) -> bool)
where
    T: std::fmt::Debug,
{
    let seen = tokio::time::timeout(PATIENCE, watched.wait_for(|value| is(value))).await;
    assert!(seen.is_ok_and(|seen| seen.is_ok()), "{what}: {:?}", watched.borrow());
}

/// The first batch of a generation, in one slot, which has consumed the inbox up to a state.
fn batch(generation: u32, slot: Slot, inbox: Fp) -> CertifiedBatch {
    let SettlementParameters { chain, l1_network, .. } = parameters();
    let root = Root { ledger: Fp::from(generation + 1), accounts: Fp::from(1u64) };
    let side =
        |root, inbox| Side { root, inbox, outbox: EMPTY_ACTION_STATE, block: Fp::from(2u64) };
    let (source, target) = (side(Root::default(), EMPTY_ACTION_STATE), side(root, inbox));
    let statement = BatchStatement { chain, source, target, first_slot: slot, last_slot: slot };
    let attestation = Attestation {
        protocol_version: SETTLEMENT_VERSION,
        l1_network,
        rollup_account: key(1).public,
        chain,
        committee_epoch: 0,
        generation,
        batch: 0,
        source_ledger: source.root.ledger,
        target_ledger: target.root.ledger,
        inbox_before: source.inbox,
        inbox_after: target.inbox,
        outbox_before: source.outbox,
        outbox_after: target.outbox,
        first_height: Length::ZERO,
        first_block: target.block,
        last_height: Length::ZERO,
        last_block: target.block,
        first_slot: slot,
        last_slot: slot,
        fee_recipient: key(5).public,
        previous_data: DataCommitment::default(),
        data: DataCommitment::new(&generation.to_le_bytes()),
        byte_length: 4,
    };
    let signatures = vec![Some(attestation.sign(&key(10).private).unwrap())];
    CertifiedBatch { attestation, signatures, statement, outbox: vec![] }
}

async fn hand_in(settler: &SettlerHandle, batch: CertifiedBatch) {
    let app_state = vec![batch.statement.digest()];
    settler.certified(batch).await.unwrap();
    let proof = pickles::Proof::placeholder();
    settler.proved(pickles::ProvedStatement { app_state, proof, key: None }).await.unwrap();
}

/// Deposits, each in a slot of its own: so many that the first is behind none of the action states that
/// the account keeps.
const DEPOSITS: usize = 5;

/// Makes the deposits.
async fn deposit(
    l1: &LocalL1,
    client: &L1Client,
    prover: &ContractProver,
    view: &mut watch::Receiver<Arc<L1View>>,
) {
    let config = DepositsConfig { account: key(1).public, at_once: 1, longest: SlotSpan::new(3) };
    let deposits = Deposits::new(config, client.clone(), prover.clone());
    let sender = l1.funded()[1].clone();
    for count in 1..=DEPOSITS {
        let request = DepositRequest {
            sender: sender.public,
            recipient: key(8).public,
            amount: MINA.into(),
            fee: (MINA / 10).into(),
            nonce: None,
            valid_for: SlotSpan::new(3),
        };
        let mut command = deposits.prepare(&request).await.unwrap();
        sign(&mut command, &[&sender.private], &parameters().domain).unwrap();
        client.send(&command).await.unwrap();
        wait(view, "a deposit", |view| view.inbox().len() == count).await;
    }
}

fn stage(status: &SettlerStatus) -> Option<Stage> {
    status.batches.get(&0).map(|batch| batch.stage)
}

/// It is neither sent nor paid for, and the status says why; when its window has passed, it is missed.
/// Built again so that it consumes a full quota, it is committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_leaves_an_overdue_deposit_behind_is_built_again() {
    let cancel = CancellationToken::new();
    let config = LocalL1Config {
        slot: Duration::from_secs(36_000),
        unsafe_no_proofs: true,
        ..LocalL1Config::default()
    };
    let l1 = LocalL1::start(config, &cancel).await.unwrap();
    let miner = tokio::spawn(mine(Arc::clone(l1.node())));
    let graphql = format!("http://{}/graphql", l1.graphql());
    let archive = index(&graphql, Duration::from_millis(20), 290, &cancel).await;
    let archive = format!("http://{}", archive.address());
    let client = L1Client::new(L1Config::new(graphql, archive)).unwrap();
    let prover = ContractProver::unsafe_no_proofs(parameters());
    let member = CommitteeMember { key: key(10).public, power: 1 };
    let committee = Committee::new(vec![member]).unwrap();
    let configuration = configuration(key(5).public, &committee, 0, key(6).public);
    let deployment = Deployment {
        account: key(1).private,
        payer: l1.funded()[0].private.clone(),
        fee: (MINA / 10).into(),
        creation_fee: MINA.into(),
        vault: MINA.into(),
        state: ContractState::genesis(Root::default(), configuration, Slot::ZERO),
        committee: committee.clone(),
    };
    deploy(&client, &prover, &deployment, PATIENCE).await.unwrap();
    let poll = Duration::from_millis(20);
    let watched = WatcherConfig { poll, ..WatcherConfig::new(key(1).public) };
    let watcher = L1Watcher::start(client.clone(), watched, &cancel);
    let mut view = watcher.view();
    deposit(&l1, &client, &prover, &mut view).await;
    let inbox: Vec<_> = view.borrow().inbox().to_vec();
    let timeouts: Vec<_> = inbox.iter().map(|one| one.deposit.unwrap().timeout).collect();
    let states = view.borrow().contract().unwrap().action_states;
    assert!(states.iter().eq(inbox.iter().rev().map(|one| &one.after)), "{states:?}");
    let slot = || l1.node().tip().slot;
    while slot() <= timeouts[DEPOSITS - 1] {
        l1.node().produce().unwrap();
    }

    let dir = tempfile::tempdir().unwrap();
    let payer = l1.funded()[3].clone();
    let config = SettlerConfig {
        data_dir: dir.path().to_owned(),
        account: key(1).public,
        sequencer: key(5).private,
        payer: payer.private.clone(),
        committee,
        configuration,
        fees: Fees::default(),
        finality: FINALITY,
        margin: SlotSpan::new(1),
        retry: Duration::from_millis(50),
    };
    let settler = Settler::start(config, client, view, prover, &cancel).await.unwrap();
    let handle = settler.handle().clone();
    hand_in(&handle, batch(0, slot(), EMPTY_ACTION_STATE)).await;
    let mut status = handle.status();
    let reason = format!("credited until slot {} waits behind a batch", timeouts[0]);
    let is_blocked = |status: &SettlerStatus| {
        stage(status) == Some(Stage::Waiting)
            && status.reasons.iter().any(|one| one.contains(&reason))
    };
    wait(&mut status, "the reason", is_blocked).await;
    for _ in 0..WINDOW + FINALITY + 2 {
        l1.node().produce().unwrap();
    }
    wait(&mut status, "the end of the window", |status| stage(status) == Some(Stage::Missed)).await;
    let nonce = || l1.node().account(&AccountId::of(payer.public)).unwrap().account.nonce.get();
    assert_eq!(nonce(), 0);

    // One message is a full quota: the others may wait.
    hand_in(&handle, batch(1, slot(), inbox[0].after)).await;
    let is_included = |status: &SettlerStatus| {
        matches!(stage(status), Some(Stage::Included { .. })) && status.reasons.is_empty()
    };
    wait(&mut status, "the commit", is_included).await;
    assert_eq!(nonce(), 1);
    settler.stop();
    settler.join().await.unwrap();
    watcher.stop();
    watcher.join().await.unwrap();
    miner.abort();
    cancel.cancel();
    l1.join().await.unwrap();
}
