//! Blocks, commands, rollbacks, and the archive that follows them.

use std::time::Duration;

use mina_ledger::{
    Domain,
    hash::command_hashes,
    signature::{sign_payload, sign_zkapp_command},
    types::{
        Account, AccountId, AccountUpdate, Amount, Authorization, AuthorizationKind, Body,
        CallForest, Era, FeePayer, FeePayerBody, Memo, NetworkId, Nonce, Signature, SignedAmount,
        SignedCommand, SignedCommandBody, SignedCommandPayload, Slot, ZkappCommand,
    },
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zeko_sdk::{
    keys::{KeyPair, development_key},
    local_l1::{Chain, ChainError, Genesis, LocalL1, LocalL1Config, Node},
};
use zeko_sequencer::{
    Command,
    graphql::{BlockSelector, MinaNode, SubmitError, TransactionStatus},
};

use crate::kit::index;

const MINA: u64 = 1_000_000_000;

fn domain() -> Domain {
    Domain::new(NetworkId::Testnet, Era::Berkeley)
}

fn user(index: u32) -> KeyPair {
    development_key("test", index)
}

/// A chain on which nothing happens by itself: the first slot lasts for a long time.
fn chain() -> Chain {
    Chain::new(Genesis {
        domain: domain(),
        accounts: (0..3).map(|index| (user(index).public, Amount::new(100 * MINA))).collect(),
        producer: user(9).public,
        coinbase: Amount::new(720 * MINA),
        account_creation_fee: Amount::new(MINA),
        timestamp_ms: 1_700_000_000_000,
        slot_ms: 1 << 40,
    })
    .unwrap()
}

fn payment(from: &KeyPair, to: &KeyPair, amount: u64, nonce: u32) -> Command {
    let payload = SignedCommandPayload {
        fee: Amount::new(MINA / 100),
        fee_payer: from.public,
        nonce: Nonce::new(nonce),
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment { receiver: to.public, amount: Amount::new(amount) },
    };
    let signature = sign_payload(&payload, &from.private, &domain()).unwrap();
    Command::Signed(SignedCommand { payload, signature })
}

/// Sends `amount` by a zkApp command; fails in its body if the balance does not cover it.
fn transfer(from: &KeyPair, to: &KeyPair, amount: u64, nonce: u32) -> Command {
    let era = Era::Berkeley;
    let mut debit = Body::new(AccountId::of(from.public), era);
    debit.balance_change = SignedAmount::negative(Amount::new(amount));
    debit.authorization_kind = AuthorizationKind::Signature;
    debit.use_full_commitment = true;
    let mut credit = Body::new(AccountId::of(to.public), era);
    credit.balance_change = SignedAmount::positive(Amount::new(amount));
    credit.implicit_account_creation_fee = true;
    let signed =
        AccountUpdate { body: debit, authorization: Authorization::Signature(Signature::DUMMY) };
    let unsigned = AccountUpdate { body: credit, authorization: Authorization::None };
    let mut command = ZkappCommand {
        fee_payer: FeePayer {
            body: FeePayerBody {
                public_key: from.public,
                fee: Amount::new(MINA / 100),
                valid_until: None,
                nonce: Nonce::new(nonce),
            },
            authorization: Signature::DUMMY,
        },
        account_updates: CallForest::flat([signed, unsigned]),
        memo: Memo::EMPTY,
    };
    let hashes = command_hashes(&command, &domain());
    sign_zkapp_command(&mut command, &hashes, &from.private, &domain()).unwrap();
    Command::Zkapp(command.into())
}

fn balance(node: &Node, of: &KeyPair) -> u64 {
    node.account(&AccountId::of(of.public)).map_or(0, |record| record.account.balance.get())
}

#[tokio::test]
async fn commands_are_checked_and_included() {
    let node = Node::new(chain());
    let [alice, bob, new] = [user(0), user(1), user(5)];
    node.submit(payment(&alice, &bob, 5 * MINA, 0)).await.unwrap();
    let hash = node.submit(transfer(&alice, &new, 2 * MINA, 1)).await.unwrap();
    // Overdrawn in its body: only the fee is paid.
    let failing = node.submit(transfer(&bob, &alice, 1000 * MINA, 0)).await.unwrap();
    assert_eq!(node.transaction_status(&hash), TransactionStatus::Pending);
    assert_eq!(node.inferred_nonce(&AccountId::of(alice.public)), Some(Nonce::new(2)));

    // What a pool refuses.
    let again = node.submit(transfer(&alice, &new, 2 * MINA, 1)).await;
    assert_eq!(again, Err(SubmitError::Duplicate));
    let gap = node.submit(payment(&alice, &bob, 1, 7)).await;
    let (expected, got) = (Nonce::new(2), Nonce::new(7));
    assert_eq!(gap, Err(SubmitError::InvalidNonce { expected, got }));
    let Command::Signed(mut forged) = payment(&alice, &bob, 1, 2) else { panic!() };
    forged.payload.fee = Amount::new(MINA);
    let forged = node.submit(Command::Signed(forged)).await;
    assert!(matches!(forged, Err(SubmitError::InvalidSignature { .. })), "{forged:?}");
    let poor = node.submit(payment(&alice, &bob, 1000 * MINA, 2)).await;
    assert!(matches!(poor, Err(SubmitError::InsufficientFunds { .. })), "{poor:?}");
    let nobody = node.submit(payment(&user(7), &bob, 1, 0)).await;
    assert_eq!(nobody, Err(SubmitError::FeePayerNotFound));

    let block = node.produce().unwrap();
    assert_eq!(block.commands.len(), 3);
    assert_eq!(node.transaction_status(&hash), TransactionStatus::Included);
    let failed: Vec<_> = block.commands.iter().filter(|one| one.failures.is_some()).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].hash, failing);
    let fee = MINA / 100;
    assert_eq!(balance(&node, &alice), 100 * MINA - 7 * MINA - 2 * fee);
    assert_eq!(balance(&node, &bob), 105 * MINA - fee);
    // The creation fee is burned.
    assert_eq!(balance(&node, &new), MINA);
    assert_eq!(balance(&node, &user(9)), 719 * MINA + 3 * fee);
    assert!(node.pool(&Default::default()).is_empty());
    let included = node.submit(transfer(&alice, &new, 2 * MINA, 1)).await;
    assert_eq!(included, Err(SubmitError::Duplicate));
}

#[tokio::test]
async fn rollbacks_return_or_drop_commands() {
    let node = Node::new(chain());
    let [alice, bob] = [user(0), user(1)];
    let mut hashes = Vec::new();
    for nonce in 0..4 {
        hashes.push(node.submit(payment(&alice, &bob, MINA, nonce)).await.unwrap());
        node.produce().unwrap();
    }
    let before = node.tip();
    let made = node.reorganise(3, false).unwrap();
    assert_eq!(made.len(), 3);
    assert_eq!(made[0].commands.len(), 3);
    assert_eq!(node.tip().height, before.height);
    assert_eq!(node.tip().slot, before.slot);
    assert_ne!(node.tip().state_hash, before.state_hash);
    assert_eq!(node.tip().ledger_hash, before.ledger_hash);
    assert!(node.block(BlockSelector::StateHash(before.state_hash)).is_none());
    for hash in &hashes {
        assert_eq!(node.transaction_status(hash), TransactionStatus::Included);
    }
    // Everything after the first block is forgotten, so its nonces are free again.
    node.reorganise(3, true).unwrap();
    assert_eq!(node.transaction_status(&hashes[0]), TransactionStatus::Included);
    assert_eq!(node.transaction_status(&hashes[1]), TransactionStatus::Unknown);
    assert_eq!(balance(&node, &bob), 101 * MINA);
    node.submit(payment(&alice, &bob, 2 * MINA, 1)).await.unwrap();
    node.produce().unwrap();
    assert_eq!(balance(&node, &bob), 103 * MINA);
    assert!(node.reorganise(100, false).is_err());
}

/// Ledgers are remembered for as many blocks as can be taken back, and no more.
#[tokio::test]
async fn old_blocks_stay() {
    let node = Node::new(chain());
    let first = node.submit(payment(&user(0), &user(1), MINA, 0)).await.unwrap();
    for _ in 0..300 {
        node.produce().unwrap();
    }
    let refused = node.reorganise(291, false).unwrap_err();
    assert!(matches!(refused, ChainError::Depth { available: 290, got: 291 }), "{refused}");
    assert_eq!(node.reorganise(290, false).unwrap().len(), 290);
    assert_eq!(node.tip().height.get(), 301);
    assert_eq!(node.transaction_status(&first), TransactionStatus::Included);
    assert_eq!(node.block(BlockSelector::Height(2u32.into())).unwrap().commands.len(), 1);
    assert_eq!(balance(&node, &user(1)), 101 * MINA);
}

/// A chain whose commands were reordered by a rollback is, as a ledger, the one it was before.
#[tokio::test]
async fn the_ledger_is_minas() {
    let node = Node::new(chain());
    node.submit(transfer(&user(0), &user(1), MINA, 0)).await.unwrap();
    let block = node.produce().unwrap();
    let accounts: Vec<Account> = (0..4)
        .map(|index| {
            let key = if index == 3 { user(9) } else { user(index) };
            node.account(&AccountId::of(key.public)).unwrap().account
        })
        .collect();
    use mina_ledger::ledger::{FullLedger, Ledger};
    let mut ledger = FullLedger::from_accounts(accounts, Era::Berkeley).unwrap();
    assert_eq!(ledger.root().unwrap(), block.ledger_hash);
    let record = node.account(&AccountId::of(user(1).public)).unwrap();
    let leaf = mina_ledger::hash::account_hash(&record.account, Era::Berkeley);
    node.merkle_path(record.index).unwrap().check(leaf, block.ledger_hash).unwrap();
}

struct Http {
    client: reqwest::Client,
}

impl Http {
    async fn graphql(&self, url: &str, query: &str) -> Value {
        let answer = self.client.post(url).json(&json!({ "query": query })).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        answer["data"].clone()
    }

    async fn post(&self, url: String, body: Value) -> (u16, Value) {
        let answer = self.client.post(url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// The L1, its account manager, and the indexer that knows it through its GraphQL only.
#[tokio::test]
async fn the_archive_follows_rollbacks() {
    let cancel = CancellationToken::new();
    let config = LocalL1Config { slot: Duration::from_secs(3600), ..LocalL1Config::default() };
    let l1 = LocalL1::start(config, &cancel).await.unwrap();
    let graphql = format!("http://{}/graphql", l1.graphql());
    let manager = format!("http://{}", l1.accounts());
    let http = Http { client: reqwest::Client::new() };

    let lent = http.client.get(format!("{manager}/acquire-account?isRegularAccount=true"));
    let lent: Value = lent.send().await.unwrap().json().await.unwrap();
    let key = KeyPair::new(
        mina_ledger::types::PrivateKey::from_base58(lent["sk"].as_str().unwrap()).unwrap(),
    );
    assert_eq!(key.public.to_base58(), lent["pk"]);
    let listed = http.client.get(format!("{manager}/list-acquired-accounts")).send().await.unwrap();
    assert_eq!(listed.json::<Value>().await.unwrap(), json!([lent]));

    let indexer = index(&graphql, Duration::from_millis(10), 290, &cancel).await;
    let archive = format!("http://{}/graphql", indexer.address());
    let follows = async |hash: &str, state: &str| loop {
        let query = format!(r#"{{ commandStatus(hash: "{hash}") {{ state }} }}"#);
        let answer = http.graphql(&archive, &query).await;
        if answer["commandStatus"]["state"] == state {
            break;
        }
        tokio::task::yield_now().await;
    };

    let hash = l1.node().submit(transfer(&key, &user(0), 3 * MINA, 0)).await.unwrap().to_base58();
    let (status, made) = http.post(format!("{manager}/blocks"), json!({})).await;
    assert_eq!((status, &made[0]["height"]), (200, &json!(2)));
    follows(&hash, "INCLUDED").await;
    let (status, _) = http
        .post(format!("{manager}/reorganise"), json!({ "depth": 1, "dropCommands": true }))
        .await;
    assert_eq!(status, 200);
    follows(&hash, "ROLLED_BACK").await;
    let (status, _) = http.post(format!("{manager}/reorganise"), json!({ "depth": 9 })).await;
    assert_eq!(status, 422);

    let release = http.client.put(format!("{manager}/release-account"));
    let release = release.json(&json!({ "pk": lent["pk"] })).send().await.unwrap();
    assert_eq!(release.status(), 200);
    cancel.cancel();
    l1.join().await.unwrap();
    indexer.join().await.unwrap();
}

/// Slots without commands have blocks, and the clock makes them.
#[tokio::test]
async fn the_clock_makes_blocks() {
    let config = LocalL1Config { slot: Duration::from_millis(20), ..LocalL1Config::default() };
    let cancel = CancellationToken::new();
    let l1 = LocalL1::start(config, &cancel).await.unwrap();
    let mut events = l1.node().subscribe();
    let mut slots = Vec::new();
    while slots.len() < 5 {
        if let zeko_sequencer::graphql::NodeEvent::NewBlock(block) = events.recv().await.unwrap() {
            assert!(block.commands.is_empty());
            slots.push(block.slot);
        }
    }
    assert!(slots.windows(2).all(|pair| pair[0] < pair[1]), "{slots:?}");
    l1.stop();
    l1.join().await.unwrap();
}
