use std::time::Duration;

use rustls::version::TLS13;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::WebConfig;
use crate::config::tests::tls;
use crate::connection::tests::secured;
use crate::testing::{Slow, TestService, here};

const GET: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";

fn connections(limits: Limits) -> Connections<TestService> {
    slow_connections(limits).0
}

/// The same, and where requests to `/slow` arrive.
fn slow_connections(limits: Limits) -> (Connections<TestService>, Slow) {
    let (service, slow) = TestService::new();
    (Connections::new(Arc::new(Handler::new(service, ())), limits), slow)
}

fn connect(connections: &mut Connections<TestService>) -> DuplexStream {
    let (client, server) = duplex(64 * 1024);
    connections.add(server, here());
    client
}

/// Reads one answer, which ends with the line that says that all is well.
async fn healthy<I: AsyncRead + AsyncWrite + Unpin>(client: &mut I) {
    client.write_all(GET).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"The exporter runs.\n") {
        assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "closed after {}", answer.escape_ascii());
    }
}

/// Lets `duration` pass while the connections are swept, as the server does.
async fn pass(connections: &mut Connections<TestService>, duration: Duration) {
    for _ in 0..duration.as_secs() {
        sleep(Duration::from_secs(1)).await;
        connections.close_overdue();
    }
    while timeout(Duration::from_millis(1), connections.ended()).await.is_ok() {}
}

async fn is_closed(client: &mut DuplexStream) -> bool {
    let mut rest = Vec::new();
    timeout(Duration::from_millis(1), client.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let mut connections = connections(Limits::default());
    let mut client = connect(&mut connections);
    for _ in 0..3 {
        healthy(&mut client).await;
        pass(&mut connections, Duration::from_secs(295)).await;
    }
    healthy(&mut client).await;
    pass(&mut connections, Duration::from_secs(301)).await;
    assert!(is_closed(&mut client).await);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_in_is_cut_off() {
    let mut connections = connections(Limits::default());
    let (mut first, mut second, mut silent) =
        (connect(&mut connections), connect(&mut connections), connect(&mut connections));
    healthy(&mut second).await;
    pass(&mut connections, Duration::from_secs(100)).await;
    assert!(is_closed(&mut silent).await, "it never began");
    first = {
        drop(first);
        connect(&mut connections)
    };
    for byte in &GET[..8] {
        first.write_all(&[*byte]).await.unwrap();
        second.write_all(&[*byte]).await.unwrap();
        pass(&mut connections, Duration::from_secs(1)).await;
    }
    assert!(!is_closed(&mut first).await && !is_closed(&mut second).await);
    pass(&mut connections, Duration::from_secs(3)).await;
    assert!(is_closed(&mut first).await && is_closed(&mut second).await);
    assert!(connections.open.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_is_cut_off() {
    let mut connections = connections(Limits::default());
    let (mut client, server) = duplex(64);
    connections.add(server, here());
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut beginning = [0; 32];
    client.read_exact(&mut beginning).await.unwrap();
    pass(&mut connections, Duration::from_secs(25)).await;
    assert_eq!(connections.open.len(), 1);
    pass(&mut connections, Duration::from_secs(10)).await;
    assert!(connections.open.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_makes_room() {
    let mut connections = connections(Limits { connections: 3, ..Limits::default() });
    let mut clients: Vec<_> = (0..3).map(|_| connect(&mut connections)).collect();
    for index in [1, 0, 2] {
        healthy(&mut clients[index]).await;
        advance(Duration::from_secs(1)).await;
    }
    let mut newcomer = connect(&mut connections);
    healthy(&mut newcomer).await;
    assert!(is_closed(&mut clients[1]).await);
    for index in [0, 2] {
        healthy(&mut clients[index]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stops_halfway_makes_room_before_anybody_else() {
    let (_folder, file, trusted) = tls();
    let (_live, config) = watch::channel(Arc::new(WebConfig::load(&file).unwrap()));
    let handler = Handler::guarded(TestService::new().0, Box::new(()), config, "");
    let mut connections = Connections::new(Arc::new(handler), Limits { connections: 3, ..Limits::default() });
    let idle = connect(&mut connections);
    let mut idle = secured(idle, trusted, &TLS13, b"http/1.1", None).await.unwrap();
    healthy(&mut idle).await;
    advance(Duration::from_mins(1)).await;
    let mut first = connect(&mut connections);
    advance(Duration::from_secs(1)).await;
    let mut second = connect(&mut connections);
    let mut newcomer = connect(&mut connections);
    assert!(is_closed(&mut first).await, "it has gone on for longest");
    assert!(!is_closed(&mut second).await && !is_closed(&mut newcomer).await);
    healthy(&mut idle).await;
    pass(&mut connections, Duration::from_secs(11)).await;
    assert!(is_closed(&mut second).await && is_closed(&mut newcomer).await, "after the time for a handshake");
    healthy(&mut idle).await;
}

#[tokio::test(start_paused = true)]
async fn a_system_without_room_costs_the_quietest_their_places_for_a_while() {
    let mut connections = connections(Limits { connections: 16, ..Limits::default() });
    let mut clients: Vec<_> = (0..16).map(|_| connect(&mut connections)).collect();
    for client in &mut clients {
        healthy(client).await;
        advance(Duration::from_secs(1)).await;
    }
    connections.make_room();
    assert_eq!(connections.open.len(), 14);
    assert!(is_closed(&mut clients[0]).await && is_closed(&mut clients[1]).await && !is_closed(&mut clients[2]).await);
    clients.push(connect(&mut connections));
    assert_eq!(connections.open.len(), 14);
    pass(&mut connections, Duration::from_secs(2)).await;
    clients.extend((0..4).map(|_| connect(&mut connections)));
    assert_eq!(connections.open.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_push_out_who_waits_for_this_exporter() {
    let (mut connections, mut slow) = slow_connections(Limits { connections: 1, ..Limits::default() });
    let mut waiting = connect(&mut connections);
    let _request = begin_slow(&mut waiting, &mut slow).await;
    let mut newcomer = connect(&mut connections);
    assert!(is_closed(&mut newcomer).await);
    assert!(!is_closed(&mut waiting).await);
}

#[tokio::test(start_paused = true)]
async fn stopping_answers_what_was_asked_and_closes_the_rest_at_once() {
    let (mut connections, mut slow) = slow_connections(Limits::default());
    let (mut idle, mut silent, mut waiting) =
        (connect(&mut connections), connect(&mut connections), connect(&mut connections));
    healthy(&mut idle).await;
    let request = begin_slow(&mut waiting, &mut slow).await;
    let draining = tokio::spawn(connections.drain());
    tokio::task::yield_now().await;
    assert!(is_closed(&mut idle).await && is_closed(&mut silent).await);
    assert!(!draining.is_finished());
    request.send(()).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    draining.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_no_longer_than_the_grace() {
    let (mut connections, mut slow) = slow_connections(Limits::default());
    let mut waiting = connect(&mut connections);
    let _request = begin_slow(&mut waiting, &mut slow).await;
    let start = Instant::now();
    connections.drain().await;
    assert_eq!(start.elapsed().as_secs(), 3);
    assert!(is_closed(&mut waiting).await);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_connection_and_no_other() {
    let mut connections = connections(Limits::default());
    let (mut other, mut client) = (connect(&mut connections), connect(&mut connections));
    healthy(&mut other).await;
    client.write_all(b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    connections.ended().await;
    assert_eq!(connections.open.len(), 1);
    assert!(is_closed(&mut client).await);
    healthy(&mut other).await;
}

/// A request that is answered when the returned one is.
async fn begin_slow(client: &mut DuplexStream, slow: &mut Slow) -> oneshot::Sender<()> {
    client.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    slow.recv().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_takes_an_answer_goes_after_all_who_are_quiet() {
    let mut connections = connections(Limits { connections: 2, ..Limits::default() });
    // A pipe so small that the answer does not fit, and is taken little by little.
    let (mut reading, server) = duplex(64);
    connections.add(server, here());
    reading.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    reading.read_exact(&mut byte).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let mut newcomers: Vec<_> = (0..20).map(|_| connect(&mut connections)).collect();
    healthy(newcomers.last_mut().unwrap()).await;
    assert!(!is_closed(&mut reading).await);
    assert!(is_closed(&mut newcomers[0]).await);
}
