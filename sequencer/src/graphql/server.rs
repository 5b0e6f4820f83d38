//! The API over HTTP and WebSocket.

use std::{sync::Arc, time::Duration};

use async_graphql::{Data, Executor, Request as GraphqlRequest, Response as GraphqlResponse};
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
            answer_timeout_ms: 60_000,
        }
    }
}

impl GraphqlConfig {
    /// The part that is about queries.
    pub fn limits(&self) -> ApiLimits {
        ApiLimits { depth: self.max_depth, complexity: self.max_complexity }
    }
}

struct Served {
    api: Api,
    config: GraphqlConfig,
    requests: Semaphore,
    subscriptions: Arc<Semaphore>,
}

/// The API at `/graphql`, with CORS for every page, as wallets and zkApps need it.
pub fn graphql_router(api: Api, config: GraphqlConfig) -> Router {
    let served = Served {
        api,
        config,
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
    let error = async_graphql::ServerError::new(message, None);
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
    let Ok(_slot) = served.requests.try_acquire() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests at a time");
    };
    let body_timeout = Duration::from_millis(served.config.body_timeout_ms);
    let body = axum::body::to_bytes(body, served.config.max_body_bytes);
    let body = match tokio::time::timeout(body_timeout, body).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long"),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the request takes too long"),
    };
    let request: GraphqlRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, format!("not a request: {error}")),
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
            let executor = Prepared(served.api.clone());
            GraphQLWebSocket::new(socket, executor, protocol)
                .keepalive_timeout(Some(Duration::from_secs(300)))
                .serve()
                .await;
            drop(slot);
        })
}

/// The schema behind [`Api::prepare`].
#[derive(Clone)]
struct Prepared(Api);

impl Executor for Prepared {
    async fn execute(&self, request: GraphqlRequest) -> GraphqlResponse {
        self.0.execute(request).await
    }

    fn execute_stream(
        &self,
        request: GraphqlRequest,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, GraphqlResponse> {
        match self.0.prepare(request) {
            Ok(request) => {
                self.0.schema.execute_stream_with_session_data(request, session.unwrap_or_default())
            }
            Err(error) => stream::iter([GraphqlResponse::from_errors(vec![error])]).boxed(),
        }
    }
}
