//! Logs, metrics and signals of commands that run services.

use std::{io::IsTerminal, net::SocketAddr, path::Path};

use anyhow::{Context, bail};
use axum::{Router, routing::get};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use zeko_http::{HttpLimits, HttpServer};
use zeko_sdk::config::{Section, load};

/// How a service logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogSettings {
    /// What is logged, such as `info` or `zeko_indexer=debug,warn`.
    filter: String,
    /// `text` or `json`.
    format: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".into(), format: "text".into() }
    }
}

impl Section for LogSettings {
    const NAME: &'static str = "log";
}

/// Where metrics are served.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MetricsSettings {
    /// An address for `/metrics`; none if empty.
    listen: String,
}

impl Section for MetricsSettings {
    const NAME: &'static str = "metrics";
}

/// Begins to log to standard error.
pub(crate) fn log(file: Option<&Path>) -> anyhow::Result<()> {
    let settings: LogSettings = load(file, std::env::vars(), &toml::Table::new())?;
    let filter = settings.filter.parse::<tracing_subscriber::EnvFilter>();
    let filter = filter.with_context(|| format!("log filter {}", settings.filter))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match settings.format.as_str() {
        "text" => logs.init(),
        "json" => logs.json().init(),
        other => bail!("log format {other}: expected text or json"),
    }
    Ok(())
}

/// Serves metrics, if the settings say where.
pub(crate) async fn metrics(file: Option<&Path>, cancel: &CancellationToken) -> anyhow::Result<()> {
    let settings: MetricsSettings = load(file, std::env::vars(), &toml::Table::new())?;
    if settings.listen.is_empty() {
        return Ok(());
    }
    let address: SocketAddr = settings.listen.parse().context("metrics.listen")?;
    let handle = PrometheusBuilder::new().install_recorder()?;
    let render = move || std::future::ready(handle.render());
    let router = Router::new().route("/metrics", get(render));
    let server = HttpServer::start(address, router, HttpLimits::default(), cancel).await?;
    tracing::info!(address = %server.address, "metrics");
    Ok(())
}

/// Cancels when the process is asked to end, by SIGINT or SIGTERM.
pub(crate) fn cancel_on_signal(cancel: &CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancel = cancel.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("asked to stop");
        cancel.cancel();
    });
    Ok(())
}
