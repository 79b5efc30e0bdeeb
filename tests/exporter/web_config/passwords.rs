//! Users, the rate limit, headers, and what `check` and the log say of them.

use elements_sim::Simulator;
use reqwest::Method;

use super::{Secured, TLS};
use crate::harness::{Ended, Exporter, Folder, Yaml, eventually, world};

/// As RFC 7617 has it: a realm is required, and passwords are UTF-8.
const CHALLENGE: &str = "Basic realm=\"avepoint-exporter\", charset=\"UTF-8\"";
const ALICE: Option<(&str, &str)> = Some(("alice", "wonderland"));

fn users(password: &str, cost: u32) -> String {
    format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash(password, cost).unwrap())
}

async fn reload_successful(secured: &Secured, login: Option<(&str, &str)>) -> Option<f64> {
    let metrics = secured.get_as("/metrics", |client| client, login).await.unwrap().text().await.unwrap();
    crate::harness::value(&metrics, "avepoint_exporter_config_last_reload_successful")
}

#[tokio::test]
async fn everything_but_health_asks_for_a_password() {
    let secured = Secured::start(&users("wonderland", 4)).await;
    let counted = |metrics: &str, handler: &str| {
        let series = format!("avepoint_exporter_http_requests_total{{handler=\"{handler}\",code=\"401\"}}");
        crate::harness::value(metrics, &series)
    };
    let before = secured.get_as("/metrics", |client| client, ALICE).await.unwrap().text().await.unwrap();
    for handler in [
        "/metrics",
        "/",
        "/seats.csv",
        "/seats.json",
        "/subscriptions",
        "/subscriptions.csv",
        "/subscriptions.json",
        "/-/reload",
        "other",
    ] {
        assert_eq!(counted(&before, handler), Some(0.0), "{handler}: an increase from nothing is not seen");
    }
    assert_eq!(counted(&before, "/-/healthy"), None);
    for path in [
        "/metrics",
        "/",
        "/seats.csv",
        "/seats.json",
        "/subscriptions",
        "/subscriptions.csv",
        "/subscriptions.json",
        "/-/reload",
        "/nowhere",
    ] {
        let refused = secured.get(path).await.unwrap();
        assert_eq!(refused.status(), 401, "{path}");
        assert_eq!(refused.headers()["www-authenticate"], CHALLENGE, "{path}");
        assert!(!refused.text().await.unwrap().contains("avepoint_"));
        assert_eq!(secured.status(path, Some(("alice", "wrong"))).await, 401, "{path}");
        assert_eq!(secured.status(path, Some(("bob", "wonderland"))).await, 401, "{path}");
        assert_ne!(secured.status(path, ALICE).await, 401, "{path}");
    }
    assert_eq!(secured.exporter.ask(Method::POST, "/-/reload").await.status, 401);
    assert_eq!(secured.exporter.get("/-/healthy").await.status, 200);
    assert_ne!(secured.exporter.get("/-/ready").await.status, 401);
    let metrics = secured.get_as("/metrics", |client| client, ALICE).await.unwrap().text().await.unwrap();
    assert_eq!(counted(&metrics, "/metrics"), Some(3.0));
    secured.exporter.stop().await;
}

#[tokio::test]
async fn users_come_and_go_without_a_restart() {
    let secured = Secured::start(&users("wonderland", 4)).await;
    assert_eq!(secured.status("/metrics", ALICE).await, 200);
    let alice = users("another", 4);
    secured.folder.write("web.yml", &alice);
    secured.until_status(Some(("alice", "another")), 200).await;
    assert_eq!(secured.status("/metrics", ALICE).await, 401, "what was right before is right no more");
    // A line that is copied for another user has the same hash.
    secured.folder.write("web.yml", alice.replace("alice", "bob"));
    secured.until_status(Some(("bob", "another")), 200).await;
    assert_eq!(secured.status("/metrics", Some(("alice", "another"))).await, 401, "she is no user any more");
    secured.folder.write("web.yml", &alice);
    secured.until_status(Some(("alice", "another")), 200).await;
    secured.folder.write("web.yml", "basic_auth_users: {alice: wonderland}\n");
    let line = secured.exporter.until_logged("was not reloaded").await;
    assert!(line.contains("basic_auth_users.<user>: expected a bcrypt hash") && !line.contains("wonderland"), "{line}");
    assert_eq!(secured.status("/metrics", Some(("alice", "another"))).await, 200);
    secured.exporter.stop().await;
}

#[tokio::test]
async fn refusals_are_counted_from_zero_once_users_come() {
    let secured = Secured::start("").await;
    let series = "avepoint_exporter_http_requests_total{handler=\"/\",code=\"401\"}";
    assert_eq!(secured.exporter.value(series).await, None);
    secured.folder.write("web.yml", users("wonderland", 4));
    secured.until_status(None, 401).await;
    let metrics = secured.get_as("/metrics", |client| client, ALICE).await.unwrap().text().await.unwrap();
    assert_eq!(crate::harness::value(&metrics, series), Some(0.0));
    secured.exporter.stop().await;
}

#[tokio::test]
async fn a_file_that_is_written_slowly_lets_nobody_in() {
    let secured = Secured::start(&users("wonderland", 4)).await;
    secured.folder.write("web.yml", "");
    let line = eventually("the empty file is refused, and opens no door meanwhile", || async {
        assert_eq!(secured.status("/metrics", None).await, 401);
        secured.exporter.log_lines("was not reloaded").into_iter().next()
    })
    .await;
    let advice =
        "without basic_auth_users it would protect less than before; if that is intended, restart the exporter";
    assert!(line.contains(advice), "{line}");
    secured.looked_again().await;
    assert_eq!(secured.status("/metrics", None).await, 401);
    assert_eq!(reload_successful(&secured, ALICE).await, Some(0.0));
    secured.folder.write("web.yml", users("another", 4));
    secured.until_status(Some(("alice", "another")), 200).await;
    assert_eq!(reload_successful(&secured, Some(("alice", "another"))).await, Some(1.0));
    assert_eq!(secured.status("/metrics", None).await, 401);
    assert_eq!(secured.exporter.log_lines("was not reloaded").len(), 1);
    secured.exporter.stop().await;
}

#[tokio::test]
async fn no_reload_gives_up_tls_or_the_certificates_of_clients() {
    let ca = "  client_ca_file: ca.crt\n";
    let verified = format!("{TLS}{ca}  client_auth_type: RequireAndVerifyClientCert\n");
    for (before, after, lost) in [
        (TLS.to_owned(), String::new(), "without tls_server_config it"),
        (verified.clone(), TLS.to_owned(), "without client_auth_type: RequireAndVerifyClientCert it"),
        (format!("{verified}  client_allowed_sans: [a.example]\n"), verified, "without client_allowed_sans it"),
    ] {
        let secured = Secured::start(&before).await;
        secured.folder.write("web.yml", after);
        let line = secured.exporter.until_logged("was not reloaded").await;
        assert!(line.contains(lost), "{line}");
        secured.exporter.stop().await;
    }
}

#[tokio::test]
async fn more_requests_than_the_limit_allows_are_refused() {
    let secured = Secured::start("rate_limit: {interval: 1h, burst: 2}\n").await;
    let mut statuses = Vec::new();
    for path in ["/metrics", "/-/healthy", "/", "/metrics", "/-/healthy"] {
        statuses.push(secured.status(path, None).await);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 200]);
    secured.folder.write("web.yml", "rate_limit: {interval: 0}\n");
    secured.until_status(None, 200).await;
    secured.exporter.stop().await;
}

#[tokio::test]
async fn configured_headers_are_sent_and_weaken_nothing() {
    let secured = Secured::tls(
        "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=31536000\n    X-Frame-Options: deny\n    \
         Content-Security-Policy: default-src *\n    X-XSS-Protection: 0\n",
    )
    .await;
    let metrics = secured.get("/metrics").await.unwrap();
    for (name, value) in [
        ("strict-transport-security", "max-age=31536000"),
        ("x-frame-options", "deny"),
        ("x-xss-protection", "0"),
        ("content-security-policy", "default-src *"),
    ] {
        assert_eq!(metrics.headers()[name], value);
    }
    let page = secured.get("/").await.unwrap();
    assert_eq!(page.headers().get_all("content-security-policy").iter().count(), 1);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    secured.exporter.stop().await;
}

#[tokio::test]
async fn check_covers_both_files() {
    let secured = Secured::tls(&users("wonderland", 4)).await;
    let check = |arguments: &[&str]| Ended::beside(secured.folder.command(&[&["check"], arguments].concat()));
    let Ended { code, stdout, stderr } = check(&["--web.config.file", "web.yml"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let good: Vec<_> = stdout.lines().filter(|line| !line.starts_with("warning: ")).collect();
    assert_eq!(good, ["ok: 2 customers, 2 products, 4 targets", "ok: web configuration: TLS, 1 user"]);

    secured.folder.write("exporter.yaml", "api: {}\n");
    secured.folder.write("bad.yml", "basic_auth_users: {alice: hunter2}\n");
    let refusal = check(&["--web.config.file", "bad.yml"]).await.refusal();
    assert!(refusal.contains("exporter.yaml:1: api"), "{refusal}");
    assert!(refusal.contains("\nbad.yml:1: basic_auth_users.<user>: expected a bcrypt hash"), "{refusal}");
    assert!(!refusal.contains("hunter2"), "{refusal}");
    secured.exporter.stop().await;
}

#[tokio::test]
async fn a_wrong_web_configuration_keeps_the_daemon_from_starting() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    folder.write("web.yml", "basic_auth_user: {}\n");
    let mut command = folder.command(&["--web.config.file", "web.yml", "--web.listen-address", "127.0.0.1:0"]);
    command.env("RUST_BACKTRACE", "0");
    let refusal = Ended::beside(command).await.refusal();
    assert!(refusal.contains("web.yml:1: \"basic_auth_user\" is an unknown key; did you mean `basic_auth_users`?"));
}

#[tokio::test]
async fn an_open_door_is_warned_about_and_a_closed_one_is_not() {
    const WARNING: &str = "without a password";
    let ca = "  client_ca_file: ca.crt\n";
    for (web, warned) in [
        ("rate_limit: {interval: 1s, burst: 9}\n".to_owned(), true),
        (TLS.to_owned(), true),
        (format!("{TLS}  client_auth_type: RequireAnyClientCert\n"), true),
        (format!("{TLS}  client_auth_type: VerifyClientCertIfGiven\n{ca}"), true),
        (format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n{ca}"), false),
        (users("wonderland", 4), false),
    ] {
        let Secured { folder, exporter, .. } = Secured::start(&web).await;
        assert_eq!(exporter.log_lines(WARNING).len(), 0, "on loopback");
        exporter.stop().await;
        let everywhere = ["--web.config.file", "web.yml", "--web.listen-address", "0.0.0.0:0"];
        let exporter = Exporter::spawn(&mut folder.command(&everywhere)).await;
        assert_eq!(!exporter.log_lines(WARNING).is_empty(), warned, "{web}");
        exporter.stop().await;
    }
}
