//! The API over HTTP and WebSocket.

use std::{sync::Arc, time::Duration};

use async_graphql::{
    Data, Executor, Request as GraphqlRequest, Response as GraphqlResponse, ServerError,
};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, State, WebSocketUpgrade},
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use futures_util::stream::{self, BoxStream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tower_http::cors::CorsLayer;
use zeko_http::{BodyLimits, BodyReader};

use super::{Api, ApiLimits};

/// How the API is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphqlConfig {
    /// Longest body of a request.
    pub max_body_bytes: usize,
    /// Deepest selection.
    pub max_depth: usize,
    /// Most selected fields.
    pub max_complexity: usize,
    /// Requests answered at a time; one more is refused.
    pub max_concurrent_requests: usize,
    /// Subscriptions at a time.
    pub max_subscriptions: usize,
    /// Milliseconds that the body of a request may take.
    pub body_timeout_ms: u64,
    /// Bytes of all bodies at a time, but for the first 16 KiB of each.
    pub body_budget_bytes: usize,
    /// Operations of one WebSocket at a time.
    pub max_operations: usize,
    /// Milliseconds that an answer may take.
    pub answer_timeout_ms: u64,
}

impl Default for GraphqlConfig {
    fn default() -> Self {
        let ApiLimits { depth, complexity } = ApiLimits::default();
        Self {
            max_body_bytes: 1 << 20,
            max_depth: depth,
            max_complexity: complexity,
            max_concurrent_requests: 4096,
            max_subscriptions: 256,
            body_timeout_ms: 10_000,
            body_budget_bytes: 64 << 20,
            max_operations: 32,
            answer_timeout_ms: 60_000,
        }
    }
}

impl GraphqlConfig {
    fn bodies(&self) -> BodyLimits {
        BodyLimits {
            bytes: self.max_body_bytes,
            timeout: Duration::from_millis(self.body_timeout_ms),
            budget: self.body_budget_bytes,
        }
    }

    /// The part that is about queries.
    pub fn limits(&self) -> ApiLimits {
        ApiLimits { depth: self.max_depth, complexity: self.max_complexity }
    }
}

struct Served {
    api: Api,
    config: GraphqlConfig,
    bodies: BodyReader,
    requests: Semaphore,
    subscriptions: Arc<Semaphore>,
}

/// The API at `/graphql`, with CORS for every page, as wallets and zkApps need it.
pub fn graphql_router(api: Api, config: GraphqlConfig) -> Router {
    let served = Served {
        api,
        config,
        bodies: BodyReader::new(config.bodies()),
        requests: Semaphore::new(config.max_concurrent_requests),
        subscriptions: Arc::new(Semaphore::new(config.max_subscriptions)),
    };
    Router::new()
        .route("/graphql", any(handle))
        .layer(CorsLayer::permissive())
        .with_state(Arc::new(served))
}

/// An answer of GraphQL's form with a status other than 200.
fn refuse(status: StatusCode, message: impl Into<String>) -> Response {
    let error = ServerError::new(message, None);
    (status, axum::Json(GraphqlResponse::from_errors(vec![error]))).into_response()
}

async fn handle(State(served): State<Arc<Served>>, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::UPGRADE) {
        let protocol = GraphQLProtocol::from_request_parts(&mut parts, &()).await;
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        return match (protocol, upgrade) {
            (Ok(protocol), Ok(upgrade)) => subscribe(served, protocol, upgrade),
            (Err(_), _) => refuse(StatusCode::BAD_REQUEST, "unknown WebSocket protocol"),
            (_, Err(rejection)) => rejection.into_response(),
        };
    }
    if parts.method != axum::http::Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "send queries with POST");
    }
    let body = match served.bodies.read(body).await {
        Ok(body) => body,
        Err(error) => return refuse(error.status(), error.message()),
    };
    let request: GraphqlRequest = match serde_json::from_slice(&body.bytes) {
        Ok(request) => request,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, format!("not a request: {error}")),
    };
    // Only what is there counts: whoever is slow to send takes nobody's place.
    let Ok(_slot) = served.requests.try_acquire() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests at a time");
    };
    let answer_timeout = Duration::from_millis(served.config.answer_timeout_ms);
    match tokio::time::timeout(answer_timeout, served.api.execute(request)).await {
        Ok(response) => axum::Json(response).into_response(),
        Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "the answer takes too long"),
    }
}

fn subscribe(
    served: Arc<Served>,
    protocol: GraphQLProtocol,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Ok(slot) = Arc::clone(&served.subscriptions).try_acquire_owned() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many subscriptions");
    };
    let max = served.config.max_body_bytes;
    upgrade
        .protocols(["graphql-transport-ws", "graphql-ws"])
        .max_message_size(max)
        .max_frame_size(max)
        .on_upgrade(move |socket| async move {
            let operations = Arc::new(Semaphore::new(served.config.max_operations));
            let executor = Prepared { api: served.api.clone(), operations };
            GraphQLWebSocket::new(socket, executor, protocol)
                .keepalive_timeout(Some(Duration::from_secs(300)))
                .serve()
                .await;
            drop(slot);
        })
}

/// The schema behind [`Api::prepare`], with as many operations at a time as one client may have.
#[derive(Clone)]
struct Prepared {
    api: Api,
    operations: Arc<Semaphore>,
}

impl Executor for Prepared {
    async fn execute(&self, request: GraphqlRequest) -> GraphqlResponse {
        self.api.execute(request).await
    }

    fn execute_stream(
        &self,
        request: GraphqlRequest,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, GraphqlResponse> {
        let fail = |error| stream::iter([GraphqlResponse::from_errors(vec![error])]).boxed();
        let Ok(slot) = Arc::clone(&self.operations).try_acquire_owned() else {
            return fail(ServerError::new("too many operations at a time", None));
        };
        match self.api.prepare(request) {
            Ok(request) => {
                let session = session.unwrap_or_default();
                let answers = self.api.schema.execute_stream_with_session_data(request, session);
                // The place is free when the stream is dropped.
                answers.inspect(move |_| _ = &slot).boxed()
            }
            Err(error) => fail(error),
        }
    }
}
