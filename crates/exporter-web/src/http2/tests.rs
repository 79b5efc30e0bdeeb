use std::error::Error as _;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{Slow, TestService, here};
use crate::{Handler, Limits};

struct Client {
    requests: SendRequest<Empty<Bytes>>,
    clock: Arc<PhaseClock>,
    serving: JoinHandle<()>,
    stopping: CancellationToken,
    slow: Slow,
}

/// A connection whose client takes `window` bytes of an answer before it reads it.
async fn connect(window: u32) -> Client {
    let (ours, served) = begin();
    let (requests, connection) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(ours))
        .await
        .unwrap();
    tokio::spawn(connection);
    let Served { clock, serving, stopping, slow } = served;
    Client { requests, clock, serving, stopping, slow }
}

/// The side of the server.
struct Served {
    clock: Arc<PhaseClock>,
    serving: JoinHandle<()>,
    stopping: CancellationToken,
    slow: Slow,
}

/// A connection on which nothing was said, and its other end.
fn begin() -> (DuplexStream, Served) {
    let (service, slow) = TestService::new();
    let clock = Arc::new(PhaseClock::new(Phase::Head));
    let stopping = CancellationToken::new();
    let connection = Connection {
        origin: here(),
        clock: clock.clone(),
        handler: Handler::new(service, ()).into(),
        limits: Limits::default(),
        stopping: stopping.clone(),
    };
    let (ours, theirs) = duplex(64 * 1024);
    let serving = tokio::spawn(serve(theirs, connection, Agreed::default()));
    (ours, Served { clock, serving, stopping, slow })
}

impl Client {
    async fn ask(&mut self, method: &str, path: &str) -> Response<Incoming> {
        self.send(method, path).await.unwrap()
    }

    fn send(&mut self, method: &str, path: &str) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        let request = Request::builder().method(method).uri(format!("http://x{path}"));
        self.requests.send_request(request.body(Empty::new()).unwrap())
    }

    async fn until(&self, phase: Phase) {
        let entered = async {
            while self.clock.now().0 != phase {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), entered).await.expect("the phase");
    }
}

const WIDE: u32 = 1 << 20;

#[tokio::test(start_paused = true)]
async fn requests_are_answered_side_by_side() {
    let mut connection = connect(WIDE).await;
    let slow = connection.send("GET", "/slow");
    let waiting = connection.slow.recv().await.unwrap();
    assert_eq!(connection.clock.now().0, Phase::Answering);
    let metrics = connection.ask("GET", "/metrics").await.into_body().collect().await.unwrap().to_bytes();
    assert!(metrics.starts_with(b"# HELP"));
    connection.until(Phase::Answering).await;
    waiting.send(()).unwrap();
    let done = slow.await.unwrap();
    assert_eq!(done.status(), StatusCode::OK);
    done.into_body().collect().await.unwrap();
    connection.until(Phase::Idle).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_being_sent_all_the_while() {
    let mut connection = connect(100).await;
    let stalled = connection.ask("GET", "/metrics").await;
    connection.until(Phase::Sending).await;
    advance(Duration::from_secs(2)).await;
    // Others that come and go do not hide it.
    connection.ask("HEAD", "/metrics").await;
    advance(Duration::from_secs(3)).await;
    connection.ask("HEAD", "/metrics").await;
    let (phase, lasted) = connection.clock.now();
    assert_eq!(phase, Phase::Sending);
    assert!(lasted >= Duration::from_secs(5), "{lasted:?}");
    stalled.into_body().collect().await.unwrap();
    connection.until(Phase::Idle).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_wants_any_more_is_let_go() {
    let mut connection = connect(100).await;
    drop(connection.ask("GET", "/metrics").await);
    connection.until(Phase::Idle).await;
}

#[tokio::test(start_paused = true)]
async fn stopping_answers_what_was_asked_and_takes_nothing_new() {
    let mut connection = connect(WIDE).await;
    let slow = connection.send("GET", "/slow");
    let waiting = connection.slow.recv().await.unwrap();
    connection.stopping.cancel();
    // The client learns of it (GOAWAY), and then asks nothing more.
    let refused = async {
        loop {
            match connection.send("HEAD", "/metrics").await {
                Ok(_) => sleep(Duration::from_millis(1)).await,
                Err(error) => return error,
            }
        }
    };
    let refused = timeout(Duration::from_secs(5), refused).await.expect("a refusal");
    assert_eq!(refused.source().unwrap().to_string(), "connection error received: not a result of an error");
    assert!(!connection.serving.is_finished());
    waiting.send(()).unwrap();
    assert_eq!(slow.await.unwrap().status(), StatusCode::OK);
    timeout(Duration::from_secs(1), connection.serving).await.expect("the end of the connection").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_idles_ends_at_once_when_stopping() {
    let mut connection = connect(WIDE).await;
    connection.ask("HEAD", "/metrics").await;
    connection.stopping.cancel();
    timeout(Duration::from_secs(1), connection.serving).await.expect("the end of the connection").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_is_refused() {
    let mut connection = connect(WIDE).await;
    let request = Request::builder().uri("http://x/metrics").header("x-large", "x".repeat(17 * 1024));
    let refused = connection.requests.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    // That costs the client its request, and no other one.
    assert_eq!(connection.ask("HEAD", "/metrics").await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_request_and_no_other() {
    let mut connection = connect(WIDE).await;
    let error = connection.send("GET", "/panic").await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "stream error received: stream no longer needed");
    assert_eq!(connection.ask("HEAD", "/metrics").await.status(), StatusCode::OK);
    connection.until(Phase::Idle).await;
}

/// The beginning of a frame: the length of what follows, its type, no flags, and the stream.
fn frame(length: u8, kind: u8, stream: u8) -> Vec<u8> {
    vec![0, 0, length, kind, 0, 0, 0, 0, stream]
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_frames_that_ask_for_nothing_is_cut_off() {
    let settings = frame(0, 4, 0);
    let ping = [frame(8, 6, 0), vec![0; 8]].concat();
    let priority = [frame(5, 2, 1), vec![0; 5]].concat();
    let window_update = [frame(4, 8, 0), vec![0, 0, 0, 1]].concat();
    let unknown = frame(0, 0xfe, 0);
    for flood in [&settings, &ping, &priority, &window_update, &unknown] {
        let (client, served) = begin();
        let (mut answers, mut client) = tokio::io::split(client);
        tokio::spawn(async move { answers.read_to_end(&mut Vec::new()).await });
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        client.write_all(&settings).await.unwrap();
        let mut sent = 0;
        while client.write_all(flood).await.is_ok() {
            sent += 1;
            assert!(sent < 20_000, "{flood:?} is taken for ever");
        }
        timeout(Duration::from_secs(1), served.serving).await.expect("the end of the connection").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_and_reads_may_go_on() {
    let mut connection = connect(4096).await;
    for _ in 0..2_000 {
        let answer = connection.ask("GET", "/metrics").await;
        answer.into_body().collect().await.unwrap();
    }
}
