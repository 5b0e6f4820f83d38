//! Unmodified o1js and mina-signer against both layers of a development network.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{path::Path, time::Duration};

use tokio_util::sync::CancellationToken;
use zeko_sdk::devnet::{Devnet, DevnetConfig};

/// `devnet.mjs` says what it does; nothing in it knows which layer it talks to.
#[tokio::test(flavor = "multi_thread")]
async fn o1js_takes_both_layers_for_mina() {
    let folder = tempfile::tempdir().unwrap();
    let config = DevnetConfig {
        l1_slot: Duration::from_millis(500),
        l2_block: Duration::from_millis(250),
        ..DevnetConfig::new(folder.path().join("data"))
    };
    let devnet = Devnet::start(config, &CancellationToken::new()).await.unwrap();
    let info = folder.path().join("info.json");
    std::fs::write(&info, serde_json::to_string(devnet.info()).unwrap()).unwrap();
    let script = tokio::process::Command::new("node")
        .arg("devnet.mjs")
        .arg("--info-file")
        .arg(&info)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop"))
        .status()
        .await
        .expect("node runs; `npm install` in tests/interop installs what it needs");
    assert!(script.success(), "{script}");
    devnet.stop();
    devnet.join().await.unwrap();
}
