//! What fails in publishing and settlement does not end the sequencer.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use mina_ledger::{
    Domain,
    rollup::{ChainId, Committee, CommitteeMember},
    signature::sign_payload,
    types::{
        Amount, Era, Memo, NetworkId, Nonce, PublicKey, SignedCommand, SignedCommandBody,
        SignedCommandPayload, Slot,
    },
};
use tokio_util::sync::CancellationToken;
use zeko_sdk::{
    keys::development_key,
    local_da::DaLinks,
    publisher::{Publisher, PublisherConfig, rollup_config},
    supervisor::{Failure, Running, Supervisor, Waits},
};
use zeko_sequencer::{Command, Sequencer, SequencerHandle, graphql::MinaNode};

use crate::kit;

const WAITS: Waits = Waits { first: Duration::from_millis(10), longest: Duration::from_millis(40) };

fn key(n: u32) -> PublicKey {
    development_key("supervisor-test", n).public
}

/// A payment gets into a block.
async fn pay(handle: &SequencerHandle, nonce: u32) {
    let payload = SignedCommandPayload {
        fee: Amount::new(10_000_000),
        fee_payer: key(0),
        nonce: Nonce::new(nonce),
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment { receiver: key(9), amount: Amount::new(5) },
    };
    let private = development_key("supervisor-test", 0).private;
    let domain = Domain::new(NetworkId::Testnet, Era::Berkeley);
    let signature = sign_payload(&payload, &private, &domain).unwrap();
    let hash = handle.submit(Command::Signed(SignedCommand { payload, signature })).await.unwrap();
    let included = zeko_sequencer::graphql::TransactionStatus::Included;
    while handle.transaction_status(&hash) != included {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn settlement(sequencer: &Sequencer) -> (u16, String) {
    let url = format!("http://{}/settlement", sequencer.addresses().health);
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What is said is `wanted`, sooner or later.
async fn says(sequencer: &Sequencer, code: u16, wanted: &str) {
    loop {
        let (got, text) = settlement(sequencer).await;
        if got == code && text.contains(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A publisher whose DA layer cannot be reached.
fn publisher(sequencer: &SequencerHandle, cancel: &CancellationToken) -> Running {
    let genesis = &sequencer.config().genesis;
    let member = CommitteeMember { key: key(5), power: 1 };
    let config = PublisherConfig {
        rollup: rollup_config(genesis, key(7), key(9), PathBuf::new()),
        committee_epoch: 0,
        da: DaLinks {
            chain: ChainId::new("nowhere").unwrap(),
            committee: Committee::new(vec![member]).unwrap(),
            urls: vec!["ws://127.0.0.1:1".into()],
        },
    };
    let key = development_key("supervisor-test", 9).private;
    let publisher = Publisher::start(config, sequencer.clone(), key, None, cancel).unwrap();
    Running { publisher, settlement: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn settlement_is_tried_again_while_commands_are_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let sequencer = kit::sequencer(dir.path(), "supervisor-test").await;
    let handle = sequencer.handle().clone();
    assert_eq!(settlement(&sequencer).await, (200, "nothing is settled\n".into()));
    let (is_away, attempts) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let (away, count) = (Arc::clone(&is_away), Arc::clone(&attempts));
    let (node, cancel) = (handle.clone(), CancellationToken::new());
    let attempt = move |cancel: CancellationToken| {
        count.fetch_add(1, Ordering::SeqCst);
        let (is_away, node) = (away.load(Ordering::SeqCst), node.clone());
        async move {
            match is_away {
                true => Err(Failure::passing("the L1 is away")),
                false => Ok(publisher(&node, &cancel)),
            }
        }
        .boxed()
    };
    let supervisor = Supervisor::start(handle.clone(), WAITS, attempt, &cancel);
    says(&sequencer, 503, "have stopped: the L1 is away").await;
    pay(&handle, 0).await;
    while attempts.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    is_away.store(false, Ordering::SeqCst);
    says(&sequencer, 200, "ok").await;
    pay(&handle, 1).await;
    // It stays up, though the DA layer is out of reach.
    let before = attempts.load(Ordering::SeqCst);
    pay(&handle, 2).await;
    assert_eq!(attempts.load(Ordering::SeqCst), before);
    supervisor.stop();
    supervisor.join().await.unwrap();
    pay(&handle, 3).await;
    sequencer.stop();
    sequencer.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_the_sequencers_data_is_not_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let sequencer = kit::sequencer(dir.path(), "supervisor-test").await;
    let attempt = |_| {
        let failure = Failure { reason: "block 7 is missing".into(), is_fatal: true };
        std::future::ready(Err(failure)).boxed()
    };
    let cancel = CancellationToken::new();
    let supervisor = Supervisor::start(sequencer.handle().clone(), WAITS, attempt, &cancel);
    let failure = supervisor.join().await.unwrap_err();
    assert!(failure.is_fatal && failure.to_string().contains("block 7"), "{failure}");
    says(&sequencer, 503, "block 7 is missing").await;
    sequencer.stop();
    sequencer.join().await.unwrap();
}
