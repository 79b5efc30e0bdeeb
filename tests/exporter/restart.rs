//! What survives a restart.

use std::fs;

use elements_sim::{Effect, Operation, Rule, Simulator};

use crate::harness::{Ended, Exporter, FLY, Folder, Yaml, eventually, is_private, labels, seats, value, world};

fn with_state(simulator: &Simulator) -> Yaml {
    Yaml::new(simulator).and("state_file: state.json\n")
}

#[tokio::test]
async fn with_the_api_down_the_last_numbers_are_there_after_a_restart() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&with_state(&simulator).with_poll("stale_after", "1h"));
    let exporter = Exporter::start(&folder).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    simulator.set_seats("c-1", FLY, 9);
    exporter.until(&seats("contoso", "Fly"), 9.0).await;
    simulator.inject(Rule::new(Effect::Reset));
    exporter.until("avepoint_api_up", 0.0).await;
    let before = exporter.metrics().await;
    exporter.stop().await;
    assert!(is_private(&folder.file("state.json")));

    let exporter = Exporter::start(&folder).await;
    assert_eq!(exporter.get("/-/ready").await.status, 200, "a number that is not stale was restored");
    let after = exporter.metrics().await;
    let fly = labels("contoso", "Fly");
    for family in [
        "avepoint_purchased_user_seats",
        "avepoint_purchased_user_seats_previous",
        "avepoint_purchased_user_seats_last_change_timestamp_seconds",
        "avepoint_poll_last_success_timestamp_seconds",
    ] {
        let series = format!("{family}{fly}");
        assert!(value(&before, &series).is_some(), "{series}");
        assert_eq!(value(&after, &series), value(&before, &series), "{series}");
    }
    simulator.clear_faults();
    simulator.set_seats("c-1", FLY, 12);
    exporter.until(&format!("avepoint_purchased_user_seats_previous{fly}"), 9.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn recent_answers_are_not_asked_for_again_after_a_restart() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&with_state(&simulator).with_poll("interval", "1h"));
    let exporter = Exporter::start(&folder).await;
    exporter.until("avepoint_poll_cycles_total", 1.0).await;
    exporter.stop().await;
    simulator.clear_record();
    let exporter = Exporter::start(&folder).await;
    exporter.until("avepoint_poll_cycles_total", 1.0).await;
    assert_eq!(simulator.count(Operation::Overview), 0);
    assert_eq!(exporter.value("avepoint_poll_targets{state=\"ok\"}").await, Some(3.0));
    assert_eq!(exporter.value("avepoint_poll_targets{state=\"absent\"}").await, Some(1.0));
    assert_eq!(exporter.value("avepoint_api_up").await, None, "nothing was asked yet");
    exporter.stop().await;
}

#[tokio::test]
async fn discovered_customers_are_known_before_the_first_listing() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(
        &with_state(&simulator).rest("discovery: {enabled: true}\nproducts: [2048]\nstate_file: state.json\n"),
    );
    let exporter = Exporter::start(&folder).await;
    let first = seats("c-1", "Cloud Backup for Microsoft 365");
    exporter.until(&first, 25.0).await;
    exporter.stop().await;
    simulator.inject(Rule::new(Effect::Reset));
    let exporter = Exporter::start(&folder).await;
    assert_eq!(exporter.value(&first).await, Some(25.0));
    assert!(exporter.metrics().await.contains("name=\"Contoso\""));
    exporter.stop().await;
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_with_one_warning() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&with_state(&simulator));
    folder.write("state.json", "{\"version\": 2, \"records\": [");
    let exporter = Exporter::start(&folder).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    assert_eq!(exporter.log_lines("damaged").len(), 1);
    let aside = |name: &str| name.starts_with("state.json.aside-") && name.ends_with("damaged");
    let names = fs::read_dir(folder.file("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| aside(&name.to_string_lossy())).count(), 1);
    exporter.stop().await;
}

#[tokio::test]
async fn a_second_exporter_on_one_file_is_refused() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&with_state(&simulator));
    let exporter = Exporter::start(&folder).await;
    let refusal = folder.run(&["--web.listen-address", "127.0.0.1:0"]).refusal();
    assert!(refusal.contains("another exporter uses the state file"), "{refusal}");
    let Ended { code, .. } = folder.run(&["check"]);
    assert_eq!(code, Some(0), "check does not touch it");
    exporter.stop().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_warned_about_and_the_service_goes_on() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&with_state(&simulator));
    fs::create_dir(folder.file("state.json.tmp")).unwrap();
    let exporter = Exporter::start(&folder).await;
    exporter.cycles(3).await;
    let warned = exporter.log_lines("a restart forgets").len();
    let cycles = exporter.log_lines("cycle ended").len();
    assert!((2..=cycles + 1).contains(&warned), "{warned} warnings in {cycles} cycles");
    assert_eq!(exporter.value(&seats("contoso", "Fly")).await, Some(7.0));
    fs::remove_dir(folder.file("state.json.tmp")).unwrap();
    eventually("it is saved", || async { folder.file("state.json").exists().then_some(()) }).await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_reload_moves_the_file() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = with_state(&simulator);
    let folder = Folder::new(&yaml);
    let exporter = Exporter::start(&folder).await;
    eventually("it is saved", || async { folder.file("state.json").exists().then_some(()) }).await;
    folder.configure(&Yaml::new(&simulator).and("state_file: other.json\n"));
    exporter.signal("HUP");
    eventually("it is saved elsewhere", || async { folder.file("other.json").exists().then_some(()) }).await;
    exporter.stop().await;
}
