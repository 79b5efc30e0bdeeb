//! Certificates: which files are accepted, and what is said of the others.

use std::fs;
use std::time::Duration;

use elements_sim::{Effect, Operation, Rule, Simulator, World};
use hyper::StatusCode;

use super::{API_UP, AUTH_FAILURES, is_accepted};
use crate::harness::keys::{EXPIRY, Identity, openssl, rsa};
use crate::harness::{Ended, Exporter, Folder, Yaml, seats, world};

const PEM: &str = "{cert_file: app.crt, key_file: app.key}";
const PFX: &str = "{pfx_file: app.pfx}";
const PFX_WITH_PASSWORD: &str = "{pfx_file: app.pfx, password_file: app.pass}";

/// As `openssl` writes archives today (AES-256, PBKDF2, SHA-256), and as it and Windows did for decades (RC2, 3DES,
/// SHA-1).
const ENCRYPTIONS: [&[&str]; 2] = [&[], &["-legacy"]];

const CERTIFICATE_EXPIRY: &str = "avepoint_api_client_certificate_expiry_timestamp_seconds";
/// A simulated account that knows this certificate, and no secret.
async fn account(identity: &Identity) -> Simulator {
    let world = World { certificate: Some(identity.der()), client_secret: None, ..world() };
    Simulator::start(world).await.unwrap()
}

fn yaml(simulator: &Simulator, certificate: &str) -> Yaml {
    Yaml::new(simulator).with_api("client_secret", "").with_api("certificate", certificate)
}

#[tokio::test]
async fn a_pem_pair_gets_a_token_with_a_key_of_either_form() {
    let identity = Identity::new();
    let simulator = account(&identity).await;
    let folder = Folder::new(&yaml(&simulator, PEM));
    identity.write_pem(&folder);
    is_accepted(&folder, "PKCS#8").await;
    openssl(&folder, &["rsa", "-in", "app.key", "-traditional", "-out", "app.key"]);
    assert!(fs::read_to_string(folder.file("app.key")).unwrap().contains("BEGIN RSA PRIVATE KEY"));
    is_accepted(&folder, "PKCS#1").await;
}

#[tokio::test]
async fn a_pfx_archive_gets_a_token_in_old_and_new_encryption_with_and_without_a_password() {
    let identity = Identity::new();
    let simulator = account(&identity).await;
    let folder = Folder::new(&yaml(&simulator, PFX));
    for encryption in ENCRYPTIONS {
        identity.write_pfx(&folder, "", encryption);
        is_accepted(&folder, &format!("no password, {encryption:?}")).await;
    }
    folder.configure(&yaml(&simulator, PFX_WITH_PASSWORD));
    // A line break at the end is not part of the password.
    folder.write("app.pass", "pässword of the €\r\n");
    for encryption in ENCRYPTIONS {
        identity.write_pfx(&folder, "pässword of the €", encryption);
        is_accepted(&folder, &format!("a password, {encryption:?}")).await;
    }
}

#[tokio::test]
async fn a_certificate_is_found_among_those_of_its_authorities() {
    let (identity, authority) = (Identity::new(), Identity::new());
    let simulator = account(&identity).await;
    let folder = Folder::new(&yaml(&simulator, PEM));
    identity.write_pem(&folder);
    folder.write("app.crt", authority.certificate_pem() + &identity.certificate_pem());
    is_accepted(&folder, "PEM").await;
    folder.configure(&yaml(&simulator, PFX));
    folder.write("authority.crt", authority.certificate_pem());
    identity.write_pfx(&folder, "", &["-certfile", "authority.crt"]);
    is_accepted(&folder, "PKCS#12").await;
}

#[tokio::test]
async fn the_certificates_expiry_is_shown_and_a_secret_has_none() {
    let identity = Identity::new();
    let simulator = account(&identity).await;
    let folder = Folder::new(&yaml(&simulator, PEM));
    identity.write_pem(&folder);
    let exporter = Exporter::start(&folder).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    assert_eq!(exporter.value(CERTIFICATE_EXPIRY).await, Some(EXPIRY));

    simulator.change(|world| world.client_secret = World::default().client_secret);
    folder.configure(&Yaml::new(&simulator));
    exporter.signal("HUP");
    exporter.until_gone(CERTIFICATE_EXPIRY).await;
    exporter.until(API_UP, 1.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn every_assertion_is_fresh() {
    let identity = Identity::new();
    let simulator = account(&identity).await;
    let folder = Folder::new(&yaml(&simulator, PEM));
    identity.write_pem(&folder);
    let exporter = Exporter::start(&folder).await;
    for _ in 0..3 {
        exporter.cycles(1).await;
        simulator.revoke_tokens();
    }
    exporter.cycles(2).await;
    exporter.stop().await;
    let record = simulator.record();
    let tokens: Vec<_> = record.iter().filter(|exchange| exchange.operation == Operation::Token).collect();
    assert!(tokens.len() >= 4);
    for token in tokens {
        assert_eq!(token.status, Some(StatusCode::OK), "the simulator takes no `jti` twice");
    }
}

#[tokio::test]
async fn check_warns_of_a_certificate_that_expires_soon() {
    let simulator = account(&Identity::new()).await;
    let folder = Folder::new(&yaml(&simulator, PEM));
    for (days, is_soon) in [(29, true), (31, false)] {
        Identity::expiring_in(Duration::from_hours(days * 24 + 1)).write_pem(&folder);
        let Ended { code, stdout, .. } = Ended::beside(folder.command(&["check"])).await;
        assert_eq!(code, Some(0), "{stdout}");
        assert_eq!(stdout.contains("warning: api.certificate: expires in 29 days, at 20"), is_soon, "{stdout}");
        assert_eq!(stdout.contains("api.certificate: expires"), is_soon, "{stdout}");
    }
}

/// What `check` says about the files in the folder.
async fn refusal(folder: &Folder) -> String {
    let refusal = Ended::beside(folder.command(&["check"])).await.refusal();
    refusal.replace("avepoint-exporter: api: ", "").trim_end().to_owned()
}

#[tokio::test]
async fn check_reports_what_is_wrong_with_a_pem_pair() {
    let (identity, other) = (Identity::new(), Identity::new());
    let simulator = account(&identity).await;
    let folder = Folder::new(&yaml(&simulator, PEM));

    identity.write_pem(&folder);
    folder.write("app.key", other.key_pem());
    assert_eq!(refusal(&folder).await, "the private key in app.key does not belong to the certificate in app.crt");

    folder.write("app.key", identity.certificate_pem());
    assert_eq!(refusal(&folder).await, "app.key must hold a PEM private key without a passphrase");

    identity.write_pem(&folder);
    folder.write("plain.key", identity.key_pem());
    openssl(&folder, &["pkcs8", "-topk8", "-in", "plain.key", "-passout", "pass:x", "-out", "app.key"]);
    assert_eq!(refusal(&folder).await, "app.key must hold a PEM private key without a passphrase");

    openssl(&folder, &["rsa", "-in", "plain.key", "-traditional", "-aes256", "-passout", "pass:x", "-out", "app.key"]);
    assert_eq!(refusal(&folder).await, "app.key must hold a PEM private key without a passphrase");

    for not_pem in [identity.key_pem().into_bytes(), identity.der(), b"-----BEGIN CERTIFICATE-----\n!\n".to_vec()] {
        identity.write_pem(&folder);
        folder.write("app.crt", not_pem);
        assert_eq!(refusal(&folder).await, "app.crt must hold a PEM certificate");
    }

    Identity::elliptic().write_pem(&folder);
    let not_rsa = "the private key in app.key is not an RSA key of 2048 bits or more, which the vendor requires";
    assert_eq!(refusal(&folder).await, not_rsa);
    openssl(&folder, &["ec", "-in", "app.key", "-out", "app.key"]);
    assert_eq!(refusal(&folder).await, not_rsa);
    openssl(&folder, &["genrsa", "-out", "app.key", "1024"]);
    assert_eq!(refusal(&folder).await, not_rsa);

    Identity::expired().write_pem(&folder);
    assert_eq!(refusal(&folder).await, "the certificate in app.crt expired at 2021-12-31T00:00:00Z: renew it");

    Identity::with(rsa(), 2098, 2099).write_pem(&folder);
    assert_eq!(
        refusal(&folder).await,
        "the certificate in app.crt is not valid before 2098-01-01T00:00:00Z: is this machine's clock right?"
    );
}

#[tokio::test]
async fn check_reports_what_is_wrong_with_a_pfx_archive() {
    let identity = Identity::new();
    let simulator = account(&identity).await;
    let folder = Folder::new(&yaml(&simulator, PFX));

    for encryption in ENCRYPTIONS {
        identity.write_pfx(&folder, "right", encryption);
        let wrong_password = "the password does not open app.pfx; see api.certificate.password_file";
        assert_eq!(refusal(&folder).await, wrong_password, "no password");
        folder.configure(&yaml(&simulator, PFX_WITH_PASSWORD));
        folder.write("app.pass", "wrong");
        assert_eq!(refusal(&folder).await, wrong_password);
        folder.configure(&yaml(&simulator, PFX));
    }

    let truncated = fs::read(folder.file("app.pfx")).unwrap()[..1000].to_vec();
    for no_archive in [truncated, identity.certificate_pem().into_bytes(), Vec::new()] {
        folder.write("app.pfx", no_archive);
        assert_eq!(refusal(&folder).await, "app.pfx must hold a PKCS#12 archive (.pfx)");
    }

    identity.write_pfx(&folder, "", &["-nokeys"]);
    assert_eq!(refusal(&folder).await, "app.pfx must hold an archive with a private key");
    identity.write_pfx(&folder, "", &["-legacy", "-keypbe", "PBE-SHA1-RC4-128"]);
    assert_eq!(
        refusal(&folder).await,
        "app.pfx must hold a PKCS#12 archive (.pfx) that is encrypted with AES, 3DES or RC2"
    );
    Identity::elliptic().write_pfx(&folder, "", &[]);
    assert_eq!(
        refusal(&folder).await,
        "the private key in app.pfx is not an RSA key of 2048 bits or more, which the vendor requires"
    );
    Identity::expired().write_pfx(&folder, "", &[]);
    assert_eq!(refusal(&folder).await, "the certificate in app.pfx expired at 2021-12-31T00:00:00Z: renew it");
}

#[tokio::test]
async fn an_expired_certificate_is_reported_and_renewed_without_a_restart() {
    let (expired, renewed) = (Identity::expired(), Identity::new());
    let simulator = account(&renewed).await;
    let folder = Folder::new(&yaml(&simulator, PEM));
    expired.write_pem(&folder);
    let exporter = Exporter::start(&folder).await;
    exporter.until(API_UP, 0.0).await;
    let line = exporter.until_logged("target fails").await;
    assert!(line.contains("reason=auth") && line.contains("expired at 2021-12-31T00:00:00Z"), "{line}");
    assert!(exporter.value(AUTH_FAILURES).await.unwrap() >= 4.0);
    assert_eq!(exporter.value(CERTIFICATE_EXPIRY).await, Some(1_640_908_800.0), "an alert needs the date above all");
    assert_eq!(simulator.count(Operation::Token), 0, "it would be refused");

    renewed.write_pem(&folder);
    exporter.until(API_UP, 1.0).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    assert_eq!(exporter.value(CERTIFICATE_EXPIRY).await, Some(EXPIRY));
    exporter.stop().await;
}

#[tokio::test]
async fn a_request_that_is_tried_again_carries_an_assertion_of_its_own() {
    let identity = Identity::new();
    let simulator = account(&identity).await;
    let folder = Folder::new(&yaml(&simulator, PEM).with_api("max_retries", 1));
    identity.write_pem(&folder);
    // The identity service has taken the assertion; its answer is lost on the way.
    simulator.inject(Rule::on(Operation::Token, Effect::Truncate).once());
    is_accepted(&folder, "the second assertion").await;
    assert_eq!(simulator.count(Operation::Token), 2);
}
