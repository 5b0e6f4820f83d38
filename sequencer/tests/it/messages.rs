//! Messages of the L1 in blocks, and how long batches stay open.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use mina_curves::Fp;
use mina_ledger::{
    hash::constants::EMPTY_ACTION_STATE,
    rollup::{DepositAction, Message, MessageReceipt, RefundReason, bridge_id, bridge_public_key},
    types::{AccountId, Amount, PublicKey, SignedCommandBody, Slot, ZkappCommand},
};
use serde_json::json;
use zeko_sequencer::{
    BatchConfig, BatchRecord, Bridge, Command, CommandStatus, Consumed, DepositRequest,
    SequencerHandle, SettlementRefused, Stage,
    graphql::{BlockSelector, MinaNode, SubmitError},
};

use crate::kit::{
    Directory, FEE, FUNDS, TOKEN, config, exchange, http, id, payment, payment_of, public, rpc,
    settled, sign, start, status, stop, transfer,
};

const MINA: u64 = 1_000_000_000;

/// An inbox that tests write.
#[derive(Debug, Default)]
pub(crate) struct TestInbox(Mutex<Vec<Message>>);

impl TestInbox {
    pub(crate) fn push(&self, message: Message) {
        self.0.lock().unwrap().push(message);
    }

    fn behind(&self, prefix: Fp) -> Vec<Message> {
        let messages = self.0.lock().unwrap();
        let mut state = EMPTY_ACTION_STATE;
        for (index, message) in messages.iter().enumerate() {
            if state == prefix {
                return messages[index..].to_vec();
            }
            state = message.append_to(state);
        }
        Vec::new()
    }
}

impl Bridge for TestInbox {
    fn messages(&self, prefix: Fp) -> Vec<Message> {
        self.behind(prefix)
    }

    fn waiting(&self, prefix: Fp) -> Vec<DepositAction> {
        let deposit = |message| match message {
            Message::Deposit(deposit) => Some(deposit),
            Message::Unopened(_) => None,
        };
        self.behind(prefix).into_iter().filter_map(deposit).collect()
    }

    fn prepare_deposit(&self, _: DepositRequest) -> BoxFuture<'_, Result<ZkappCommand, String>> {
        async { Err("an inbox for tests".to_owned()) }.boxed()
    }

    /// Takes everything whose fee is even.
    fn check_settlement(
        &self,
        command: ZkappCommand,
    ) -> BoxFuture<'_, Result<&'static str, SettlementRefused>> {
        let is_even = command.fee_payer.body.fee.get().is_multiple_of(2);
        let refused = SettlementRefused { code: 1006, reason: "odd".into() };
        async move { is_even.then_some("commit").ok_or(refused) }.boxed()
    }
}

pub(crate) fn deposit(to: u64, amount: u64, timeout: Slot) -> DepositAction {
    let (recipient, refund_to) = (public(to), public(1));
    DepositAction { recipient, amount: Amount::new(amount), timeout, refund_to }
}

/// One of each kind; what becomes of them.
fn messages() -> (Vec<Message>, [MessageReceipt; 5]) {
    let bridge = DepositAction { recipient: bridge_public_key(), ..deposit(0, MINA, Slot::MAX) };
    let messages = [
        Message::Deposit(deposit(0, 5 * MINA, Slot::MAX)),
        Message::Deposit(deposit(20, 3 * MINA, Slot::MAX)),
        Message::Deposit(deposit(0, 2 * MINA, Slot::ZERO)),
        Message::Unopened(Fp::from(9u64)),
        Message::Deposit(bridge),
    ];
    let receipts = [
        MessageReceipt::Fulfilled,
        MessageReceipt::Fulfilled,
        MessageReceipt::Refunded(RefundReason::TimedOut),
        MessageReceipt::Unopened,
        MessageReceipt::Refunded(RefundReason::BridgeAccount),
    ];
    (messages.into(), receipts)
}

/// All messages that closed blocks have consumed, with the height of their blocks.
pub(crate) fn consumed(handle: &SequencerHandle) -> Vec<(u32, Consumed)> {
    let tip = handle.tip().height.get();
    let blocks = (1..=tip).filter_map(|height| {
        let block = handle.block(BlockSelector::Height(height.into()))?;
        Some(block.messages.iter().map(move |one| (height, *one)).collect::<Vec<_>>())
    });
    blocks.flatten().collect()
}

pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} does not happen");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_consumed_in_order_and_once() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    config.genesis.message_quota = 2;
    let sequencer = start(config.clone()).await.unwrap();
    let handle = sequencer.handle().clone();
    let address = sequencer.addresses().rpc;
    let request =
        json!([{ "sender": public(0), "recipient": public(0), "amount": "5", "fee": "1" }]);
    let answer = rpc(address, "zeko_prepareDeposit", request.clone()).await;
    assert_eq!(answer["error"]["message"], "the bridge is not ready");

    let inbox = Arc::new(TestInbox::default());
    handle.connect(Arc::new(TestInbox(Mutex::new(messages().0))));
    handle.disconnect();
    handle.connect(Arc::clone(&inbox) as Arc<dyn Bridge>);
    let answer = rpc(address, "zeko_prepareDeposit", request).await;
    assert_eq!(answer["error"]["message"], "an inbox for tests");
    let (messages, receipts) = messages();
    inbox.0.lock().unwrap().extend(&messages);
    until("the last message", || consumed(&handle).len() == messages.len()).await;
    let all = consumed(&handle);
    let expected: Vec<_> = messages.iter().copied().zip(receipts).collect();
    let got: Vec<_> = all.iter().map(|(_, one)| (one.message, one.receipt)).collect();
    assert_eq!(got, expected);

    // Two to a batch, and a batch is closed though it has no commands.
    until("three batches", || handle.batches(0, 10).len() == 3).await;
    let counts: Vec<_> = handle.batches(0, 10).iter().map(|batch| batch.messages).collect();
    assert_eq!(counts, [2, 2, 1]);

    // Fees, and what creating an account costs, are the sequencer's.
    let balance = |n: u64| handle.account(&id(n)).unwrap().account.balance.get();
    let (fee, creation) =
        (config.genesis.deposit_fee.get(), config.genesis.account_creation_fee.get());
    assert_eq!(balance(0), FUNDS + 5 * MINA - fee);
    assert_eq!(balance(20), 3 * MINA - fee - creation);
    assert_eq!(balance(9), FUNDS + 2 * fee + creation);
    let bridge = handle.account(&bridge_id()).unwrap().account;
    let state = messages.iter().fold(EMPTY_ACTION_STATE, |state, one| one.append_to(state));
    assert_eq!(bridge.zkapp.unwrap().app_state[0], state);
    assert_eq!(handle.consumed_inbox(), state);

    // What users see of them.
    inbox.0.lock().unwrap().push(Message::Deposit(deposit(20, MINA, Slot::MAX)));
    until("the next one", || consumed(&handle).len() == messages.len() + 1).await;
    let deposits = async || rpc(address, "zeko_deposits", json!([public(20)])).await;
    let mut answer = deposits().await;
    // Who got what is written down a moment after the block can be seen.
    for _ in 0..1000 {
        if answer["result"].as_array().is_some_and(|shown| shown.len() == 2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        answer = deposits().await;
    }
    let shown = answer["result"].as_array().unwrap();
    assert_eq!(shown.len(), 2, "{answer}");
    assert_eq!(
        (&shown[0]["amount"], &shown[1]["amount"]),
        (&json!("1000000000"), &json!("3000000000"))
    );
    for one in shown {
        assert_eq!((&one["receipt"], &one["status"]), (&json!("fulfilled"), &json!("included")));
    }
    let height = shown[1]["height"].as_u64().unwrap();
    let block = rpc(address, "zeko_block", json!([height])).await;
    assert_eq!(block["result"]["messages"][1]["recipient"], json!(public(20)));

    // A restart changes nothing, and consumes nothing again.
    let before = consumed(&handle);
    drop(handle);
    stop(sequencer).await;
    let sequencer = start(config).await.unwrap();
    let handle = sequencer.handle().clone();
    handle.connect(inbox);
    assert_eq!(consumed(&handle), before);
    let tip = handle.tip().height;
    until("more blocks", || handle.tip().height.get() > tip.get() + 2).await;
    assert_eq!(consumed(&handle), before);
    drop(handle);
    stop(sequencer).await;
}

/// A deposit can open an account for a key that is no point of the curve; that makes the key no better.
#[tokio::test(flavor = "multi_thread")]
async fn settlements_are_checked_by_the_bridge() {
    let dir = Directory::new();
    let sequencer = start(config(&dir.0)).await.unwrap();
    let (handle, address) = (sequencer.handle().clone(), sequencer.addresses().rpc);
    let mut command = transfer(0, 0, MINA, false);
    let check =
        async |command: &ZkappCommand| rpc(address, "zeko_checkSettlement", json!([command])).await;
    let answer = check(&command).await;
    assert_eq!(answer["error"]["message"], "the bridge is not ready");
    handle.connect(Arc::new(TestInbox::default()));
    command.fee_payer.body.fee = Amount::new(2);
    let answer = check(&command).await;
    assert_eq!(answer["result"], json!({ "accepted": true, "rule": "commit" }));
    command.fee_payer.body.fee = Amount::new(3);
    let answer = check(&command).await;
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["message"]),
        (&json!(1006), &json!("odd"))
    );
    let answer = rpc(address, "zeko_checkSettlement", json!(["nothing"])).await;
    assert_eq!(answer["error"]["code"], -32602);
    drop(handle);
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_point_cannot_be_paid() {
    let dir = Directory::new();
    let sequencer = start(config(&dir.0)).await.unwrap();
    let handle = sequencer.handle().clone();
    let nobody = (1u64..).map(|x| PublicKey { x: Fp::from(x), is_odd: false });
    let nobody = nobody.into_iter().find(|key| key.to_point().is_none()).unwrap();
    let message = DepositAction { recipient: nobody, ..deposit(0, 3 * MINA, Slot::MAX) };
    let inbox = Arc::new(TestInbox::default());
    inbox.0.lock().unwrap().push(Message::Deposit(message));
    handle.connect(inbox);
    until("the deposit", || handle.account(&AccountId::of(nobody)).is_some()).await;
    let mut payload = payment_of(0, 0, 1000, FEE).payload;
    payload.body = SignedCommandBody::Payment { receiver: nobody, amount: Amount::new(5) };
    let error = handle.submit(Command::Signed(sign(payload, 0))).await.unwrap_err();
    assert!(matches!(error, SubmitError::Malformed { .. }), "{error}");
    drop(handle);
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_gives_messages_back_to_the_inbox() {
    let dir = Directory::new();
    let sequencer = start(config(&dir.0)).await.unwrap();
    let handle = sequencer.handle().clone();
    let inbox = Arc::new(TestInbox::default());
    handle.connect(Arc::clone(&inbox) as Arc<dyn Bridge>);
    inbox.0.lock().unwrap().push(Message::Deposit(deposit(20, 3 * MINA, Slot::MAX)));
    until("the deposit", || handle.account(&id(20)).is_some()).await;
    let hash = handle.submit(payment(0, 0)).await.unwrap();
    settled(&handle, &hash).await;

    // The L1 has another message there now.
    let other = Message::Deposit(deposit(21, 4 * MINA, Slot::MAX));
    *inbox.0.lock().unwrap() = vec![other];
    assert_eq!(handle.roll_back(0).await.unwrap(), 1);
    settled(&handle, &hash).await;
    until("the other deposit", || handle.account(&id(21)).is_some()).await;
    assert!(handle.account(&id(20)).is_none());
    let messages: Vec<_> = consumed(&handle).iter().map(|(_, one)| one.message).collect();
    assert_eq!(messages, [other]);
    assert_eq!(handle.account(&id(0)).unwrap().account.balance.get(), FUNDS - FEE - 1000);
    assert!(handle.roll_back(u32::MAX).await.is_err());
    drop(handle);
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_wait_for_provers_and_idle_chains_rest() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    config.block_ms = 20;
    config.batch = BatchConfig { max_blocks: 2, max_age_ms: 60_000, most_blocks: 12 };
    let sequencer = start(config).await.unwrap();
    let handle = sequencer.handle().clone();
    // Nothing happens, and after 12 blocks there are no more.
    until("rest", || handle.tip().height.get() == 12).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(handle.tip().height.get(), 12);
    assert!(handle.batches(0, 10).is_empty());

    // A command wakes it, and the batch is as large as can be.
    let hash = handle.submit(payment(0, 0)).await.unwrap();
    settled(&handle, &hash).await;
    until("the first batch", || handle.batches(0, 10).len() == 1).await;
    assert_eq!(handle.batches(0, 10)[0].last_height, 12);

    // One that is not committed holds the next one open, until it is as long as it may be. Then no more
    // blocks are made, and commands wait.
    handle.limit_uncommitted(1);
    let hash = handle.submit(payment(0, 1)).await.unwrap();
    settled(&handle, &hash).await;
    let first = handle.batches(0, 1)[0].clone();
    let full = first.last_height + 1 + 12;
    until("a long batch", || handle.tip().height.get() == full).await;
    let waiting = handle.submit(payment(0, 2)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(handle.status(&waiting), CommandStatus::Pending);
    assert_eq!((handle.tip().height.get(), handle.batches(0, 10).len()), (full, 1));

    // When it is committed, one more block closes the second.
    let committed = BatchRecord { stage: Stage::Committed, ..first.clone() };
    assert!(handle.replace_batch(&first, &committed).unwrap());
    until("the second batch", || handle.batches(0, 10).len() == 2).await;
    let batch = &handle.batches(1, 1)[0];
    assert_eq!(batch.last_height - batch.first_height + 1, 13);
    settled(&handle, &waiting).await;

    // Once it is committed, nothing holds the third.
    for batch in handle.batches(0, 10) {
        let committed = BatchRecord { stage: Stage::Committed, ..batch.clone() };
        assert!(handle.replace_batch(&batch, &committed).unwrap());
    }
    let hash = handle.submit(payment(0, 3)).await.unwrap();
    settled(&handle, &hash).await;
    until("the third batch", || handle.batches(0, 10).len() == 3).await;
    let batch = &handle.batches(2, 1)[0];
    assert!(batch.last_height - batch.first_height < 11, "{batch:?}");
    drop(handle);
    stop(sequencer).await;
}

/// Who rolls back by hand is told if the L1 has the batch, or may soon have it.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_on_its_way_to_the_l1_is_undone_by_force_only() {
    let dir = Directory::new();
    let mut config = config(&dir.0);
    config.batch = BatchConfig { max_blocks: 2, ..BatchConfig::default() };
    let sequencer = start(config).await.unwrap();
    let handle = sequencer.handle().clone();
    let hash = handle.submit(payment(0, 0)).await.unwrap();
    settled(&handle, &hash).await;
    until("a batch", || !handle.batches(0, 1).is_empty()).await;
    let batch = handle.batches(0, 1)[0].clone();
    let sent = BatchRecord { settled_by: Some("5Ju".into()), ..batch.clone() };
    assert!(handle.replace_batch(&batch, &sent).unwrap());
    let (admin, token) =
        (sequencer.addresses().admin.unwrap(), format!("authorization: Bearer {TOKEN}\r\n"));
    let ask = async |force: bool| {
        let request = json!({ "height": batch.last_height, "force": force }).to_string();
        exchange(admin, &http("POST", "/rollback", &token, &request)).await
    };
    let refused = ask(false).await;
    assert!(status(&refused) == "409" && refused.contains("batch 0 is settled"), "{refused}");
    assert_eq!(handle.batches(0, 1), [sent]);
    assert_eq!(status(&ask(true).await), "200");
    until("another generation", || {
        handle.batches(0, 1).first().is_some_and(|again| again.generation == batch.generation + 1)
    })
    .await;
    drop(handle);
    stop(sequencer).await;
}
