//! The first thing that a new user runs.

use std::time::{Duration, Instant};

use crate::harness::{Exporter, binary, eventually};

#[tokio::test]
async fn the_demo_shows_seats_within_five_seconds_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary();
    command.current_dir(folder.path()).args(["demo", "--web.listen-address", "127.0.0.1:0"]);
    let start = Instant::now();
    let exporter = Exporter::spawn(&mut command).await;
    eventually("seats", || async {
        let metrics = exporter.metrics().await;
        metrics.contains("\navepoint_purchased_user_seats{").then_some(())
    })
    .await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let address = exporter.address();
    for place in [format!("http://{address}/metrics"), format!("http://{address}/\n")] {
        assert!(exporter.stdout().contains(&place), "{}", exporter.stdout());
    }
    assert!(exporter.metrics().await.contains("name=\"Contoso\""));
    exporter.stop().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves no file");
}

#[tokio::test]
async fn a_demo_on_every_interface_says_an_address_that_a_browser_takes() {
    let exporter = Exporter::spawn(binary().args(["demo", "--web.listen-address=0.0.0.0:0"])).await;
    let place = format!("{}/\n", exporter.address().replace("0.0.0.0", "http://localhost"));
    eventually("it says where", || async { exporter.stdout().contains(&place).then_some(()) }).await;
    exporter.stop().await;
}
