//! A configuration that changes under a running daemon.

use std::fs;
use std::os::unix::fs::symlink;

use elements_sim::{Effect, Operation, Rule, Simulator, World};
use reqwest::Method;

use crate::harness::{Exporter, Folder, Yaml, eventually, labels, seats, value, world};

const SUCCESSFUL: &str = "avepoint_exporter_config_last_reload_successful";
const ONE: &str = "customers: [{id: c-1, name: contoso}]\nproducts: [Fly]\n";

fn two() -> String {
    ONE.replace("}]", "}, {id: c-2, products: [2048]}]")
}

fn second() -> String {
    seats("c-2", "Cloud Backup for Microsoft 365")
}

async fn running(arguments: &[&str]) -> (Simulator, Folder, Yaml, Exporter) {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("interval", "1h").rest(ONE);
    let folder = Folder::new(&yaml);
    let exporter = Exporter::start_with(&folder, arguments).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    (simulator, folder, yaml, exporter)
}

#[tokio::test]
async fn a_hang_up_signal_loads_the_configuration_again() {
    let (simulator, folder, yaml, exporter) = running(&[]).await;
    let loaded = "avepoint_exporter_config_last_reload_success_timestamp_seconds";
    let before = exporter.value(loaded).await.unwrap();
    folder.configure(&yaml.clone().rest(&two()));
    exporter.signal("HUP");
    exporter.until(&second(), 300.0).await;
    assert_eq!(exporter.value(&seats("contoso", "Fly")).await, Some(7.0));
    assert!(exporter.value(loaded).await.unwrap() > before);
    assert_eq!(simulator.count(Operation::Overview), 2, "the customer that stays is not due");
    assert_eq!(simulator.count(Operation::Token), 1, "the token in hand is kept");

    folder.configure(&yaml.rest(ONE));
    exporter.signal("HUP");
    exporter.until_gone(&second()).await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_wrong_configuration_changes_nothing_and_is_reported() {
    let (_simulator, folder, yaml, exporter) = running(&["--web.enable-lifecycle"]).await;
    folder.configure(&yaml.clone().rest("customers: [{id: c-1}]\nproducts: [Flie]\n"));
    let answer = exporter.ask(Method::POST, "/-/reload").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("\"Flie\" is not a known product") && answer.body.contains("Fly"), "{}", answer.body);
    assert_eq!(exporter.value(SUCCESSFUL).await, Some(0.0));
    assert_eq!(exporter.value(&seats("contoso", "Fly")).await, Some(7.0));

    folder.configure(&yaml.rest(&two()));
    assert_eq!(exporter.ask(Method::PUT, "/-/reload").await.status, 200);
    assert_eq!(exporter.value(SUCCESSFUL).await, Some(1.0));
    exporter.until(&second(), 300.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_changed_file_is_loaded_by_itself_with_auto_reload() {
    let (_simulator, folder, yaml, exporter) = running(&["--config.enable-auto-reload"]).await;
    folder.configure(&yaml.clone().rest(&two()));
    exporter.until(&second(), 300.0).await;
    let told = exporter.log_lines("configuration reloaded");
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("changed=\"customers from 1 to 2\""), "{told:?}");
    folder.configure(&yaml.rest(&format!("{}subscriptions: {{enabled: true}}\n", two())));
    exporter.until_logged("changed=\"subscriptions from off to every 1h\"").await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_refused_configuration_is_tried_again_when_the_file_that_it_names_appears() {
    let (_simulator, folder, yaml, exporter) = running(&["--config.enable-auto-reload"]).await;
    let secret = World::default().client_secret.unwrap();
    folder.configure(&yaml.with_api("client_secret", "").with_api("client_secret_file", "secret").rest(&two()));
    exporter.until(SUCCESSFUL, 0.0).await;
    folder.write("secret", secret);
    exporter.until(&second(), 300.0).await;
    assert_eq!(exporter.value(SUCCESSFUL).await, Some(1.0));
    assert_eq!(exporter.log_lines("was not reloaded").len(), 1, "it was refused once");
    exporter.stop().await;
}

#[tokio::test]
async fn the_swap_of_a_config_map_is_seen() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("interval", "1h").rest(ONE);
    let folder = Folder::new(&yaml);
    // As kubelet lays a volume out: the file is a link through a link that is swapped.
    fs::remove_file(folder.file("exporter.yaml")).unwrap();
    for (version, yaml) in [("..v1", yaml.clone()), ("..v2", yaml.rest(&two()))] {
        fs::create_dir(folder.file(version)).unwrap();
        folder.write(&format!("{version}/exporter.yaml"), yaml.text());
    }
    symlink("..v1", folder.file("..data")).unwrap();
    symlink("..data/exporter.yaml", folder.file("exporter.yaml")).unwrap();
    let exporter = Exporter::start_with(&folder, &["--config.enable-auto-reload"]).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    symlink("..v2", folder.file("..data_tmp")).unwrap();
    fs::rename(folder.file("..data_tmp"), folder.file("..data")).unwrap();
    exporter.until(&second(), 300.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn kept_targets_do_not_blink() {
    let (_simulator, folder, yaml, exporter) = running(&[]).await;
    for round in 0..10 {
        folder.configure(&yaml.clone().with_poll("interval", format!("{}m", 60 + round)));
        let before = exporter.log_lines("configuration reloaded").len();
        exporter.signal("HUP");
        eventually("the reload is done, and the number was there all the time", || async {
            assert_eq!(exporter.value(&seats("contoso", "Fly")).await, Some(7.0));
            (exporter.log_lines("configuration reloaded").len() > before).then_some(())
        })
        .await;
    }
    exporter.stop().await;
}

#[tokio::test]
async fn changed_credentials_take_effect() {
    let (simulator, folder, yaml, exporter) = running(&[]).await;
    simulator.change(|world| world.client_secret = Some("another-secret".to_owned()));
    simulator.revoke_tokens();
    folder.configure(&yaml.with_api("client_secret", "another-secret").rest(&two()));
    exporter.signal("HUP");
    exporter.until(&second(), 300.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_reload_waits_for_no_hanging_request() {
    let simulator = Simulator::start(world()).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, Effect::Stall).customer("c-1"));
    let yaml = Yaml::new(&simulator).with_api("timeout", "1h").with_poll("interval", "1h").rest(ONE);
    let folder = Folder::new(&yaml);
    let exporter = Exporter::start(&folder).await;
    simulator.reached(Operation::Overview, 1).await;
    folder.configure(&yaml.rest(&two()));
    exporter.signal("HUP");
    exporter.until(&second(), 300.0).await;
    assert_eq!(simulator.count(Operation::Overview), 2, "the hanging request goes on, and is not doubled");
    let metrics = exporter.metrics().await;
    assert_eq!(value(&metrics, "avepoint_poll_targets{state=\"pending\"}"), Some(1.0));
    exporter.stop().await;
}

#[tokio::test]
async fn another_account_keeps_nothing_of_the_one_before() {
    let discovery = "discovery: {enabled: true}\nproducts: [2048]\nstate_file: state.json\n";
    let sized = |customers| World::sized(customers, &[2048]);
    let (first, second) = (Simulator::start(sized(12)).await.unwrap(), Simulator::start(sized(3)).await.unwrap());
    let folder = Folder::new(&Yaml::new(&first).with_poll("interval", "1h").rest(discovery));
    let exporter = Exporter::start(&folder).await;
    exporter.until("avepoint_poll_targets{state=\"ok\"}", 12.0).await;
    folder.configure(&Yaml::new(&second).with_poll("interval", "1h").rest(discovery));
    exporter.signal("HUP");
    exporter.until("avepoint_poll_targets{state=\"ok\"}", 3.0).await;
    assert!(exporter.log_lines("held back").is_empty());
    exporter.stop().await;
    let state = fs::read_to_string(folder.file("state.json")).unwrap();
    assert!(state.contains(second.base_url()) && !state.contains(first.base_url()), "{state}");
    assert!(!state.contains("c0000000-0000-4000-8000-00000000000c"), "no number of the account before: {state}");
}

#[tokio::test]
async fn discovery_can_be_switched_off_and_on() {
    let (_simulator, folder, yaml, exporter) = running(&[]).await;
    let on = yaml.clone().rest(&format!("{ONE}discovery: {{enabled: true}}\n"));
    folder.configure(&on);
    exporter.signal("HUP");
    exporter.until("avepoint_discovery_customers", 2.0).await;
    exporter.until("avepoint_poll_targets{state=\"absent\"}", 1.0).await;
    folder.configure(&yaml);
    exporter.signal("HUP");
    exporter.until_gone("avepoint_discovery_customers").await;
    exporter.until_gone(&format!("avepoint_poll_success{}", labels("c-2", "Fly"))).await;
    assert_eq!(exporter.value(&seats("contoso", "Fly")).await, Some(7.0));
    folder.configure(&on);
    exporter.signal("HUP");
    exporter.until("avepoint_discovery_customers", 2.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_state_file_that_is_added_is_written_by_the_end_at_the_latest() {
    let (_simulator, folder, yaml, exporter) = running(&[]).await;
    folder.configure(&yaml.and("state_file: state.json\n"));
    exporter.signal("HUP");
    exporter.until_logged("configuration reloaded").await;
    exporter.stop().await;
    assert!(fs::read_to_string(folder.file("state.json")).unwrap().contains("c-1"));
}
