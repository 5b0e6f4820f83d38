use std::{net::SocketAddr, time::Duration};

use mina_ledger::{
    Domain,
    types::{Amount, Nonce, PublicKey},
};
use tokio_util::sync::CancellationToken;
use zeko_sequencer::{
    BatchConfig, Command as Sent, GenesisAccount, GenesisConfig, Sequencer, SequencerConfig,
};

use super::*;
use crate::{keys::development_key, transfer::withdrawal};

const MINA: u64 = 1_000_000_000;

fn key(n: u32) -> PublicKey {
    development_key("outbox-test", n).public
}

async fn start(dir: &std::path::Path) -> Sequencer {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let account = |n| GenesisAccount { public_key: key(n), balance: Amount::new(100 * MINA) };
    let accounts = vec![account(0), account(9)];
    let mut config = SequencerConfig {
        data_dir: dir.into(),
        genesis: GenesisConfig { accounts, ..GenesisConfig::default() },
        block_ms: 20,
        tick_ms: 5,
        batch: BatchConfig { max_blocks: 2, ..BatchConfig::default() },
        graphql_listen: any,
        health_listen: any,
        ..SequencerConfig::default()
    };
    config.rpc.listen = any;
    let key = development_key("outbox-test", 9).private;
    Sequencer::start(config, key, &CancellationToken::new()).await.unwrap()
}

fn entry(n: u32) -> OutboxEntry {
    let amount = Amount::new(u64::from(n + 1) * MINA);
    OutboxEntry::Withdrawal { recipient: key(20 + n), amount }
}

/// The outbox behind the first `count` entries.
fn state(count: u32) -> Fp {
    (0..count).fold(EMPTY_ACTION_STATE, |state, n| entry(n).append_to(state))
}

/// Makes withdrawals of these numbers, and waits until their batches are closed.
async fn withdraw(handle: &SequencerHandle, numbers: std::ops::Range<u32>) {
    let private = development_key("outbox-test", 0).private;
    let wanted = state(numbers.end);
    for n in numbers {
        let OutboxEntry::Withdrawal { recipient, amount } = entry(n) else { continue };
        let paid = (Amount::new(10_000_000), Nonce::new(n));
        let command = withdrawal(&private, recipient, amount, paid, &Domain::default()).unwrap();
        handle.submit(Sent::Zkapp(command.into())).await.unwrap();
    }
    let is_closed = || handle.batches(0, 100).last().and_then(outbox) == Some(wanted);
    while !is_closed() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_between_two_states_are_found_in_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let sequencer = start(dir.path()).await;
    let handle = sequencer.handle().clone();
    withdraw(&handle, 0..3).await;
    let middle = handle.batches(0, 100).len() as u64;
    withdraw(&handle, 3..4).await;
    withdraw(&handle, 4..6).await;
    let end = handle.batches(0, 100).len() as u64;
    assert!(middle >= 1 && end >= middle + 2);

    let all: Vec<_> = (0..6).map(entry).collect();
    let find = |from, to, batch| between(&handle, MissingOutbox { from, to, batch });
    for from in 0..=6 {
        let rest = all[from as usize..].to_vec();
        assert_eq!(find(state(from), state(6), end), Some(rest), "{from}");
    }
    for from in 0..=3 {
        let rest = all[from as usize..3].to_vec();
        assert_eq!(find(state(from), state(3), middle), Some(rest), "{from}");
    }
    // States that are none of the chain's, and places where it is another.
    assert_eq!(find(Fp::from(7u64), state(6), end), None);
    assert_eq!(find(state(0), Fp::from(7u64), end), None);
    assert_eq!(find(state(0), state(3), end), None);
    assert_eq!(find(state(5), state(3), middle), None);
    // Before the first batch there is nothing.
    assert_eq!(find(EMPTY_ACTION_STATE, EMPTY_ACTION_STATE, 0), Some(Vec::new()));
    assert_eq!(find(state(1), EMPTY_ACTION_STATE, 0), None);
    sequencer.stop();
    sequencer.join().await.unwrap();
}
