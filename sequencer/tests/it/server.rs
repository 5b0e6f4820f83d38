//! The API over HTTP: limits, broken requests, slow clients, subscriptions.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use zeko_http::{HttpLimits, HttpServer};
use zeko_sequencer::graphql::{Api, ApiLimits, GraphqlConfig, MinaNode, NodeEvent, graphql_router};

use crate::{
    fixture::StillNode,
    kit::{exchange, status},
};

async fn start(config: GraphqlConfig, limits: HttpLimits) -> (HttpServer, Arc<StillNode>) {
    let node = StillNode::new();
    let api = Api::new(&(node.clone() as Arc<dyn MinaNode>), ApiLimits::default()).unwrap();
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let router = graphql_router(api, config);
    let server =
        HttpServer::start(address, router, limits, &CancellationToken::new()).await.unwrap();
    (server, node)
}

fn post(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\norigin: http://page\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[tokio::test]
async fn bad_requests_get_answers() {
    let config = GraphqlConfig { max_body_bytes: 2000, ..GraphqlConfig::default() };
    let (server, _) = start(config, HttpLimits::default()).await;
    let query = json!({ "operationName": null, "query": "{ syncStatus }", "variables": {} });
    let answer = exchange(server.address, &post(&query.to_string())).await;
    assert_eq!(status(&answer), "200", "{answer}");
    assert!(answer.contains("{\"data\":{\"syncStatus\":\"SYNCED\"}}"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: *"), "{answer}");
    for (body, expected) in [
        (String::new(), "400"),
        ("{".into(), "400"),
        ("[]".into(), "200"),
        ("null".into(), "400"),
        ("{\"query\": 7}".into(), "400"),
        ("\u{0}\u{1}".into(), "400"),
        (json!({ "query": "{ nothing }" }).to_string(), "200"),
        ("[".repeat(1900), "400"),
        ("x".repeat(3000), "413"),
    ] {
        let answer = exchange(server.address, &post(&body)).await;
        assert_eq!(status(&answer), expected, "{body}\n{answer}");
    }
    let answer = exchange(server.address, b"GET /graphql HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&answer), "405");
    let preflight = b"OPTIONS /graphql HTTP/1.1\r\nhost: x\r\norigin: http://page\r\n\
        access-control-request-method: POST\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&exchange(server.address, preflight).await), "200");
    server.stop();
    server.join().await.unwrap();
}

#[tokio::test]
async fn slow_clients_are_let_go() {
    let config = GraphqlConfig { body_timeout_ms: 1000, ..GraphqlConfig::default() };
    let limits = HttpLimits {
        connections: 2,
        header_timeout: Duration::from_secs(1),
        write_timeout: Duration::from_secs(1),
    };
    let (server, _) = start(config, limits).await;
    // One never finishes its head, one never sends its body: both slots are taken, then freed.
    let mut head = TcpStream::connect(server.address).await.unwrap();
    head.write_all(b"POST /graphql HTTP/1.1\r\nhost:").await.unwrap();
    let mut body = TcpStream::connect(server.address).await.unwrap();
    let start =
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    body.write_all(start).await.unwrap();
    let query = json!({ "query": "{ syncStatus }" }).to_string();
    let answer = exchange(server.address, &post(&query)).await;
    assert_eq!(status(&answer), "200", "{answer}");
    let mut text = String::new();
    body.read_to_string(&mut text).await.unwrap();
    assert_eq!(status(&text), "408", "{text}");
    server.stop();
    server.join().await.unwrap();
}

#[tokio::test]
async fn more_requests_than_allowed_are_refused() {
    let config = GraphqlConfig { max_concurrent_requests: 0, ..GraphqlConfig::default() };
    let (server, _) = start(config, HttpLimits::default()).await;
    let answer = exchange(server.address, &post("{\"query\": \"{ version }\"}")).await;
    assert_eq!(status(&answer), "503");
    assert!(answer.contains("too many requests"), "{answer}");
}

/// A text frame of a client, masked with zeros.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0xfe];
    frame.extend((text.len() as u16).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// Reads until `needle` has come.
pub(crate) async fn read_until(stream: &mut TcpStream, needle: &str) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if text.contains(needle) {
            return text;
        }
        let read = tokio::time::timeout(Duration::from_secs(120), stream.read(&mut buffer));
        match read.await {
            Ok(Ok(0)) | Err(_) => panic!("no {needle} in {text}"),
            Ok(read) => seen.extend(&buffer[..read.unwrap()]),
        }
    }
}

/// A WebSocket of GraphQL, ready for operations.
async fn open_socket(server: &HttpServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let upgrade = "GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    read_until(&mut stream, "101 Switching Protocols").await;
    stream.write_all(&frame(&json!({ "type": "connection_init" }).to_string())).await.unwrap();
    read_until(&mut stream, "connection_ack").await;
    stream
}

async fn subscribe(stream: &mut TcpStream, id: u32) {
    let query =
        "subscription { newBlock { stateHash protocolState { consensusState { blockHeight } } } }";
    let id = id.to_string();
    let subscribe: Value = json!({ "id": id, "type": "subscribe", "payload": { "query": query } });
    stream.write_all(&frame(&subscribe.to_string())).await.unwrap();
}

#[tokio::test]
async fn one_client_has_so_many_operations_at_a_time() {
    let config = GraphqlConfig { max_operations: 2, ..GraphqlConfig::default() };
    let (server, node) = start(config, HttpLimits::default()).await;
    let mut stream = open_socket(&server).await;
    for id in 1..=3 {
        subscribe(&mut stream, id).await;
    }
    read_until(&mut stream, "too many operations at a time").await;
    assert_eq!(node.events.receiver_count(), 2);
    // What is over makes place.
    let complete = json!({ "id": "1", "type": "complete" }).to_string();
    stream.write_all(&frame(&complete)).await.unwrap();
    while node.events.receiver_count() == 2 {
        tokio::task::yield_now().await;
    }
    subscribe(&mut stream, 4).await;
    while node.events.receiver_count() == 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn subscriptions_tell_of_blocks() {
    let (server, node) = start(GraphqlConfig::default(), HttpLimits::default()).await;
    let mut stream = open_socket(&server).await;
    subscribe(&mut stream, 1).await;
    while node.events.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    node.events.send(NodeEvent::Reorganization).unwrap();
    node.events.send(NodeEvent::NewBlock(node.tip())).unwrap();
    let text = read_until(&mut stream, "blockHeight").await;
    assert!(text.contains("\"blockHeight\":\"2\""), "{text}");
}
