//! Signals, and the ends that nobody asked for.

use std::time::{Duration, Instant};

use elements_sim::{Effect, Operation, Rule, Simulator, World};
use hyper::StatusCode;

use crate::harness::{Exporter, Folder, Yaml, eventually, world};

#[tokio::test]
async fn a_signal_stops_it_in_time_even_while_a_request_hangs() {
    for signal in ["TERM", "INT"] {
        let simulator = Simulator::start(world()).await.unwrap();
        simulator.inject(Rule::on(Operation::Overview, Effect::Stall));
        let yaml = Yaml::new(&simulator).with_api("timeout", "1h").with_poll("interval", "1h");
        let mut exporter = Exporter::start(&Folder::new(&yaml)).await;
        simulator.reached(Operation::Overview, 4).await;
        let start = Instant::now();
        exporter.signal(signal);
        assert_eq!(exporter.ended().await.code(), Some(0), "{signal}: {}", exporter.log());
        assert!(start.elapsed() < Duration::from_secs(5), "{signal}: {:?}", start.elapsed());
        assert_eq!(exporter.log_lines("stopping").len(), 1);
    }
}

#[tokio::test]
async fn a_signal_stops_it_while_the_identity_service_hangs() {
    let simulator = Simulator::start(world()).await.unwrap();
    simulator.inject(Rule::on(Operation::Token, Effect::Stall));
    let mut exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator).with_api("timeout", "1h"))).await;
    simulator.reached(Operation::Token, 1).await;
    exporter.signal("TERM");
    assert_eq!(exporter.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_signal_ends_every_command_even_as_process_1() {
    for arguments in [&["poll"][..], &["check", "--live"], &["customers"], &["subscriptions"], &["tenants"]] {
        for signal in ["TERM", "INT"] {
            let simulator = Simulator::start(world()).await.unwrap();
            simulator.inject(Rule::on(Operation::Token, Effect::Stall));
            let folder = Folder::new(&Yaml::new(&simulator).with_api("timeout", "1h"));
            let (mut command, _unread) = Exporter::unread(&mut folder.command(arguments));
            simulator.reached(Operation::Token, 1).await;
            command.signal(signal);
            // An exit code, and no death by the signal: it was heard, which is what counts for process 1.
            assert_eq!(command.ended().await.code(), Some(1), "{arguments:?} {signal}");
        }
    }
}

const DROPPED: &str = "avepoint_exporter_log_lines_dropped_total";

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let simulator = Simulator::start(World::sized(500, &[4])).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, Effect::status(StatusCode::FORBIDDEN)));
    let yaml = Yaml::new(&simulator).with_api("requests_per_second", 100_000).with_poll("interval", "1s");
    let yaml = yaml.rest("discovery: {enabled: true}\nproducts: [1, 4, 32, 2048]\n");
    // A log that nobody reads keeps it for some seconds.
    let (mut exporter, _unread) = Exporter::start_unread(&Folder::new(&yaml), &["--log.level=trace"]).await;
    eventually("lines are dropped", || async { (exporter.value(DROPPED).await? > 0.0).then_some(()) }).await;
    exporter.signal("TERM");
    let healthy = format!("http://{}/-/healthy", exporter.address());
    eventually("it stops", || async { reqwest::get(&healthy).await.is_err().then_some(()) }).await;
    exporter.signal("INT");
    assert_eq!(exporter.ended().await.code(), Some(1), "0 would say that all was done");
}
