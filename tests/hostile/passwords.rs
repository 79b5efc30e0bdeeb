//! Clients that guess passwords.

use std::time::Duration;

use elements_sim::Simulator;
use reqwest::StatusCode;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::victim::alone;
use crate::harness::{Exporter, Folder, Yaml, http, world};

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
