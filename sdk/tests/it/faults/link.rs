//! Ways to the L1 that can be cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

/// A way to the L1 that can be cut.
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    is_up: Arc<AtomicBool>,
}

impl Link {
    pub(crate) async fn to(l1: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_up = Arc::new(AtomicBool::new(true));
        let up = Arc::clone(&is_up);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let up = Arc::clone(&up);
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(l1).await else { return };
                    let down = async {
                        while up.load(Ordering::SeqCst) {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                    };
                    // Either side may go away at any time.
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = down => {}
                    }
                });
            }
        });
        Self { address, is_up }
    }

    /// Whether it leads there.
    pub(crate) fn set(&self, is_up: bool) {
        self.is_up.store(is_up, Ordering::SeqCst);
    }
}

/// A way to an archive that can forget all actions.
#[derive(Clone)]
pub(crate) struct ArchiveLink {
    archive: String,
    forgets: Arc<AtomicBool>,
}

impl ArchiveLink {
    /// And its URL.
    pub(crate) async fn to(archive: String) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let link = Self { archive, forgets: Arc::default() };
        let routes = axum::Router::new().fallback(Self::ask).with_state(link.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (link, url)
    }

    async fn ask(link: axum::extract::State<Self>, question: axum::Json<Value>) -> String {
        let is_of_actions = question["query"].as_str().unwrap().contains("actions(");
        if is_of_actions && link.forgets.load(Ordering::SeqCst) {
            return json!({ "data": { "actions": [] } }).to_string();
        }
        let answer = reqwest::Client::new().post(&link.archive).json(&question.0).send().await;
        answer.unwrap().text().await.unwrap()
    }

    /// Whether it has no actions.
    pub(crate) fn forget(&self, forgets: bool) {
        self.forgets.store(forgets, Ordering::SeqCst);
    }
}
