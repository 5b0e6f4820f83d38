//! What is not GraphQL: the account manager, as a lightnet's, and making or taking back blocks.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use mina_ledger::types::{PublicKey, state_hash_to_base58};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_http::cors::CorsLayer;
use zeko_http::{BodyLimits, with_whole_bodies};
use zeko_sequencer::graphql::Block;

use super::{AccountManager, ChainError, Node};
use crate::keys::KeyPair;

/// The longest request.
const MAX_BODY: usize = 1 << 16;

#[derive(Clone)]
pub(super) struct Served {
    pub(super) node: Arc<Node>,
    pub(super) accounts: Arc<AccountManager>,
}

/// A lent account, as lightnet names it.
#[derive(Serialize)]
struct LentJson {
    pk: String,
    sk: String,
}

impl From<KeyPair> for LentJson {
    fn from(pair: KeyPair) -> Self {
        Self { pk: pair.public.to_base58(), sk: pair.private.to_base58() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Acquire {
    #[serde(default = "yes")]
    is_regular_account: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Release {
    pk: PublicKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Reorganise {
    depth: usize,
    #[serde(default)]
    drop_commands: bool,
}

/// A block, to whom made it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeJson {
    height: u32,
    slot: u32,
    state_hash: String,
}

impl From<&Arc<Block>> for MadeJson {
    fn from(block: &Arc<Block>) -> Self {
        Self {
            height: block.height.get(),
            slot: block.slot.get(),
            state_hash: state_hash_to_base58(block.state_hash),
        }
    }
}

pub(super) fn router(served: Served) -> Router {
    let router = Router::new()
        .route("/acquire-account", get(acquire))
        .route("/release-account", put(release))
        .route("/list-acquired-accounts", get(list))
        .route("/blocks", post(make_block))
        .route("/reorganise", post(reorganise))
        .with_state(served);
    let limits = BodyLimits { bytes: MAX_BODY, ..BodyLimits::default() };
    with_whole_bodies(router, limits).layer(CorsLayer::permissive())
}

fn failure(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(json!({ "code": status.as_u16(), "message": message.into() }))).into_response()
}

async fn acquire(State(served): State<Served>, Query(query): Query<Acquire>) -> Response {
    if !query.is_regular_account {
        return failure(StatusCode::NOT_FOUND, "there are regular accounts only");
    }
    match served.accounts.acquire() {
        Some(pair) => Json(LentJson::from(pair)).into_response(),
        None => failure(StatusCode::NOT_FOUND, "all accounts are lent"),
    }
}

async fn release(State(served): State<Served>, Json(Release { pk }): Json<Release>) -> Response {
    if !served.accounts.release(&pk) {
        return failure(StatusCode::NOT_FOUND, "this account is not lent");
    }
    let message = format!("Account with public key {} is released.", pk.to_base58());
    Json(json!({ "code": 200, "message": message })).into_response()
}

async fn list(State(served): State<Served>) -> Json<Vec<LentJson>> {
    Json(served.accounts.acquired().into_iter().map(LentJson::from).collect())
}

async fn make_block(State(served): State<Served>) -> Response {
    made(served.node.produce().map(|block| vec![block]))
}

async fn reorganise(State(served): State<Served>, Json(asked): Json<Reorganise>) -> Response {
    made(served.node.reorganise(asked.depth, asked.drop_commands))
}

fn made(blocks: Result<Vec<Arc<Block>>, ChainError>) -> Response {
    match blocks {
        Ok(blocks) => Json(blocks.iter().map(MadeJson::from).collect::<Vec<_>>()).into_response(),
        Err(error @ ChainError::Depth { .. }) => {
            failure(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
