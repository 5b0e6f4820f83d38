//! HTTP servers that slow, greedy and silent clients cannot hold up.
//!
//! - A head has to come in time, a body too ([`BodyReader`]), and answers have to be read.
//! - Connections are bounded. When there is no place, the one that has been waiting for its client
//!   for longest is closed: whoever sends a request and reads the answer is not kept out by those
//!   who only connect.
//! - Bodies are bounded, each and all together.
//! - GraphQL documents are bounded with their fragments written out ([`SelectionLimit`]).

mod body;
mod connections;
mod selections;

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::Router;
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, Sleep},
};
use tokio_util::sync::CancellationToken;

pub use body::{BodyError, BodyLimits, BodyReader, WholeBody, with_whole_bodies};
use connections::{Connection, Connections, Watched};
pub use selections::{SelectionLimit, check_selections};

/// What a server allows.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Connections at a time; one more takes the place of one that waits for its client.
    pub connections: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long a client may refuse to read.
    pub write_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct HttpServer {
    /// Where it listens.
    pub address: SocketAddr,
    token: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl HttpServer {
    /// Serves `router` until `parent` is cancelled or [`HttpServer::stop`] is called; open
    /// connections end after the request at hand.
    ///
    /// # Errors
    /// [`io::Error`] if the address cannot be listened on.
    pub async fn start(
        address: SocketAddr,
        router: Router,
        limits: HttpLimits,
        parent: &CancellationToken,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let token = parent.child_token();
        let task = tokio::spawn(accept(listener, router, limits, token.clone()));
        Ok(Self { address, token, task })
    }

    /// Asks the server to end.
    pub fn stop(&self) {
        self.token.cancel();
    }

    /// Waits until the server has ended.
    ///
    /// # Errors
    /// [`io::Error`] if it could not accept connections any more, or panicked.
    pub async fn join(self) -> io::Result<()> {
        self.task.await.map_err(io::Error::other)?
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    limits: HttpLimits,
    token: CancellationToken,
) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let connections = Arc::new(Connections::default());
    loop {
        let accepted = tokio::select! {
            () = token.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // The client is gone already, or files have run out for now.
            Err(error) => {
                tracing::debug!(%error, "accept");
                connections.evict();
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        if slots.available_permits() == 0 {
            connections.evict();
        }
        let slot = tokio::select! {
            () = token.cancelled() => return Ok(()),
            slot = Arc::clone(&slots).acquire_owned() => slot.map_err(io::Error::other)?,
        };
        let (router, token, connection) = (router.clone(), token.clone(), connections.add());
        tokio::spawn(async move {
            serve(stream, router, limits, token, &connection).await;
            connection.close();
            drop(slot);
        });
    }
}

async fn serve(
    stream: TcpStream,
    router: Router,
    limits: HttpLimits,
    token: CancellationToken,
    state: &Arc<Connection>,
) {
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Impatient::new(stream, limits.write_timeout));
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let watched = request.map(|body| Watched::new(body, Arc::clone(state)));
        let answer = tower_service(router.clone(), watched);
        async move {
            let answer = answer.await;
            state.waits();
            answer
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .serve_connection(io, service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = state.evicted.cancelled() => return,
        () = token.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection");
    }
}

/// A router never refuses to be called.
async fn tower_service(
    router: Router,
    request: hyper::Request<Watched<Incoming>>,
) -> Result<axum::response::Response, std::convert::Infallible> {
    TowerToHyperService::new(router).call(request).await
}

/// A stream that fails when its peer does not read for too long.
struct Impatient {
    stream: TcpStream,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, waiting: None }
    }

    /// Lets time run while nothing can be written.
    fn watch<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let deadline = Instant::now() + self.patience;
        let sleep =
            self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
