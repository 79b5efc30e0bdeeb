//! `--web.config.file`: what is accepted, and the exact words of what is refused.

#![allow(clippy::expect_used, clippy::panic, reason = "a test ends with what it did not expect")]

use std::fs;

use exporter_web::WebConfig;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

/// A folder with `server.crt`, `server.key`, `other.key` and `ca.crt`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).expect("written");
    let [server, other] = [(); 2].map(|()| generate_simple_self_signed(["localhost".to_owned()]).expect("valid"));
    let CertifiedKey { cert, signing_key } = server;
    write("server.crt", cert.pem());
    write("server.key", signing_key.serialize_pem());
    write("ca.crt", cert.pem());
    write("other.key", other.signing_key.serialize_pem());
    folder
}

fn load(folder: &TempDir, text: &str) -> Result<WebConfig, String> {
    let path = folder.path().join("web.yml");
    fs::write(&path, text).expect("written");
    let loaded = WebConfig::load(&path).map_err(|error| {
        assert!(!format!("{error}{error:?}").contains("hunter2"), "a secret is repeated: {error}");
        error.to_string()
    });
    if let Ok(config) = &loaded {
        assert!(!format!("{config:?}").contains("$2y$"), "a hash is shown");
    }
    loaded.map_err(|message| message.replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn good_files_are_accepted() {
    let folder = folder();
    let pem = |name: &str| fs::read_to_string(folder.path().join(name)).expect("readable").replace('\n', "\n    ");
    let inline =
        format!("tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n", pem("server.crt"), pem("server.key"));
    for (text, summary) in [
        ("", "neither TLS nor users"),
        ("# nothing yet\n", "neither TLS nor users"),
        ("tls_server_config:\nhttp_server_config:\nbasic_auth_users:\nrate_limit:\n", "neither TLS nor users"),
        ("tls_server_config: {}\nbasic_auth_users: {}\n", "neither TLS nor users"),
        (TLS, "TLS"),
        (&inline, "TLS"),
        (
            &format!(
                "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  \
                 client_allowed_sans: [a.example, 10.0.0.1]\n  min_version: TLS12\n  max_version: TLS13\n  \
                 prefer_server_cipher_suites: false\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, \
                 TLS_AES_128_GCM_SHA256]\n  curve_preferences: [X25519MLKEM768, X25519, CurveP256, CurveP384]\n"
            ),
            "TLS, client certificates verified",
        ),
        // What it was called before the format's documentation named it as Go does.
        (&format!("{TLS}  client_auth_type: RequireClientCert\n"), "TLS"),
        (&format!("{TLS}  cipher_suites: []\n  curve_preferences:\n"), "TLS"),
        (&format!("basic_auth_users: {{alice: {HASH}}}\n"), "1 user"),
        (&format!("basic_auth_users:\n  alice: {HASH}\n  '42': \"{HASH}\"\n"), "2 users"),
        ("rate_limit: {interval: 0s, burst: 5}\n", "neither TLS nor users"),
        ("rate_limit: {interval: 100ms}\n", "one request every 100ms, 1 at once"),
        ("rate_limit: {interval: 1s, burst: 20}\n", "one request every 1s, 20 at once"),
        (
            "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: ''\n    X-Content-Type-Options: nosniff\n",
            "neither TLS nor users",
        ),
    ] {
        let config = load(&folder, text).unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!(config.summary(), summary, "{text}");
    }
}

#[test]
fn bad_files_are_refused_in_the_expected_words() {
    let folder = folder();
    let mut different = Vec::new();
    let cases = fs::read_to_string("tests/config_refused.txt").expect("readable");
    assert!(cases.split_terminator("\n\n").count() > 40);
    for case in cases.split_terminator("\n\n") {
        let (expected, text): (Vec<_>, Vec<_>) = case.lines().partition(|line| line.starts_with("=> "));
        let text = text.join("\n") + "\n";
        let message = load(&folder, &text).expect_err(&text);
        let found: Vec<_> = message.lines().map(|line| format!("=> {line}")).collect();
        if found != expected {
            different.push(format!("{case}\nfound:\n{}\n", found.join("\n")));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_the_reason() {
    let folder = folder();
    let missing = WebConfig::load(&folder.path().join("missing.yml")).expect_err("missing").to_string();
    assert!(missing.ends_with("missing.yml: cannot be read: No such file or directory (os error 2)"), "{missing}");
    let directory = WebConfig::load(folder.path()).expect_err("a folder").to_string();
    assert!(directory.ends_with("cannot be read: it is not a regular file"), "{directory}");
}
