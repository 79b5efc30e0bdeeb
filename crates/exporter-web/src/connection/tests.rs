use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::Empty;
use hyper_util::rt::TokioExecutor;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::WebConfig;
use crate::config::tests::tls;
use crate::testing::{Slow, TestService, connection};

/// The server of one connection, and its configuration.
struct Served {
    live: watch::Sender<Arc<WebConfig>>,
    serving: JoinHandle<()>,
    slow: Slow,
}

fn serve(config: WebConfig) -> (DuplexStream, Served) {
    let (live, config) = watch::channel(Arc::new(config));
    let (service, slow) = TestService::new();
    let tls = config.borrow().tls().cloned();
    let connection = connection(service, config);
    let (ours, theirs) = duplex(64 * 1024);
    (ours, Served { live, serving: tokio::spawn(connection.run(theirs, tls)), slow })
}

impl Served {
    fn publish(&self, config: WebConfig) {
        self.live.send_replace(Arc::new(config));
    }

    async fn ends(self) {
        timeout(Duration::from_secs(5), self.serving).await.expect("the end of the connection").unwrap();
    }
}

/// The configuration in `folder` with `more` in its section for TLS.
fn config(folder: &Path, more: &str) -> WebConfig {
    let path = folder.join("other.yml");
    let text = format!("tls_server_config: {{cert_file: server.crt, key_file: server.key{more}}}\n");
    std::fs::write(&path, text).unwrap();
    WebConfig::load(&path).unwrap()
}

/// A client that agrees on TLS over `stream` and has a certificate to show.
pub(crate) async fn secured(
    stream: DuplexStream,
    trusted: CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    protocol: &[u8],
    shown: Option<sign::CertifiedKey>,
) -> io::Result<TlsStream<DuplexStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let mut client = ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(Shows(shown.map(Arc::new))));
    client.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(client)).connect("localhost".try_into().unwrap(), stream).await
}

/// A certificate that nobody looks at before.
#[derive(Debug)]
struct Shows(Option<Arc<sign::CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<sign::CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// A certificate of `version`, and its key.
fn shown(version: u8) -> sign::CertifiedKey {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["client.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let der = if version == 1 { of_version_1(cert.der()) } else { cert.der().to_vec() };
    sign::CertifiedKey::new(vec![der.into()], key)
}

/// The same certificate without what came with later versions: the number of the version ([0]) and extensions ([3]).
fn of_version_1(certificate: &[u8]) -> Vec<u8> {
    let signed = parts(parts(certificate)[0].1);
    let kept = parts(signed[0].1).into_iter().filter(|(tag, ..)| ![0xa0, 0xa3].contains(tag));
    let kept: Vec<_> = kept.map(|(.., part)| part).collect();
    sequence(&[&sequence(&kept.concat()), signed[1].2, signed[2].2].concat())
}

/// DER's tag, contents and all bytes of each part.
fn parts(mut der: &[u8]) -> Vec<(u8, &[u8], &[u8])> {
    let mut parts = Vec::new();
    while let [tag, first, ..] = *der {
        let (length, header) = match first {
            0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
            0x81 => (der[2].into(), 3),
            short => (short.into(), 2),
        };
        let (part, rest) = der.split_at(header + length);
        parts.push((tag, &part[header..], part));
        der = rest;
    }
    parts
}

fn sequence(contents: &[u8]) -> Vec<u8> {
    [&[0x30, 0x82], &u16::try_from(contents.len()).unwrap().to_be_bytes()[..], contents].concat()
}

/// Asks and reads the answer, which ends with `end`.
async fn ask<I: AsyncRead + AsyncWrite + Unpin>(stream: &mut I, path: &str, end: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed after {}", answer.escape_ascii());
    }
    String::from_utf8(answer).unwrap()
}

const HEALTHY: (&str, &str) = ("/-/healthy", "The exporter runs.\n");

/// Demands that the connection `stays` open under another configuration, or ends.
async fn goes_on(mut client: TlsStream<DuplexStream>, served: Served, config: WebConfig, stays: bool) {
    let shown = format!("{config:?}");
    served.publish(config);
    if stays {
        tokio::task::yield_now().await;
        ask(&mut client, HEALTHY.0, HEALTHY.1).await;
    } else {
        assert_eq!(client.read_to_end(&mut Vec::new()).await.unwrap(), 0, "{shown}");
        served.ends().await;
    }
}

#[tokio::test]
async fn an_open_connection_without_tls_ends_when_tls_is_demanded_and_its_request_is_answered() {
    let (folder, ..) = tls();
    let (mut client, mut served) = serve(WebConfig::default());
    ask(&mut client, HEALTHY.0, HEALTHY.1).await;
    served.publish(WebConfig::default());
    ask(&mut client, HEALTHY.0, HEALTHY.1).await;
    let asking = tokio::spawn(async move {
        ask(&mut client, "/slow", "It is done.\n").await;
        client.read_to_end(&mut Vec::new()).await.unwrap()
    });
    let waiting = served.slow.recv().await.unwrap();
    served.publish(config(folder.path(), ""));
    tokio::task::yield_now().await;
    waiting.send(()).unwrap();
    assert_eq!(asking.await.unwrap(), 0, "and then the connection ends");
    served.ends().await;
}

#[tokio::test]
async fn an_open_connection_ends_when_what_was_agreed_on_is_no_longer_enough() {
    for (more, stays) in [
        ("", true),
        (", client_auth_type: RequestClientCert", true),
        (", client_auth_type: VerifyClientCertIfGiven, client_ca_file: server.crt", true),
        (", client_auth_type: RequireAnyClientCert", false),
        (", client_auth_type: RequireAndVerifyClientCert, client_ca_file: server.crt", false),
        (", min_version: TLS12", true),
        (", min_version: TLS13", false),
    ] {
        let (folder, _, trusted) = tls();
        let (client, served) = serve(config(folder.path(), ""));
        let mut client = secured(client, trusted, &TLS12, b"http/1.1", None).await.unwrap();
        ask(&mut client, HEALTHY.0, HEALTHY.1).await;
        goes_on(client, served, config(folder.path(), more), stays).await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_no_longer_accepted_ends_an_open_connection_and_one_that_is_does_not() {
    let any = ", client_auth_type: RequireAnyClientCert";
    for (more, stays) in [
        (any.to_owned(), true),
        (format!("{any}, client_allowed_sans: [client.example]"), true),
        (format!("{any}, client_allowed_sans: [other.example]"), false),
        (", client_auth_type: VerifyClientCertIfGiven, client_ca_file: server.crt".to_owned(), false),
    ] {
        let (folder, _, trusted) = tls();
        let (client, served) = serve(config(folder.path(), any));
        let mut client = secured(client, trusted, &TLS13, b"http/1.1", Some(shown(3))).await.unwrap();
        ask(&mut client, HEALTHY.0, HEALTHY.1).await;
        goes_on(client, served, config(folder.path(), &more), stays).await;
    }
}

#[tokio::test]
async fn an_open_connection_of_http_2_ends_when_a_certificate_is_demanded() {
    let (folder, _, trusted) = tls();
    let (client, mut served) = serve(config(folder.path(), ""));
    let client = secured(client, trusted, &TLS13, b"h2", None).await.unwrap();
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = || Request::get("https://localhost/slow").body(Empty::<bytes::Bytes>::new()).unwrap();
    let asking = requests.send_request(request());
    let asking = tokio::spawn(asking);
    let waiting = served.slow.recv().await.unwrap();
    served.publish(config(folder.path(), ", client_auth_type: RequireAnyClientCert"));
    waiting.send(()).unwrap();
    assert_eq!(asking.await.unwrap().unwrap().status(), StatusCode::OK);
    timeout(Duration::from_secs(5), connection).await.expect("a goodbye").unwrap().unwrap();
    served.ends().await;
}

#[tokio::test]
async fn a_certificate_of_version_1_is_enough_where_nothing_but_its_key_is_asked_for() {
    for policy in ["RequestClientCert", "RequireAnyClientCert"] {
        for version in [&TLS12, &TLS13] {
            let (folder, _, trusted) = tls();
            let (client, _served) = serve(config(folder.path(), &format!(", client_auth_type: {policy}")));
            let mut client = secured(client, trusted, version, b"http/1.1", Some(shown(1))).await.unwrap();
            ask(&mut client, HEALTHY.0, HEALTHY.1).await;
        }
    }
}

#[tokio::test]
async fn a_certificate_whose_key_the_client_does_not_hold_is_refused() {
    for version in [&TLS12, &TLS13] {
        let (folder, _, trusted) = tls();
        let (client, served) = serve(config(folder.path(), ", client_auth_type: RequireAnyClientCert"));
        let stolen = sign::CertifiedKey { cert: shown(1).cert, ..shown(1) };
        let connecting = secured(client, trusted, version, b"http/1.1", Some(stolen));
        let read = async { connecting.await?.read_to_end(&mut Vec::new()).await };
        assert!(read.await.is_err());
        served.ends().await;
    }
}
