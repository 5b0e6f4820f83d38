//! Runs a node of the DA chain from a JSON file: `{"config": …, "key": "EK…", "byzantine": …}`. It
//! says `ready` when it serves, and stops when its standard input closes. The tests run validators
//! as processes with it.

use std::io::Write;

use mina_ledger::types::PrivateKey;
use serde::Deserialize;
use zeko_da::{ByzantineConfig, DaConfig, DaNode, DaParts, ValidatorKeys};

#[derive(Deserialize)]
struct File {
    config: DaConfig,
    key: Option<String>,
    #[serde(default)]
    byzantine: ByzantineConfig,
}

type Error = Box<dyn std::error::Error>;

async fn run(path: &str) -> Result<(), Error> {
    let file: File = serde_json::from_slice(&std::fs::read(path)?)?;
    let keys = file.key.as_deref().map(PrivateKey::from_base58).transpose()?;
    let keys = keys.map(ValidatorKeys::new);
    let parts = DaParts { keys, byzantine: file.byzantine, ..DaParts::default() };
    let node = DaNode::start(file.config, parts).await?;
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    let stop = node.stopper();
    std::thread::spawn(move || {
        // Whether it closes or fails, there is nobody left to run for.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        stop.cancel();
    });
    Ok(node.join().await?)
}

fn main() -> Result<(), Error> {
    // What `RUST_LOG` asks for goes to standard error.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let path = std::env::args().nth(1).ok_or("usage: validator FILE")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(run(&path));
    runtime.shutdown_background();
    result
}
