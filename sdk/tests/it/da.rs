//! `zeko da` as an operator uses it.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mina_curves::Fp;
use mina_ledger::rollup::ChainId;
use serde_json::{Value, json};
use zeko_da::{DaClient, Genesis, LightClient};
use zeko_sdk::{keys::development_key, local_da::free_port};

use crate::kit::{Running, fail, succeed, zeko};

const CHAIN: &str = "da-cli";

#[derive(serde::Deserialize)]
struct Ready {
    rpc: String,
}

/// Ports for peers, JSON-RPC and health.
type Ports = [u16; 3];

fn free_ports() -> Ports {
    std::array::from_fn(|_| free_port(Ipv4Addr::LOCALHOST.into()).unwrap())
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// Keys and lines of four validators, and the genesis of them.
fn prepare(folder: &Path, ports: &[Ports]) -> Genesis {
    let mut lines = Vec::new();
    for (index, [_, rpc, _]) in ports.iter().enumerate() {
        let (key, url) = (path(folder, &format!("{index}.key")), format!("http://127.0.0.1:{rpc}"));
        let line = succeed(&mut zeko(&["da", "init", "--key", &key, "--rpc", &url]));
        lines.push(path(folder, &format!("{index}.line")));
        std::fs::write(lines.last().unwrap(), line).unwrap();
        // A key is never replaced.
        fail(&mut zeko(&["da", "init", "--key", &key]));
    }
    let mut command = zeko(&["da", "genesis", "--chain", CHAIN]);
    let genesis = succeed(command.args(&lines));
    std::fs::write(folder.join("genesis.json"), &genesis).unwrap();
    serde_json::from_str(&genesis).unwrap()
}

/// A validator, told by file, environment and flags.
fn validator(folder: &Path, ports: &[Ports], index: usize) -> Command {
    let [p2p, rpc, http] = ports[index];
    let file = path(folder, &format!("{index}.toml"));
    let settings = format!(
        "[da]\nmoniker = \"v{index}\"\ngenesis = {:?}\nhttp_listen = \"127.0.0.1:{http}\"\n\
         [da.timeouts]\npropose_ms = 1000\nvote_ms = 300\nannounce_ms = 200\n[log]\nfilter = \"error\"\n",
        path(folder, "genesis.json"),
    );
    std::fs::write(&file, settings).unwrap();
    let peers: Vec<_> = ports.iter().filter(|other| other[0] != p2p).collect();
    let peers: Vec<_> = peers.iter().map(|[p2p, ..]| format!("/ip4/127.0.0.1/tcp/{p2p}")).collect();
    let key = path(folder, &format!("{index}.key"));
    let mut command = zeko(&["--config", &file, "da", "run", "--key", &key]);
    command
        .args(["--data-dir", &path(folder, &format!("{index}.data"))])
        .args(["--rpc-listen", &format!("127.0.0.1:{rpc}")])
        .args(["--p2p-listen", &format!("/ip4/127.0.0.1/tcp/{p2p}")])
        .env("ZEKO_DA_P2P_PEERS", peers.join(","))
        .stderr(Stdio::null());
    command
}

#[test]
fn an_operator_runs_a_committee() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ports: Vec<Ports> = (0..4).map(|_| free_ports()).collect();
    let genesis = prepare(folder, &ports);
    let start = |index| Running::<Ready>::start(&mut validator(folder, &ports, index));
    let mut nodes: Vec<_> = (0..4).map(start).collect();
    assert_eq!(nodes[1].info.rpc, format!("ws://127.0.0.1:{}", ports[1][1]));
    let url = |index: usize| format!("ws://127.0.0.1:{}", ports[index][1]);
    let space = Fp::from(5u64);
    let data: Vec<u8> = (0..1_500_000u32).map(|i| (i % 241) as u8).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let chain = ChainId::new(CHAIN).unwrap();
        let light = LightClient { chain, committee: genesis.committee().unwrap() };
        let node = DaClient::connect(&url(0), chain).await.unwrap();
        let key = development_key("da-test", 0).private;
        let sent = node.submit_blob(space, data.clone(), &key).await.unwrap();
        let other = DaClient::connect(&url(3), chain).await.unwrap();
        assert_eq!(light.blob(&other, space, sent).await.unwrap(), data);
        // Three are enough for a certificate: the others have the blob a little later.
        for index in 0..4 {
            let client = DaClient::connect(&url(index), chain).await.unwrap();
            client.certified(sent).await.unwrap();
        }
        for page in ["livez", "readyz", "metrics"] {
            let health = format!("http://127.0.0.1:{}/{page}", ports[0][2]);
            let answer = reqwest::get(health).await.unwrap().error_for_status().unwrap();
            let text = answer.text().await.unwrap();
            assert!(page != "metrics" || text.contains("zeko_da_certified"), "{text}");
        }
    });
    let status = succeed(&mut zeko(&["da", "status", "--chain", CHAIN, "--url", &url(0)]));
    assert!(status.contains("\"validator\":true"), "{status}");
    let out = path(folder, "out");
    let namespace = format!("05{}", "00".repeat(31));
    let export = ["da", "export", "--chain", CHAIN, "--url", &url(1), &namespace, &out];
    let exported = succeed(&mut zeko(&export));
    assert_eq!(exported.lines().count(), 1, "{exported}");
    let files: Vec<_> = std::fs::read_dir(&out).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(std::fs::read(&files[0]).unwrap(), data);
    // Asked to stop, a node stops; started again, it is where it was.
    assert_eq!(nodes.remove(2).signal("TERM"), Some(0));
    nodes.push(start(2));
    let exported =
        succeed(&mut zeko(&["da", "export", "--chain", CHAIN, "--url", &url(2), &namespace, &out]));
    assert_eq!(exported.lines().count(), 1, "{exported}");
    for node in nodes {
        assert_eq!(node.signal("INT"), Some(0));
    }
}

#[test]
fn mistakes_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ports = [free_ports()];
    prepare(folder, &ports);
    let stranger = path(folder, "stranger.key");
    succeed(&mut zeko(&["account", "new", &stranger]));
    let genesis = path(folder, "genesis.json");
    let one = format!("01{}", "00".repeat(31));
    for namespace in ["", "01", "0", &one[1..], &"ff".repeat(32), &"é".repeat(32)] {
        let export = ["da", "export", "--chain", CHAIN, namespace, &path(folder, "out")];
        assert!(fail(&mut zeko(&export)).contains("namespace"), "{namespace}");
    }
    for (mut command, expected) in [
        (zeko(&["da", "run", "--genesis", "/no/such/file"]), "/no/such/file"),
        (zeko(&["da", "run", "--genesis", &genesis, "--key", &stranger]), "none of its validators"),
        (zeko(&["da", "status", "--chain", CHAIN, "--url", "ws://127.0.0.1:1"]), "127.0.0.1:1"),
        (zeko(&["da", "genesis", "--chain", "", &path(folder, "0.line")]), "chain"),
    ] {
        let reason = fail(&mut command);
        assert!(reason.contains(expected), "{reason}");
    }
    let mut wrong = zeko(&["da", "run", "--genesis", &genesis, "--key", &path(folder, "0.key")]);
    assert!(fail(wrong.env("ZEKO_ACCOUNT_PASSWORD", "another one")).contains("wrong password"));
    let mut misspelt = zeko(&["da", "run"]);
    assert!(fail(misspelt.env("ZEKO_DA_MONIKR", "x")).contains("ZEKO_DA_MONIKR"));
}

#[derive(serde::Deserialize)]
struct SequencerReady {
    graphql: String,
    rpc: String,
}

/// Batches of a sequencer, once there are `count` and all are certified.
async fn certified_batches(rpc: &str, count: usize) -> Vec<Value> {
    let http = reqwest::Client::new();
    let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "zeko_batches", "params": [0] });
    let start = Instant::now();
    loop {
        let answer: Value = http.post(rpc).json(&ask).send().await.unwrap().json().await.unwrap();
        let batches = answer["result"].as_array().unwrap().clone();
        if batches.len() >= count && batches.iter().all(|b| b["stage"] == "da_certified") {
            return batches;
        }
        assert!(start.elapsed() < Duration::from_secs(300), "{answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Validators know a sequencer's chain by what `zeko da rollup` says. Killed, the sequencer goes on
/// with the batches that were not certified, and does not touch those that were.
#[test]
fn a_sequencer_goes_on_publishing_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let own = succeed(&mut zeko(&["account", "new", &path(folder, "sequencer.key")]));
    let payer = succeed(&mut zeko(&["account", "new", &path(folder, "payer.key")]));
    let (own, payer) = (own.trim(), payer.trim());
    let any = "\"127.0.0.1:0\"";
    let accounts: String = [own, payer]
        .map(|key| {
            format!(
                "[[sequencer.genesis.accounts]]\npublic_key = \"{key}\"\n\
                 balance = \"1000000000000\"\n"
            )
        })
        .concat();
    let settings = format!(
        "[sequencer]\ngraphql_listen = {any}\nhealth_listen = {any}\nblock_ms = 100\n\
         [sequencer.rpc]\nlisten = {any}\n[sequencer.batch]\nmax_age_ms = 300\n\
         [sequencer.genesis]\nchain_id = \"published\"\ntimestamp_ms = 1700000000000\n{accounts}"
    );
    let file = path(folder, "zeko.toml");
    std::fs::write(&file, settings).unwrap();
    let account = development_key("rollup", 1).public.to_base58();
    let rollup = succeed(&mut zeko(&[
        "--config",
        &file,
        "da",
        "rollup",
        "--sequencer",
        own,
        "--rollup-account",
        &account,
        "--accounts",
        &path(folder, "accounts.json"),
    ]));
    let ports: Vec<Ports> = (0..4).map(|_| free_ports()).collect();
    prepare(folder, &ports);
    let nodes: Vec<_> = (0..4)
        .map(|index| {
            let mut command = validator(folder, &ports, index);
            let file = folder.join(format!("{index}.toml"));
            let settings = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, format!("{settings}{rollup}")).unwrap();
            Running::<Ready>::start(&mut command)
        })
        .collect();
    let urls: Vec<String> = nodes.iter().map(|node| node.info.rpc.clone()).collect();
    let sequencer_command = || {
        let key = path(folder, "sequencer.key");
        let mut command = zeko(&["--config", &file, "sequencer", "--key", &key]);
        command
            .args(["--data-dir", &path(folder, "data"), "--rollup-account", &account])
            .args(["--da-genesis", &path(folder, "genesis.json")])
            // The first cannot be reached.
            .args(["--da-nodes", &format!("ws://127.0.0.1:1,{}", urls.join(","))]);
        command
    };
    let start = || Running::<SequencerReady>::start(sequencer_command().stderr(Stdio::null()));
    let pay = |url: &str| {
        let key = path(folder, "payer.key");
        succeed(
            zeko(&["send", "--key", &key, "--to", own, "--amount", "1", "--wait"])
                .args(["--url", url]),
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sequencer = start();
    pay(&sequencer.info.graphql);
    let first = runtime.block_on(certified_batches(&sequencer.info.rpc, 1));
    pay(&sequencer.info.graphql);
    assert_eq!(sequencer.signal("KILL"), None);
    let sequencer = start();
    pay(&sequencer.info.graphql);
    let all = runtime.block_on(certified_batches(&sequencer.info.rpc, 2));
    assert_eq!(all[..first.len()], first);
    runtime.block_on(async {
        let client = DaClient::connect(&urls[3], ChainId::new(CHAIN).unwrap()).await.unwrap();
        let space = ChainId::new("published").unwrap().field();
        let mut events = client.subscribe().await.unwrap();
        let mut entries = client.namespace(space, None, 100).await.unwrap();
        // Others have certified the last batch: this validator may be a little behind.
        while entries.len() < all.len() {
            events.next().await.unwrap().unwrap();
            entries = client.namespace(space, None, 100).await.unwrap();
        }
        let sent: Vec<&str> = entries.iter().map(|entry| entry.commitment.as_str()).collect();
        let said: Vec<&str> = all.iter().map(|batch| batch["data"].as_str().unwrap()).collect();
        assert_eq!(sent, said);
    });
    assert_eq!(sequencer.signal("TERM"), Some(0));

    // Its disk is gone: it does not begin anew, but goes on from what it has published.
    std::fs::remove_dir_all(folder.join("data")).unwrap();
    let reason = fail(&mut sequencer_command());
    assert!(reason.contains("--from-da"), "{reason}");
    let sequencer = Running::<SequencerReady>::start(sequencer_command().arg("--from-da"));
    let rebuilt = runtime.block_on(certified_batches(&sequencer.info.rpc, all.len()));
    assert_eq!(rebuilt, all);
    pay(&sequencer.info.graphql);
    let more = runtime.block_on(certified_batches(&sequencer.info.rpc, all.len() + 1));
    assert_eq!(more[..all.len()], all);
    assert!(more[all.len()]["generation"].as_u64().unwrap() > 0);
    assert_eq!(sequencer.signal("TERM"), Some(0));
    // Where there is a chain, there is nothing to rebuild.
    let sequencer = Running::<SequencerReady>::start(sequencer_command().arg("--from-da"));
    assert_eq!(runtime.block_on(certified_batches(&sequencer.info.rpc, 1))[..all.len()], all);
    assert_eq!(sequencer.signal("TERM"), Some(0));
}
