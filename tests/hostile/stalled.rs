//! Clients that stop reading.

use std::fmt::Write as _;

use elements_api::CATALOG;
use elements_sim::{Simulator, World};
use reqwest::StatusCode;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::victim::{Victim, alone, crowd};
use crate::harness::{Exporter, Folder, PATIENCE, Yaml, eventually, http};

const CUSTOMERS: u32 = 520;

/// An exporter with 11,440 targets, whose names make an answer of 10 MB.
async fn large() -> Victim {
    let products: Vec<u32> = CATALOG.iter().map(|product| product.product_type.number()).collect();
    let simulator = Simulator::start(World::sized(CUSTOMERS, &products)).await.unwrap();
    let mut rest = "products: all\ncustomers:\n".to_owned();
    for number in 1..=CUSTOMERS {
        let name = "🪑".repeat(60);
        writeln!(rest, "- {{id: c0000000-0000-4000-8000-{number:012x}, name: \"{number} {name}\"}}").unwrap();
    }
    let yaml = Yaml::new(&simulator).with_api("requests_per_second", "100000").with_poll("interval", "1h");
    let exporter = Exporter::start(&Folder::new(&yaml.rest(&rest))).await;
    exporter.until_logged("cycle ended").await;
    // The first one after a change makes the bytes, which takes its time in a build for debugging.
    exporter.metrics().await;
    Victim::of(exporter, simulator).await
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stop_in_the_middle_of_10_mb_share_its_bytes() {
    let _alone = alone().await;
    let victim = large().await;
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut clients = crowd(&victim.exporter, 300, request).await;
    for client in &mut clients {
        let mut head = [0; 1024];
        timeout(PATIENCE, client.read_exact(&mut head)).await.expect("in time").expect("an answer begins");
        let head = String::from_utf8_lossy(&head);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        assert!(length.parse::<usize>().unwrap() > 10_000_000, "only {length}");
    }
    victim.scraped_again(20).await;
    victim.survived(64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_that_nobody_reads_lock_nobody_out_of_the_page() {
    let _alone = alone().await;
    let victim = large().await;
    let clients = crowd(&victim.exporter, 40, b"GET /seats.csv HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let download = format!("http://{}/seats.csv", victim.exporter.address());
    eventually("no place is left", || async {
        let status = http().get(&download).send().await.unwrap().status();
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    let page = http().get(format!("http://{}/", victim.exporter.address())).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    drop(clients);
    victim.survived(64).await;
}
