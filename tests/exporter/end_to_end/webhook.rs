//! Whom Alertmanager notifies: a receiver of its webhooks.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::harness::{PATIENCE, eventually};

/// One alert, as it was received.
#[derive(Debug, Clone)]
pub struct Notification {
    /// The receiver that the routes chose, as the path that it was sent to.
    pub receiver: String,
    pub is_firing: bool,
    pub alert: Value,
}

impl Notification {
    pub fn name(&self) -> &str {
        self.label("alertname")
    }

    pub fn label(&self, name: &str) -> &str {
        self.alert["labels"][name].as_str().unwrap_or_default()
    }

    pub fn annotation(&self, name: &str) -> &str {
        self.alert["annotations"][name].as_str().unwrap_or_default()
    }
}

/// A server on a free loopback port that remembers everything that it receives. Dropped, it ends.
#[derive(Debug)]
pub struct Webhook {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Notification>>>,
    accepting: JoinHandle<()>,
}

impl Webhook {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let remembered = received.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let received = remembered.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| remember(request, &received));
                    // Alertmanager may close it whenever it likes.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, received, accepting }
    }

    /// Where a receiver of this name sends to.
    pub fn url(&self, receiver: &str) -> String {
        format!("http://{}/{receiver}", self.address)
    }

    /// Everything that was received so far.
    pub fn received(&self) -> Vec<Notification> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until the end of every alert that was received has been received, too, and forgets them all.
    pub async fn forget_what_is_over(&self) {
        let fingerprint = |received: &Notification| received.alert["fingerprint"].clone();
        eventually("the end of what was received", || async {
            let mut received = self.received.lock().unwrap();
            let last = |alert: &Notification| {
                received.iter().rev().find(|received| fingerprint(received) == fingerprint(alert))
            };
            let are_over = received.iter().all(|alert| last(alert).is_some_and(|last| !last.is_firing));
            are_over.then(|| received.clear())
        })
        .await;
    }

    /// Waits until this was received.
    pub async fn until_summary(&self, summary: &str) -> Notification {
        self.until(summary, |received| received.annotation("summary") == summary).await
    }

    /// Waits until something was received that `is_meant`.
    pub async fn until(&self, what: &str, is_meant: impl Fn(&Notification) -> bool) -> Notification {
        let begun = Instant::now();
        loop {
            let received = self.received();
            if let Some(found) = received.iter().find(|received| is_meant(received)) {
                return found.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{what} is not received within {PATIENCE:?}, but {received:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn remember(
    request: Request<Incoming>,
    kept: &Mutex<Vec<Notification>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let receiver = request.uri().path().trim_start_matches('/').to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut message: Value = serde_json::from_slice(&body).unwrap();
    for alert in message["alerts"].as_array_mut().unwrap() {
        let is_firing = alert["status"] == "firing";
        kept.lock().unwrap().push(Notification { receiver: receiver.clone(), is_firing, alert: alert.take() });
    }
    Ok(Response::default())
}
