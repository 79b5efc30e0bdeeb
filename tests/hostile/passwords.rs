//! Clients that guess passwords.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use elements_sim::Simulator;
use reqwest::StatusCode;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::victim::alone;
use crate::harness::{Exporter, Folder, PATIENCE, Yaml, eventually, http, world};

#[tokio::test]
async fn a_flood_of_wrong_passwords_holds_up_no_scrape() {
    let _alone = alone().await;
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator).with_poll("interval", "1h"));
    let hash = bcrypt::hash("wonderland", 8).unwrap();
    folder.write("web.yml", format!("basic_auth_users: {{alice: {hash}}}\n"));
    let exporter = Exporter::start_with(&folder, &["--web.config.file", "web.yml"]).await;
    let url = format!("http://{}/metrics", exporter.address());
    let status = async || http().get(&url).basic_auth("alice", Some("wonderland")).send().await.unwrap().status();
    assert_eq!(status().await, StatusCode::OK);

    let (client, page) = (http(), format!("http://{}/", exporter.address()));
    let mut flood = JoinSet::new();
    for guess in 0..100 {
        let request = client.get(&page).basic_auth(if guess % 2 == 0 { "alice" } else { "bob" }, Some(guess));
        flood.spawn(async move { request.send().await.unwrap().status() });
    }
    let mut refused = Vec::from_iter(flood.join_next().await.map(Result::unwrap));
    let scrape = timeout(Duration::from_secs(1), status()).await;
    assert_eq!(scrape.expect("an answer within a second"), StatusCode::OK);
    refused.extend(flood.join_all().await);
    let (wrong, busy) = (StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.contains(&wrong) && refused.contains(&busy), "{refused:?}");
    assert!(refused.iter().all(|status| [wrong, busy].contains(status)), "{refused:?}");
    exporter.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_passwords_keeps_no_right_one_from_elsewhere_out() {
    let _alone = alone().await;
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator).with_poll("interval", "1h"));
    let hash = bcrypt::hash("wonderland", 6).unwrap();
    folder.write("web.yml", format!("basic_auth_users: {{alice: {hash}}}\n"));
    let exporter = Exporter::start_with(&folder, &["--web.config.file", "web.yml"]).await;
    let url = format!("http://{}/metrics", exporter.address());

    let (mut flood, refused) = (JoinSet::new(), Arc::new(AtomicU32::new(0)));
    for guesser in 0..32 {
        // Loopback has more addresses than one.
        let address = Ipv4Addr::new(127, 0, 0, if guesser % 2 == 0 { 2 } else { 3 });
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).local_address(Some(address.into()));
        let (client, url, refused) = (client.build().unwrap(), url.clone(), refused.clone());
        flood.spawn(async move {
            loop {
                let answer = client.get(&url).basic_auth("alice", Some("rabbit")).send().await.unwrap();
                assert_ne!(answer.status(), StatusCode::OK);
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    eventually("the flood", || async { (refused.load(Ordering::Relaxed) > 100).then_some(()) }).await;
    let scrape = http().get(&url).basic_auth("alice", Some("wonderland")).send();
    let scrape = timeout(PATIENCE, scrape).await.expect("an answer in time").unwrap();
    assert_eq!(scrape.status(), StatusCode::OK, "at the first try");
    flood.shutdown().await;
    exporter.stop().await;
}
