//! TLS: what is agreed on, and what happens when it changes or is not agreed on.

use reqwest::tls::Version;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Secured, TLS, write_identity};
use crate::harness::keys::Authority;
use crate::harness::prometheus::Prometheus;
use crate::harness::{Ended, PATIENCE, eventually, http, tool};

#[tokio::test]
async fn a_scrape_goes_over_tls_and_over_nothing_else() {
    let secured = Secured::tls("").await;
    let metrics = secured.get("/metrics").await.unwrap().text().await.unwrap();
    assert!(metrics.contains("avepoint_exporter_build_info"), "{metrics}");
    let mut plain = TcpStream::connect(secured.exporter.address()).await.unwrap();
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("the server closes");
    assert!(!answer.windows(4).any(|window| window == b"HTTP"), "{}", answer.escape_ascii());
    assert!(http().get(format!("https://{}/metrics", secured.exporter.address())).send().await.is_err());
    secured.exporter.stop().await;
}

/// The version of HTTP that curl and the exporter agree on.
async fn http_version(secured: &Secured) -> String {
    let mut curl = tool("curl", "curl");
    curl.args(["--http2", "--cacert", "ca.crt", "-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]);
    curl.arg(format!("https://{}/metrics", secured.exporter.address())).current_dir(secured.folder.file(""));
    let Ended { stdout, stderr, .. } = Ended::beside(curl).await;
    stdout + &stderr
}

#[tokio::test]
async fn http_2_is_negotiated_unless_it_is_switched_off() {
    let secured = Secured::tls("").await;
    assert_eq!(http_version(&secured).await, "2 200");
    secured.folder.write("web.yml", format!("{TLS}http_server_config: {{http2: false}}\n"));
    eventually("HTTP/1.1", || async { (http_version(&secured).await == "1.1 200").then_some(()) }).await;
    secured.exporter.stop().await;
}

#[tokio::test]
async fn prometheus_scrapes_over_tls_with_a_password() {
    let hash = bcrypt::hash("wonderland", 4).unwrap();
    let secured = Secured::tls(&format!("basic_auth_users: {{alice: {hash}}}\n")).await;
    let how = ", scheme: https, tls_config: {ca_file: ca.crt}, basic_auth: {username: alice, password: wonderland}";
    let prometheus = Prometheus::scraping(&secured.folder, secured.exporter.address(), how);
    prometheus.until("up{job=\"avepoint\"}", "1").await;
    prometheus.until("avepoint_purchased_user_seats{customer=\"contoso\",product=\"Fly\"}", "7").await;
    secured.exporter.stop().await;
}

#[tokio::test]
async fn a_version_or_suite_that_is_not_allowed_is_not_negotiated() {
    let secured = Secured::tls("  min_version: TLS13\n  curve_preferences: [CurveP384]\n").await;
    let old = |client: reqwest::ClientBuilder| client.tls_version_max(Version::TLS_1_2);
    assert!(secured.get_as("/metrics", old, None).await.is_err());
    assert!(secured.get("/metrics").await.is_ok());

    let suite = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    secured.folder.write("web.yml", format!("{TLS}  max_version: TLS12\n  cipher_suites: [{suite}]\n"));
    eventually("TLS 1.2", || async { secured.get_as("/metrics", old, None).await.ok() }).await;
    let new = |client: reqwest::ClientBuilder| client.tls_version_min(Version::TLS_1_3);
    assert!(secured.get_as("/metrics", new, None).await.is_err());
    for (offered, agreed) in [("ECDHE-ECDSA-CHACHA20-POLY1305", true), ("ECDHE-ECDSA-AES128-GCM-SHA256", false)] {
        let mut openssl = tool("openssl", "openssl");
        openssl.args(["s_client", "-brief", "-cipher", offered, "-connect", secured.exporter.address()]);
        let Ended { stderr, .. } = Ended::beside(openssl).await;
        assert_eq!(stderr.contains(&format!("Ciphersuite: {offered}")), agreed, "{stderr}");
    }
    secured.exporter.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let mut secured = Secured::tls("").await;
    let kept = secured.client().build().unwrap();
    let url = format!("https://{}/-/healthy", secured.exporter.address());
    kept.get(&url).send().await.unwrap().text().await.unwrap();
    secured.authority = Authority::new("Another company");
    assert!(secured.get("/metrics").await.is_err());
    write_identity(&secured.folder, &secured.authority);
    eventually("the new certificate", || async { secured.get("/metrics").await.ok() }).await;
    assert!(kept.get(&url).send().await.is_ok(), "a connection that is kept alive goes on");
    secured.exporter.stop().await;
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_logged_once() {
    let secured = Secured::tls("").await;
    secured.folder.write("server.key", "no key\n");
    let line = secured.exporter.until_logged("the web configuration was not reloaded").await;
    assert!(line.contains("web.yml:3: tls_server_config.key_file: expected a PEM private key"), "{line}");
    secured.looked_again().await;
    assert!(secured.get("/metrics").await.is_ok());

    secured.folder.write("web.yml", "tls_server_config: {cert_fil: x}\n");
    // It takes more than one look to find this change, each of which found the broken key as well.
    secured.exporter.until_logged("did you mean `cert_file`").await;
    assert_eq!(secured.exporter.log_lines("expected a PEM private key").len(), 1);
    assert!(secured.get("/metrics").await.is_ok());
    secured.folder.write("web.yml", TLS);
    write_identity(&secured.folder, &secured.authority);
    secured.exporter.until_logged("web configuration reloaded").await;
    assert!(secured.get("/metrics").await.is_ok());
    secured.exporter.stop().await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_cut_off() {
    let secured = Secured::tls("").await;
    let mut half = TcpStream::connect(secured.exporter.address()).await.unwrap();
    half.write_all(b"\x16\x03\x01\x02").await.unwrap();
    let mut rest = Vec::new();
    let closed = timeout(PATIENCE, half.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "it is still open after {PATIENCE:?}");
    secured.exporter.stop().await;
}
