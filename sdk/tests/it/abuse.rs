//! Requests that nobody should send, to every endpoint of the sequencer, the indexer and the local
//! L1: each gets an error, and the next client its answer.

use std::net::SocketAddr;

use mina_ledger::types::Amount;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use zeko_sdk::{
    keys::development_key,
    local_l1::{LocalL1, LocalL1Config},
};
use zeko_sequencer::{AdminConfig, GenesisAccount, GenesisConfig, Sequencer, SequencerConfig};

use crate::kit::index;

/// Sends bytes, closes its side, and reads what comes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read all.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(120), read).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The status, if there is one: a server may close on what is no HTTP.
fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    serde_json::from_str(body).unwrap_or(Value::Null)
}

/// Whatever path and method: what is no HTTP, and what is too much of it.
async fn break_http(address: SocketAddr, path: &str) {
    for bytes in [
        "\r\n\r\n".into(),
        "\u{16}\u{3}\u{1}\u{2}".into(),
        format!("POST {path} HTTP/9.9\r\n\r\n"),
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n"),
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        format!("POST {path} HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(20_000)),
        format!("POST /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20)),
    ] {
        let answer = tokio::time::timeout(std::time::Duration::from_secs(120), async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(bytes.as_bytes()).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        });
        let answer = answer.await.unwrap();
        assert!(status(&answer).is_none_or(|code| (400..500).contains(&code)), "{answer}");
    }
    let oversized = exchange(address, &post(path, &"x".repeat(5 << 20))).await;
    assert_eq!(status(&oversized), Some(413), "{oversized}");
}

/// Documents that are too deep, too long, or lead in circles. `root`: the type of
/// queries; `field`: a plain one of its fields; `costly`: one that is counted.
async fn break_graphql(address: SocketAddr, root: &str, field: &str, costly: &str) {
    let aliases: String = (0..10_000).map(|n| format!("a{n}: {costly} ")).collect();
    // Each fragment doubles the one after it.
    let doubling = |levels: usize| {
        let one = |n| {
            let next = n + 1;
            format!("fragment F{n} on {root} {{ {costly} ...F{next} ...F{next} }} ")
        };
        let fragments: String = (0..levels).map(one).collect();
        format!("{{ ...F0 }} {fragments} fragment F{levels} on {root} {{ {costly} }}")
    };
    for query in [
        "{".into(),
        "{".repeat(200_000),
        format!("{{ {field} }} }}"),
        format!("{{ {aliases} }}"),
        format!("{{ {field}(x: {}1{}) }}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{{ {field}(x: {}1{}) }}", "{a: ".repeat(50_000), "}".repeat(50_000)),
        format!("query ($x: {}Int{}) {{ {field} }}", "[".repeat(100_000), "]".repeat(100_000)),
        format!(
            "{{ ...A }} fragment A on {root} {{ ...B }} fragment B on {root} {{ ...A {field} }}"
        ),
        doubling(200),
        doubling(20),
        doubling(28),
        format!("{{ {} }}", "... { ".repeat(10_000)),
    ] {
        let shown: String = query.chars().take(60).collect();
        let request = json!({ "query": query }).to_string();
        let answer = exchange(address, &post("/graphql", &request)).await;
        let (status, answer) = (status(&answer), body(&answer));
        let refused = answer["errors"].as_array().is_some_and(|errors| !errors.is_empty());
        assert!(refused && status.is_some_and(|code| code < 500), "{shown}: {status:?} {answer}");
    }
    for request in ["", "{", "null", "7", "{\"query\": []}", "{\"query\": null}"] {
        let answer = exchange(address, &post("/graphql", request)).await;
        let code = status(&answer);
        let refused = code == Some(400) || body(&answer)["errors"].is_array();
        assert!(refused, "{request}: {answer}");
    }
    let deep = format!("{{\"query\": \"{{ {field} }}\", \"variables\": {}", "[".repeat(500_000));
    assert_eq!(status(&exchange(address, &post("/graphql", &deep)).await), Some(400));
    let good = json!({ "query": format!("{{ {field} }}") }).to_string();
    let answer = body(&exchange(address, &post("/graphql", &good)).await);
    assert!(answer["data"].is_object(), "{answer}");
}

async fn break_json_rpc(address: SocketAddr) {
    let call = |params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"zeko_sendPayment","params":{params}}}"#)
    };
    let many =
        vec![json!({ "jsonrpc": "2.0", "id": 1, "method": "zeko_fee", "params": [1] }); 1001];
    for request in [
        String::new(),
        "{".into(),
        "null".into(),
        "[]".into(),
        "[".repeat(100_000),
        call("[{}]"),
        call("[]"),
        call(&"[".repeat(100_000)),
        call("[{\"data\": {\"to\": 7}, \"signature\": {}}]"),
        call(&json!([{ "data": { "memo": "x".repeat(100_000) }, "signature": {} }]).to_string()),
        call("[]").replace("zeko_sendPayment", "zeko_nothing"),
        call("[[{}]]").replace("zeko_sendPayment", "zeko_sendZkapp"),
        call(&json!([vec![json!({}); 1001]]).to_string()).replace("sendPayment", "sendMany"),
        serde_json::to_string(&many).unwrap(),
    ] {
        let answer = exchange(address, &post("/", &request)).await;
        let shown: String = request.chars().take(60).collect();
        // What is no request at all is a bad one for HTTP too.
        assert!(matches!(status(&answer), Some(200 | 400)), "{shown}: {answer}");
        assert!(body(&answer)["error"]["message"].is_string(), "{shown}: {answer}");
    }
    let fee = json!({ "jsonrpc": "2.0", "id": 1, "method": "zeko_fee", "params": [1] }).to_string();
    let answer = body(&exchange(address, &post("/", &fee)).await);
    assert!(answer["result"].is_string(), "{answer}");
}

async fn start_sequencer(folder: &std::path::Path, cancel: &CancellationToken) -> Sequencer {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let public_key = development_key("abuse-test", 0).public;
    let mut config = SequencerConfig {
        data_dir: folder.join("data"),
        genesis: GenesisConfig {
            accounts: vec![GenesisAccount { public_key, balance: Amount::new(1) }],
            ..GenesisConfig::default()
        },
        graphql_listen: any,
        health_listen: any,
        admin: Some(AdminConfig { listen: any, token: "sixteen bytes at least".into() }),
        ..SequencerConfig::default()
    };
    config.rpc.listen = any;
    Sequencer::start(config, development_key("abuse-test", 1).private, cancel).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_refuses_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let sequencer = start_sequencer(folder.path(), &cancel).await;
    let l1 = LocalL1::start(LocalL1Config::default(), &cancel).await.unwrap();
    let at = sequencer.addresses();
    let graphql = format!("http://{}/graphql", at.graphql);
    let indexer = index(&graphql, std::time::Duration::from_millis(100), 10, &cancel).await;
    indexer.ready().await;

    let height = "networkState { maxBlockHeight { pendingMaxBlockHeight } }";
    for (address, root, field, costly) in [
        (at.graphql, "query", "version", "version"),
        (l1.graphql(), "query", "version", "version"),
        (indexer.address(), "Query", "__typename", height),
    ] {
        break_http(address, "/graphql").await;
        break_graphql(address, root, field, costly).await;
    }
    break_http(at.rpc, "/").await;
    break_json_rpc(at.rpc).await;
    break_http(l1.accounts(), "/reorganise").await;
    for text in ["", "{", "{\"depth\": -1}", "{\"depth\": 1e99}", "{\"dept\": 1}"] {
        let answer = exchange(l1.accounts(), &post("/reorganise", text)).await;
        assert!(status(&answer).is_some_and(|code| (400..500).contains(&code)), "{text}: {answer}");
    }
    break_http(at.health, "/readyz").await;
    break_http(at.admin.unwrap(), "/rollback").await;
    // The health endpoint is not for writing, and the sequencer is well.
    assert_eq!(status(&exchange(at.health, &post("/readyz", "")).await), Some(405));
    let ready = b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&exchange(at.health, ready).await), Some(200));

    cancel.cancel();
    indexer.join().await.unwrap();
    l1.join().await.unwrap();
    sequencer.join().await.unwrap();
}
