//! Documents of o1js and Auro, and Mina's own schema.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::PathBuf,
    sync::Arc,
};

use async_graphql::Request;
use mina_ledger::types::Era;
use serde_json::{Value, json};
use zeko_sequencer::{
    Command,
    graphql::{Api, ApiLimits, MinaNode},
};

use crate::fixture::{RECORDED, StillNode, other_key, payment};

fn vector(name: &str) -> Vec<u8> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/graphql").join(name);
    let bytes = std::fs::read(&path).unwrap();
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
    plain
}

fn api() -> Api {
    Api::new(&(StillNode::new() as Arc<dyn MinaNode>), ApiLimits::default()).unwrap()
}

async fn ask(api: &Api, query: &str, variables: Value) -> Value {
    let request: Request =
        serde_json::from_value(json!({ "query": query, "variables": variables })).unwrap();
    serde_json::to_value(api.execute(request).await).unwrap()
}

async fn data(api: &Api, query: &str, variables: Value) -> Value {
    let answer = ask(api, query, variables).await;
    assert!(answer.get("errors").is_none(), "{answer}\n{query}");
    answer["data"].clone()
}

#[tokio::test]
async fn every_recorded_request_of_o1js_is_answered() {
    let api = api();
    let recorded: Value = serde_json::from_slice(&vector("o1js_2.15_requests.json")).unwrap();
    let mut answered = BTreeMap::new();
    for request in recorded["requests"].as_array().unwrap() {
        if request["path"] != "/graphql" {
            continue;
        }
        let parsed: Request = serde_json::from_value(request["body"].clone()).unwrap();
        let answer = serde_json::to_value(api.execute(parsed).await).unwrap();
        assert!(answer.get("errors").is_none(), "{request}\n{answer}");
        answered.insert(request["call"].as_str().unwrap().to_owned(), answer["data"].clone());
    }
    let account = &answered["fetchAccount"]["account"];
    assert_eq!(account["publicKey"], RECORDED);
    assert_eq!(account["balance"]["total"], "1000000000000");
    assert_eq!(account["nonce"], "0");
    assert_eq!(account["token"], "wSHV2S4qX9jFsLjQo8r1BsMLH2ZRKsZx6EJd1sbozGPieEC4Jf");
    assert_eq!(account["permissions"]["setVerificationKey"]["txnVersion"], "3");
    assert_eq!(account["permissions"]["access"], "None");
    assert_eq!(account["timing"]["cliffTime"], Value::Null);
    assert_eq!(account["zkappState"].as_array().unwrap().len(), 8);
    assert_eq!(account["verificationKey"]["hash"], "9");
    assert_eq!(account["actionState"].as_array().unwrap().len(), 5);
    assert!(account["receiptChainHash"].as_str().unwrap().starts_with('2'));
    let block = &answered["fetchLastBlock"]["bestChain"][0]["protocolState"];
    assert_eq!(block["consensusState"]["blockHeight"], "2");
    assert_eq!(block["consensusState"]["slotSinceGenesis"], "7141");
    assert_eq!(block["consensusState"]["slot"], "1");
    assert!(
        block["blockchainState"]["snarkedLedgerHash"].as_str().unwrap().starts_with('j'),
        "{block}"
    );
    assert!(
        block["consensusState"]["stakingEpochData"]["seed"].as_str().unwrap().starts_with("2v")
    );
    assert_eq!(answered["fetchTransactionStatus"]["transactionStatus"], "UNKNOWN");
}

/// The mutation of o1js that sends a command.
pub(crate) fn recorded_send() -> String {
    let recorded: Value = serde_json::from_slice(&vector("o1js_2.15_requests.json")).unwrap();
    let queries = recorded["requests"].as_array().unwrap().iter();
    let mut queries = queries.filter_map(|request| request["body"]["query"].as_str());
    queries.find(|query| query.contains("sendZkapp")).unwrap().to_owned()
}

#[tokio::test]
async fn a_command_of_o1js_is_read_in_full() {
    let node = StillNode::new();
    let api = Api::new(&(node.clone() as Arc<dyn MinaNode>), ApiLimits::default()).unwrap();
    let query = recorded_send();
    let sent = data(&api, &query, json!({})).await["sendZkapp"]["zkapp"].clone();
    let taken = node.taken.lock().unwrap().pop().unwrap();
    let Command::Zkapp(command) = taken.as_ref() else { panic!("not a zkApp command") };
    assert_eq!(command.account_updates.len(), 2);
    assert_eq!(sent["hash"], taken.hash().to_base58());
    assert!(taken.hash().to_base58().starts_with("5J"));
    assert_eq!(sent["failureReason"], Value::Null);
    assert_eq!(sent["zkappCommand"]["feePayer"]["body"]["publicKey"], RECORDED);
    assert_eq!(sent["zkappCommand"]["accountUpdates"][0]["body"]["useFullCommitment"], true);
    // The id leads back to the command, and so do stored bytes.
    let id = sent["id"].as_str().unwrap();
    assert_eq!(Command::from_id(id, Era::Berkeley).unwrap(), *taken);
    assert_eq!(Command::from_bytes(&taken.to_bytes(), Era::Berkeley).unwrap(), *taken);
    // The same command without the nulls, as other clients write it, with enums unquoted.
    let sparse = query
        .replace("delegate: null,", "")
        .replace("isNew: null", "")
        .replace("\"Negative\"", "Negative");
    assert_ne!(sparse, query);
    let again = data(&api, &sparse, json!({})).await;
    assert_eq!(again["sendZkapp"]["zkapp"]["hash"], sent["hash"]);
}

/// Variables for every document of Auro.
fn auro_variables(name: &str) -> Value {
    let signature = mina_ledger::types::Signature::DUMMY;
    let decimal = mina_ledger::types::to_decimal(signature.r);
    let mut variables = json!({
        "publicKey": RECORDED, "account0": RECORDED, "account1": other_key().to_base58(),
        "tokenId": "wSHV2S4qX9jFsLjQo8r1BsMLH2ZRKsZx6EJd1sbozGPieEC4Jf",
        "stateHash": mina_ledger::types::state_hash_to_base58(5u64.into()),
        "limit": 20, "weight": 3, "paymentId": payment(0).id(),
        "zkappTransaction": payment(0).hash().to_base58(),
        "fee": "1000000", "amount": "5", "to": RECORDED, "from": RECORDED, "nonce": "0",
        "memo": "hi", "validUntil": "4294967295", "field": decimal, "scalar": decimal,
        "rawSignature": format!("01{}01{}", "0".repeat(62), "0".repeat(62)),
    });
    if name == "getPartyBody" {
        variables["zkappCommandInput"] = command_json();
    }
    variables
}

/// A zkApp command as Auro puts it into variables.
fn command_json() -> Value {
    use mina_ledger::types::{
        AccountId, AccountUpdate, Amount, Authorization, Body, CallForest, FeePayer, FeePayerBody,
        Memo, Nonce, Signature, ZkappCommand,
    };
    let body = Body::new(AccountId::of(other_key()), Era::Berkeley);
    let fee_payer = FeePayerBody {
        public_key: other_key(),
        fee: Amount::new(1),
        valid_until: None,
        nonce: Nonce::new(3),
    };
    serde_json::to_value(ZkappCommand {
        fee_payer: FeePayer { body: fee_payer, authorization: Signature::DUMMY },
        account_updates: CallForest::flat([AccountUpdate {
            body,
            authorization: Authorization::None,
        }]),
        memo: Memo::EMPTY,
    })
    .unwrap()
}

#[tokio::test]
async fn every_document_of_auro_is_answered() {
    let node = StillNode::new();
    let api = Api::new(&(node.clone() as Arc<dyn MinaNode>), ApiLimits::default()).unwrap();
    node.taken.lock().unwrap().push(payment(4).into());
    let documents: Value = serde_json::from_slice(&vector("auro_queries.json")).unwrap();
    let mut answers = BTreeMap::new();
    for (name, document) in documents.as_object().unwrap() {
        if name == "note" {
            continue;
        }
        let document = document.as_str().unwrap();
        // Strict servers refuse variables that are not declared; wallets send only those.
        let declared: Value = auro_variables(name)
            .as_object()
            .unwrap()
            .iter()
            .filter(|(variable, _)| document.contains(&format!("${variable}")))
            .map(|(variable, value)| (variable.clone(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        answers.insert(name.clone(), data(&api, document, declared).await);
    }
    let account = &answers["getFetchAccountBody"]["account"];
    assert_eq!(
        account["permissions"]["setVerificationKey"],
        json!({ "auth": "Signature", "txnVersion": "3" }),
        "what Auro does not select is selected"
    );
    assert_eq!(answers["getNetworkIDBody"]["networkID"], "mina:testnet");
    assert_eq!(answers["getTxSend"]["sendPayment"]["payment"]["kind"], "PAYMENT");
    assert_eq!(
        answers["getStakeTxSend"]["sendDelegation"]["delegation"]["kind"],
        "STAKE_DELEGATION"
    );
    assert_eq!(answers["getTxStatusBody"]["transactionStatus"], "INCLUDED");
    assert_eq!(answers["getQATxStatusBody"]["transactionStatus"], "INCLUDED");
    assert_eq!(answers["getPendingTxBody"]["pooledUserCommands"][0]["nonce"], 4);
    assert_eq!(answers["getTxHistoryBody"]["transactions"][1]["failureReason"], "Overflow");
    assert_eq!(answers["getDaemonStatusBody"]["daemonStatus"]["blockchainLength"], 2);
}

#[tokio::test]
async fn errors_are_minas() {
    let api = api();
    let document = "mutation($i: SendPaymentInput!, $s: SignatureInput) {
        sendPayment(input: $i, signature: $s) { payment { hash } } }";
    let variables = |nonce: &str, signature: Value| {
        json!({ "i": { "to": RECORDED, "from": RECORDED, "fee": "1", "amount": "1", "nonce": nonce },
                "s": signature })
    };
    let one = json!({ "field": "1", "scalar": "1" });
    let message = async |variables: Value| {
        let answer = ask(&api, document, variables).await;
        assert_eq!(answer["data"], Value::Null);
        answer["errors"][0]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        message(variables("99", one.clone())).await,
        "Couldn't send user command: (Invalid_nonce \"expected 1, got 99\")"
    );
    for signature in [
        Value::Null,
        json!({ "field": "1" }),
        json!({ "rawSignature": "00" }),
        json!({ "rawSignature": "é".repeat(64) }),
        json!({ "rawSignature": "f".repeat(128) }),
    ] {
        let text = message(variables("0", signature.clone())).await;
        assert!(text.contains("Invalid_signature"), "{signature} {text}");
    }
    for nonce in ["-1", "x", "4294967296"] {
        let text = message(variables(nonce, one.clone())).await;
        assert!(text.contains("Not_well_formed"), "{nonce} {text}");
    }
    let bad = ask(&api, "{ account(publicKey: \"B62\") { nonce } }", json!({})).await;
    assert!(bad["errors"][0]["message"].as_str().unwrap().contains("publicKey"));
    for query in
        ["{", "{ nothing }", "{ account { nonce } }", "query A { version } query A { version }"]
    {
        assert!(ask(&api, query, json!({})).await["errors"].is_array(), "{query}");
    }
}

#[tokio::test]
async fn queries_are_bounded() {
    let api = api();
    let mut deep = String::from("publicKey");
    for _ in 0..40 {
        deep = format!("delegateAccount {{ {deep} }}");
    }
    let deep = format!("{{ account(publicKey: \"{RECORDED}\") {{ {deep} }} }}");
    assert!(ask(&api, &deep, json!({})).await["errors"].is_array());
    let wide: String = (0..3000).map(|n| format!("a{n}: version ")).collect();
    assert!(ask(&api, &format!("{{ {wide} }}"), json!({})).await["errors"].is_array());
    let nested = "{".repeat(100_000);
    assert!(ask(&api, &nested, json!({})).await["errors"].is_array());
}

/// `Name: type` with Mina's wrapping.
fn type_name(ty: &Value) -> String {
    match ty["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", type_name(&ty["ofType"])),
        Some("LIST") => format!("[{}]", type_name(&ty["ofType"])),
        _ => ty["name"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Every field and argument of a schema with its type.
fn surface(schema: &Value) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for ty in schema["types"].as_array().unwrap() {
        let name = ty["name"].as_str().unwrap();
        if name.starts_with("__") {
            continue;
        }
        lines.insert(name.to_owned(), ty["kind"].as_str().unwrap().to_owned());
        for kind in ["fields", "inputFields"] {
            for field in ty[kind].as_array().into_iter().flatten() {
                let path = format!("{name}.{}", field["name"].as_str().unwrap());
                for argument in field["args"].as_array().into_iter().flatten() {
                    let argument_path = format!("{path}({})", argument["name"].as_str().unwrap());
                    lines.insert(argument_path, type_name(&argument["type"]));
                }
                lines.insert(path, type_name(&field["type"]));
            }
        }
        for value in ty["enumValues"].as_array().into_iter().flatten() {
            lines.insert(format!("{name}={}", value["name"].as_str().unwrap()), String::new());
        }
    }
    lines
}

const INTROSPECTION: &str = "{ __schema { types { kind name
    fields { name args { name type { ...T } } type { ...T } }
    inputFields { name type { ...T } } enumValues { name } } } }
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name
      ofType { kind name ofType { kind name } } } } } }";

#[tokio::test]
async fn the_schema_is_a_part_of_minas() {
    let minas: Value = serde_json::from_slice(&vector("mina_node_introspection.json.gz")).unwrap();
    let minas = minas.get("data").unwrap_or(&minas);
    let minas = surface(&minas["__schema"]);
    let ours = surface(&data(&api(), INTROSPECTION, json!({})).await["__schema"]);
    let extensions = include_str!("../../src/graphql/extensions.graphql");
    let of_extensions = |line: &str| {
        let name =
            line.split(['.', '=', '(']).nth(usize::from(line.starts_with("query."))).unwrap();
        extensions.contains(name)
    };
    for (line, ty) in &ours {
        match minas.get(line) {
            Some(minas) => assert_eq!(ty, minas, "{line}"),
            None => assert!(of_extensions(line) || line == "Float", "{line}: {ty} is not Mina's"),
        }
    }
    // What is not exposed, so that a change of it is seen.
    let missing: BTreeSet<&str> = minas
        .keys()
        .filter(|line| !ours.contains_key(*line) && !line.contains('('))
        .filter(|line| line.split_once('.').is_some_and(|(ty, _)| ours.contains_key(ty)))
        .map(String::as_str)
        .collect();
    let expected = include_str!("not_exposed.txt");
    assert_eq!(missing.into_iter().collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>());
}
