//! The same on PostgreSQL, in a server of our own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;
use zeko_indexer::Store;

use crate::follow::rollbacks;

/// A PostgreSQL server on a Unix socket, stopped when dropped.
struct Server {
    programs: PathBuf,
    folder: TempDir,
}

/// Debian keeps the server's programs out of the path.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|folder| folder.join("postgres").exists());
    found.sort();
    found.pop().expect("PostgreSQL is installed: test.sh does that")
}

impl Server {
    fn start() -> Self {
        let server = Self { programs: programs(), folder: TempDir::new().unwrap() };
        let data = server.data();
        server.run("initdb", &["-D", &data, "-U", "zeko", "-A", "trust", "--no-sync"]);
        let options =
            format!("-k {} -c listen_addresses='' -c fsync=off", server.folder.path().display());
        let log = server.folder.path().join("log").display().to_string();
        server.run("pg_ctl", &["-D", &data, "-o", &options, "-l", &log, "-w", "start"]);
        server
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// Runs one of PostgreSQL's programs; as `postgres` if we are root, which it refuses.
    fn run(&self, program: &str, arguments: &[&str]) {
        let is_root = Path::new("/root").metadata().is_ok_and(|_| {
            let id = Command::new("id").arg("-u").output();
            id.is_ok_and(|id| id.stdout.starts_with(b"0\n"))
        });
        let program = self.programs.join(program);
        let mut command = match is_root {
            true => {
                let folder = self.folder.path();
                let owned = Command::new("chown").args(["-R", "postgres"]).arg(folder).status();
                assert!(owned.unwrap().success());
                let mut command = Command::new("setpriv");
                command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
                command.arg(program);
                command
            }
            false => Command::new(program),
        };
        let status = command.args(arguments).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{command:?}");
    }

    fn url(&self) -> String {
        format!("postgres://zeko@localhost/postgres?host={}", self.folder.path().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
    }
}

#[tokio::test]
async fn postgresql_follows_through_rollbacks() {
    let server = Server::start();
    let store = Store::open(&server.url(), 3).await.unwrap();
    rollbacks(store.clone()).await;
    let answer = crate::api::ask(
        &store,
        r#"{ networkState { maxBlockHeight { pendingMaxBlockHeight } }
            blocks(limit: 1) { transactions { zkappCommands { status } } }
            fullTransactions(limit: 2, query: { publicKey: "B62alice" }) { kind nonce }
            commandStatus(hash: "5Jnone") { state } }"#,
    )
    .await;
    assert_eq!(answer["commandStatus"]["state"], "UNKNOWN");
    assert_eq!(answer["fullTransactions"].as_array().unwrap().len(), 2);
    store.close().await;
}
