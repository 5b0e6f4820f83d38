//! Reading the bodies of requests: not too much, not for too long, and not too much of all at a time.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What every request may send without a share of the budget: ordinary requests are answered
/// whatever others do.
const FREE: usize = 16 << 10;

/// What bodies may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of one.
    pub bytes: usize,
    /// How long one may take.
    pub timeout: Duration,
    /// Bytes of all that are read or worked on, but for the first 16 KiB of each.
    pub budget: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: 1 << 20, timeout: Duration::from_secs(10), budget: 64 << 20 }
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than allowed.
    TooLong,
    /// It takes longer than allowed.
    TooSlow,
    /// Too much is being read already.
    Busy,
    /// The client is gone, or does not speak HTTP.
    Broken,
}

impl BodyError {
    /// The status of an answer that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    /// What to tell the client.
    pub fn message(self) -> &'static str {
        match self {
            Self::TooLong => "the request is too long",
            Self::TooSlow => "the request takes too long",
            Self::Busy => "too many long requests at a time",
            Self::Broken => "the request is broken off",
        }
    }
}

/// A body, with its share of the budget for as long as it is worked on.
#[derive(Debug)]
pub struct WholeBody {
    /// All of it.
    pub bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// Reads bodies.
#[derive(Clone, Debug)]
pub struct BodyReader {
    limits: BodyLimits,
    budget: Arc<Semaphore>,
}

impl BodyReader {
    /// A reader with a budget of its own.
    pub fn new(limits: BodyLimits) -> Self {
        Self { limits, budget: Arc::new(Semaphore::new(limits.budget)) }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn read(&self, body: Body) -> Result<WholeBody, BodyError> {
        let read = tokio::time::timeout(self.limits.timeout, self.read_all(body));
        read.await.unwrap_or(Err(BodyError::TooSlow))
    }

    async fn read_all(&self, body: Body) -> Result<WholeBody, BodyError> {
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| BodyError::Broken)?;
            if bytes.len() + chunk.len() > self.limits.bytes {
                return Err(BodyError::TooLong);
            }
            let taken = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let wanted = (bytes.len() + chunk.len()).saturating_sub(FREE + taken);
            if wanted > 0 {
                let wanted = u32::try_from(wanted).map_err(|_| BodyError::TooLong)?;
                let more = Arc::clone(&self.budget).try_acquire_many_owned(wanted);
                let more = more.map_err(|_| BodyError::Busy)?;
                match &mut share {
                    Some(share) => share.merge(more),
                    None => share = Some(more),
                }
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(WholeBody { bytes: bytes.into(), _share: share })
    }
}

/// Reads the bodies of all requests of `router` before it sees them.
pub fn with_whole_bodies(router: Router, limits: BodyLimits) -> Router {
    let reader = BodyReader::new(limits);
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let reader = reader.clone();
        async move { forward(&reader, request, next).await }
    }))
}

async fn forward(reader: &BodyReader, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match reader.read(body).await {
        Ok(whole) => {
            let request = Request::from_parts(parts, Body::from(whole.bytes.clone()));
            let response = next.run(request).await;
            drop(whole);
            response
        }
        Err(error) => (error.status(), format!("{}\n", error.message())).into_response(),
    }
}
