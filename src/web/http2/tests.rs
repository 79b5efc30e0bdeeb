use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioExecutor;
use tokio::io::duplex;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::pages::routes::Routes;
use crate::pages::routes::tests::parts;
use crate::pages::{ReloadRequest, TelemetryPath};
use crate::web::limits::Limits;

struct Connection {
    client: SendRequest<Empty<Bytes>>,
    activity: Arc<Activity>,
    serving: JoinHandle<()>,
    stopping: CancellationToken,
    reloads: mpsc::Receiver<ReloadRequest>,
}

/// A connection whose client takes `window` bytes of an answer before it reads it.
async fn connect(window: u32) -> Connection {
    let (parts, reloads) = parts();
    let activity = Arc::new(Activity::new(Instant::now(), Phase::Head));
    let stopping = CancellationToken::new();
    let serving = Serving {
        activity: activity.clone(),
        routes: Routes::new(parts, TelemetryPath::default(), true).into(),
        limits: Limits::default(),
        stopping: stopping.clone(),
    };
    let (ours, theirs) = duplex(64 * 1024);
    let serving = tokio::spawn(serve(theirs, serving));
    let (client, connection) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(ours))
        .await
        .unwrap();
    tokio::spawn(connection);
    Connection { client, activity, serving, stopping, reloads }
}

impl Connection {
    async fn ask(&mut self, method: &str, path: &str) -> Response<Incoming> {
        self.send(method, path).await.unwrap()
    }

    fn send(&mut self, method: &str, path: &str) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        let request = Request::builder().method(method).uri(format!("http://x{path}"));
        self.client.send_request(request.body(Empty::new()).unwrap())
    }

    async fn until(&self, phase: Phase) {
        let entered = async {
            while self.activity.now().0 != phase {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), entered).await.expect("the phase");
    }
}

const WIDE: u32 = 1 << 20;

#[tokio::test]
async fn requests_are_answered_side_by_side() {
    let mut connection = connect(WIDE).await;
    let reload = connection.send("POST", "/-/reload");
    let waiting = connection.reloads.recv().await.unwrap();
    assert_eq!(connection.activity.now().0, Phase::Answering);
    let metrics = connection.ask("GET", "/metrics").await.into_body().collect().await.unwrap().to_bytes();
    assert!(metrics.starts_with(b"# HELP"));
    connection.until(Phase::Answering).await;
    waiting.send(Ok(())).unwrap();
    let reloaded = reload.await.unwrap();
    assert_eq!(reloaded.status(), StatusCode::OK);
    reloaded.into_body().collect().await.unwrap();
    connection.until(Phase::Idle).await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_being_sent_all_the_while() {
    let mut connection = connect(100).await;
    let stalled = connection.ask("GET", "/metrics").await;
    sleep(Duration::from_millis(50)).await;
    // Others that come and go do not hide it.
    connection.ask("HEAD", "/metrics").await;
    sleep(Duration::from_millis(50)).await;
    connection.ask("HEAD", "/metrics").await;
    let (phase, lasted) = connection.activity.now();
    assert_eq!(phase, Phase::Sending);
    assert!(lasted >= Duration::from_millis(100), "{lasted:?}");
    stalled.into_body().collect().await.unwrap();
    connection.until(Phase::Idle).await;
}

#[tokio::test]
async fn an_answer_that_nobody_wants_any_more_is_let_go() {
    let mut connection = connect(100).await;
    drop(connection.ask("GET", "/metrics").await);
    connection.until(Phase::Idle).await;
}

#[tokio::test]
async fn stopping_answers_what_was_asked_and_takes_nothing_new() {
    let mut connection = connect(WIDE).await;
    let reload = connection.send("POST", "/-/reload");
    let waiting = connection.reloads.recv().await.unwrap();
    connection.stopping.cancel();
    // The client learns of it, and then asks nothing more.
    let taken = async {
        while connection.send("HEAD", "/metrics").await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(5), taken).await.expect("a refusal");
    assert!(!connection.serving.is_finished());
    waiting.send(Ok(())).unwrap();
    assert_eq!(reload.await.unwrap().status(), StatusCode::OK);
    timeout(Duration::from_secs(1), connection.serving).await.expect("the end of the connection").unwrap();
}

#[tokio::test]
async fn a_connection_that_idles_ends_at_once_when_stopping() {
    let mut connection = connect(WIDE).await;
    connection.ask("HEAD", "/metrics").await;
    connection.stopping.cancel();
    timeout(Duration::from_secs(1), connection.serving).await.expect("the end of the connection").unwrap();
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let mut connection = connect(WIDE).await;
    let request = Request::builder().uri("http://x/metrics").header("x-large", "x".repeat(17 * 1024));
    let refused = connection.client.send_request(request.body(Empty::new()).unwrap()).await;
    assert!(refused.is_err() || refused.unwrap().status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
