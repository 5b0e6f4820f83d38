//! `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{error::DaError, node::Shared};

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    match shared.readiness() {
        Ok(()) => (StatusCode::OK, "ready\n".into()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn metrics() -> String {
    let mut text = String::new();
    malachite::app::metrics::export(&mut text);
    text
}

/// Serves until the node stops.
///
/// # Errors
/// [`DaError`].
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    cancel: CancellationToken,
) -> Result<(), DaError> {
    let app = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(shared);
    let stop = async move { cancel.cancelled().await };
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await
        .map_err(|error| DaError::Task { task: "http", reason: error.to_string() })
}
