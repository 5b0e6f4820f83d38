//! Who is connected, and who has to make place.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Frame, SizeHint};
use tokio_util::sync::CancellationToken;

/// A connection that is waiting for its client has the number of the moment since when; one that
/// works has none.
const WORKING: u64 = u64::MAX;

/// All connections of a server.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    moments: AtomicU64,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Connection {
    all: Arc<Connections>,
    number: u64,
    since: AtomicU64,
    /// Cancelled when another needs the place.
    pub(crate) evicted: CancellationToken,
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn add(self: &Arc<Self>) -> Arc<Connection> {
        let number = self.moment();
        let connection = Arc::new(Connection {
            all: Arc::clone(self),
            number,
            since: AtomicU64::new(number),
            evicted: CancellationToken::new(),
        });
        self.open().insert(number, Arc::clone(&connection));
        connection
    }

    /// Ends the connection that has been waiting for its client for longest, if there is one.
    pub(crate) fn evict(&self) {
        let mut open = self.open();
        let waiting = open.values().filter(|one| one.since.load(Ordering::Relaxed) != WORKING);
        let longest = waiting.min_by_key(|one| one.since.load(Ordering::Relaxed));
        if let Some(number) = longest.map(|one| one.number)
            && let Some(connection) = open.remove(&number)
        {
            connection.evicted.cancel();
        }
    }
}

impl Connection {
    /// The connection is over.
    pub(crate) fn close(&self) {
        self.all.open().remove(&self.number);
    }

    /// The request is there; from now on the client waits for us.
    fn works(&self) {
        self.since.store(WORKING, Ordering::Relaxed);
    }

    /// The answer is there; from now on we wait for the client.
    pub(crate) fn waits(&self) {
        self.since.store(self.all.moment(), Ordering::Relaxed);
    }
}

/// The body of a request; at its end the connection works.
#[derive(Debug)]
pub(crate) struct Watched<B> {
    body: B,
    connection: Arc<Connection>,
}

impl<B: Body> Watched<B> {
    pub(crate) fn new(body: B, connection: Arc<Connection>) -> Self {
        if body.is_end_stream() {
            connection.works();
        }
        Self { body, connection }
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.connection.works();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
