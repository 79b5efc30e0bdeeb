//! The downloads.

use elements_sim::Simulator;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Exporter, Folder, Yaml, seats, world};

#[tokio::test]
async fn seats_are_downloaded_as_a_sheet_and_for_a_program() {
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    exporter.until("avepoint_poll_targets{state=\"pending\"}", 0.0).await;

    // Whoever only asks what there is must not wait for a body, or take the next answer for one.
    for path in ["/seats.csv", "/seats.json"] {
        let head = exporter.ask(Method::HEAD, path).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    }
    let rows: Value = serde_json::from_str(&exporter.get("/seats.json").await.body).unwrap();
    let numbers: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["seats"].clone()).collect();
    assert_eq!(numbers, [json!(25), json!(7), json!(300), json!(0)]);
    let sheet = exporter.get("/seats.csv").await.body;
    assert!(sheet.contains("\ncontoso,c-1,contoso,Fly,16777216,7,ok,20"), "{sheet}");
    assert_eq!(sheet.lines().count(), 5);
    let counted = "avepoint_exporter_http_requests_total{handler=\"/seats.csv\",code=\"200\"}";
    assert_eq!(exporter.value(counted).await, Some(2.0));
}
