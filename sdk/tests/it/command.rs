//! `zeko devnet`, and the commands that talk to it.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use zeko_sdk::devnet::DevnetInfo;

use crate::kit::{Running, pipe, succeed, zeko};

fn devnet(arguments: &[&str]) -> Command {
    let mut command =
        zeko(&["devnet", "--unsafe-no-proofs", "--l1-slot", "200ms", "--l2-block", "100ms"]);
    command.args(arguments);
    command
}

#[test]
fn a_newcomer_gets_two_layers_and_pays_somebody() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let running = Running::<DevnetInfo>::start(&mut devnet(&["--info-file", &path("info.json")]));
    let info = &running.info;
    let key = path("key.json");
    let payer = succeed(
        zeko(&["account", "import", &key])
            .stdin(pipe(&info.accounts.l2[0].private_key, folder.path())),
    );
    assert_eq!(payer.trim(), info.accounts.l2[0].public_key);
    let payee = succeed(&mut zeko(&["account", "new", &path("new.json")]));
    for url in [&info.l1.graphql, &info.l2.graphql] {
        let status = succeed(&mut zeko(&["status", "--url", url]));
        assert!(status.contains("SYNCED") && status.contains("testnet"), "{status}");
    }
    let send = ["send", "--key", &key, "--to", payee.trim(), "--amount", "2.5", "--wait"];
    let hash = succeed(zeko(&send).args(["--url", &info.l2.graphql]));
    assert!(hash.starts_with("5J"), "{hash}");
    let show = ["account", "show", &path("new.json"), "--url", &info.l2.graphql];
    let shown = succeed(&mut zeko(&show));
    // The creation fee of the L2 is a tenth of a MINA.
    assert!(shown.contains("balance      2.4\n"), "{shown}");
    let written = std::fs::read(path("info.json")).unwrap();
    let written: DevnetInfo = serde_json::from_slice(&written).unwrap();
    assert_eq!(written.l2.graphql, info.l2.graphql);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(settled(info, hash.trim()));
    assert_eq!(running.signal("TERM"), Some(0));
}

/// The payment's batch is certified and settled, and everybody says so.
async fn settled(info: &DevnetInfo, hash: &str) {
    let http = reqwest::Client::new();
    let ask = async |url: &str, body: Value| -> Value {
        http.post(url).json(&body).send().await.unwrap().json().await.unwrap()
    };
    let call = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let start = Instant::now();
    while ask(&info.l2.rpc, call("zeko_status", json!([hash]))).await["result"]["status"] != "final"
    {
        assert!(start.elapsed() < Duration::from_secs(300), "not settled");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let query = json!({ "query": format!("{{ commandProgress(hash: \"{hash}\") {{ status }} }}") });
    let progress = ask(&info.l2.graphql, query).await;
    assert_eq!(progress["data"]["commandProgress"]["status"], "final", "{progress}");
    let batches = ask(&info.l2.rpc, call("zeko_batches", json!([0]))).await;
    let batch = &batches["result"][0];
    assert_eq!(batch["stage"], "final", "{batches}");
    // Each validator has it.
    assert_eq!(info.da.len(), 4);
    for url in &info.da {
        let asked = call("da_entryStatus", json!([batch["data"]]));
        let url = url.replacen("ws", "http", 1);
        while ask(&url, asked.clone()).await["result"]["state"] != "certified" {
            assert!(start.elapsed() < Duration::from_secs(300), "{url} has no certificate");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[test]
fn it_stops_on_interrupt_and_refuses_a_used_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let running = Running::<DevnetInfo>::start(&mut devnet(&["--data-dir", &data]));
    assert_eq!(running.signal("INT"), Some(0));
    let again = zeko(&["devnet", "--data-dir", &data]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    let reason = String::from_utf8_lossy(&again.stderr);
    assert!(reason.contains("not empty"), "{reason}");
}

#[test]
fn mistakes_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zeko.toml");
    std::fs::write(&file, "[devnet]\nl1_slott = \"1s\"\n").unwrap();
    let file = file.display().to_string();
    for (command, expected) in [
        (zeko(&["devnet", "--config", &file]), "l1_slott"),
        (zeko(&["devnet", "--l1-slot", "soon"]), "span of time"),
        (zeko(&["status", "--url", "http://127.0.0.1:1/graphql"]), "127.0.0.1:1"),
        (zeko(&["account", "show", "/no/such/file"]), "/no/such/file"),
    ] {
        let mut command = command;
        let output = command.output().unwrap();
        assert!(!output.status.success());
        let reason = String::from_utf8_lossy(&output.stderr);
        assert!(reason.contains(expected), "{reason}");
    }
    let mut misspelt = zeko(&["indexer"]);
    let output = misspelt.env("ZEKO_INDEXER_DATABSE", "x").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("ZEKO_INDEXER_DATABSE"));
}
