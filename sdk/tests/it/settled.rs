//! A sequencer whose store does not say what is settled, as after `--from-da`, and a contract that does.

use std::{path::Path, time::Duration};

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    rollup::{ChainId, Committee, CommitteeMember, ContractState, DataCommitment, Progress, Root},
    signature::sign_payload,
    types::{
        Account, Amount, Length, Memo, Nonce, PublicKey, SignedCommand, SignedCommandBody,
        SignedCommandPayload, Slot, from_decimal,
    },
};
use tokio_util::sync::CancellationToken;
use zeko_bridge::{Deployment, Fees, L1Client, L1Config, SettlerConfig, deploy};
use zeko_circuits::accounts::AccountSet;
use zeko_derive::Wire;
use zeko_sdk::{
    keys::development_key,
    local_da::DaLinks,
    local_l1::{LocalL1, LocalL1Config},
    settlement::{
        Programs, SETTLER_MARGIN, Settlement, SettlementConfig, SettlementError,
        SettlementSettings, configuration, genesis_root,
    },
};
use zeko_sequencer::{BatchRecord, Command, Sequencer, Stage, graphql::MinaNode};

use crate::kit::{self, index};

const MINA: u64 = 1_000_000_000;
const FINALITY: u32 = 3;
/// What the accounts of genesis hold.
const FUNDS: u64 = 200 * MINA;

fn key(n: u32) -> PublicKey {
    development_key("settled-test", n).public
}

fn data() -> DataCommitment {
    DataCommitment::new(b"what was sent")
}

/// Closes a batch with a payment, and notes what was sent of it.
async fn close_batch(sequencer: &Sequencer, nonce: u32) -> BatchRecord {
    let handle = sequencer.handle();
    let payload = SignedCommandPayload {
        fee: Amount::new(10_000_000),
        fee_payer: key(0),
        nonce: Nonce::new(nonce),
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment { receiver: key(20 + nonce), amount: Amount::new(MINA) },
    };
    let private = development_key("settled-test", 0).private;
    let signature = sign_payload(&payload, &private, &Domain::default()).unwrap();
    handle.submit(Command::Signed(SignedCommand { payload, signature })).await.unwrap();
    let closed = loop {
        if let Some(closed) = handle.batches(nonce.into(), 1).pop() {
            break closed;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let hex = data().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let sent = BatchRecord { data: Some(hex), ..closed.clone() };
    assert!(handle.replace_batch(&closed, &sent).unwrap());
    sent
}

/// The contract that has settled the batches up to `last`.
fn contract(sequencer: &Sequencer, last: &BatchRecord, genesis: ContractState) -> ContractState {
    let handle = sequencer.handle();
    let ids: Vec<_> =
        handle.accounts_behind(last).unwrap().unwrap().iter().map(Account::id).collect();
    let height = Length::new(last.last_height + 1);
    let block = handle.block(zeko_sequencer::graphql::BlockSelector::Height(height)).unwrap();
    ContractState {
        root: Root {
            ledger: from_decimal(&last.target_ledger).unwrap(),
            accounts: AccountSet::new(&ids).unwrap().root(),
        },
        inbox: handle.consumed_inbox(),
        outbox: from_decimal(&last.outbox).unwrap(),
        progress: Progress { batch: last.number + 1, height, last_slot: block.slot },
        data: data(),
        ..genesis
    }
}

/// The L1, and what is settled there with.
struct Layer1 {
    l1: LocalL1,
    config: L1Config,
    client: L1Client,
    programs: Programs,
    committee: Committee,
}

impl Layer1 {
    /// Sets up contract number `n`, and waits until that is deep.
    async fn deploy(&self, n: u32, state: ContractState, vault: u64) {
        let deployment = Deployment {
            account: development_key("settled-contract", n).private,
            payer: self.l1.funded()[0].private.clone(),
            fee: (MINA / 10).into(),
            creation_fee: MINA.into(),
            vault: vault.into(),
            state,
            committee: self.committee.clone(),
        };
        let patience = Duration::from_secs(60);
        let deployed = deploy(&self.client, &self.programs.contract, &deployment, patience);
        let height = deployed.await.unwrap().height.get();
        while self.l1.node().tip().height.get() <= height + FINALITY {
            self.l1.node().produce().unwrap();
        }
    }

    /// Starts to settle on contract number `n`.
    async fn settle(
        &self,
        n: u32,
        dir: &Path,
        state: &ContractState,
        sequencer: &Sequencer,
    ) -> Result<Settlement, SettlementError> {
        let settler = SettlerConfig {
            data_dir: dir.join(n.to_string()),
            account: development_key("settled-contract", n).public,
            sequencer: development_key("settled-test", 9).private,
            payer: self.l1.funded()[1].private.clone(),
            committee: self.committee.clone(),
            configuration: state.configuration,
            fees: Fees::default(),
            finality: FINALITY,
            margin: SETTLER_MARGIN,
            retry: Duration::from_millis(100),
        };
        // Nobody relays anything.
        let chain = ChainId::new("settled-da").unwrap();
        let da = DaLinks { chain, committee: self.committee.clone(), urls: Vec::new() };
        let config = SettlementConfig {
            l1: self.config.clone(),
            da,
            settler,
            first_block: 0,
            depth: 1,
            ahead: 2,
            proving: Default::default(),
        };
        let cancel = CancellationToken::new();
        let (programs, handle) = (self.programs.clone(), sequencer.handle().clone());
        Settlement::start(config, programs, handle, &cancel).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_contract_has_settled_is_compared_and_final() {
    let (dir, cancel) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let sequencer = kit::sequencer(&dir.path().join("data"), "settled-test").await;
    let handle = sequencer.handle().clone();
    let mut batches = Vec::new();
    for nonce in 0..4 {
        batches.push(close_batch(&sequencer, nonce).await);
    }
    let l1 = LocalL1Config {
        slot: Duration::from_millis(100),
        unsafe_no_proofs: true,
        ..LocalL1Config::default()
    };
    let l1 = LocalL1::start(l1, &cancel).await.unwrap();
    let graphql = format!("http://{}/graphql", l1.graphql());
    let archive = index(&graphql, Duration::from_millis(20), 290, &cancel).await;
    let config = L1Config::new(graphql, format!("http://{}", archive.address()));
    let settings = SettlementSettings { unsafe_no_proofs: true, ..Default::default() };
    let genesis = &handle.config().genesis;
    let member = CommitteeMember { key: key(5), power: 1 };
    let committee = Committee::new(vec![member]).unwrap();
    let configuration = configuration(key(9), &committee, 0, key(6));
    let layer1 = Layer1 {
        l1,
        client: L1Client::new(config.clone()).unwrap(),
        config,
        programs: Programs::compile(genesis, &settings).unwrap(),
        committee,
    };
    let first = ContractState::genesis(genesis_root(genesis).unwrap(), configuration, Slot::ZERO);
    // The third of four is the last that is settled.
    let right = contract(&sequencer, &batches[2], first);
    let root = Root { accounts: Fp::from(1u64), ..right.root };
    let progress = right.progress;
    let wrong = [
        ("blocks", ContractState { progress: Progress { height: 1.into(), ..progress }, ..right }),
        (
            "last slot",
            ContractState { progress: Progress { last_slot: Slot::ZERO, ..progress }, ..right },
        ),
        ("data", ContractState { data: DataCommitment::new(b"something else"), ..right }),
        ("outbox", ContractState { outbox: Fp::from(1u64), ..right }),
        ("root", ContractState { root, ..right }),
        ("consumed inbox", ContractState { inbox: Fp::from(1u64), ..right }),
    ];
    for (n, (wanted, state)) in (1..).zip(wrong) {
        layer1.deploy(n, state, FUNDS).await;
        match layer1.settle(n, dir.path(), &state, &sequencer).await {
            Err(error @ SettlementError::Settled { batch: 2, what, .. }) if what == wanted => {
                assert!(!error.is_fatal() && error.to_string().contains("batch 2"), "{error}");
            }
            other => panic!("{wanted}: {other:?}"),
        }
    }
    let more = ContractState { progress: Progress { batch: 5, ..progress }, ..right };
    layer1.deploy(20, more, FUNDS).await;
    let missing = layer1.settle(20, dir.path(), &more, &sequencer).await;
    assert!(matches!(missing, Err(SettlementError::Missing { settled: 5, got: 4 })), "{missing:?}");
    assert!(handle.last_batch(Stage::Final, u64::MAX).unwrap().is_none());

    layer1.deploy(21, right, FUNDS).await;
    let settlement = layer1.settle(21, dir.path(), &right, &sequencer).await.unwrap();
    let stages: Vec<_> = handle.batches(0, 10).iter().map(|batch| batch.stage).collect();
    assert_eq!(stages, [Stage::Final, Stage::Final, Stage::Final, Stage::Included]);
    settlement.stop();
    settlement.join().await.unwrap();

    // A contract that was given one MINA less than there is on the L2.
    layer1.deploy(22, right, FUNDS - MINA).await;
    let settlement = layer1.settle(22, dir.path(), &right, &sequencer).await.unwrap();
    let mut reasons = settlement.reasons();
    let is_said = |reasons: &Vec<String>| {
        reasons.iter().any(|reason| reason.ends_with("-1000000000 too much"))
    };
    reasons.wait_for(is_said).await.unwrap();
    settlement.stop();
    settlement.join().await.unwrap();
    sequencer.stop();
    sequencer.join().await.unwrap();
    cancel.cancel();
}
