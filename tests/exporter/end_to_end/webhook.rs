//! Who is told by Alertmanager: a receiver of its webhooks.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::eventually;

/// One alert, as it was told.
#[derive(Debug, Clone)]
pub struct Told {
    /// The receiver that the routes chose, as the path that it was sent to.
    pub receiver: String,
    pub is_firing: bool,
    pub alert: Value,
}

impl Told {
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

/// A server on a free loopback port that remembers everything that it is told. Dropped, it ends.
#[derive(Debug)]
pub struct Webhook {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
    accepting: JoinHandle<()>,
}

impl Webhook {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let remembered = told.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let told = remembered.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| remember(request, &told));
                    // Alertmanager may close it whenever it likes.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, told, accepting }
    }

    /// Where a receiver of this name sends to.
    pub fn url(&self, receiver: &str) -> String {
        format!("http://{}/{receiver}", self.address)
    }

    /// Everything that was told so far.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Waits until the end of everything that was told has been told, too, and forgets it all.
    pub async fn forget_what_is_over(&self) {
        let fingerprint = |told: &Told| told.alert["fingerprint"].clone();
        eventually("the end of what was told", || async {
            let mut told = self.told.lock().unwrap();
            let last = |alert: &Told| told.iter().rev().find(|told| fingerprint(told) == fingerprint(alert));
            let are_over = told.iter().all(|alert| last(alert).is_some_and(|last| !last.is_firing));
            are_over.then(|| told.clear())
        })
        .await;
    }

    /// Waits until this was told.
    pub async fn until_summary(&self, summary: &str) -> Told {
        self.until(summary, |told| told.annotation("summary") == summary).await
    }

    /// Waits until something was told that `is_meant`.
    pub async fn until(&self, what: &str, is_meant: impl Fn(&Told) -> bool) -> Told {
        let found = || async { self.told().into_iter().find(&is_meant) };
        eventually(&format!("{what} is told"), found).await
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn remember(request: Request<Incoming>, told: &Mutex<Vec<Told>>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let receiver = request.uri().path().trim_start_matches('/').to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut message: Value = serde_json::from_slice(&body).unwrap();
    for alert in message["alerts"].as_array_mut().unwrap() {
        let is_firing = alert["status"] == "firing";
        told.lock().unwrap().push(Told { receiver: receiver.clone(), is_firing, alert: alert.take() });
    }
    Ok(Response::default())
}
