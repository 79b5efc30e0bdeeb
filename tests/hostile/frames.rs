//! Clients that send frames of HTTP/2 that ask for nothing.

use std::sync::Arc;

use elements_sim::Simulator;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::handshakes::secured;
use super::victim::{Victim, alone};
use crate::harness::{PATIENCE, world};

/// How many bytes a client may get rid of.
const LOAD: usize = 20_000_000;

fn connector(certificate: &str) -> TlsConnector {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let mut client = ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(client))
}

/// A frame of HTTP/2 without flags but `END_HEADERS` and `END_STREAM`, where it is a head.
fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let flags = if kind == HEADERS { 5 } else { 0 };
    [&[0, 0, u8::try_from(payload.len()).unwrap(), kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;

/// `GET https://x/`, as HPACK has it.
const HEAD: &[u8] = b"\x82\x87\x84\x41\x01x";

/// Many requests, each of which is taken back at once.
fn resets() -> Vec<u8> {
    (0..20_000)
        .flat_map(|n| [frame(HEADERS, n * 2 + 1, HEAD), frame(RST_STREAM, n * 2 + 1, &[0, 0, 0, 8])].concat())
        .collect()
}

/// Sends `flood` again and again, and reads what comes, until the exporter has enough.
async fn flood(connector: TlsConnector, address: String, flood: Arc<Vec<u8>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
    let (mut answers, mut stream) = tokio::io::split(stream);
    let reading = tokio::spawn(async move { answers.read_to_end(&mut Vec::new()).await });
    let sending = async {
        stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, &[])].concat()).await?;
        let mut sent = 0;
        while sent < LOAD {
            sent += stream.write(&flood[sent % flood.len()..]).await?;
        }
        std::io::Result::Ok(())
    };
    let sent = timeout(PATIENCE, sending).await.expect("the exporter neither reads nor closes");
    assert!(sent.is_err(), "it is never cut off");
    reading.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_ask_for_nothing_end_the_connection_and_are_no_lines_of_the_log() {
    let _alone = alone().await;
    let simulator = Simulator::start(world()).await.unwrap();
    let (exporter, certificate, client, url) = secured(&simulator).await;
    let victim = Victim::scraped(exporter, simulator, client, url).await;
    for attack in [resets(), frame(PING, 0, &[0; 8]).repeat(10_000), frame(SETTINGS, 0, &[]).repeat(10_000)] {
        let (attack, connector, mut clients) = (Arc::new(attack), connector(&certificate), JoinSet::new());
        for _ in 0..40 {
            clients.spawn(flood(connector.clone(), victim.exporter.address().to_owned(), attack.clone()));
        }
        clients.join_all().await;
    }
    // What is logged was written by then.
    victim.scraped_again(5).await;
    let log = victim.exporter.log();
    assert!(!log.contains("h2::"), "{log}");
    victim.survived(64).await;
}
