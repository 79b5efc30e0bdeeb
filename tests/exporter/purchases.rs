//! What was never purchased, and what is purchased for the first time.

use elements_sim::{Customer, Effect, Operation, Rule, Simulator, World};
use reqwest::StatusCode;

use crate::harness::{Exporter, FLY, Folder, M365, Yaml, eventually, labels, seats, value};

const SALESFORCE: u32 = 32;

/// Two customers, with one product each and zeros for the other 21.
fn world() -> World {
    World::with([Customer::new("c-1", "Contoso").product(M365, 25), Customer::new("c-2", "Fabrikam").product(FLY, 7)])
}

fn all(simulator: &Simulator) -> Yaml {
    let yaml = Yaml::new(simulator).with_poll("absent_interval", "10s");
    yaml.rest("state_file: state.json\ndiscovery: {enabled: true}\nproducts: all\n")
}

fn of_customer(family: &str, customer: &str) -> String {
    format!("avepoint_customer_{family}{{customer=\"{customer}\"}}")
}

#[tokio::test]
async fn what_was_never_purchased_has_no_series_and_is_asked_for_in_turn() {
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&all(&simulator).with_poll("absent_interval", "1h"))).await;
    exporter.cycles(4).await;
    let metrics = exporter.metrics().await;
    let series = |family: &str| metrics.lines().filter(|line| line.starts_with(&format!("{family}{{"))).count();
    for family in
        ["avepoint_purchased_user_seats", "avepoint_poll_success", "avepoint_poll_last_success_timestamp_seconds"]
    {
        assert_eq!(series(family), 2, "{family}");
    }
    assert_eq!(value(&metrics, "avepoint_poll_targets{state=\"absent\"}"), Some(42.0));
    assert_eq!(value(&metrics, "avepoint_poll_targets{state=\"ok\"}"), Some(2.0));
    for customer in ["c-1", "c-2"] {
        assert_eq!(value(&metrics, &of_customer("purchased_products", customer)), Some(1.0));
        assert_eq!(value(&metrics, &of_customer("failing_products", customer)), Some(0.0));
    }
    let asked = simulator.count(Operation::Overview);
    // 44 at first, and then two in each of a few cycles; a turn or two of the others may come.
    assert!((50..70).contains(&asked), "{asked}");
    exporter.stop().await;
}

#[tokio::test]
async fn a_first_purchase_is_a_change_from_0_also_over_a_restart() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&all(&simulator));
    let exporter = Exporter::start(&folder).await;
    exporter.until("avepoint_poll_targets{state=\"absent\"}", 42.0).await;
    simulator.set_seats("c-1", FLY, 25);
    exporter.until(&seats("c-1", "Fly"), 25.0).await;
    let metrics = exporter.metrics().await;
    let previous = |product: &str| format!("avepoint_purchased_user_seats_previous{}", labels("c-1", product));
    assert_eq!(value(&metrics, &previous("Fly")), Some(0.0));
    let line = exporter.until_logged("seats changed").await;
    assert!(line.contains("level=info") && line.contains("before=0 now=25"), "{line}");
    exporter.stop().await;

    simulator.set_seats("c-1", SALESFORCE, 5);
    // It was 25, and is no more: its series stays, and says 0.
    simulator.set_seats("c-1", FLY, 0);
    let exporter = Exporter::start(&folder).await;
    let line = exporter.until_logged("restored what an earlier run was answered").await;
    assert!(line.contains("44 targets, 2 listed customers"), "{line}");
    exporter.until(&previous("Cloud Backup for Salesforce"), 0.0).await;
    exporter.until(&seats("c-1", "Fly"), 0.0).await;
    assert_eq!(exporter.value(&previous("Fly")).await, Some(25.0));
    exporter.stop().await;
}

#[tokio::test]
async fn what_fails_without_series_is_counted_with_its_customer() {
    let simulator = Simulator::start(world()).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, Effect::status(StatusCode::FORBIDDEN)).customer("c-2"));
    let exporter = Exporter::start(&Folder::new(&all(&simulator))).await;
    exporter.until(&of_customer("failing_products", "c-2"), 22.0).await;
    exporter.until(&of_customer("purchased_products", "c-1"), 1.0).await;
    let metrics = exporter.metrics().await;
    assert_eq!(value(&metrics, &of_customer("purchased_products", "c-2")), None, "nobody knows");
    assert!(!metrics.contains("avepoint_poll_success{customer=\"c-2\""));
    exporter.stop().await;
}

#[tokio::test]
async fn a_customer_that_a_later_listing_brings_is_new_until_it_goes() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&all(&simulator));
    let exporter = Exporter::start(&folder).await;
    exporter.until("avepoint_discovery_customers", 2.0).await;
    simulator.change(|world| world.customers.insert(Customer::new("c-3", "Litware").product(M365, 9)));
    exporter.until(&seats("c-3", "Cloud Backup for Microsoft 365"), 9.0).await;
    let added = of_customer("added_timestamp_seconds", "c-3");
    let at = exporter.value(&added).await.expect("it is new");
    let metrics = exporter.metrics().await;
    assert_eq!(value(&metrics, &of_customer("added_timestamp_seconds", "c-1")), None);
    assert!(!metrics.contains("avepoint_purchased_user_seats_previous{"), "first numbers are no changes");
    let line = exporter.until_logged("the listing has other customers").await;
    assert!(line.contains("came=1 went=0") && line.contains("Litware (c-3)"), "{line}");
    exporter.stop().await;

    let exporter = Exporter::start(&folder).await;
    exporter.cycles(2).await;
    assert_eq!(exporter.value(&added).await, Some(at), "as before the restart");
    simulator.change(|world| world.customers.remove("c-3"));
    exporter.until_gone(&added).await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_reload_that_names_a_product_gives_it_series_and_one_that_does_not_takes_them() {
    let simulator = Simulator::start(world()).await.unwrap();
    let folder = Folder::new(&all(&simulator));
    let exporter = Exporter::start(&folder).await;
    exporter.until(&seats("c-2", "Fly"), 7.0).await;
    assert_eq!(exporter.value(&seats("c-1", "Fly")).await, None);
    let rest = "state_file: state.json\ndiscovery: {enabled: true}\nproducts: [2048, Fly]\n";
    folder.configure(&all(&simulator).rest(rest));
    exporter.signal("HUP");
    exporter.until(&seats("c-1", "Fly"), 0.0).await;
    folder.configure(&all(&simulator));
    exporter.signal("HUP");
    exporter.until_gone(&seats("c-1", "Fly")).await;
    assert_eq!(exporter.value(&seats("c-2", "Fly")).await, Some(7.0));
    exporter.stop().await;
}

#[tokio::test]
async fn a_secret_that_is_put_right_is_tried_within_seconds() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = all(&simulator).with_poll("interval", "1h").with_poll("absent_interval", "1h");
    let folder = Folder::new(&yaml.with_api("client_secret", "").with_api("client_secret_file", "secret"));
    folder.write("secret", "wrong");
    let exporter = Exporter::start(&folder).await;
    exporter.until("avepoint_api_up", 0.0).await;
    let line = exporter.until_logged("no target was answered").await;
    assert!(line.contains("level=warn"), "{line}");
    folder.write("secret", World::default().client_secret.unwrap());
    eventually("it is tried again", || async { (exporter.value("avepoint_api_up").await? > 0.0).then_some(()) }).await;
    exporter.until(&seats("c-1", "Cloud Backup for Microsoft 365"), 25.0).await;
    exporter.stop().await;
}
