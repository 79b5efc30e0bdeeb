//! What is logged, and how often.

use std::process::Command;
use std::time::{Duration, Instant};

use elements_sim::{Effect, Operation, Rule, Simulator, World};
use hyper::StatusCode;
use serde_json::Value;

use crate::harness::{Exporter, FLY, Folder, Yaml, eventually, free_address, world};

#[tokio::test]
async fn a_cycle_is_one_line_and_so_is_a_change_of_state() {
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
    exporter.cycles(2).await;
    let cycle = exporter.until_logged("cycle ended").await;
    for part in ["seats=3", "absent=1", "failed=0", "left=0", "duration_seconds="] {
        assert!(cycle.contains(part), "{cycle}");
    }
    let fault = Effect::status(StatusCode::FORBIDDEN);
    simulator.inject(Rule::on(Operation::Overview, fault).customer("c-1").product(FLY));
    exporter.until_logged("target fails").await;
    exporter.cycles(3).await;
    let failing = exporter.log_lines("target fails");
    assert_eq!(failing.len(), 1, "it is not logged again while it stays so: {failing:?}");
    for part in ["contoso", "Fly", "reason=forbidden", "request-id", "elements.license.read.all"] {
        assert!(failing[0].contains(part), "{part}: {}", failing[0]);
    }
    simulator.clear_faults();
    exporter.until_logged("answered again").await;
    let cycles = exporter.log_lines("cycle ended").len();
    let all = exporter.log().lines().count();
    assert_eq!(all, cycles + 3, "the start, two changes, and the cycles:\n{}", exporter.log());
    exporter.stop().await;
}

#[tokio::test]
async fn many_changes_are_one_line() {
    let simulator = Simulator::start(World::sized(20, &[2048])).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("interval", "3s");
    let yaml = yaml.rest("discovery: {enabled: true}\nproducts: [2048]\n");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until("avepoint_poll_targets{state=\"ok\"}", 20.0).await;
    exporter.cycles(1).await;
    simulator.inject(Rule::on(Operation::Overview, Effect::status(StatusCode::BAD_GATEWAY)));
    let line = exporter.until_logged("many targets changed").await;
    for part in ["changed=20", "server_error: 20", "and 15 more"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(exporter.log_lines("target fails").is_empty());
    exporter.stop().await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_nothing_and_its_lines_are_counted() {
    const DROPPED: &str = "avepoint_exporter_log_lines_dropped_total";
    // Every target fails in every cycle, which is many lines each at this level.
    let simulator = Simulator::start(World::sized(100, &[1, 4, 32, 2048])).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, Effect::status(StatusCode::FORBIDDEN)));
    let yaml = Yaml::new(&simulator).with_api("requests_per_second", 100_000).with_poll("interval", "1s");
    let folder = Folder::new(&yaml.rest("discovery: {enabled: true}\nproducts: [1, 4, 32, 2048]\n"));
    let (mut exporter, _unread) = Exporter::start_unread(&folder, &["--log.level=trace"]).await;
    assert_eq!(exporter.value(DROPPED).await, Some(0.0), "an increase from nothing is not seen");
    eventually("lines are dropped", || async { (exporter.value(DROPPED).await? > 0.0).then_some(()) }).await;
    exporter.cycles(2).await;

    let loaded = "avepoint_exporter_config_last_reload_success_timestamp_seconds";
    let before = exporter.value(loaded).await;
    exporter.signal("HUP");
    eventually("it is loaded again", || async { (exporter.value(loaded).await > before).then_some(()) }).await;
    exporter.cycles(2).await;

    let start = Instant::now();
    exporter.signal("TERM");
    assert_eq!(exporter.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn lines_that_cannot_be_written_are_counted() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let address = free_address();
    let exporter = folder.command(&["--web.listen-address", &address]);
    // As a log on a disk without room.
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full"]).arg(exporter.get_program()).args(exporter.get_args());
    let (exporter, _) = Exporter::answering(command.current_dir(folder.file("")).env_clear(), address).await;
    exporter.cycles(2).await;
    // Two cycles, and that it listens.
    assert!(exporter.value("avepoint_exporter_log_lines_dropped_total").await >= Some(3.0));
    exporter.stop().await;
}

#[tokio::test]
async fn every_line_is_json_on_request() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let mut command = folder.command(&["--web.listen-address", "127.0.0.1:0", "--log.format", "json"]);
    let exporter = Exporter::spawn(&mut command).await;
    eventually("a cycle is logged", || async { exporter.log_lines("cycle ended").first().map(drop) }).await;
    for line in exporter.log().lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "message"] {
            assert!(event[field].is_string(), "{field}: {line}");
        }
    }
    exporter.stop().await;
}

#[tokio::test]
async fn a_customer_with_no_known_product_is_warned_about_once() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator).and("").rest("customers: [{id: c-1}, {id: typo}]\nproducts: [2048]\n");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    let line = exporter.until_logged("id may be wrong").await;
    assert!(line.contains("typo"), "{line}");
    exporter.cycles(3).await;
    assert_eq!(exporter.log_lines("id may be wrong").len(), 1);
    exporter.stop().await;
}

#[tokio::test]
async fn a_cycle_that_cannot_fit_is_warned_about_with_the_arithmetic() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator).with_api("requests_per_second", 1);
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    let line = exporter.until_logged("cannot fit its interval").await;
    assert!(line.contains("4 targets take 4s at 1 request per second, longer than"), "{line}");
    exporter.stop().await;
}
