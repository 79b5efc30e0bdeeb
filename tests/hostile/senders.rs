//! Clients that send too much.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::victim::{Victim, alone, crowd};
use crate::harness::PATIENCE;

/// What each client would like to send.
const LOAD: usize = 100_000_000;

/// What may lie in the buffers of both systems without anybody reading it.
const BUFFERS: usize = 20_000_000;

/// Sends `head`, and then `more` for as long as the exporter lets it. Tells how much it took.
async fn flood(mut client: TcpStream, head: String, more: &'static str) -> usize {
    let block = more.repeat(1 << 14);
    let mut sent = 0;
    let sending = async {
        client.write_all(head.as_bytes()).await?;
        while sent < LOAD {
            sent += client.write(block.as_bytes()).await?;
        }
        std::io::Result::Ok(())
    };
    let _ = timeout(PATIENCE, sending).await.expect("the exporter neither reads nor closes");
    sent
}

/// Lets many clients flood the exporter at once, each of which is cut off.
async fn all_are_cut_off(head: &str, more: &'static str) {
    let victim = Victim::start().await;
    let mut clients = JoinSet::new();
    for client in crowd(&victim.exporter, 40, b"").await {
        clients.spawn(flood(client, head.to_owned(), more));
    }
    for sent in clients.join_all().await {
        assert!(sent < BUFFERS, "{sent} bytes were taken");
    }
    victim.survived(64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_100_mb_is_not_read() {
    let _alone = alone().await;
    all_are_cut_off(&format!("POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: {LOAD}\r\n\r\n"), "body").await;
    let head = format!("GET /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: {LOAD}\r\n\r\n");
    all_are_cut_off(&head, "body").await;
    all_are_cut_off("PUT /-/reload HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", "4\r\nbody\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_head_is_not_read() {
    let _alone = alone().await;
    all_are_cut_off("GET /", "endless").await;
    all_are_cut_off("GET /metrics HTTP/1.1\r\nx: ", "endless").await;
    all_are_cut_off("GET /metrics HTTP/1.1\r\n", "x: y\r\n").await;
    all_are_cut_off("", "\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_garbage_ends_the_connection() {
    let _alone = alone().await;
    let victim = Victim::start().await;
    for garbage in ["\0\u{1}\u{2}\u{3}", "GET\r\n\r\n", "\u{16}\u{3}\u{1}", "HTTP/1.1 200 OK\r\n\r\n", " : \r\n"] {
        let request = "GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n".repeat(10) + &garbage.repeat(1000);
        for mut client in crowd(&victim.exporter, 40, request.as_bytes()).await {
            let mut answers = Vec::new();
            let reading = timeout(PATIENCE, client.read_to_end(&mut answers));
            // It is reset where something was left unread.
            let _ = reading.await.expect("the exporter closes the connection");
            let answers = String::from_utf8(answers).unwrap();
            let good = answers.matches("HTTP/1.1 200 OK").count();
            assert!(good <= 10 && answers.matches("HTTP/1.1 ").count() <= good + 1, "{garbage:?}: {answers}");
        }
    }
    victim.survived(32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_whose_answers_nobody_takes_wait() {
    let _alone = alone().await;
    let victim = Victim::start().await;
    let mut clients = JoinSet::new();
    for client in crowd(&victim.exporter, 100, b"").await {
        clients.spawn(flood(client, String::new(), "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"));
    }
    victim.scraped_again(40).await;
    clients.shutdown().await;
    victim.survived(128).await;
}
