//! The GraphQL.

use serde_json::Value;
use zeko_indexer::{Batch, Follower, Store, schema};

use crate::{
    chain::{Chain, MINA, ZKAPP, expected_states},
    follow::catch_up,
};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/graphql/");

async fn answer(store: &Store, request: async_graphql::Request) -> async_graphql::Response {
    schema(store.clone()).execute(request).await
}

/// The data of an answer without errors.
pub(crate) async fn ask(store: &Store, query: &str) -> Value {
    let answer = answer(store, query.into()).await;
    assert!(answer.errors.is_empty(), "{query}: {:?}", answer.errors);
    answer.data.into_json().unwrap()
}

/// The code and message of the first error.
async fn refusal(store: &Store, query: &str) -> (String, String) {
    let answer = serde_json::to_value(answer(store, query.into()).await).unwrap();
    let error = &answer["errors"][0];
    (error["extensions"]["code"].as_str().unwrap().into(), error["message"].to_string())
}

/// By height, the action states after the block and before it.
pub(crate) async fn actions_of(store: &Store) -> Vec<(i64, [String; 2])> {
    let query = format!(
        r#"{{ actions(input: {{ address: "{ZKAPP}" }}) {{
            blockInfo {{ height }} actionState {{ actionStateOne actionStateTwo }} }} }}"#
    );
    let answer = ask(store, &query).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let read = |block: &Value| {
        let states = &block["actionState"];
        let states = [text(&states["actionStateOne"]), text(&states["actionStateTwo"])];
        (block["blockInfo"]["height"].as_i64().unwrap(), states)
    };
    answer["actions"].as_array().unwrap().iter().map(read).collect()
}

async fn indexed(count: usize) -> (Store, Chain) {
    let store = Store::open("sqlite::memory:", 3).await.unwrap();
    let chain = Chain::new();
    chain.extend(count, "a");
    catch_up(&mut Follower::new(chain.clone(), store.clone(), false)).await;
    (store, chain)
}

/// The archive API's schema is part of ours, to the letter.
#[tokio::test]
async fn the_schema_holds_the_archive_api() {
    let (store, _) = indexed(0).await;
    let ours = parse_sdl(&schema(store).sdl());
    let theirs = std::fs::read_to_string(format!("{VECTORS}archive_node_api.graphql")).unwrap();
    let theirs = parse_sdl(&theirs);
    assert_eq!(theirs.len(), 21);
    for (name, fields) in theirs {
        let ours = ours.get(&name).unwrap_or_else(|| panic!("{name} is missing"));
        for (field, kind) in fields {
            assert_eq!(ours.get(&field), Some(&kind), "{name}.{field}");
        }
    }
}

type Sdl = std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>;

/// Types with their fields, arguments and types, without descriptions and white space.
fn parse_sdl(sdl: &str) -> Sdl {
    use async_graphql::parser::{
        parse_schema,
        types::{TypeKind, TypeSystemDefinition},
    };
    let squeeze = |text: String| text.split_whitespace().collect::<String>();
    let mut types = Sdl::new();
    for definition in parse_schema(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let definition = definition.node;
        let fields = match definition.kind {
            TypeKind::Object(object) => {
                let fields = object.fields.into_iter().map(|field| field.node);
                fields
                    .map(|field| {
                        let arguments = field.arguments.into_iter().map(|argument| argument.node);
                        let arguments: Vec<_> = arguments
                            .map(|argument| format!("{}:{}", argument.name.node, argument.ty.node))
                            .collect();
                        let kind = format!("({}){}", arguments.join(","), field.ty.node);
                        (field.name.node.to_string(), squeeze(kind))
                    })
                    .collect()
            }
            TypeKind::InputObject(input) => {
                let fields = input.fields.into_iter().map(|field| field.node);
                fields
                    .map(|field| (field.name.node.to_string(), field.ty.node.to_string()))
                    .collect()
            }
            TypeKind::Enum(values) => {
                let values = values.values.into_iter().map(|value| value.node.value.node);
                values.map(|value| (value.to_string(), String::new())).collect()
            }
            _ => Default::default(),
        };
        types.insert(definition.name.node.to_string(), fields);
    }
    types
}

#[tokio::test]
async fn events_come_from_commands_that_were_applied() {
    let (store, _) = indexed(5).await;
    let query = format!(
        r#"{{ events(input: {{ address: "{ZKAPP}", tokenId: "{MINA}", from: 3, to: 5 }}) {{
            blockInfo {{ height stateHash parentHash ledgerHash chainStatus timestamp
                globalSlotSinceHardfork globalSlotSinceGenesis distanceFromMaxBlockHeight }}
            eventData {{ accountUpdateId data transactionInfo {{ status hash memo
                authorizationKind sequenceNumber zkappAccountUpdateIds }} }} }} }}"#
    );
    let events = ask(&store, &query).await;
    let events = events["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    let info = &events[0]["blockInfo"];
    assert_eq!(info["height"], 3);
    assert_eq!((&info["stateHash"], &info["parentHash"]), (&"3Na3".into(), &"3Na2".into()));
    assert_eq!(info["chainStatus"], "canonical");
    assert_eq!(events[1]["blockInfo"]["chainStatus"], "pending");
    assert_eq!(info["timestamp"], "1700000003000");
    assert_eq!(
        (&info["globalSlotSinceHardfork"], &info["globalSlotSinceGenesis"]),
        (&3.into(), &1003.into())
    );
    assert_eq!(info["distanceFromMaxBlockHeight"], 3);
    let data = events[0]["eventData"].as_array().unwrap();
    assert_eq!(data.len(), 2, "the command that failed has none");
    assert_eq!(data[0]["data"], serde_json::json!(["3"]));
    assert_eq!(data[1]["data"], serde_json::json!(["9", "10"]));
    let transaction = &data[0]["transactionInfo"];
    assert_eq!(transaction["hash"], "5Joka3");
    assert_eq!(transaction["authorizationKind"], "Proof");
    assert_eq!(transaction["sequenceNumber"], 2);
    let ids = transaction["zkappAccountUpdateIds"].as_array().unwrap();
    assert_eq!(ids.len(), 2);
    assert_eq!(data[0]["accountUpdateId"], ids[0].to_string());

    for (status, count) in [("ALL", 5), ("CANONICAL", 2), ("PENDING", 3)] {
        let query = format!(
            r#"{{ events(input: {{ address: "{ZKAPP}", status: {status} }}) {{ blockInfo {{ height }} }} }}"#
        );
        assert_eq!(
            ask(&store, &query).await["events"].as_array().unwrap().len(),
            count,
            "{status}"
        );
    }
}

#[tokio::test]
async fn actions_are_cut_at_states() {
    let (store, chain) = indexed(6).await;
    let states = expected_states(&chain.blocks());
    let ask_between = async |from: Option<&str>, end: Option<&str>| {
        let from = from.map_or(String::new(), |state| format!(r#"fromActionState: "{state}""#));
        let end = end.map_or(String::new(), |state| format!(r#"endActionState: "{state}""#));
        let query = format!(
            r#"{{ actions(input: {{ address: "{ZKAPP}" {from} {end} }}) {{
                blockInfo {{ height }} actionData {{ accountUpdateId data }} }} }}"#
        );
        let answer = ask(&store, &query).await;
        let blocks = answer["actions"].as_array().unwrap().clone();
        for block in &blocks {
            assert_eq!(block["actionData"].as_array().unwrap().len(), 3);
        }
        let height = |block: &Value| block["blockInfo"]["height"].as_i64().unwrap();
        blocks.iter().map(height).collect::<Vec<_>>()
    };
    let state = |height: usize| Some(states[height - 2].1[0].as_str());
    let initial = Some(states[0].1[1].as_str());
    assert_eq!(ask_between(None, None).await, [2, 3, 4, 5, 6, 7]);
    // Both ends inclusive.
    assert_eq!(ask_between(state(3), state(5)).await, [3, 4, 5]);
    assert_eq!(ask_between(initial, state(3)).await, [2, 3]);
    assert_eq!(ask_between(state(6), None).await, [6, 7]);
    assert_eq!(ask_between(None, initial).await, [0i64; 0]);
    let unknown = format!(
        r#"{{ actions(input: {{ address: "{ZKAPP}", fromActionState: "5" }}) {{ blockInfo {{ height }} }} }}"#
    );
    assert_eq!(refusal(&store, &unknown).await.0, "ACTION_STATE_NOT_FOUND");
}

#[tokio::test]
async fn ranges_are_limited() {
    let (store, _) = indexed(1).await;
    for (range, code) in [
        ("from: 5, to: 4", Some("BLOCK_RANGE_ERROR")),
        ("from: 0, to: 10001", Some("BLOCK_RANGE_ERROR")),
        ("from: 0, to: 10000", None),
    ] {
        for kind in ["events", "actions"] {
            let query = format!(
                r#"{{ {kind}(input: {{ address: "{ZKAPP}", {range} }}) {{ blockInfo {{ height }} }} }}"#
            );
            match code {
                Some(code) => assert_eq!(refusal(&store, &query).await.0, code),
                None => assert_eq!(ask(&store, &query).await[kind].as_array().unwrap().len(), 1),
            }
        }
    }
    assert_eq!(refusal(&store, "{ commands(limit: 1001) { hash } }").await.0, "BAD_USER_INPUT");
}

#[tokio::test]
async fn blocks_commands_and_statuses() {
    let (store, chain) = indexed(5).await;
    let query = r#"{ networkState { maxBlockHeight { canonicalMaxBlockHeight pendingMaxBlockHeight } }
        blocks(query: { blockHeight_gte: 2, blockHeight_lt: 5, dateTime_gte: "2023-11-14T22:13:23Z" }, sortBy: BLOCKHEIGHT_ASC) {
            blockHeight creator stateHash parentHash dateTime
            transactions { coinbase
                userCommands { hash kind from to amount fee memo nonce status failureReason }
                zkappCommands { hash feePayer fee memo status failureReason }
                feeTransfer { recipient fee type } } } }"#;
    let answer = ask(&store, query).await;
    assert_eq!(answer["networkState"]["maxBlockHeight"]["canonicalMaxBlockHeight"], 3);
    assert_eq!(answer["networkState"]["maxBlockHeight"]["pendingMaxBlockHeight"], 6);
    let blocks = answer["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 2);
    assert_eq!(
        (&blocks[0]["blockHeight"], &blocks[0]["dateTime"]),
        (&3.into(), &"2023-11-14T22:13:23Z".into())
    );
    let transactions = &blocks[1]["transactions"];
    assert_eq!(transactions["userCommands"][0]["status"], "failed");
    assert_eq!(
        transactions["userCommands"][0]["failureReason"],
        "Amount_insufficient_to_create_account"
    );
    assert_eq!(transactions["zkappCommands"][0]["status"], "failed");
    assert_eq!(transactions["zkappCommands"][1]["status"], "applied");
    assert_eq!(transactions["zkappCommands"][1]["failureReason"], Value::Null);
    assert_eq!(transactions["feeTransfer"][0]["type"], "Fee_transfer");

    let status = |hash: &str| {
        format!(
            r#"{{ commandStatus(hash: "{hash}") {{ state confirmations command {{ kind status blockHeight }} }} }}"#
        )
    };
    for (hash, state) in [("5Joka6", "INCLUDED"), ("5Joka3", "FINAL"), ("5Jnone", "UNKNOWN")] {
        assert_eq!(ask(&store, &status(hash)).await["commandStatus"]["state"], state);
    }
    chain.reorganise(1, 2, "b");
    catch_up(&mut Follower::new(chain.clone(), store.clone(), false)).await;
    let rolled_back = ask(&store, &status("5Joka6")).await;
    assert_eq!(rolled_back["commandStatus"]["state"], "ROLLED_BACK");
    // The payment of height 6 has the same hash on both sides.
    assert_eq!(ask(&store, &status("5Jpay6")).await["commandStatus"]["state"], "INCLUDED");
    let orphans = ask(&store, "{ blocks(query: { inBestChain: false }) { stateHash } }").await;
    assert_eq!(orphans["blocks"], serde_json::json!([{ "stateHash": "3Na6" }]));
}

/// On a rollup, a command is as far as its batch.
#[tokio::test]
async fn commands_of_a_rollup_are_as_far_as_their_batch() {
    let batch = |number: i64, last_height: i64, stage: &str| Batch {
        number,
        first_height: 2 * number + 1,
        last_height,
        commands: 4,
        messages: 0,
        stage: stage.to_owned(),
        data: Some("ab".into()),
        settled_by: None,
    };
    let chain = Chain::new();
    chain.extend(9, "a");
    chain.set_batches(vec![]);
    let store = Store::open("sqlite::memory:", 3).await.unwrap();
    let mut follower = Follower::new(chain.clone(), store.clone(), false);
    catch_up(&mut follower).await;
    let status = async |height: i64| {
        let query = format!(
            r#"{{ commandStatus(hash: "5Joka{height}") {{ state batch {{ number stage }} }} }}"#
        );
        let answer = ask(&store, &query).await["commandStatus"].clone();
        (answer["state"].as_str().unwrap().to_owned(), answer["batch"]["number"].as_i64())
    };
    let said = |state: &str, batch: Option<i64>| (state.to_owned(), batch);
    // Depth on the L2 makes nothing final.
    assert_eq!(status(2).await, said("INCLUDED", None));
    let stages = ["committed", "proved", "da_certified", "included"];
    let batches = (0..).zip(stages).map(|(number, stage)| batch(number, 2 * number + 2, stage));
    chain.set_batches(batches.collect());
    // They come with the steps, the first ones first.
    follower.step().await.unwrap();
    assert_eq!(status(2).await, said("COMMITTED", Some(0)));
    assert_eq!(status(3).await, said("PROVED", Some(1)));
    assert_eq!(status(5).await, said("INCLUDED", None));
    let stages = ["final", "final", "da_certified", "included"];
    let batches = (0..).zip(stages).map(|(number, stage)| batch(number, 2 * number + 2, stage));
    chain.set_batches(batches.collect());
    follower.step().await.unwrap();
    follower.step().await.unwrap();
    for (height, state, number) in
        [(2, "FINAL", 0), (4, "FINAL", 1), (5, "DA_CERTIFIED", 2), (8, "INCLUDED", 3)]
    {
        assert_eq!(status(height).await, said(state, Some(number)), "{height}");
    }
    let all = ask(&store, "{ batches(limit: 2) { number lastHeight stage data settledBy } }").await;
    let newest = &all["batches"][0];
    assert_eq!((&newest["number"], &newest["lastHeight"]), (&3.into(), &8.into()), "{all}");
    assert_eq!((&newest["data"], &newest["settledBy"]), (&"ab".into(), &Value::Null));
    let heights = ask(&store, "{ networkState { maxBlockHeight { canonicalMaxBlockHeight } } }");
    assert_eq!(heights.await["networkState"]["maxBlockHeight"]["canonicalMaxBlockHeight"], 4);

    // The last two blocks are undone, with the batches that they were in.
    chain.reorganise(4, 5, "b");
    chain.set_batches(vec![batch(0, 2, "final"), batch(1, 4, "final"), batch(2, 7, "included")]);
    catch_up(&mut follower).await;
    assert_eq!(status(8).await.0, "ROLLED_BACK");
    assert_eq!(status(4).await, said("FINAL", Some(1)));
    let all = ask(&store, "{ batches { number lastHeight } }").await;
    assert_eq!(all["batches"].as_array().unwrap().len(), 3, "{all}");
    assert_eq!(all["batches"][0]["lastHeight"], 7);
}

/// What the Auro wallet asks for an account's history, as it asks it.
#[tokio::test]
async fn auro_gets_its_history() {
    let (store, _) = indexed(3).await;
    let queries = std::fs::read_to_string(format!("{VECTORS}auro_queries.json")).unwrap();
    let queries: Value = serde_json::from_str(&queries).unwrap();
    let ask_auro = async |name: &str, key: &str| {
        let variables = serde_json::json!({ "publicKey": key, "limit": 20, "tokenId": MINA });
        let request = async_graphql::Request::new(queries[name].as_str().unwrap())
            .variables(async_graphql::Variables::from_json(variables));
        let answer = answer(&store, request).await;
        assert!(answer.errors.is_empty(), "{name}: {:?}", answer.errors);
        answer.data.into_json().unwrap()
    };
    let payments = ask_auro("getTxHistoryBody", "B62bob").await;
    assert_eq!(payments["transactions"].as_array().unwrap().len(), 3);
    assert_eq!(payments["transactions"][0]["hash"], "5Jpay4");
    let zkapps = ask_auro("getZkAppTransactionListBody", ZKAPP).await;
    assert_eq!(zkapps["zkapps"].as_array().unwrap().len(), 6);
    assert_eq!(zkapps["zkapps"][1]["failureReason"][0]["failures"][0], "Overflow");
    let all = ask_auro("getAllTransactionListBody", crate::chain::ALICE).await;
    let all = all["fullTransactions"].as_array().unwrap();
    assert_eq!(all.len(), 9);
    assert_eq!(all[0]["kind"], "zkApp");
    assert_eq!(
        all[0]["zkAppBody"]["zkappCommand"]["accountUpdates"][0]["body"]["publicKey"],
        ZKAPP
    );
    assert_eq!(all[2]["body"]["to"], "B62bob");
}
