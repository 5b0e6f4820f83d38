use std::{net::SocketAddr, path::Path, time::Duration};

use mina_ledger::{
    Domain,
    ledger::Ledger,
    signature::sign_payload,
    types::{
        Amount, Memo, NetworkId, Nonce, PublicKey, SignedCommand, SignedCommandBody,
        SignedCommandPayload, Slot,
    },
};
use tokio_util::sync::CancellationToken;
use zeko_sequencer::{BatchConfig, GenesisAccount, GenesisConfig, Sequencer, SequencerConfig};

use super::*;
use crate::{
    keys::{KeyPair, development_key},
    publisher::rollup_config,
};

const SIZES: Sizes = Sizes { updates: 4, proved: 1, messages: 1, accounts: 2, payments: 2 };

fn key(n: u32) -> KeyPair {
    development_key("follower-test", n)
}

/// A payment that opens the account of user `to`.
fn payment(nonce: u32, to: u32) -> zeko_sequencer::Command {
    let payload = SignedCommandPayload {
        fee: Amount::new(10_000_000),
        fee_payer: key(0).public,
        nonce: Nonce::new(nonce),
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment {
            receiver: key(to).public,
            amount: Amount::new(1_000_000_000),
        },
    };
    let domain = Domain::new(NetworkId::Testnet, Era::Berkeley);
    let signature = sign_payload(&payload, &key(0).private, &domain).unwrap();
    zeko_sequencer::Command::Signed(SignedCommand { payload, signature })
}

async fn start(dir: &Path, fee_recipient: Option<PublicKey>) -> Sequencer {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let balance = Amount::new(1_000_000_000_000);
    let account = |n| GenesisAccount { public_key: key(n).public, balance };
    let mut config = SequencerConfig {
        data_dir: dir.into(),
        genesis: GenesisConfig {
            accounts: [0, 8, 9].map(account).into(),
            ..GenesisConfig::default()
        },
        fee_recipient,
        block_ms: 20,
        tick_ms: 5,
        batch: BatchConfig { max_blocks: 2, ..BatchConfig::default() },
        graphql_listen: any,
        health_listen: any,
        ..SequencerConfig::default()
    };
    config.rpc.listen = any;
    Sequencer::start(config, key(9).private, &CancellationToken::new()).await.unwrap()
}

fn follower(sequencer: &Sequencer) -> Follower {
    Follower::new(parameters(sequencer), sequencer.handle().clone(), Some(SIZES)).unwrap()
}

fn from_genesis(sequencer: &Sequencer) -> Follower {
    let handle = sequencer.handle().clone();
    Follower::behind(parameters(sequencer), handle, Some(SIZES), |_| Ok(None)).unwrap()
}

fn parameters(sequencer: &Sequencer) -> ChainParameters {
    let genesis = &sequencer.handle().config().genesis;
    let [account, key] = [key(7).public, key(9).public];
    rollup_config(genesis, account, key, std::path::PathBuf::new()).parameters().unwrap()
}

/// Where a follower stands: its state, the ledger itself, and the set of accounts.
fn place(follower: &mut Follower) -> (ChainState, Fp, Fp) {
    let ledger = follower.ledger.root().unwrap();
    (follower.state, ledger, follower.planner.as_ref().unwrap().accounts.root())
}

/// Follows to the batch in front of number `end`.
fn follow(follower: &mut Follower, end: u64) -> Vec<Beginning> {
    let mut begun = Vec::new();
    while follower.state.batches < end {
        match follower.next().unwrap() {
            Next::Begin(beginning) => begun.push(beginning),
            Next::Batch(closed) => {
                // As the publisher does, and settlement.
                let data = DataCommitment::new(&closed.bytes).to_bytes();
                let data = Some(data.iter().map(|byte| format!("{byte:02x}")).collect());
                let sent = BatchRecord { data, ..closed.record.clone() };
                follower.sequencer.replace_batch(&closed.record, &sent).unwrap();
            }
            Next::Nothing => panic!("batch {} is not there", follower.state.batches),
        }
    }
    begun
}

/// Closes batches, each with a new account, until there are `count`.
async fn close_batches(sequencer: &Sequencer, nonce: &mut u32, count: usize) {
    let handle = sequencer.handle();
    while handle.batches(0, 100).len() < count {
        let before = handle.batches(0, 100).len();
        handle.submit(payment(*nonce, 100 + *nonce)).await.unwrap();
        *nonce += 1;
        while handle.batches(0, 100).len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn finish(sequencer: &Sequencer, number: u64) {
    let record = sequencer.handle().batches(number, 1).remove(0);
    let done = BatchRecord { stage: Stage::Final, ..record.clone() };
    assert!(sequencer.handle().replace_batch(&record, &done).unwrap());
}

/// Behind a final batch and behind a rollback, everything is as if all had been executed from genesis,
/// and nothing is.
#[tokio::test(flavor = "multi_thread")]
async fn following_begins_where_nothing_can_change() {
    let dir = tempfile::tempdir().unwrap();
    let sequencer = start(dir.path(), None).await;
    let mut nonce = 0;
    close_batches(&sequencer, &mut nonce, 6).await;
    let mut first = follower(&sequencer);
    assert_eq!(first.state.batches, 0);
    let mut places = vec![place(&mut first)];
    for end in 1..=6 {
        let begun = follow(&mut first, end);
        assert_eq!(begun.len(), usize::from(end == 1));
        places.push(place(&mut first));
    }
    (0..4).for_each(|number| finish(&sequencer, number));

    // More has happened since, and another one gets the fees from now on.
    close_batches(&sequencer, &mut nonce, 7).await;
    // It has the store open.
    drop(first);
    sequencer.stop();
    sequencer.join().await.unwrap();
    let sequencer = start(dir.path(), Some(key(8).public)).await;
    close_batches(&sequencer, &mut nonce, 9).await;
    let mut second = follower(&sequencer);
    assert_eq!(place(&mut second), places[4], "behind the fourth, without a block");
    let begun = follow(&mut second, 6);
    let (state, _, accounts) = places[4];
    assert_eq!((begun[0].batch, begun[0].state.root.accounts), (4, accounts));
    assert_eq!((begun[0].data, begun[0].state.outbox), (state.data, state.outbox));
    assert_eq!(place(&mut second), places[6]);
    follow(&mut second, 9);
    let last = sequencer.handle().batches(8, 1).remove(0);
    assert_eq!((last.fee_recipient, last.sequencer), (key(8).public, key(9).public));

    // The last two are undone: it goes on behind those that are left.
    let height = sequencer.handle().batches(7, 1).remove(0).first_height;
    sequencer.handle().roll_back(height).await.unwrap();
    let Next::Begin(beginning) = second.next().unwrap() else { panic!("it has not noticed") };
    assert_eq!((beginning.batch, second.state.batches), (7, 7));
    close_batches(&sequencer, &mut nonce, 10).await;
    follow(&mut second, 10);
    let mut whole = from_genesis(&sequencer);
    assert_eq!(follow(&mut whole, 10)[0].batch, 0);
    assert_eq!(place(&mut second), place(&mut whole));
    sequencer.stop();
    sequencer.join().await.unwrap();
}

/// What the store can no longer go back to is followed from genesis.
#[tokio::test(flavor = "multi_thread")]
async fn following_a_batch_that_is_too_old_begins_at_genesis() {
    let dir = tempfile::tempdir().unwrap();
    let sequencer = start(dir.path(), None).await;
    let mut nonce = 0;
    close_batches(&sequencer, &mut nonce, 2).await;
    let mut first = follower(&sequencer);
    follow(&mut first, 2);
    finish(&sequencer, 0);
    let record = sequencer.handle().batches(0, 1).remove(0);
    let mut config = sequencer.handle().config().clone();
    let expected = place(&mut first);
    drop(first);
    sequencer.stop();
    sequencer.join().await.unwrap();
    config.rollback_depth = 3;
    let key = key(9).private;
    let sequencer = Sequencer::start(config, key, &CancellationToken::new()).await.unwrap();
    let tip = sequencer.handle().tip().height.get();
    while sequencer.handle().tip().height.get() < tip + 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sequencer.handle().accounts_behind(&record).unwrap(), None);
    let mut second = follower(&sequencer);
    assert_eq!(second.state.batches, 0);
    follow(&mut second, 2);
    assert_eq!(place(&mut second), expected);
    sequencer.stop();
    sequencer.join().await.unwrap();
}
