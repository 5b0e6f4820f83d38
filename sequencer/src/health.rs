//! Health, metrics, and the admin endpoint.

use std::sync::{Arc, OnceLock, atomic::Ordering};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use serde_json::json;

use crate::{
    graphql::MinaNode,
    handle::SequencerHandle,
    shared::{Shared, now_ms},
};

/// Shortest token of the admin endpoint.
const MIN_TOKEN: usize = 16;

/// Block times without a block after which the sequencer is not ready.
const LATE: u64 = 10;

fn recorder() -> &'static OnceLock<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    &HANDLE
}

/// Installs the recorder of metrics, once per process.
pub(crate) fn install_metrics() {
    recorder().get_or_init(|| {
        let buckets =
            [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let suffix = metrics_exporter_prometheus::Matcher::Suffix("_seconds".into());
        // The list is not empty, which is all that can be wrong.
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets_for_metric(suffix, &buckets).unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder of metrics is installed; /metrics stays empty");
        }
        handle
    });
}

/// `/livez`, `/readyz`, `/settlement` and `/metrics`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/settlement", get(settlement))
        .route("/metrics", get(render))
        .with_state(shared)
}

async fn live(State(shared): State<Arc<Shared>>) -> Response {
    match shared.fatal.get() {
        None => "ok\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// Why the sequencer should not be sent anything.
fn reasons(shared: &Shared) -> Vec<String> {
    let mut reasons: Vec<String> = shared.fatal.get().cloned().into_iter().collect();
    if shared.stop.is_cancelled() {
        reasons.push("stopping".into());
    } else if !shared.ready.load(Ordering::SeqCst) {
        reasons.push("starting".into());
    }
    let age = now_ms().saturating_sub(shared.last_block_ms.load(Ordering::Relaxed));
    if age > LATE * shared.config.block_ms {
        reasons.push(format!("no block for {age} ms"));
    }
    if shared.pool().fill() >= 1000 {
        reasons.push("the mempool is full".into());
    }
    reasons
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let reasons = reasons(&shared);
    if reasons.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", reasons.join("\n"))).into_response()
}

/// Whether batches are being settled: apart from `/readyz`, since without it commands are still taken.
async fn settlement(State(shared): State<Arc<Shared>>) -> Response {
    match shared.settlement() {
        None => "nothing is settled\n".into_response(),
        Some(reasons) if reasons.is_empty() => "ok\n".into_response(),
        Some(reasons) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", reasons.join("\n"))).into_response()
        }
    }
}

async fn render(State(shared): State<Arc<Shared>>) -> String {
    gauges(&shared);
    recorder().get().map(PrometheusHandle::render).unwrap_or_default()
}

/// What is measured when somebody asks.
fn gauges(shared: &Shared) {
    let (commands, bytes, fill) = {
        let pool = shared.pool();
        (pool.len(), pool.bytes(), pool.fill())
    };
    metrics::gauge!("zeko_mempool_commands").set(commands as f64);
    metrics::gauge!("zeko_mempool_bytes").set(bytes as f64);
    metrics::gauge!("zeko_minimum_fee_nanomina")
        .set(shared.config.fees.minimum_for(20, fill).get() as f64);
    metrics::gauge!("zeko_log_bytes").set(shared.log.length() as f64);
    metrics::gauge!("zeko_store_bytes").set(shared.store.bytes() as f64);
    metrics::gauge!("zeko_batch_most_seconds").set(shared.proving().most_seconds as f64);
    let view = shared.view.read();
    metrics::gauge!("zeko_accounts").set(view.accounts.len() as f64);
    metrics::gauge!("zeko_generation").set(f64::from(view.generation));
    let bridge = view.accounts.first().map_or(0, |account| account.balance.get());
    metrics::gauge!("zeko_bridge_balance_nanomina").set(bridge as f64);
}

#[derive(Clone)]
struct Admin {
    handle: SequencerHandle,
    token: Arc<str>,
}

/// `POST /rollback {"height": …}`, `POST /stop`, `GET /status`, all with the token.
pub(crate) fn admin_router(handle: SequencerHandle, token: &str) -> Result<Router, String> {
    if token.len() < MIN_TOKEN {
        return Err(format!("at least {MIN_TOKEN} bytes are needed"));
    }
    let admin = Admin { handle, token: token.into() };
    Ok(Router::new()
        .route("/rollback", post(roll_back))
        .route("/stop", post(stop))
        .route("/status", get(status))
        .layer(middleware::from_fn_with_state(admin.clone(), authorize))
        .with_state(admin))
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

async fn authorize(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let token = given.and_then(|value| value.strip_prefix(b"Bearer "));
    if token.is_some_and(|token| same(token, admin.token.as_bytes())) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

/// The last block to keep.
#[derive(Deserialize)]
struct RollBack {
    height: u32,
    /// Also what the L1 has settled, or may soon have.
    #[serde(default)]
    force: bool,
}

async fn roll_back(State(admin): State<Admin>, Json(request): Json<RollBack>) -> Response {
    let RollBack { height, force } = request;
    let settled = match force {
        false => admin.handle.settling_at(height),
        true => Ok(None),
    };
    let refused = match settled {
        Ok(None) => None,
        Ok(Some(batch)) => Some(format!(
            "batch {} is settled, or its commit has been sent to the L1, which would then have another \
             chain: add \"force\": true to undo it all the same",
            batch.number
        )),
        Err(error) => Some(error.to_string()),
    };
    if let Some(reason) = refused {
        return (StatusCode::CONFLICT, Json(json!({ "error": reason }))).into_response();
    }
    // GraphQL's heights are the number of blocks, so the one kept is just below.
    match admin.handle.roll_back(height).await {
        Ok(commands) => Json(json!({ "commands": commands })).into_response(),
        Err(reason) => (StatusCode::CONFLICT, Json(json!({ "error": reason }))).into_response(),
    }
}

async fn stop(State(admin): State<Admin>) -> StatusCode {
    admin.handle.shared.stop.cancel();
    StatusCode::ACCEPTED
}

async fn status(State(admin): State<Admin>) -> Response {
    let shared = &admin.handle.shared;
    let tip = admin.handle.tip();
    let (waiting, bytes) = {
        let pool = shared.pool();
        (pool.len(), pool.bytes())
    };
    Json(json!({
        "height": tip.height.get(),
        "generation": shared.view.read().generation,
        "mempool": { "commands": waiting, "bytes": bytes },
        "logBytes": shared.log.length(),
        "notReady": reasons(shared),
        "notSettling": shared.settlement(),
    }))
    .into_response()
}
