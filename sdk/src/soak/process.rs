//! The sequencer as a process.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use serde::Deserialize;
use zeko_sdk::{
    client::Client,
    keys::{KeyFile, KeyPair},
};

use crate::load::Payer;

const PASSWORD: &str = "for the soak only";

/// The longest that a process may take to start, or to die when it was killed.
const PATIENCE: Duration = Duration::from_secs(120);

/// The folder of all rounds.
pub(super) struct Site {
    folder: tempfile::TempDir,
}

/// How to reach a process.
#[derive(Clone)]
pub(super) struct Links {
    pub(super) rpc: Arc<WsClient>,
    pub(super) graphql: Client,
}

/// A process that is ready.
pub(super) struct Process {
    pub(super) links: Links,
    pub(super) killer: Killer,
    /// From the start until it was ready.
    pub(super) took: Duration,
}

/// What ends a process.
pub(super) struct Killer {
    child: Child,
    log: PathBuf,
    asked: bool,
    /// Whether the process was dead already when it was to be killed.
    died: bool,
}

#[derive(Deserialize)]
struct Info {
    graphql: String,
    rpc: String,
}

impl Site {
    pub(super) fn new(senders: &[Payer]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        KeyFile::encrypt(&KeyPair::random()?, PASSWORD)?.write(&path("key.json"))?;
        let accounts: String = senders
            .iter()
            .map(|sender| {
                let key = sender.public_key.to_base58();
                format!(
                    "[[sequencer.genesis.accounts]]\npublic_key = \"{key}\"\n\
                     balance = \"1000000000000000\"\n"
                )
            })
            .collect();
        let any = "\"127.0.0.1:0\"";
        // Small numbers, so that a round has many blocks, batches and rewritten logs.
        let settings = format!(
            "[sequencer]\ngraphql_listen = {any}\nhealth_listen = {any}\n\
             block_ms = 200\ntick_ms = 10\nlog_rewrite_bytes = 100000\n[sequencer.rpc]\n\
             listen = {any}\n[sequencer.batch]\nmax_blocks = 5\n[sequencer.genesis]\n\
             chain_id = \"soak\"\ntimestamp_ms = 1700000000000\n{accounts}"
        );
        std::fs::write(path("zeko.toml"), settings)?;
        Ok(Self { folder })
    }

    /// Starts the process, to die at `point` if there is one.
    pub(super) async fn start(&self, point: Option<&str>) -> Result<Process> {
        let path = |name: &str| self.folder.path().join(name);
        let start = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ZEKO_")) {
            command.env_remove(name);
        }
        command.arg("sequencer").arg("--config").arg(path("zeko.toml"));
        command.arg("--data-dir").arg(path("data"));
        command.arg("--key").arg(path("key.json")).env("ZEKO_ACCOUNT_PASSWORD", PASSWORD);
        if let Some(point) = point {
            command.env("ZEKO_CRASH_AT", point);
        }
        let log = path("log.txt");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| anyhow!("no output"))?;
        let mut killer = Killer { child, log, asked: false, died: false };
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line)
        });
        let line =
            tokio::time::timeout(PATIENCE, read).await.context("starting takes too long")??;
        let info: Info = match serde_json::from_str(&line?) {
            Ok(info) => info,
            Err(_) => {
                // A point may lie before the process is ready.
                let ended = killer.wait().await?;
                return match ended.signal() {
                    Some(9) if point.is_some() => Box::pin(self.start(None)).await,
                    _ => bail!("the sequencer did not start: {ended}\n{}", killer.log()?),
                };
            }
        };
        let rpc = WsClientBuilder::default().build(info.rpc.replacen("http", "ws", 1)).await;
        let links = match rpc {
            Ok(rpc) => Links { rpc: Arc::new(rpc), graphql: Client::new(&info.graphql)? },
            Err(_) if point.is_some() && killer.wait().await?.signal() == Some(9) => {
                return Box::pin(self.start(None)).await;
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Process { links, killer, took: start.elapsed() })
    }
}

impl Killer {
    /// SIGKILL, unless the process is dead already.
    pub(super) fn kill(&mut self) -> Result<()> {
        if !self.asked {
            self.died = self.child.try_wait()?.is_some();
            self.asked = true;
        }
        Ok(self.child.kill()?)
    }

    /// Waits for a process whose connections have ended, then as [`Killer::finish`].
    pub(super) async fn finish_closed(&mut self) -> Result<bool> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.child.try_wait()?.is_none() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.finish().await
    }

    /// Kills the process if that has not been done. Whether it had died before, at its point; any
    /// other end is an error.
    pub(super) async fn finish(&mut self) -> Result<bool> {
        self.kill()?;
        let ended = self.wait().await?;
        match ended.signal() {
            Some(9) => Ok(self.died),
            _ => bail!("the sequencer ended by itself: {ended}\n{}", self.log()?),
        }
    }

    async fn wait(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("the process does not end");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
