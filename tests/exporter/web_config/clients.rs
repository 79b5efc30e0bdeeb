//! Certificates of clients.

use reqwest::{ClientBuilder, Identity as Shown};

use super::{Secured, TLS};
use crate::harness::eventually;
use crate::harness::keys::{Authority, Identity};

fn showing(identity: &Identity) -> impl FnOnce(ClientBuilder) -> ClientBuilder + use<> {
    let pem = identity.key_pem() + &identity.certificate_pem();
    move |client| client.identity(Shown::from_pem(pem.as_bytes()).unwrap())
}

async fn may(secured: &Secured, identity: Option<&Identity>) -> bool {
    let answer = match identity {
        Some(identity) => secured.get_as("/metrics", showing(identity), None).await,
        None => secured.get("/metrics").await,
    };
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn each_policy_admits_whom_it_names() {
    let secured = Secured::tls("").await;
    let known = secured.authority.identity(&["client.example"]);
    let stranger = Authority::new("Elsewhere").identity(&["client.example"]);
    for (policy, ca, none, unknown) in [
        ("NoClientCert", "", true, true),
        ("RequestClientCert", "", true, true),
        ("RequireAnyClientCert", "", false, true),
        ("VerifyClientCertIfGiven", "  client_ca_file: ca.crt\n", true, false),
        ("RequireAndVerifyClientCert", "  client_ca_file: ca.crt\n", false, false),
    ] {
        let before = secured.exporter.log_lines("web configuration reloaded").len();
        secured.folder.write("web.yml", format!("{TLS}  client_auth_type: {policy}\n{ca}"));
        eventually("the policy", || async {
            (secured.exporter.log_lines("web configuration reloaded").len() > before).then_some(())
        })
        .await;
        assert!(may(&secured, Some(&known)).await, "{policy}");
        assert_eq!(may(&secured, None).await, none, "nobody in particular, {policy}");
        assert_eq!(may(&secured, Some(&stranger)).await, unknown, "a stranger, {policy}");
    }
    secured.exporter.stop().await;
}

#[tokio::test]
async fn a_certificate_must_hold_one_of_the_allowed_names() {
    let secured = Secured::tls(
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  client_allowed_sans: \
         [scraper.example, 10.1.2.3, '2001:db8::1', ops@example.com, 'spiffe://example/prometheus']\n",
    )
    .await;
    for names in [
        &["scraper.example"][..],
        &["other.example", "10.1.2.3"],
        &["2001:db8:0::1"],
        &["ops@example.com"],
        &["spiffe://example/prometheus"],
    ] {
        assert!(may(&secured, Some(&secured.authority.identity(names))).await, "{names:?}");
    }
    for names in [&["other.example"][..], &["scraper.example.org"], &["10.1.2.4"], &[]] {
        assert!(!may(&secured, Some(&secured.authority.identity(names))).await, "{names:?}");
    }
    let stranger = Authority::new("Elsewhere").identity(&["scraper.example"]);
    assert!(!may(&secured, Some(&stranger)).await, "the right name from the wrong authority");
    secured.exporter.stop().await;
}
