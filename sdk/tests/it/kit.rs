//! The command line as a process.

use std::{
    io::Read,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use mina_ledger::types::Amount;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use zeko_indexer::{GraphQlSource, Indexer, IndexerConfig};
use zeko_sdk::keys::development_key;
use zeko_sequencer::{BatchConfig, GenesisAccount, GenesisConfig, Sequencer, SequencerConfig};

/// The command, without settings from the outside.
pub(crate) fn zeko(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zeko"));
    let settings = std::env::vars().filter(|(name, _)| name.starts_with("ZEKO_"));
    for (name, _) in settings {
        command.env_remove(name);
    }
    command.args(arguments).env("ZEKO_ACCOUNT_PASSWORD", "correct horse");
    command
}

pub(crate) fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {stderr}");
    String::from_utf8(stdout).unwrap()
}

/// What a command says when it fails, which it has to, with exit code 1.
pub(crate) fn fail(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{command:?}: {stderr}");
    stderr
}

pub(crate) fn pipe(text: &str, folder: &Path) -> Stdio {
    let path = folder.join("stdin");
    std::fs::write(&path, text).unwrap();
    std::fs::File::open(path).unwrap().into()
}

/// A service in a process of its own, killed if a test fails.
pub(crate) struct Running<Info> {
    child: Child,
    pub(crate) info: Info,
}

impl<Info: DeserializeOwned> Running<Info> {
    /// Starts it, and reads what it prints when it is ready.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut text = Vec::new();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 {
            text.push(byte[0]);
            if let Ok(info) = serde_json::from_slice(&text) {
                return Self { child, info };
            }
        }
        let status = child.wait().unwrap();
        panic!("{command:?} ended, {status}: {}", String::from_utf8_lossy(&text));
    }
}

impl<Info> Running<Info> {
    /// Asks it to stop, and returns its exit code.
    pub(crate) fn signal(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl<Info> Drop for Running<Info> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sequencer in `dir`, with blocks every 20 ms and batches of at most two, whose key `9` of a label has
/// an account, as has key `0`.
pub(crate) async fn sequencer(dir: &Path, label: &str) -> Sequencer {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let account = |n| GenesisAccount {
        public_key: development_key(label, n).public,
        balance: Amount::new(100_000_000_000),
    };
    let accounts = [0, 9].map(account).into();
    let mut config = SequencerConfig {
        data_dir: dir.into(),
        genesis: GenesisConfig { accounts, ..GenesisConfig::default() },
        block_ms: 20,
        tick_ms: 5,
        batch: BatchConfig { max_blocks: 2, ..BatchConfig::default() },
        graphql_listen: any,
        health_listen: any,
        ..SequencerConfig::default()
    };
    config.rpc.listen = any;
    let key = development_key(label, 9).private;
    Sequencer::start(config, key, &CancellationToken::new()).await.unwrap()
}

/// An index in memory of what `graphql` serves, until `cancel`.
pub(crate) async fn index(
    graphql: &str,
    poll_interval: Duration,
    canonical_depth: u32,
    cancel: &CancellationToken,
) -> Indexer {
    let config = IndexerConfig {
        database: "sqlite::memory:".into(),
        listen: ([127, 0, 0, 1], 0).into(),
        poll_interval,
        canonical_depth,
        allow_partial_history: false,
    };
    let source = GraphQlSource::new(graphql).unwrap();
    Indexer::start(config, source, cancel).await.unwrap()
}
