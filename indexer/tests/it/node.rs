//! The service, and a node behind HTTP.

use std::time::Duration;

use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zeko_indexer::{ChainSource, CommandBody, GraphQlSource, Indexer, IndexerConfig, SignedKind};

use crate::chain::{Chain, headers};

fn config(database: &str) -> IndexerConfig {
    IndexerConfig {
        database: database.into(),
        listen: ([127, 0, 0, 1], 0).into(),
        poll_interval: Duration::from_millis(5),
        canonical_depth: 3,
        allow_partial_history: false,
    }
}

async fn get(indexer: &Indexer, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}{path}", indexer.address())).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_service_says_whether_it_is_ready_and_stops() {
    let chain = Chain::new();
    chain.extend(3, "a");
    chain.fail(true);
    let cancel = CancellationToken::new();
    let indexer = Indexer::start(config("sqlite::memory:"), chain.clone(), &cancel).await.unwrap();
    assert_eq!(get(&indexer, "/livez").await.0, 200);
    let (status, reason) = get(&indexer, "/readyz").await;
    assert_eq!(status, 503);
    assert!(reason.contains("no block") || reason.contains("does not answer"), "{reason}");
    chain.fail(false);
    indexer.ready().await;
    assert_eq!(get(&indexer, "/readyz").await, (200, "ok\n".into()));
    let query = json!({ "query": "{ blocks(limit: 1) { stateHash } }" });
    let url = format!("http://{}/graphql", indexer.address());
    let client = reqwest::Client::new();
    let answer = client.post(&url).json(&query).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let tip = headers(&chain).pop().unwrap().state_hash;
    assert_eq!(answer["data"]["blocks"][0]["stateHash"], tip);
    let large = client.post(&url).header("content-type", "application/json");
    let large = large.body(vec![b' '; 2 << 20]).send().await.unwrap();
    assert_eq!(large.status(), 413);
    cancel.cancel();
    indexer.join().await.unwrap();
}

/// A fatal error ends the service, with its reason.
#[tokio::test]
async fn the_service_ends_when_its_worker_does() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("index.db").display());
    let cancel = CancellationToken::new();
    let indexer = Indexer::start(config(&url), Chain::new(), &cancel).await.unwrap();
    indexer.ready().await;
    indexer.stop();
    indexer.join().await.unwrap();
    let other = Chain::new();
    other.rename_genesis("3Nother");
    let indexer = Indexer::start(config(&url), other, &cancel).await.unwrap();
    let error = indexer.join().await.unwrap_err().to_string();
    assert!(error.contains("another chain"), "{error}");
}

/// A node with one block, in the JSON that Mina's node sends: some numbers are strings.
async fn node(State(()): State<()>, Json(request): Json<Value>) -> Json<Value> {
    let query = request["query"].as_str().unwrap();
    let header = json!({ "stateHash": "3N2", "protocolState": {
        "previousStateHash": "3N1", "consensusState": { "blockHeight": "2" } } });
    Json(if query.contains("slotsPerEpoch") {
        json!({ "data": { "daemonStatus": { "consensusConfiguration": { "slotsPerEpoch": 7140 } } } })
    } else if query.contains("bestChain") {
        json!({ "data": { "bestChain": [header] } })
    } else if query.contains("genesisBlock") {
        json!({ "data": { "genesisBlock": header } })
    } else if request["variables"]["hash"] == "3N2" {
        json!({ "data": { "block": block() } })
    } else {
        let message = "Could not find block in transition frontier with hash";
        json!({ "data": null, "errors": [{ "message": message, "path": ["block"] }] })
    })
}

fn block() -> Value {
    json!({
        "stateHash": "3N2", "creator": "B62creator",
        "protocolState": {
            "previousStateHash": "3N1",
            "blockchainState": { "date": "1700000000000", "stagedLedgerHash": "jx2" },
            "consensusState": {
                "blockHeight": "2", "slotSinceGenesis": "15000", "slot": "3", "epoch": "2" },
        },
        "transactions": {
            "coinbase": "720000000000",
            "feeTransfer": [{ "recipient": "B62creator", "fee": "10", "type": "Fee_transfer" }],
            "userCommands": [{ "hash": "5Jd", "kind": "STAKE_DELEGATION", "nonce": 4, "from": "B62a",
                "to": "B62b", "amount": "0", "fee": "10", "memo": "E4", "failureReason": null }],
            "zkappCommands": [{ "hash": "5Jz", "failureReason": null, "zkappCommand": {
                "memo": "E4",
                "feePayer": { "body": { "publicKey": "B62a", "fee": "1", "nonce": "5", "validUntil": null } },
                "accountUpdates": [{ "body": {
                    "publicKey": "B62z", "tokenId": "w", "callDepth": 0,
                    "events": [["1", "2"]], "actions": [],
                    "balanceChange": { "magnitude": "0", "sgn": "Positive" },
                    "authorizationKind": { "isSigned": true, "isProved": false },
                    "update": { "appState": [null], "tokenSymbol": null, "zkappUri": null } } }] } }],
        },
    })
}

/// What nodes say of their schema, and of batches.
async fn schema(State(kind): State<&'static str>, Json(request): Json<Value>) -> Json<Value> {
    let is_type = request["query"].as_str().unwrap().contains("__type");
    Json(match kind {
        "rollup" if is_type => json!({ "data": { "__type": { "name": "Batch" } } }),
        "rollup" => json!({ "data": { "batches": [{ "number": request["variables"]["from"],
            "firstHeight": 5, "lastHeight": 9, "commands": 3, "messages": 1, "stage": "proved",
            "data": "ab", "settledBy": null }] } }),
        "mina" if is_type => json!({ "data": { "__type": null } }),
        "hidden" if is_type => json!({ "errors": [{ "message": "Introspection is not allowed" }] }),
        _ => json!({ "errors": [{ "message": "try again" }] }),
    })
}

/// A rollup's node has batches; a Mina node has none, whether or not it shows its schema; and where the
/// answer may be another next time, it is an error.
#[tokio::test]
async fn batches_are_read_from_nodes_that_have_some() {
    let read = async |kind: &'static str| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/graphql", listener.local_addr().unwrap());
        let router = Router::new().route("/graphql", post(schema)).with_state(kind);
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let batches = GraphQlSource::new(&url).unwrap().batches(7).await;
        server.abort();
        batches
    };
    let batches = read("rollup").await.unwrap().unwrap();
    let [batch] = &batches[..] else { panic!("one batch: {batches:?}") };
    assert_eq!((batch.number, batch.first_height, batch.last_height), (7, 5, 9));
    assert_eq!((batch.stage.as_str(), batch.settled_by.as_deref()), ("proved", None));
    assert_eq!(read("mina").await.unwrap(), None);
    assert_eq!(read("hidden").await.unwrap(), None);
    assert!(read("busy").await.is_err());
}

#[tokio::test]
async fn a_node_is_read() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let router = Router::new().route("/graphql", post(node)).with_state(());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let source = GraphQlSource::new(&url).unwrap();
    assert_eq!(source.best_chain(10).await.unwrap()[0].height, 2);
    let block = source.block("3N2").await.unwrap().unwrap();
    assert_eq!((block.slot_since_genesis, block.slot_since_hard_fork), (15000, 2 * 7140 + 3));
    assert_eq!(block.timestamp_ms, 1_700_000_000_000);
    let [delegation, zkapp] = &block.commands[..] else { panic!("two commands") };
    assert!(matches!(delegation.body, CommandBody::Signed { kind: SignedKind::Delegation, .. }));
    let CommandBody::Zkapp { updates, .. } = &zkapp.body else { panic!("a zkApp command") };
    assert_eq!((updates[0].authorization_kind, updates[0].events[0].len()), ("Signature", 2));
    assert_eq!(zkapp.nonce, 5);
    assert_eq!(source.block("3Nother").await.unwrap(), None);
    assert_eq!(source.block_at(1).await.unwrap(), None);
    server.abort();
    assert!(GraphQlSource::new("http://127.0.0.1:1/").unwrap().genesis().await.is_err());
}
