//! A chain from its batches, after its disk is gone.

use std::sync::Arc;

use mina_curves::Fp;
use mina_ledger::{
    rollup::{DepositAction, Message},
    types::{Amount, Slot, from_decimal},
};
use zeko_sequencer::{
    BatchRecord, Bridge, Command, CommandStatus, PublishedBatch, PublishedBlock, Rebuild,
    SequencerConfig, SequencerError, SequencerHandle,
    graphql::{BlockSelector, MinaNode},
};

use crate::{
    kit::{Directory, config, id, key, payment, public, settled, start, stop, transfer},
    messages::{TestInbox, until},
};

/// A batch as the DA layer would have it.
fn published(handle: &SequencerHandle, record: &BatchRecord) -> PublishedBatch {
    let blocks: Vec<_> = (record.first_height..=record.last_height)
        .map(|height| handle.block(BlockSelector::Height((height + 1).into())).unwrap())
        .collect();
    PublishedBatch {
        number: record.number,
        generation: record.generation,
        fee_recipient: public(9),
        data: format!("{}/{}", record.number, record.generation),
        last_block: blocks.last().unwrap().state_hash,
        target_ledger: from_decimal(&record.target_ledger).unwrap(),
        blocks: blocks
            .iter()
            .map(|block| PublishedBlock {
                slot: block.slot,
                messages: block.messages.iter().map(|one| one.message).collect(),
                commands: block.commands.iter().map(|one| one.command.as_ref().clone()).collect(),
            })
            .collect(),
    }
}

fn open(config: &SequencerConfig) -> Rebuild {
    Rebuild::open(config.clone(), key(9)).unwrap().unwrap()
}

/// Everything that one has published: four batches of generation 0, of which the last two are rolled
/// back, and what came instead. The second list is of the chain as it is then.
async fn publish(config: SequencerConfig) -> (Vec<PublishedBatch>, Vec<BatchRecord>) {
    let sequencer = start(config).await.unwrap();
    let handle = sequencer.handle().clone();
    let inbox = Arc::new(TestInbox::default());
    handle.connect(Arc::clone(&inbox) as Arc<dyn Bridge>);
    let closed = |count: usize| {
        let handle = handle.clone();
        move || handle.batches(0, 100).len() >= count
    };
    for nonce in 0..4 {
        let deposit = DepositAction {
            recipient: public(20 + u64::from(nonce)),
            amount: Amount::new(3_000_000_000),
            timeout: Slot::MAX,
            refund_to: public(1),
        };
        inbox.push(Message::Deposit(deposit));
        let credited = id(20 + u64::from(nonce));
        until("the deposit", || handle.account(&credited).is_some()).await;
        let commands = [
            payment(0, nonce),
            Command::Zkapp(transfer(1, nonce, 5000, nonce == 1).into()),
            payment(2, nonce),
        ];
        for command in commands {
            let hash = handle.submit(command).await.unwrap();
            let status = settled(&handle, &hash).await;
            assert!(matches!(status, CommandStatus::Included { .. }), "{status:?}");
        }
        until("a batch", closed(nonce as usize + 1)).await;
    }
    let old = handle.batches(0, 4);
    let mut all: Vec<_> = old.iter().map(|record| published(&handle, record)).collect();
    handle.roll_back(old[2].first_height).await.unwrap();
    until("a batch instead", closed(3)).await;
    let records = handle.batches(0, 100);
    let new = records.iter().filter(|record| record.generation == 1);
    let again: Vec<_> = new.map(|record| published(&handle, record)).collect();
    assert_eq!((again[0].number, again.len()), (2, records.len() - 2));
    all.extend(again);
    drop(handle);
    stop(sequencer).await;
    (all, records)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_chain_is_rebuilt_and_goes_on() {
    let (lost, dir) = (Directory::new(), Directory::new());
    let (batches, records) = publish(config(&lost.0)).await;
    let config = config(&dir.0);

    // In three processes, the last of which sees everything from the start.
    drop(open(&config));
    let unfinished = async || {
        let error = start(config.clone()).await.err();
        assert!(matches!(error, Some(SequencerError::Unfinished { .. })), "{error:?}");
    };
    unfinished().await;
    let mut rebuild = open(&config);
    for batch in &batches[..3] {
        assert!(rebuild.wants(batch.number, batch.generation));
        rebuild.take(batch).unwrap();
        assert!(!rebuild.wants(batch.number, batch.generation));
    }
    drop(rebuild);
    unfinished().await;
    let mut rebuild = open(&config);
    let taken = batches.iter().filter(|batch| {
        let wanted = rebuild.wants(batch.number, batch.generation);
        if wanted {
            rebuild.take(batch).unwrap();
        }
        wanted
    });
    assert_eq!(taken.count(), batches.len() - 3);
    let rebuilt = rebuild.finish().unwrap();
    let last = records.last().unwrap();
    assert_eq!(rebuilt.batches, records.len() as u64);
    assert_eq!(rebuilt.ledger, from_decimal(&last.target_ledger).unwrap());
    // It has a chain of its own now.
    assert!(Rebuild::open(config.clone(), key(9)).unwrap().is_none());

    let sequencer = start(config.clone()).await.unwrap();
    let handle = sequencer.handle().clone();
    let got = handle.batches(0, records.len());
    for (got, expected) in got.iter().zip(&records) {
        let data = Some(format!("{}/{}", expected.number, expected.generation));
        assert_eq!(*got, BatchRecord { data, ..expected.clone() });
    }
    assert!(handle.account(&id(20)).is_some());
    let hash = handle.submit(payment(0, 4)).await.unwrap();
    assert!(matches!(settled(&handle, &hash).await, CommandStatus::Included { .. }));
    until("a batch of a new generation", || {
        handle.batches(rebuilt.batches, 1).first().is_some_and(|next| next.generation > 2)
    })
    .await;

    // It can undo blocks that were rebuilt as any others, and starts again.
    handle.roll_back(got[1].first_height).await.unwrap();
    until("batches instead", || handle.batches(1, 1).len() == 1).await;
    drop(handle);
    stop(sequencer).await;
    let sequencer = start(config).await.unwrap();
    assert!(sequencer.handle().account(&id(20)).is_some());
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_come_out_otherwise_are_refused() {
    let (lost, dir) = (Directory::new(), Directory::new());
    let (batches, _) = publish(config(&lost.0)).await;
    let config = config(&dir.0);
    // What is in which batch is a matter of time.
    let with = |has: fn(&PublishedBlock) -> bool| {
        batches.iter().position(|batch| batch.blocks.iter().any(has)).unwrap()
    };
    let messages = with(|block| !block.messages.is_empty());
    let commands = with(|block| !block.commands.is_empty());
    let mut wrong = [0, 0, messages, commands].map(|place| (place, batches[place].clone()));
    wrong[0].1.target_ledger += Fp::from(1u64);
    wrong[1].1.fee_recipient = public(8);
    wrong[2].1.blocks.iter_mut().for_each(|block| block.messages.clear());
    wrong[3].1.blocks.iter_mut().for_each(|block| block.commands.clear());
    let skipped = [(0, batches[1].clone())];
    for (index, (place, batch)) in wrong.into_iter().chain(skipped).enumerate() {
        let dir = Directory::new();
        let config = SequencerConfig { data_dir: dir.0.clone(), ..config.clone() };
        let mut rebuild = open(&config);
        batches[..place].iter().for_each(|before| rebuild.take(before).unwrap());
        let error = rebuild.take(&batch).unwrap_err();
        assert!(matches!(error, SequencerError::Rebuild { .. }), "{index}: {error}");
        // Nothing of it is left, here or on disk.
        drop(rebuild);
        let (mut rebuild, right) = (open(&config), &batches[place]);
        assert!(rebuild.wants(right.number, right.generation));
        rebuild.take(right).unwrap();
        assert_eq!(rebuild.finish().unwrap().ledger, right.target_ledger);
    }
}
