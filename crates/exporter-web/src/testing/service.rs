//! A service for the tests of what stands before one.

use http::{Method, Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use crate::{Body, Service, plain_text};

/// Answers `/-/healthy` with a line, `/metrics` with more than fits into a small pipe, and `/slow` when the test lets it;
/// `/panic` panics.
#[derive(Debug)]
pub(crate) struct TestService(mpsc::Sender<oneshot::Sender<()>>);

/// Where the requests to `/slow` arrive, each to be answered when something is sent back.
pub(crate) type Slow = mpsc::Receiver<oneshot::Sender<()>>;

impl TestService {
    pub(crate) fn new() -> (Self, Slow) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }
}

impl Service for TestService {
    async fn respond(&self, request: &Request<()>) -> Response<Body> {
        match request.uri().path() {
            "/-/healthy" => plain_text(StatusCode::OK, "The exporter runs.\n"),
            "/metrics" if request.method() == Method::POST => {
                let mut response = plain_text(StatusCode::METHOD_NOT_ALLOWED, "This path answers GET, HEAD.\n");
                response.headers_mut().insert("allow", http::HeaderValue::from_static("GET, HEAD"));
                response
            }
            "/metrics" => plain_text(StatusCode::OK, "# HELP up It is.\n".to_owned() + &"up 1\n".repeat(1_000)),
            "/slow" => {
                let (answer, answered) = oneshot::channel();
                self.0.send(answer).await.expect("somebody waits for it");
                // Where the test has ended, nobody reads the answer.
                let _ = answered.await;
                plain_text(StatusCode::OK, "It is done.\n")
            }
            "/panic" => panic!("a fault of this program"),
            _ => plain_text(StatusCode::NOT_FOUND, "Nothing is here.\n"),
        }
    }

    fn is_public(&self, path: &str) -> bool {
        path == "/-/healthy"
    }
}
