//! Signals, and the ends that nobody asked for.

use std::time::{Duration, Instant};

use elements_sim::{Effect, Operation, Rule, Simulator};

use crate::harness::{Exporter, Folder, Yaml, world};

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
