//! The sequencer as a process that is killed: what it has acknowledged is there after a restart,
//! once, and in the same order.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command as Process, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use mina_ledger::{hash::TransactionHash, types::Nonce};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use zeko_sequencer::{CRASH_POINTS, CommandStatus, SequencerConfig, graphql::MinaNode};

use crate::kit::{
    Directory, FEE, TOKEN, body, config, http, id, payment_json, payment_of, settled, start, stop,
    transfer,
};

/// How a process ends that had to stop by itself.
const STOPPED: i32 = 3;

fn process_config(dir: &Path) -> SequencerConfig {
    SequencerConfig { log_rewrite_bytes: 6000, ..config(dir) }
}

fn address_file(dir: &Path) -> PathBuf {
    dir.join("addresses.json")
}

/// Not a test by itself: the process that other tests start and kill.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(dir) = std::env::var("ZEKO_CHILD_DIR") else {
        assert!(!CRASH_POINTS.is_empty());
        return;
    };
    let dir = PathBuf::from(dir);
    let mut config = process_config(&dir.join("data"));
    if let Ok(bytes) = std::env::var("ZEKO_CHILD_LOG_BYTES") {
        config.log_rewrite_bytes = bytes.parse().unwrap();
    }
    let sequencer = match start(config).await {
        Ok(sequencer) => sequencer,
        Err(error) => {
            println!("not started: {error}");
            std::process::exit(STOPPED);
        }
    };
    let addresses = sequencer.addresses();
    let text = json!({ "rpc": addresses.rpc, "admin": addresses.admin }).to_string();
    std::fs::write(dir.join("addresses.new"), text).unwrap();
    std::fs::rename(dir.join("addresses.new"), address_file(&dir)).unwrap();
    let ended = sequencer.join().await;
    println!("stopped: {ended:?}");
    std::process::exit(if ended.is_ok() { 0 } else { STOPPED });
}

struct Running {
    child: Child,
    rpc: SocketAddr,
    admin: SocketAddr,
}

/// Starts the process; `shell` is put before it.
async fn spawn(dir: &Path, crash_at: &str, shell: &str) -> Running {
    std::fs::create_dir_all(dir).unwrap();
    let _ = std::fs::remove_file(address_file(dir));
    let exe = std::env::current_exe().unwrap();
    let mut child = Process::new("bash")
        .args(["-c", &format!("{shell} exec \"$0\" process::child --exact --nocapture")])
        .arg(exe)
        .env("ZEKO_CHILD_DIR", dir)
        .env("ZEKO_CRASH_AT", crash_at)
        .env("ZEKO_CHILD_LOG_BYTES", if shell.is_empty() { "6000" } else { "100000000" })
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Ok(text) = std::fs::read_to_string(address_file(dir)) {
            let addresses: Value = serde_json::from_str(&text).unwrap();
            let address = |name: &str| addresses[name].as_str().unwrap().parse().unwrap();
            return Running { child, rpc: address("rpc"), admin: address("admin") };
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none() && Instant::now() < deadline, "{crash_at}: {ended:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An answer, or nothing if the process is gone.
async fn try_post(address: SocketAddr, path: &str, headers: &str, text: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(&http("POST", path, headers, text)).await.ok()?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(120), read).await.ok()?.ok()?;
    serde_json::from_str(body(&String::from_utf8_lossy(&answer))).ok()
}

async fn try_rpc(address: SocketAddr, method: &str, params: Value) -> Option<Value> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = try_post(address, "/", "", &request.to_string()).await?;
    answer.get("result").cloned()
}

async fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the process does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What the client of a process knows when that is gone.
#[derive(Default)]
struct Known {
    acknowledged: Vec<TransactionHash>,
    confirmed: Vec<Value>,
}

/// Sends until the process is gone, with a rollback in between if that is to be tested.
async fn load(running: &Running, roll_back: bool) -> Known {
    let mut known = Known::default();
    for n in 0..2000u32 {
        let (from, nonce) = (u64::from(n % 4), n / 4);
        let sent = if n % 3 == 0 {
            let command = transfer(from, nonce, 10, n % 6 == 0);
            try_rpc(running.rpc, "zeko_sendZkapp", json!([command])).await
        } else {
            let command = payment_json(&payment_of(from, nonce, 10, FEE));
            try_rpc(running.rpc, "zeko_sendPayment", json!([command])).await
        };
        let Some(hash) = sent else { break };
        let hash = TransactionHash::from_base58(hash.as_str().unwrap()).unwrap();
        known.acknowledged.push(hash);
        if n % 5 == 0 && !roll_back {
            let confirmation =
                try_rpc(running.rpc, "zeko_preConfirmation", json!([hash.to_base58()])).await;
            known.confirmed.extend(confirmation.filter(|value| !value.is_null()));
        }
        if roll_back && n == 40 {
            let height = try_rpc(running.rpc, "zeko_block", json!([])).await.unwrap()["height"]
                .as_u64()
                .unwrap();
            let request = json!({ "height": height.saturating_sub(2) }).to_string();
            let token = format!("authorization: Bearer {TOKEN}\r\n");
            try_post(running.admin, "/rollback", &token, &request).await;
        }
    }
    known
}

/// Everything that was acknowledged is in the chain, once, in order; everything that was signed is
/// true.
async fn check(dir: &Path, known: &Known, what: &str) {
    let sequencer = start(process_config(&dir.join("data"))).await.unwrap();
    let handle = sequencer.handle().clone();
    let mut places = BTreeSet::new();
    let mut last = [None; 4];
    for (n, hash) in known.acknowledged.iter().enumerate() {
        let CommandStatus::Included { height, index, failures, .. } = settled(&handle, hash).await
        else {
            panic!("{what}: {hash} {:?}", handle.status(hash))
        };
        assert_eq!(failures.is_some(), n % 6 == 0, "{what}: result of {n}");
        assert!(places.insert((height, index)), "{what}: two commands in one place");
        let account = &mut last[n % 4];
        assert!(account.is_none_or(|before| before < (height, index)), "{what}: order of {n}");
        *account = Some((height, index));
    }
    // No command is in the chain twice: nonces are the number of commands.
    let tip = handle.tip().height.get();
    let mut counts = [0; 4];
    for height in 1..=tip {
        let block = handle.block(zeko_sequencer::graphql::BlockSelector::Height(height.into()));
        for included in &block.unwrap().commands {
            let from = (0..4).find(|n| crate::kit::public(*n) == included.command.fee_payer());
            counts[from.unwrap() as usize] += 1;
        }
    }
    for (n, count) in counts.into_iter().enumerate() {
        let account = handle.account(&id(n as u64)).unwrap().account;
        assert!(account.nonce >= Nonce::new(count), "{what}: account {n}");
    }
    for old in &known.confirmed {
        let hash = TransactionHash::from_base58(old["command"].as_str().unwrap()).unwrap();
        let new = handle.confirmation(&hash).unwrap();
        assert_eq!(old["height"], new.statement.height.get(), "{what}");
        assert_eq!(old["index"], new.statement.index, "{what}");
        assert_eq!(old["applied"], new.statement.applied, "{what}");
        assert_eq!(old["signature"], json!(new.signature), "{what}: the same signature");
    }
    drop(handle);
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_killed_at_any_point() {
    for point in CRASH_POINTS {
        let dir = Directory::new();
        // Not at the first passage, so that there is something to lose.
        let count = if point.starts_with("log/rewrite") || point.starts_with("rollback") {
            1
        } else if point.starts_with("block/") || point.starts_with("store/") {
            4
        } else {
            30
        };
        let mut running = spawn(&dir.0, &format!("{point}:{count}"), "").await;
        let known = load(&running, point.starts_with("rollback")).await;
        let status = wait(&mut running.child).await;
        assert_eq!(status.signal(), Some(9), "{point}: {status:?}");
        assert!(!known.acknowledged.is_empty(), "{point}");
        check(&dir.0, &known, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_clean_stop() {
    let dir = Directory::new();
    // Files cannot grow beyond 4 MiB; writing more fails as on a full disk.
    let mut running = spawn(&dir.0, "", "trap '' XFSZ; ulimit -f 4096;").await;
    let mut known = Known::default();
    'load: for round in 0u32.. {
        let (from, nonce) = (u64::from(round % 4), 200 * (round / 4));
        let payment = |n| json!({ "payment": payment_json(&payment_of(from, nonce + n, 10, FEE)) });
        let many: Vec<Value> = (0..200).map(payment).collect();
        let Some(results) = try_rpc(running.rpc, "zeko_sendMany", json!([many])).await else {
            break;
        };
        for result in results.as_array().unwrap() {
            let Some(hash) = result["hash"].as_str() else { break 'load };
            known.acknowledged.push(TransactionHash::from_base58(hash).unwrap());
        }
    }
    let status = wait(&mut running.child).await;
    assert_eq!(status.code(), Some(STOPPED), "{status:?}");
    let sequencer = start(process_config(&dir.0.join("data"))).await.unwrap();
    assert!(known.acknowledged.len() > 1000);
    for hash in &known.acknowledged {
        let status = settled(sequencer.handle(), hash).await;
        assert!(matches!(status, CommandStatus::Included { .. }), "{status:?}");
    }
    stop(sequencer).await;
}
