use std::io;

use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::config::tests::tls;
use crate::testing::TestService;

struct Running {
    addresses: Vec<SocketAddr>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn run(listen: &[&str], limits: Limits) -> Running {
    let listen = listen.iter().map(|address| address.parse().unwrap()).collect();
    let config = ServerConfig { listen, limits, ..ServerConfig::default() };
    let server = Server::bind(config, TestService::new().0, ()).await.unwrap();
    let addresses = server.addresses().to_vec();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(server.run(shutdown.clone().cancelled_owned()));
    Running { addresses, shutdown, task }
}

async fn one(limits: Limits) -> (Running, SocketAddr) {
    let running = run(&["127.0.0.1:0"], limits).await;
    let address = running.addresses[0];
    (running, address)
}

/// Sends `request` and reads until the server closes. A reset after the answer is the server's right.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await
}

#[tokio::test]
async fn every_address_is_served_ipv6_too() {
    let running = run(&["127.0.0.1:0", "[::1]:0"], Limits::default()).await;
    assert!(running.addresses[1].is_ipv6());
    for address in &running.addresses {
        assert!(get(*address, "/metrics").await.starts_with("HTTP/1.1 200 OK\r\n"), "{address}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_running, address) = one(Limits::default()).await;
    let answers = exchange(
        address,
        b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n\
          HEAD /-/healthy HTTP/1.1\r\nHost: x\r\n\r\nPOST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    let lines: Vec<_> = answers.lines().filter(|line| line.starts_with("HTTP/")).collect();
    assert_eq!(
        lines,
        ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found", "HTTP/1.1 200 OK", "HTTP/1.1 405 Method Not Allowed"]
    );
    assert_eq!(answers.matches("The exporter runs.").count(), 1, "HEAD has no body");
    assert_eq!(answers.matches("content-length: 19\r\n").count(), 2, "HEAD has the length all the same");
    assert!(answers.contains("allow: GET, HEAD\r\n"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (_running, address) = one(Limits::default()).await;
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(17 * 1024));
    let answer = exchange(address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many = "X: a\r\n".repeat(200);
    let answer = exchange(address, format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused() {
    let (_running, address) = one(Limits::default()).await;
    for (head, status) in [
        ("HTTP/1.1\r\n", 400),
        ("HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400),
        ("HTTP/1.0\r\nHost: x\r\nHost: y\r\n", 400),
        ("HTTP/1.1\r\nHost: x\r\n", 200),
        ("HTTP/1.0\r\n", 200),
    ] {
        let answer = exchange(address, format!("GET /-/healthy {head}Connection: close\r\n\r\n").as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(status.to_string().as_str()), "{head:?}: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let (_running, address) = one(Limits::default()).await;
    for garbage in
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), b"HELO example.org\r\n\r\n", b"\0\0\r\n\r\n"]
    {
        let answer = exchange(address, garbage).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(get(address, "/-/healthy").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_large_body_is_not_read() {
    let (_running, address) = one(Limits::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n").await.unwrap();
    let chunk = vec![0; 64 * 1024];
    let mut sent = 0;
    while sent < 100 * 1024 * 1024 {
        match timeout(Duration::from_secs(5), stream.write(&chunk)).await.expect("the server closes") {
            Ok(written) => sent += written,
            Err(_) => break,
        }
    }
    assert!(sent < 20 * 1024 * 1024, "{sent} bytes were taken");
}

#[tokio::test]
async fn more_quiet_clients_than_places_leave_room_for_a_scrape() {
    let (_running, address) = one(Limits { connections: 64, ..Limits::default() }).await;
    let mut quiet = Vec::new();
    for sent in ["", "GET /metrics HT", "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"] {
        for _ in 0..100 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(sent.as_bytes()).await.unwrap();
            quiet.push(client);
        }
        let answer =
            timeout(Duration::from_secs(1), get(address, "/metrics")).await.expect("an answer within a second");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "after {sent:?}");
    }
}

#[tokio::test]
async fn a_stopped_server_accepts_nobody() {
    let (running, address) = one(Limits::default()).await;
    assert!(get(address, "/-/healthy").await.starts_with("HTTP/1.1 200 "));
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();
    running.shutdown.cancel();
    timeout(Duration::from_secs(1), running.task).await.expect("an idle connection holds nothing up").unwrap();
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

/// A request that is under way when the server stops, over TLS and `protocol`: what the client gets of it.
async fn drained(protocol: &[u8], exchange: impl AsyncFnOnce(TlsStream<TcpStream>) -> String) -> String {
    let (_folder, config_file, certificate) = tls();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let config = ServerConfig { listen, config_file: Some(config_file), ..ServerConfig::default() };
    let (service, mut slow) = TestService::new();
    let server = Server::bind(config, service, ()).await.unwrap();
    let (address, shutdown) = (server.addresses()[0], CancellationToken::new());
    let task = tokio::spawn(server.run(shutdown.clone().cancelled_owned()));
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate).unwrap();
    let mut client = ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    let stopping = async {
        let waiting = slow.recv().await.unwrap();
        shutdown.cancel();
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        waiting.send(()).unwrap();
    };
    let (answer, ()) =
        timeout(Duration::from_secs(5), async { tokio::join!(exchange(stream), stopping) }).await.unwrap();
    timeout(Duration::from_secs(1), task).await.expect("nothing holds it up").unwrap();
    answer
}

#[tokio::test]
async fn a_request_under_way_is_answered_over_tls_and_http_1_before_the_end() {
    let answer = drained(b"http/1.1", async |mut stream| {
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        // An end without TLS's own goodbye would be an error here.
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    });
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("It is done.\n"), "{answer}");
}

#[tokio::test]
async fn a_request_under_way_is_answered_over_tls_and_http_2_before_the_end() {
    let answer = drained(b"h2", async |stream| {
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::get("https://localhost/slow").body(Empty::<bytes::Bytes>::new()).unwrap();
        let answer = client.send_request(request).await.unwrap();
        String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    });
    assert_eq!(answer.await, "It is done.\n");
}

#[tokio::test]
async fn a_second_server_on_the_same_port_is_refused() {
    let (running, address) = one(Limits::default()).await;
    let listen = vec!["[::1]:0".parse().unwrap(), address.to_string().parse().unwrap()];
    let config = ServerConfig { listen, ..ServerConfig::default() };
    let error = Server::bind(config, TestService::new().0, ()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: something else listens there")));
    running.shutdown.cancel();
}

/// Sends on what it learns of the configuration.
struct Events(mpsc::UnboundedSender<&'static str>);

impl Observer for Events {
    fn password_demanded(&self) {
        let _ = self.0.send("a password is demanded");
    }

    fn config_reloaded(&self, successful: bool) {
        let _ = self.0.send(if successful { "reloaded" } else { "rejected" });
    }

    fn exposed(&self) {
        let _ = self.0.send("exposed");
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_learns_what_each_configuration_means() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("");
    let config = ServerConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap(), ":0".parse().unwrap()],
        config_file: Some(file.clone()),
        ..ServerConfig::default()
    };
    let (events, mut learned) = mpsc::unbounded_channel();
    let server = Server::bind(config, TestService::new().0, Events(events)).await.unwrap();
    assert_eq!(learned.try_recv(), Ok("exposed"));
    let _running = AbortOnDropHandle::new(tokio::spawn(server.run(pending())));
    for (text, expected) in [
        ("rate_limit: {interval: 1s, burst: 9}\n", &["exposed", "reloaded"][..]),
        (USER, &["a password is demanded", "reloaded"]),
        ("", &["rejected"]),
        ("no: such key\n", &["rejected"]),
        (USER, &["a password is demanded", "reloaded"]),
    ] {
        write(text);
        for expected in expected {
            assert_eq!(learned.recv().await, Some(*expected), "{text}");
        }
        assert!(learned.is_empty(), "{text}");
    }
}

const USER: &str = "basic_auth_users: {u: $2b$04$abcdefghijklmnopqrstuu5iIoxXgNbSqrGh0UAx02Fu.9cCEUKvq}\n";
