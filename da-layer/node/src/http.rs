//! `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use zeko_http::{BodyLimits, with_whole_bodies};

use crate::node::Shared;

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

/// The pages.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let router = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(shared);
    with_whole_bodies(router, BodyLimits::default())
}
