//! The JSON-RPC server.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::IntoResponse};
use base64::{Engine, prelude::BASE64_STANDARD};
use jsonrpsee::{
    Methods, PendingSubscriptionSink, SubscriptionMessage,
    core::{SubscriptionResult, async_trait},
    server::{
        BatchRequestConfig, PingConfig, Server, ServerConfig, ServerHandle, stop_channel, ws,
    },
    types::{ErrorObject, ErrorObjectOwned},
};
use mina_curves::Fp;
use mina_ledger::rollup::DataCommitment;
use tokio::sync::broadcast::error::RecvError;
use tower::Service;
use zeko_derive::{EntryKind, Envelope, Wire};
use zeko_http::{BodyLimits, with_whole_bodies};

use crate::{
    api::{BlockInfo, CommitteeInfo, DaApiServer, EntryInfo, EntryStatus, Notification, Status},
    attest,
    context::Height,
    error::DaError,
    events::DaEvent,
    keys::{from_hex, hex},
    mempool::SubmitError,
    node::Shared,
    store::{EntryMeta, ReadError},
};

/// The request is wrong: do not repeat it.
const INVALID: i32 = -32602;
/// The node fails.
const INTERNAL: i32 = -32603;
/// Not now: repeat it later.
const BUSY: i32 = -32000;
/// Most bytes of data in an answer.
const DATA_BYTES: u64 = 1 << 20;

pub(crate) struct Rpc(pub(crate) Arc<Shared>);

fn error(code: i32, reason: &(impl ToString + ?Sized)) -> ErrorObjectOwned {
    ErrorObject::owned(code, reason.to_string(), None::<()>)
}

impl From<DaError> for ErrorObjectOwned {
    fn from(cause: DaError) -> Self {
        error(INTERNAL, &cause)
    }
}

fn submit_error(cause: &SubmitError) -> ErrorObjectOwned {
    match cause {
        SubmitError::Entry(_) | SubmitError::Quota { .. } => error(INVALID, cause),
        SubmitError::Full(_) | SubmitError::Rate { .. } => error(BUSY, cause),
        SubmitError::Node(_) => error(INTERNAL, cause),
    }
}

fn decode<T: Wire>(text: &str) -> Result<T, ErrorObjectOwned> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|cause| error(INVALID, &cause))?;
    T::from_bytes(&bytes).map_err(|cause| error(INVALID, &cause))
}

fn parse<T: Wire>(text: &str) -> Result<T, ErrorObjectOwned> {
    let bytes = from_hex(text).ok_or_else(|| error(INVALID, "not hexadecimal"))?;
    T::from_bytes(&bytes).map_err(|cause| error(INVALID, &cause))
}

fn info(height: Height, index: u32, meta: &EntryMeta) -> EntryInfo {
    let kind = match meta.kind {
        EntryKind::Batch => "batch",
        EntryKind::BridgeRequest => "bridge_request",
        EntryKind::Blob => "blob",
    };
    EntryInfo {
        height: height.0,
        index,
        kind: kind.into(),
        namespace: hex(&meta.namespace.to_bytes()),
        sender: meta.sender.to_base58(),
        commitment: hex(&meta.commitment.to_bytes()),
        length: meta.length,
    }
}

impl Rpc {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, ErrorObjectOwned> + Send + 'static,
    ) -> Result<T, ErrorObjectOwned> {
        let shared = self.0.clone();
        let result = tokio::task::spawn_blocking(move || work(&shared)).await;
        result.map_err(|cause| error(INTERNAL, &cause))?
    }

    /// Reads, and if something is damaged, mends it from a peer and reads again.
    async fn read(&self, height: Height, at: u64, n: u64) -> Result<Vec<u8>, ErrorObjectOwned> {
        loop {
            let read = self.blocking(move |shared| Ok(shared.store.read(height, at, n))).await?;
            match read {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => return Err(error(INVALID, "no such block is kept")),
                Err(ReadError::Da(cause)) => return Err(cause.into()),
                Err(ReadError::Chunk { height, chunk }) => {
                    if !self.0.mend(height, chunk).await? {
                        return Err(error(BUSY, "a chunk is damaged, and no peer has it"));
                    }
                }
            }
        }
    }

    async fn accept(&self, envelope: String, limited: bool) -> Result<String, ErrorObjectOwned> {
        let envelope: Envelope = decode(&envelope)?;
        let submitted = self.0.clone().submit(envelope, limited).await;
        let commitment = submitted.map_err(|cause| submit_error(&cause))?;
        Ok(hex(&commitment.to_bytes()))
    }
}

#[async_trait]
impl DaApiServer for Rpc {
    async fn submit(&self, envelope: String) -> Result<String, ErrorObjectOwned> {
        self.accept(envelope, true).await
    }

    async fn forward(&self, envelope: String) -> Result<String, ErrorObjectOwned> {
        self.accept(envelope, true).await
    }

    async fn entry_status(&self, commitment: String) -> Result<EntryStatus, ErrorObjectOwned> {
        let commitment: DataCommitment = parse(&commitment)?;
        self.blocking(move |shared| Ok(shared.entry_status(&commitment)?)).await
    }

    async fn envelope(&self, height: u64, index: u32) -> Result<String, ErrorObjectOwned> {
        let height = Height(height);
        let meta = self.blocking(move |shared| Ok(shared.store.stored(height)?)).await?;
        let meta = meta.and_then(|stored| stored.entries.get(index as usize).cloned());
        let meta = meta.ok_or_else(|| error(INVALID, "no such entry is kept"))?;
        let EntryMeta { kind, namespace, sender, signature, offset, length, .. } = meta;
        let data = self.read(height, offset, length).await?;
        let envelope = Envelope { kind, namespace, sender, signature, data };
        Ok(BASE64_STANDARD.encode(envelope.to_bytes()))
    }

    async fn entry(&self, commitment: String) -> Result<Option<EntryInfo>, ErrorObjectOwned> {
        let commitment: DataCommitment = parse(&commitment)?;
        let found = self.blocking(move |shared| Ok(shared.store.find(&commitment)?)).await?;
        Ok(found.map(|(height, index, meta)| info(height, index, &meta)))
    }

    async fn data(&self, commitment: String, offset: u64) -> Result<String, ErrorObjectOwned> {
        let commitment: DataCommitment = parse(&commitment)?;
        let found = self.blocking(move |shared| Ok(shared.store.find(&commitment)?)).await?;
        let (height, _, meta) = found.ok_or_else(|| error(INVALID, "no such data are kept"))?;
        let left = meta.length.saturating_sub(offset).min(DATA_BYTES);
        let at = meta.offset.saturating_add(offset.min(meta.length));
        Ok(BASE64_STANDARD.encode(self.read(height, at, left).await?))
    }

    async fn block(&self, height: u64) -> Result<Option<BlockInfo>, ErrorObjectOwned> {
        let height = Height(height);
        let stored = self.blocking(move |shared| Ok(shared.store.stored(height)?)).await?;
        Ok(stored.map(|stored| BlockInfo {
            height: height.0,
            id: stored.id.to_string(),
            length: stored.length,
            attestations: stored.attestations.len(),
            entries: (0..).zip(&stored.entries).map(|(i, meta)| info(height, i, meta)).collect(),
        }))
    }

    /// Peers ask for this: it mends nothing, so that two damaged nodes do not ask in circles.
    async fn block_chunk(&self, height: u64, chunk: u32) -> Result<String, ErrorObjectOwned> {
        let at = u64::from(chunk) * crate::CHUNK_BYTES as u64;
        let bytes = self.blocking(move |shared| {
            let read = shared.store.read(Height(height), at, crate::CHUNK_BYTES as u64);
            match read {
                Ok(Some(bytes)) if !bytes.is_empty() => Ok(bytes),
                Ok(_) => Err(error(INVALID, "no such chunk is kept")),
                Err(cause) => Err(error(BUSY, &cause)),
            }
        });
        Ok(BASE64_STANDARD.encode(bytes.await?))
    }

    async fn namespace(
        &self,
        namespace: String,
        after: Option<(u64, u32)>,
        limit: u32,
    ) -> Result<Vec<EntryInfo>, ErrorObjectOwned> {
        let namespace: Fp = parse(&namespace)?;
        let after = after.map(|(height, index)| (Height(height), index));
        let limit = limit.min(1000) as usize;
        self.blocking(move |shared| {
            let mut found = Vec::new();
            for (height, index) in shared.store.namespace(namespace, after, limit)? {
                let stored = shared.store.stored(height)?;
                let meta = stored.and_then(|s| s.entries.get(index as usize).cloned());
                found.extend(meta.map(|meta| info(height, index, &meta)));
            }
            Ok(found)
        })
        .await
    }

    async fn certificate(&self, commitment: String) -> Result<Option<String>, ErrorObjectOwned> {
        let commitment: DataCommitment = parse(&commitment)?;
        self.blocking(move |shared| {
            let (committee, epoch) = (&shared.committee, shared.genesis.committee_epoch);
            let found = attest::certificate(&shared.store, committee, epoch, &commitment)?;
            Ok(found.map(|certificate| BASE64_STANDARD.encode(certificate.to_bytes())))
        })
        .await
    }

    async fn status(&self) -> Result<Status, ErrorObjectOwned> {
        self.blocking(|shared| Ok(shared.status()?)).await
    }

    async fn committee(&self) -> Result<CommitteeInfo, ErrorObjectOwned> {
        let genesis = &self.0.genesis;
        Ok(CommitteeInfo { epoch: genesis.committee_epoch, members: genesis.validators.clone() })
    }

    async fn evidence(&self) -> Result<Vec<String>, ErrorObjectOwned> {
        let evidence = self.blocking(|shared| Ok(shared.store.evidence()?)).await?;
        Ok(evidence.iter().map(|bytes| BASE64_STANDARD.encode(bytes)).collect())
    }

    async fn subscribe_events(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let mut events = self.0.events.subscribe();
        let sink = pending.accept().await?;
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = sink.closed() => return Ok(()),
            };
            let notification = match event {
                Ok(DaEvent::Decided { height }) => Notification::Decided { height: height.0 },
                Ok(DaEvent::Certified { commitment }) => {
                    Notification::Certified { commitment: hex(&commitment.to_bytes()) }
                }
                Ok(DaEvent::Refused { commitment, reason }) => {
                    Notification::Refused { commitment: hex(&commitment.to_bytes()), reason }
                }
                // A subscriber that is too slow asks for what it missed.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Ok(()),
            };
            let json = serde_json::value::to_raw_value(&notification)?;
            sink.send(SubscriptionMessage::from(json)).await?;
        }
    }
}

/// Base64 of the largest envelope, and some more.
const MAX_BODY_BYTES: u32 = 9 << 20;
/// Bytes of all bodies that are on their way.
const MAX_BODIES_BYTES: usize = 128 << 20;
/// A WebSocket that does not answer pings for this long is closed.
const PING: Duration = Duration::from_secs(30);

/// JSON-RPC for [`zeko_http::HttpServer`]. WebSockets end when the handle that is returned is stopped
/// or dropped; requests and WebSockets do not take each other's places.
pub(crate) fn router(shared: Arc<Shared>) -> (Router, ServerHandle) {
    let connections = shared.connections;
    let methods: Methods = Rpc(shared).into_rpc().into();
    let (stop, handle) = stop_channel();
    let limits = || {
        ServerConfig::builder()
            .max_request_body_size(MAX_BODY_BYTES)
            .max_response_body_size(MAX_BODY_BYTES)
            .max_connections(connections)
            .max_subscriptions_per_connection(4)
            .set_batch_request_config(BatchRequestConfig::Limit(16))
    };
    let ping = PingConfig::new().ping_interval(PING).inactive_limit(2 * PING).max_failures(1);
    let service = |limits: ServerConfig| Server::builder().set_config(limits).to_service_builder();
    let requests = service(limits().http_only().build());
    let sockets = service(limits().ws_only().enable_ws_ping(ping).build());
    let answer = move |request: Request| {
        let builder = if ws::is_upgrade_request(&request) { &sockets } else { &requests };
        let mut service = builder.clone().build(methods.clone(), stop.clone());
        async move {
            match service.call(request).await {
                Ok(response) => response.map(Body::new),
                Err(error) => {
                    tracing::warn!(%error, "JSON-RPC");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            }
        }
    };
    let bodies = BodyLimits {
        bytes: MAX_BODY_BYTES as usize,
        budget: MAX_BODIES_BYTES,
        ..BodyLimits::default()
    };
    (with_whole_bodies(Router::new().fallback(answer), bodies), handle)
}
