//! How much goes into a batch that has to be proved in time.

use std::sync::Arc;

use mina_curves::Fp;
use mina_ledger::{
    rollup::Message,
    types::{Amount, SignedCommandBody, Slot},
};
use zeko_sequencer::{
    BatchConfig, BatchRecord, Bridge, Command, CommandStatus, ProofSizes, ProvingConfig,
    SequencerHandle, Stage, graphql::MinaNode,
};

use crate::{
    kit::{Directory, FEE, config, payment, payment_of, public, settled, sign, start, stop},
    messages::{TestInbox, consumed, deposit, until},
};

const MINA: u64 = 1_000_000_000;

/// Three segments of two payments and what joins them; or one more list of accounts.
fn proving() -> ProvingConfig {
    let sizes = ProofSizes { updates: 4, proved: 4, messages: 1, accounts: 2, payments: 2 };
    ProvingConfig {
        most_seconds: 30 + 2 * 2 + 5,
        segment_seconds: 10,
        merge_seconds: 2,
        accounts_seconds: 5,
        most_accounts: 2,
        sizes: Some(sizes),
        ..ProvingConfig::default()
    }
}

/// A batch is closed before the command that would make its proof too long, and before one account too
/// many; nothing is lost, and a restart counts the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_no_more_than_can_be_proved_in_time() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    config.block_ms = 300;
    config.batch = BatchConfig { max_blocks: 1000, max_age_ms: 600_000, most_blocks: 2000 };
    config.proving = proving();
    let sequencer = start(config.clone()).await.unwrap();
    let handle = sequencer.handle().clone();
    let mut hashes = Vec::new();
    for nonce in 0..20 {
        hashes.push(handle.submit(payment(0, nonce)).await.unwrap());
    }
    for hash in &hashes {
        settled(&handle, hash).await;
    }
    // Six to a batch, fewer where a block ended in the middle of a pair.
    let batches = handle.batches(0, 10);
    assert!(batches.len() >= 3, "{batches:?}");
    assert!(batches.iter().all(|batch| (3..=6).contains(&batch.commands)), "{batches:?}");
    drop(handle);
    stop(sequencer).await;

    let sequencer = start(config).await.unwrap();
    let handle = sequencer.handle().clone();
    let mut hashes = Vec::new();
    for (nonce, to) in (0..6).zip(30..) {
        let mut payload = payment_of(1, nonce, MINA, FEE).payload;
        let (receiver, amount) = (public(to), Amount::new(MINA));
        payload.body = SignedCommandBody::Payment { receiver, amount };
        hashes.push(handle.submit(Command::Signed(sign(payload, 1))).await.unwrap());
    }
    for hash in &hashes {
        settled(&handle, hash).await;
    }
    // Of the accounts, no three were opened in one batch.
    let batches = handle.batches(0, 100);
    let height = |hash| match handle.status(hash) {
        CommandStatus::Included { height, .. } => height - 1,
        status => panic!("{status:?}"),
    };
    let batch_of = |hash| batches.iter().position(|batch| height(hash) <= batch.last_height);
    for three in hashes.windows(3) {
        assert_ne!(batch_of(&three[0]), batch_of(&three[2]), "{batches:?}");
    }
    drop(handle);
    stop(sequencer).await;
}

/// After a batch that has missed its slots, those that follow are half as large, down to one command, also
/// behind a restart; and after many that are settled, as large as before.
#[tokio::test(flavor = "multi_thread")]
async fn batches_are_smaller_after_one_that_missed_its_slots() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    // Long enough that commands which are sent one after the other share a block.
    config.block_ms = 500;
    config.batch = BatchConfig { max_blocks: 1000, max_age_ms: 600_000, most_blocks: 2000 };
    config.proving = proving();
    let mut nonce = 0;
    let mut most_commands = async |handle: &SequencerHandle, count: u32| {
        let first = handle.batches(0, 100).len() as u64;
        let mut hashes = Vec::new();
        for _ in 0..count {
            hashes.push(handle.submit(payment(0, nonce)).await.unwrap());
            nonce += 1;
        }
        for hash in &hashes {
            settled(handle, hash).await;
        }
        // Of the one that was open before, more may be in the first.
        let batches = handle.batches(first + 1, 100);
        batches.iter().map(|batch| batch.commands).max().unwrap()
    };
    let sequencer = start(config.clone()).await.unwrap();
    let handle = sequencer.handle().clone();
    assert!(most_commands(&handle, 20).await > 2);
    handle.batch_missed().unwrap();
    assert_eq!(most_commands(&handle, 9).await, 2);
    drop(handle);
    stop(sequencer).await;

    let sequencer = start(config).await.unwrap();
    let handle = sequencer.handle().clone();
    assert_eq!(most_commands(&handle, 7).await, 2);
    for _ in 0..3 {
        handle.batch_missed().unwrap();
    }
    assert_eq!(most_commands(&handle, 4).await, 1);
    for _ in 0..200 {
        handle.batch_settled().unwrap();
    }
    assert!(most_commands(&handle, 20).await > 2);
    drop(handle);
    stop(sequencer).await;
}

/// The L1 takes no commit of a batch that leaves a message behind which is past its timeout, unless the
/// batch has a full quota: so these are consumed with those before them, however long the proofs take.
#[tokio::test(flavor = "multi_thread")]
async fn overdue_messages_are_never_left_behind() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    config.block_ms = 50;
    config.genesis.message_quota = 3;
    // One command or message to a batch.
    config.proving = ProvingConfig { most_seconds: 0, ..proving() };
    let sequencer = start(config).await.unwrap();
    let handle = sequencer.handle().clone();
    let inbox = Arc::new(TestInbox::default());
    let fresh = Message::Deposit(deposit(0, 5 * MINA, Slot::MAX));
    let overdue = Message::Deposit(deposit(1, 5 * MINA, Slot::ZERO));
    let unopened = Message::Unopened(Fp::from(9u64));
    // The first that is overdue is behind a quota, and then another.
    let first = [fresh, fresh, fresh, fresh, overdue, fresh];
    let then = [unopened, overdue, fresh, overdue, fresh, fresh];
    for message in first.into_iter().chain(then) {
        inbox.push(message);
    }
    handle.connect(Arc::clone(&inbox) as Arc<dyn Bridge>);
    let messages = |count: usize| -> Option<Vec<u64>> {
        let batches = handle.batches(0, 20);
        let messages: Vec<u64> = batches.iter().map(|batch| batch.messages).collect();
        (messages.iter().sum::<u64>() == count as u64).then_some(messages)
    };
    until("all messages", || messages(12).is_some()).await;
    assert_eq!(messages(12).unwrap(), [3, 3, 3, 1, 1, 1]);

    // The same where a batch has no room, and waits for the one before to be committed.
    handle.limit_uncommitted(1);
    let hash = handle.submit(payment(0, 0)).await.unwrap();
    settled(&handle, &hash).await;
    for message in [fresh, overdue, fresh] {
        inbox.push(message);
    }
    until("the overdue one", || consumed(&handle).len() == 14).await;
    let tip = handle.tip().height.get();
    until("more blocks", || handle.tip().height.get() > tip + 3).await;
    assert_eq!(consumed(&handle).len(), 14);
    for batch in handle.batches(0, 20) {
        let committed = BatchRecord { stage: Stage::Committed, ..batch.clone() };
        assert!(handle.replace_batch(&batch, &committed).unwrap());
    }
    until("the batch with it", || messages(14).is_some()).await;
    let last = handle.batches(6, 1)[0].clone();
    assert_eq!((last.commands, last.messages), (1, 2));
    drop(handle);
    stop(sequencer).await;
}
