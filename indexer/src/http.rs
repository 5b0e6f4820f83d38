//! What is served over HTTP: GraphQL, liveness and readiness.

use std::{sync::Arc, time::Duration};

use async_graphql_axum::GraphQL;
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post_service},
};
use tokio::sync::watch;
use tower_http::{cors::CorsLayer, timeout::TimeoutLayer};
use zeko_http::{BodyLimits, with_whole_bodies};

use crate::graphql::ArchiveSchema;

/// The longest that a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the indexer is not ready; `None` if it is.
pub(crate) type Readiness = watch::Receiver<Option<String>>;

pub(crate) fn router(schema: ArchiveSchema, readiness: Readiness) -> Router {
    let graphql = post_service(GraphQL::new(schema));
    let router = Router::new()
        .route("/", graphql.clone())
        .route("/graphql", graphql)
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(Arc::new(readiness))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT));
    with_whole_bodies(router, BodyLimits::default()).layer(CorsLayer::permissive())
}

async fn readyz(State(readiness): State<Arc<Readiness>>) -> (StatusCode, String) {
    match readiness.borrow().as_deref() {
        None => (StatusCode::OK, "ok\n".into()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
