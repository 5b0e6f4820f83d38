//! Clients that only want to be in the way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{net::SocketAddr, time::Duration};

use axum::{Router, routing::post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use zeko_http::{BodyLimits, HttpLimits, HttpServer, with_whole_bodies};

/// Longer than any of these tests may take.
const LONG: Duration = Duration::from_secs(300);

async fn start(connections: usize, write_timeout: Duration, bodies: BodyLimits) -> SocketAddr {
    let length = async |body: String| body.len().to_string();
    let big = async || "x".repeat(64 << 20);
    let router = Router::new().route("/", post(length)).route("/big", post(big));
    let limits = HttpLimits { connections, header_timeout: LONG, write_timeout };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let router = with_whole_bodies(router, bodies);
    // Runs until the runtime of the test ends.
    HttpServer::start(any, router, limits, &CancellationToken::new()).await.unwrap().address
}

async fn connect(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

fn request(path: &str, length: usize, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Sends a whole request and reads the whole answer, soon.
async fn ask(address: SocketAddr, body: &str) -> String {
    let mut stream = connect(address, &request("/", body.len(), body)).await;
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(LONG / 2, read).await.expect("an answer in time").unwrap();
    answer
}

#[tokio::test]
async fn those_who_only_connect_keep_nobody_out() {
    let address = start(4, LONG, BodyLimits { timeout: LONG, ..BodyLimits::default() }).await;
    let mut silent = Vec::new();
    for what in ["", "POST / HT", "POST / HTTP/1.1\r\nhost:"].iter().cycle().take(12) {
        silent.push(connect(address, what).await);
    }
    assert!(ask(address, "abc").await.ends_with("\r\n\r\n3"));
    // Bodies that do not come are no work either.
    for _ in 0..12 {
        silent.push(connect(address, &request("/", 1000, "begin")).await);
    }
    for _ in 0..8 {
        assert!(ask(address, "abcd").await.ends_with("\r\n\r\n4"));
    }
    // The oldest had to go.
    let mut end = [0];
    let first = timeout(LONG / 2, silent[0].read(&mut end)).await.unwrap();
    assert!(!matches!(first, Ok(1..)), "{first:?}");
}

#[tokio::test]
async fn bodies_are_bounded_in_length_time_and_together() {
    let bodies =
        BodyLimits { bytes: 100_000, timeout: Duration::from_millis(300), budget: 100_000 };
    let address = start(100, LONG, bodies).await;
    assert!(ask(address, &"x".repeat(100_000)).await.ends_with("\r\n\r\n100000"));
    assert!(ask(address, &"x".repeat(100_001)).await.starts_with("HTTP/1.1 413"));
    // Until a slow one is given up, there is room for short ones only. On a busy machine it may be
    // given up before another one asks.
    let mut refused = false;
    for _ in 0..50 {
        let mut slow = connect(address, &request("/", 90_000, &"x".repeat(89_999))).await;
        assert!(ask(address, "abc").await.ends_with("\r\n\r\n3"));
        refused |= ask(address, &"x".repeat(90_000)).await.starts_with("HTTP/1.1 503");
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        if refused {
            break;
        }
    }
    assert!(refused);
    assert!(ask(address, &"x".repeat(90_000)).await.ends_with("\r\n\r\n90000"));
}

#[tokio::test]
async fn answers_have_to_be_read() {
    let address = start(100, Duration::from_millis(200), BodyLimits::default()).await;
    let mut lazy = connect(address, &request("/big", 0, "")).await;
    // It gives up on the lazy one, but tells nobody: the answer just ends early.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut answer = Vec::new();
    let read = timeout(LONG / 2, lazy.read_to_end(&mut answer)).await.unwrap();
    assert!(read.is_err() || answer.len() < 64 << 20, "{} bytes", answer.len());
    assert!(ask(address, "abc").await.ends_with("\r\n\r\n3"));
}
