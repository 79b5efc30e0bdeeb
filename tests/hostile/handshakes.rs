//! Clients that do not finish the handshakes of TLS that they began.

use std::time::Duration;

use elements_sim::Simulator;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client, ClientBuilder};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::victim::{Victim, alone, crowd};
use crate::harness::{Exporter, Folder, Yaml, world};

/// The beginning of a record with a ClientHello, which promises 512 bytes.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// An exporter that answers over TLS, its certificate, a client that trusts it, and the URL of its metrics.
pub async fn secured(simulator: &Simulator) -> (Exporter, String, ClientBuilder, String) {
    let folder = Folder::new(&Yaml::new(simulator).with_poll("interval", "1h"));
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    folder.write("server.crt", cert.pem());
    folder.write("server.key", signing_key.serialize_pem());
    folder.write("web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n");
    let exporter = Exporter::start_with(&folder, &["--web.config.file", "web.yml"]).await;
    let trusted = Certificate::from_pem(cert.pem().as_bytes()).unwrap();
    let url = format!("https://{}/metrics", exporter.address());
    (exporter, cert.pem(), Client::builder().no_proxy().tls_certs_only([trusted]), url)
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_are_not_finished_leave_room_for_scrapes() {
    let _alone = alone().await;
    let simulator = Simulator::start(world()).await.unwrap();
    let (exporter, _, client, url) = secured(&simulator).await;
    let victim = Victim::scraped(exporter, simulator, client, url).await;
    let silent = crowd(&victim.exporter, 600, b"").await;
    victim.scraped_again(20).await;
    let half = crowd(&victim.exporter, 600, HALF_A_HELLO).await;
    victim.scraped_again(20).await;
    drop((silent, half));
    victim.survived(64).await;
}

#[tokio::test]
async fn handshakes_that_stop_halfway_hold_up_nobody() {
    let _alone = alone().await;
    let simulator = Simulator::start(world()).await.unwrap();
    let (exporter, _, client, url) = secured(&simulator).await;
    let client = client.build().unwrap();
    let mut idle = Vec::new();
    for index in 0..700 {
        let mut half = TcpStream::connect(exporter.address()).await.unwrap();
        // The beginning of a ClientHello, or nothing at all.
        half.write_all(&HALF_A_HELLO[..index % 9]).await.unwrap();
        idle.push(half);
    }
    let scrape = timeout(Duration::from_secs(1), client.get(url).send()).await.expect("an answer within a second");
    assert_eq!(scrape.unwrap().status(), 200);
    exporter.stop().await;
}
