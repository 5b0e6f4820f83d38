//! `zeko sequencer` and `zeko indexer`, as an operator runs them.

use std::{
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use mina_ledger::{
    Domain,
    signature::sign_payload,
    types::{
        Amount, Era, Memo, NetworkId, Nonce, SignatureJson, SignedCommandBody,
        SignedCommandPayload, Slot,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use zeko_sdk::keys::{KeyPair, development_key};

use crate::kit::{Running, fail, pipe, succeed, zeko};

#[derive(Deserialize)]
struct SequencerInfo {
    graphql: String,
    rpc: String,
    health: String,
    admin: Option<String>,
}

#[derive(Deserialize)]
struct IndexerInfo {
    graphql: String,
    health: String,
}

const TOKEN: &str = "sixteen bytes at least";

/// A folder with the operator's key, a user's key and settings.
struct Site {
    folder: tempfile::TempDir,
    user: KeyPair,
    graphql: String,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let user = development_key("operator-test", 0);
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let site = Self { folder, user, graphql: free.to_string() };
        succeed(&mut zeko(&["account", "new", &site.path("operator.json")]));
        let private = pipe(&site.user.private.to_base58(), site.folder.path());
        succeed(zeko(&["account", "import", &site.path("user.json")]).stdin(private));
        let settings = format!(
            r#"
            [log]
            format = "json"
            [sequencer]
            data_dir = "/nowhere"
            graphql_listen = "{free}"
            health_listen = "127.0.0.1:0"
            block_ms = 60000
            [sequencer.rpc]
            listen = "127.0.0.1:1"
            [sequencer.genesis]
            chain_id = "from the file"
            [[sequencer.genesis.accounts]]
            public_key = "{}"
            balance = "1000000000000"
            [indexer]
            node = "http://{free}/graphql"
            listen = "127.0.0.1:0"
            poll = "20ms"
            canonical_depth = 100000
            "#,
            site.user.public.to_base58()
        );
        std::fs::write(site.path("zeko.toml"), settings).unwrap();
        site
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The file says some, the environment more, the flags the rest.
    fn sequencer(&self) -> Command {
        let mut command = zeko(&["sequencer", "--config", &self.path("zeko.toml")]);
        command
            .args(["--key", &self.path("operator.json"), "--data-dir", &self.path("data")])
            .args(["--rpc-listen", "127.0.0.1:0"])
            .env("ZEKO_SEQUENCER_BLOCK_MS", "100")
            .env("ZEKO_SEQUENCER_GENESIS_CHAIN_ID", "operator-test")
            .env("ZEKO_SEQUENCER_ADMIN_LISTEN", "127.0.0.1:0")
            .env("ZEKO_SEQUENCER_ADMIN_TOKEN", TOKEN);
        command
    }

    fn indexer(&self) -> Command {
        let mut command = zeko(&["indexer", "--config", &self.path("zeko.toml")]);
        command.args(["--database", &format!("sqlite:{}", self.path("index.db"))]);
        command
    }

    fn send(&self, more: &[&str]) -> String {
        let url = format!("http://{}/graphql", self.graphql);
        let to = development_key("operator-test", 1).public.to_base58();
        let mut command = zeko(&["send", "--key", &self.path("user.json"), "--url", &url]);
        let hash = succeed(command.args(["--to", &to, "--amount", "1"]).args(more));
        hash.trim().to_owned()
    }

    /// A payment as mina-signer writes it.
    fn payment(&self, nonce: u32) -> Value {
        let to = development_key("operator-test", 1).public;
        let payload = SignedCommandPayload {
            fee: Amount::new(10_000_000),
            fee_payer: self.user.public,
            nonce: Nonce::new(nonce),
            valid_until: Slot::MAX,
            memo: Memo::EMPTY,
            body: SignedCommandBody::Payment { receiver: to, amount: Amount::new(1_000_000_000) },
        };
        let domain = Domain::new(NetworkId::Testnet, Era::Berkeley);
        let signature = sign_payload(&payload, &self.user.private, &domain).unwrap();
        json!({
            "data": {
                "to": to, "from": payload.fee_payer, "fee": payload.fee, "amount": "1000000000",
                "nonce": payload.nonce, "memo": "", "validUntil": payload.valid_until,
            },
            "signature": SignatureJson::from(signature),
        })
    }
}

async fn get(url: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn post(url: &str, body: &Value) -> Value {
    let client = reqwest::Client::new();
    client.post(url).json(body).send().await.unwrap().json().await.unwrap()
}

async fn rpc(url: &str, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    post(url, &request).await
}

/// Asks until the answer is as wanted.
async fn until<T, F: Future<Output = T>>(what: &str, ask: impl Fn() -> F, good: impl Fn(&T) -> bool)
where
    T: std::fmt::Debug,
{
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let answer = ask().await;
        if good(&answer) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn command_state(indexer: &str, hash: &str) -> Value {
    let query = format!(r#"{{ commandStatus(hash: "{hash}") {{ state }} }}"#);
    post(indexer, &json!({ "query": query })).await["data"]["commandStatus"]["state"].take()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let site = Site::new();
    let running = Running::<SequencerInfo>::start(&mut site.sequencer());
    let SequencerInfo { graphql, rpc: url, health, admin } = &running.info;
    assert_eq!(*graphql, format!("http://{}/graphql", site.graphql));
    assert_eq!(get(health, "/livez").await, (200, "ok\n".into()));
    assert_eq!(get(health, "/readyz").await, (200, "ok\n".into()));
    // Blocks every 100 ms: the environment has been heard.
    let block = async || rpc(url, "zeko_block", json!([])).await["result"]["height"].take();
    until("blocks", block, |height| height.as_u64() >= Some(3)).await;
    let metrics = get(health, "/metrics").await.1;
    assert!(metrics.contains("\nzeko_blocks_total "), "{metrics}");
    let status = reqwest::Client::new().get(format!("{}/status", admin.as_ref().unwrap()));
    assert_eq!(status.bearer_auth(TOKEN).send().await.unwrap().status(), 200);
    let shown = succeed(&mut zeko(&["status", "--url", graphql]));
    assert!(shown.contains("SYNCED") && shown.contains("zeko:testnet"), "{shown}");

    let reason = fail(&mut site.sequencer());
    assert!(reason.contains("in use by another sequencer"), "{reason}");

    let indexer = Running::<IndexerInfo>::start(&mut site.indexer());
    let archive = &indexer.info.graphql;
    let waited = site.send(&["--wait"]);
    until("index", async || command_state(archive, &waited).await, |got| got == "INCLUDED").await;
    assert_eq!(get(&indexer.info.health, "/readyz").await.0, 200);

    // Acknowledged, and killed right after.
    let mut acknowledged = vec![waited, site.send(&["--nonce", "1"])];
    for nonce in 2..40 {
        let sent = rpc(url, "zeko_sendPayment", json!([site.payment(nonce)])).await;
        acknowledged.push(sent["result"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned());
    }
    assert_eq!(running.signal("KILL"), None);
    let ready = async || get(&indexer.info.health, "/readyz").await;
    until("notices", ready, |(code, text)| *code == 503 && text.contains(&site.graphql)).await;

    let running = Running::<SequencerInfo>::start(&mut site.sequencer());
    let url = &running.info.rpc;
    let mut places = Vec::new();
    for hash in &acknowledged {
        let status = async || rpc(url, "zeko_status", json!([hash])).await["result"].take();
        until("included", status, |got| got["status"] == "included").await;
        let status = status().await;
        places.push((status["height"].as_u64().unwrap(), status["index"].as_u64().unwrap()));
        until("index", async || command_state(archive, hash).await, |got| got == "INCLUDED").await;
    }
    assert!(places.is_sorted_by(|before, after| before < after), "{places:?}");
    let account = rpc(url, "zeko_account", json!([site.user.public])).await;
    assert_eq!(account["result"]["nonce"], "40", "{account}");
    until("ready again", ready, |(code, _)| *code == 200).await;

    assert_eq!(indexer.signal("TERM"), Some(0));
    assert_eq!(running.signal("TERM"), Some(0));
    let again = Running::<SequencerInfo>::start(&mut site.sequencer());
    assert_eq!(again.signal("INT"), Some(0));
}

#[test]
fn an_operators_mistakes_are_explained() {
    let site = Site::new();
    let no_such_key = site.path("nobody.json");
    let start = |change: &dyn Fn(&mut Command)| {
        let mut command = site.sequencer();
        change(&mut command);
        fail(&mut command)
    };
    for (reason, expected) in [
        (
            start(&|zeko| {
                zeko.env("ZEKO_ACCOUNT_PASSWORD", "wrong");
            }),
            "password",
        ),
        (
            start(&|zeko| {
                zeko.args(["--block-ms", "0"]);
            }),
            "block_ms",
        ),
        (
            start(&|zeko| {
                zeko.env("ZEKO_SEQUENCER_ADMIN_TOKEN", "short");
            }),
            "admin.token",
        ),
        (
            start(&|zeko| {
                zeko.env("ZEKO_SEQUENCER_BLOCKMS", "1");
            }),
            "ZEKO_SEQUENCER_BLOCKMS",
        ),
        (
            start(&|zeko| {
                zeko.env("ZEKO_SEQUENCER_GRAPHQL_LISTEN", "1.2.3.4:1");
            }),
            "GraphQL",
        ),
        (fail(&mut zeko(&["sequencer", "--key", &no_such_key])), "nobody.json"),
        (fail(zeko(&["indexer"]).args(["--database", "mysql://x"])), "mysql"),
    ] {
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
    assert!(Path::new(&site.path("data")).join("lock").exists());
}

/// The sequencer starts while the L1 does not answer, says so, and takes commands.
#[tokio::test]
async fn a_sequencer_starts_without_its_l1() {
    let site = Site::new();
    let lines: Vec<String> = (0..4)
        .map(|index| {
            let key = site.path(&format!("{index}.key"));
            let url = format!("http://127.0.0.1:{}", 1 + index);
            let line = succeed(&mut zeko(&["da", "init", "--key", &key, "--rpc", &url]));
            std::fs::write(site.path(&format!("{index}.line")), line).unwrap();
            site.path(&format!("{index}.line"))
        })
        .collect();
    let genesis = succeed(zeko(&["da", "genesis", "--chain", "far"]).args(&lines));
    std::fs::write(site.path("genesis.json"), genesis).unwrap();
    let account = development_key("operator-test", 7).public.to_base58();
    let start = |payer: &str| {
        let mut command = site.sequencer();
        command
            .args(["--da-nodes", "ws://127.0.0.1:1", "--rollup-account", &account])
            .args(["--da-genesis", &site.path("genesis.json")])
            .env("ZEKO_BRIDGE_PAYER", site.path(payer))
            .env("ZEKO_BRIDGE_GOVERNANCE", &account)
            .env("ZEKO_BRIDGE_DATA_DIR", site.path("bridge"))
            .env("ZEKO_BRIDGE_GRAPHQL", "http://127.0.0.1:1/graphql");
        command
    };
    // What is set wrong is still said at once.
    let reason = fail(&mut start("nobody.json"));
    assert!(reason.contains("nobody.json"), "{reason}");
    // Nobody can say whether this chain exists already.
    let reason = fail(&mut start("operator.json"));
    assert!(reason.contains("0 of 1 nodes"), "{reason}");
    let alone = Running::<SequencerInfo>::start(&mut site.sequencer());
    assert_eq!(alone.signal("TERM"), Some(0));
    let running = Running::<SequencerInfo>::start(&mut start("operator.json"));
    let health = &running.info.health;
    let settlement = async || get(health, "/settlement").await;
    let is_said = |(code, text): &(u16, String)| *code == 503 && text.contains("127.0.0.1:1/");
    until("the reason", settlement, is_said).await;
    assert_eq!(get(health, "/readyz").await, (200, "ok\n".into()));
    site.send(&["--wait"]);
    let metrics = get(health, "/metrics").await.1;
    assert!(metrics.contains("\nzeko_settlement_running 0"), "{metrics}");
    let status = reqwest::Client::new();
    let status = status.get(format!("{}/status", running.info.admin.as_ref().unwrap()));
    let status = status.bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
    assert!(status.contains("\"notSettling\":["), "{status}");
    assert_eq!(running.signal("TERM"), Some(0));
}
