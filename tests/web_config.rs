//! `--web.config.file`: what is accepted, and the exact words of what is refused.

#![allow(clippy::expect_used, clippy::panic, reason = "a test ends with what it did not expect")]

use std::fs;

use avepoint_exporter::web::WebConfig;
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
    let inline = format!("tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n", pem("server.crt"), pem("server.key"));
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
    let with_tls = |more: &str| format!("{TLS}  {more}\n");
    for (text, expected) in [
        // The shape.
        ("a: [", "web.yml:2: is not YAML: did not find expected node content at line 2 column 1, while parsing a flow node"),
        ("- 1\n", "web.yml:1: expected a mapping, that is lines of `key: value`"),
        ("tls_config: {}\n", "web.yml:1: \"tls_config\" is an unknown key; known are tls_server_config, http_server_config, basic_auth_users, rate_limit"),
        ("ratelimit: {}\n", "web.yml:1: \"ratelimit\" is an unknown key; did you mean `rate_limit`?"),
        ("rate_limit: {}\nrate_limit: {}\n", "web.yml:2: rate_limit: is there twice; keep one of them"),
        ("basic_auth_users: [alice]\n", "web.yml:1: basic_auth_users: expected a mapping, that is lines of `key: value`"),
        ("tls_server_config: {hunter2: 1}\n", "web.yml:1: tls_server_config: holds an unknown key; known are cert, key, client_ca, cert_file, key_file, client_auth_type, client_ca_file, client_allowed_sans, min_version, max_version, cipher_suites, prefer_server_cipher_suites, curve_preferences"),
        // Certificates.
        ("tls_server_config: {min_version: TLS13}\n", "web.yml:1: tls_server_config: TLS needs cert_file or cert\nweb.yml:1: tls_server_config: TLS needs key_file or key"),
        ("tls_server_config: {cert_file: server.crt}\n", "web.yml:1: tls_server_config: TLS needs key_file or key"),
        ("tls_server_config: {cert_file: server.crt, key_file: nowhere.key}\n", "web.yml:1: tls_server_config.key_file: cannot read this file, seen from the configuration file's folder: No such file or directory (os error 2)"),
        ("tls_server_config: {cert_file: '', key_file: server.key}\n", "web.yml:1: tls_server_config.cert_file: is empty: expected a text"),
        ("tls_server_config:\n  cert_file: server.crt\n  key: hunter2\n", "web.yml:3: tls_server_config.key: expected a PEM private key without a passphrase"),
        ("tls_server_config:\n  cert_file: server.key\n  key_file: server.crt\n", "web.yml:2: tls_server_config.cert_file: expected a PEM certificate (BEGIN CERTIFICATE)\nweb.yml:3: tls_server_config.key_file: expected a PEM private key without a passphrase"),
        ("tls_server_config: {cert_file: server.crt, key_file: other.key}\n", "web.yml:1: tls_server_config: the private key belongs to another certificate"),
        (&with_tls("key: hunter2"), "web.yml:4: tls_server_config.key: key and key_file are both there; keep one of them"),
        // Clients.
        (&with_tls("client_auth_type: Maybe"), "web.yml:4: tls_server_config.client_auth_type: \"Maybe\" is not offered; expected one of NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"),
        (&with_tls("client_auth_type: RequireAndVerifyClientCert"), "web.yml:4: tls_server_config.client_auth_type: needs client_ca_file or client_ca to verify with"),
        (&with_tls("client_ca_file: ca.crt"), "web.yml:4: tls_server_config.client_ca_file: does nothing without client_auth_type: RequireAndVerifyClientCert"),
        (&with_tls("client_ca: none"), "web.yml:4: tls_server_config.client_ca: expected a PEM certificate (BEGIN CERTIFICATE)"),
        (&with_tls("client_allowed_sans: [a.example]"), "web.yml:4: tls_server_config.client_allowed_sans: needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert: others let in who shows none"),
        (&with_tls("client_allowed_sans: []"), "web.yml:4: tls_server_config.client_allowed_sans: is empty, which would refuse everybody: name somebody, or take it out"),
        // What is offered.
        (&with_tls("min_version: TLS10"), "web.yml:4: tls_server_config.min_version: TLS10 is not offered, as RFC 8996 has it: write TLS12 or TLS13"),
        (&with_tls("max_version: TLS11"), "web.yml:4: tls_server_config.max_version: TLS11 is not offered, as RFC 8996 has it: write TLS12 or TLS13"),
        (&with_tls("min_version: 1.2"), "web.yml:4: tls_server_config.min_version: expected a text: put this in quotes"),
        (&with_tls("min_version: TLS13\n  max_version: TLS12"), "web.yml:4: tls_server_config.min_version: is above max_version"),
        (&with_tls("cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA]"), "web.yml:4: tls_server_config.cipher_suites[1]: \"TLS_RSA_WITH_AES_128_CBC_SHA\" is not offered; expected one of TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
        (&with_tls("cipher_suites: [TLS_AES_128_GCM_SHA256]\n  max_version: TLS12"), "web.yml:1: tls_server_config: these settings leave nothing to offer: unexpected error: no usable cipher suites configured"),
        (&with_tls("curve_preferences: [CurveP521]"), "web.yml:4: tls_server_config.curve_preferences[0]: \"CurveP521\" is not offered; expected one of X25519MLKEM768, SecP256r1MLKEM768, X25519, CurveP256, CurveP384"),
        (&with_tls("curve_preferences: X25519"), "web.yml:4: tls_server_config.curve_preferences: expected a list, that is lines which begin with `- `"),
        (&with_tls("prefer_server_cipher_suites: 1"), "web.yml:4: tls_server_config.prefer_server_cipher_suites: expected true or false"),
        // HTTP.
        ("http_server_config: {http2: maybe}\n", "web.yml:1: http_server_config.http2: expected true or false"),
        ("http_server_config: {headers: {X-Other: a}}\n", "web.yml:1: http_server_config.headers: \"X-Other\" is an unknown key; known are Content-Security-Policy, X-Frame-Options, X-Content-Type-Options, X-XSS-Protection, Strict-Transport-Security"),
        ("http_server_config: {headers: {X-Frame-Options: allow}}\n", "web.yml:1: http_server_config.headers.X-Frame-Options: expected deny or sameorigin"),
        ("http_server_config: {headers: {Content-Security-Policy: \"a\\nb\"}}\n", "web.yml:1: http_server_config.headers.Content-Security-Policy: holds a character that no header may hold"),
        // Users.
        ("basic_auth_users: {alice: hunter2}\n", "web.yml:1: basic_auth_users.alice: expected a bcrypt hash, such as `htpasswd -nBC 10 USER` prints after the colon"),
        ("basic_auth_users:\n  alice:\n", "web.yml:2: basic_auth_users.alice: has no value: expected a bcrypt hash, such as `htpasswd -nBC 10 USER` prints after the colon"),
        (&format!("basic_auth_users:\n  a: {HASH}\n  b: {}\n", HASH.replace("$10$", "$31$")), "web.yml:3: basic_auth_users.b: a cost of 31 is not offered: use 4 to 18, such as 10"),
        (&format!("basic_auth_users:\n  a: {HASH}\n  b: {HASH}\n  a: {HASH}\n"), "web.yml:4: basic_auth_users.a: is there twice; keep one of them"),
        (&format!("basic_auth_users: {{'a:b': {HASH}}}\n"), "web.yml:1: basic_auth_users.a:b: a user's name cannot hold a colon, which separates it from the password"),
        // The limit.
        ("rate_limit: {interval: 5}\n", "web.yml:1: rate_limit.interval: expected a duration with its unit, such as 100ms or 1s, at most 24h; or 0"),
        ("rate_limit: {interval: 1s, burst: -1}\n", "web.yml:1: rate_limit.burst: expected a whole number from 0 to 1000000"),
        // All at once.
        ("rate_limit: {burst: x}\nbasic_auth_users: {a: b}\ntls_server_config: {max_version: x}\n", "web.yml:1: rate_limit.burst: expected a whole number from 0 to 1000000\nweb.yml:2: basic_auth_users.a: expected a bcrypt hash, such as `htpasswd -nBC 10 USER` prints after the colon\nweb.yml:3: tls_server_config: TLS needs cert_file or cert\nweb.yml:3: tls_server_config: TLS needs key_file or key\nweb.yml:3: tls_server_config.max_version: \"x\" is not offered; expected one of TLS12, TLS13"),
    ] {
        let message = load(&folder, text).expect_err(text);
        if message != expected {
            different.push(format!("{text}expected:\n{expected}\nfound:\n{message}\n"));
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
