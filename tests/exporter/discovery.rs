//! Customers that nobody configured.

use elements_sim::{Customer, Effect, Operation, Rule, Simulator, World};
use hyper::StatusCode;

use crate::harness::{Exporter, Folder, M365, Yaml, seats, value, world};

const ON: &str = "discovery: {enabled: true}\nproducts: [2048, Fly]\n";

fn m365(customer: &str) -> String {
    seats(customer, "Cloud Backup for Microsoft 365")
}

#[tokio::test]
async fn customers_come_and_go_by_themselves() {
    let simulator = Simulator::start(world()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator).rest(ON))).await;
    exporter.until(&m365("c-1"), 25.0).await;
    exporter.until("avepoint_discovery_customers", 2.0).await;
    simulator.change(|world| world.customers.insert(Customer::new("c-3", "Litware").product(M365, 5)));
    exporter.until(&m365("c-3"), 5.0).await;
    simulator.change(|world| world.customers.remove("c-1"));
    exporter.until_gone(&m365("c-1")).await;
    let metrics = exporter.metrics().await;
    assert!(!metrics.contains("\"c-1\""), "all its series go");
    assert_eq!(value(&metrics, "avepoint_discovery_success"), Some(1.0));
    assert!(value(&metrics, "avepoint_discovery_last_success_timestamp_seconds").is_some());
    exporter.stop().await;
}

#[tokio::test]
async fn the_configuration_names_narrows_adds_and_excludes() {
    let mut world = world();
    world.customers.insert(Customer::new("c-3", "Litware").product(M365, 5));
    let simulator = Simulator::start(world).await.unwrap();
    let yaml = Yaml::new(&simulator).rest(
        "customers: [{id: C-1, name: contoso, products: [Fly]}, {id: extra}]\n\
         discovery: {enabled: true, exclude: [C-3]}\nproducts: [2048]\n",
    );
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    exporter.until(&m365("c-2"), 300.0).await;
    let metrics = exporter.metrics().await;
    assert_eq!(value(&metrics, &m365("contoso")), None, "narrowed to Fly");
    assert_eq!(value(&metrics, &m365("c-3")), None, "excluded");
    let info = "avepoint_customer_info{customer=\"contoso\",customer_id=\"c-1\",name=\"Contoso\"}";
    assert_eq!(value(&metrics, info), Some(1.0));
    assert!(metrics.contains("customer=\"extra\""), "added");
    exporter.stop().await;
}

#[tokio::test]
async fn five_thousand_customers_are_listed_page_by_page() {
    let simulator = Simulator::start(World::sized(5_000, &[2048])).await.unwrap();
    let yaml = Yaml::new(&simulator)
        .with_api("requests_per_second", 20_000)
        .with_api("max_in_flight", 32)
        .with_poll("interval", "10m")
        .rest("discovery: {enabled: true}\nproducts: [2048]\n");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until("avepoint_poll_targets{state=\"ok\"}", 5_000.0).await;
    assert_eq!(simulator.count(Operation::Customers), 50);
    let first = simulator.record().into_iter().find(|exchange| exchange.operation == Operation::Customers).unwrap();
    assert_eq!(first.path(), "/partner/external/v3/general/customers/batch?pageIndex=1&pageSize=100");
    assert_eq!((first.body().as_ref(), first.header("content-type")), ("{}", Some("application/json")));
    exporter.stop().await;
}

#[tokio::test]
async fn a_failed_page_changes_nothing() {
    let simulator = Simulator::start(World::sized(150, &[2048])).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("interval", "2s").rest("discovery: {enabled: true}\nproducts: [2048]\n");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until("avepoint_poll_targets{state=\"ok\"}", 150.0).await;
    simulator.inject(Rule::on(Operation::Customers, Effect::status(StatusCode::BAD_REQUEST)).page(2));
    exporter.until("avepoint_discovery_success", 0.0).await;
    assert_eq!(exporter.value("avepoint_poll_targets{state=\"ok\"}").await, Some(150.0));
    assert_eq!(exporter.value("avepoint_discovery_customers").await, Some(150.0));
    exporter.until_logged("discovery failed").await;
    simulator.clear_faults();
    exporter.until("avepoint_discovery_success", 1.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_sudden_loss_of_most_customers_is_held_back_for_one_cycle() {
    let simulator = Simulator::start(World::sized(20, &[2048])).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("interval", "2s").rest("discovery: {enabled: true}\nproducts: [2048]\n");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until("avepoint_discovery_customers", 20.0).await;
    simulator.change(|world| {
        for number in 1..=15 {
            world.customers.remove(&format!("c0000000-0000-4000-8000-{number:012x}"));
        }
    });
    exporter.until_logged("held back").await;
    assert_eq!(exporter.value("avepoint_discovery_customers").await, Some(20.0));
    exporter.until("avepoint_discovery_customers", 5.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn without_the_permission_to_list_the_configured_customers_are_still_polled() {
    let licence_only = World { scopes: vec!["elements.license.read.all"], ..world() };
    let simulator = Simulator::start(licence_only).await.unwrap();
    let yaml = Yaml::new(&simulator).rest("customers: [{id: c-1}]\ndiscovery: {enabled: true}\nproducts: [2048]\n");
    let exporter = Exporter::start(&Folder::new(&yaml)).await;
    exporter.until(&m365("c-1"), 25.0).await;
    exporter.until("avepoint_discovery_success", 0.0).await;
    exporter.until_logged("elements.customers.read.all").await;
    exporter.stop().await;
}

#[tokio::test]
async fn any_organization_name_is_safe() {
    let hostile = "Evil\"} 1\navepoint_api_up 7\n\\ \u{202e}gnp.exe\u{7}\u{1b}[31m 🦀";
    let mut world = world();
    world.customers.insert(Customer::new("c-3", hostile).product(M365, 5));
    let simulator = Simulator::start(world).await.unwrap();
    let exporter = Exporter::start_with(&Folder::new(&Yaml::new(&simulator).rest(ON)), &["--log.level", "trace"]).await;
    exporter.until(&m365("c-3"), 5.0).await;
    assert_eq!(exporter.value("avepoint_api_up").await, Some(1.0));
    let metrics = exporter.metrics().await;
    let shown: Vec<_> = metrics.lines().filter(|line| line.contains("Evil")).collect();
    assert_eq!(shown.len(), 1, "in avepoint_customer_info only");
    assert!(
        shown[0].starts_with(
            "avepoint_customer_info{customer=\"c-3\",customer_id=\"c-3\",name=\"Evil\\\"} 1 avepoint_api_up"
        )
    );
    assert!(!exporter.log().contains("Evil"), "not in the log");
    exporter.stop().await;
}

#[tokio::test]
async fn a_listing_without_a_customer_is_logged_once() {
    let simulator = Simulator::start(World::default()).await.unwrap();
    let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator).rest(ON))).await;
    exporter.until_logged("the listing has no customer").await;
    exporter.cycles(2).await;
    assert_eq!(exporter.log_lines("the listing has no customer").len(), 1);
    exporter.stop().await;
}
