//! What a bill expects, beside what was purchased.

use std::fs;

use elements_sim::{Customer, Operation, Simulator, World};

use crate::harness::{Ended, Exporter, FLY, Folder, M365, Yaml, labels, make_pipe, seats, value};

const SUCCESS: &str = "avepoint_expected_seats_file_success";
const UNMATCHED: &str = "avepoint_expected_seats_rows_unmatched";
const BACKUP: &str = "Cloud Backup for Microsoft 365";

/// Two customers, of which one has a name, and most of whose products were never purchased.
async fn world() -> (Simulator, Yaml) {
    let customers =
        [Customer::new("c-1", "Contoso").product(M365, 25), Customer::new("c-2", "Fabrikam").product(FLY, 7)];
    let simulator = Simulator::start(World::with(customers)).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("absent_interval", "1h").rest(
        "discovery: {enabled: true}\nproducts: all\ncustomers: [{id: c-1, name: contoso}]\n\
         expected_seats_file: bills/expected.csv\n",
    );
    (simulator, yaml)
}

fn with_bill(yaml: &Yaml, bill: &str) -> Folder {
    let folder = Folder::new(yaml);
    fs::create_dir(folder.file("bills")).unwrap();
    folder.write("bills/expected.csv", bill);
    folder
}

fn expected(customer: &str, product: &str) -> String {
    format!("avepoint_expected_user_seats{}", labels(customer, product))
}

#[tokio::test]
async fn a_bill_is_exported_beside_what_was_purchased_and_its_products_are_polled() {
    let (simulator, yaml) = world().await;
    let bill = "\u{feff}Invoice;Seats;Customer;Product\r\n1;20;contoso;2048\r\n2;\"4\";C-1;cloud backup for microsoft 365\r\n\
                3;5;C-2;Opus\r\n\r\n4;1;nobody;2048\r\n5;1;contoso;Clod Backup for Microsoft 365\r\n";
    let exporter = Exporter::start(&with_bill(&yaml, bill)).await;
    exporter.until(&expected("c-2", "Opus"), 5.0).await;
    exporter.until("avepoint_poll_targets{state=\"pending\"}", 0.0).await;
    let metrics = exporter.metrics().await;
    let found = |series: &str| value(&metrics, series);
    assert_eq!((found(&expected("contoso", BACKUP)), found(&seats("contoso", BACKUP))), (Some(24.0), Some(25.0)));
    assert_eq!(found(&seats("c-2", "Opus")), Some(0.0), "it has series as if it were listed");
    assert_eq!((found(SUCCESS), found(UNMATCHED)), (Some(1.0), Some(2.0)));
    let asked = simulator.count(Operation::Overview);
    exporter.cycles(3).await;
    assert!(simulator.count(Operation::Overview) >= asked + 9, "three products every interval");
    let warnings = exporter.log_lines("unknown customers or products");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in ["rows=2", "nobody", "did you mean"] {
        assert!(warnings[0].contains(part), "{part}: {warnings:?}");
    }
    exporter.stop().await;
}

#[tokio::test]
async fn a_bill_is_followed_and_a_broken_one_changes_nothing() {
    let (_simulator, yaml) = world().await;
    let folder = with_bill(&yaml, "customer,product,seats\ncontoso,Fly,1\nc-2,Opus,5\n");
    let exporter = Exporter::start(&folder).await;
    exporter.until(&expected("contoso", "Fly"), 1.0).await;
    folder.write("bills/expected.csv", "customer,product,seats\ncontoso,Fly,2\n");
    exporter.until(&expected("contoso", "Fly"), 2.0).await;
    exporter.until_gone(&expected("c-2", "Opus")).await;
    exporter.until_gone(&seats("c-2", "Opus")).await;

    let path = folder.write("bills/expected.csv", "customer,product,seats\ncontoso,Fly,2\ncontoso,Opus,some\n");
    exporter.until(SUCCESS, 0.0).await;
    exporter.cycles(3).await;
    assert_eq!(exporter.value(&expected("contoso", "Fly")).await, Some(2.0));
    let warnings = exporter.log_lines("the expected seats were not read");
    assert_eq!(warnings.len(), 1, "it is told once: {warnings:?}");
    assert!(warnings[0].contains("expected.csv:3: seats: expected a whole number"), "{warnings:?}");

    fs::remove_file(&path).unwrap();
    make_pipe(&path);
    exporter.until_logged("it is not a regular file").await;
    assert_eq!(exporter.value(&expected("contoso", "Fly")).await, Some(2.0));
    fs::remove_file(&path).unwrap();
    folder.write("bills/expected.csv", "customer,product,seats\ncontoso,Fly,3\n");
    exporter.until(&expected("contoso", "Fly"), 3.0).await;
    exporter.until(SUCCESS, 1.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn without_its_bill_the_exporter_runs_and_a_reload_takes_it_at_once() {
    let (_simulator, yaml) = world().await;
    let yaml = yaml.with_poll("interval", "1h");
    let folder = Folder::new(&yaml);
    let exporter = Exporter::start(&folder).await;
    exporter.until(&seats("contoso", BACKUP), 25.0).await;
    assert_eq!(exporter.value(SUCCESS).await, Some(0.0));
    exporter.until_logged("expected.csv cannot be read: No such file or directory").await;

    fs::create_dir(folder.file("bills")).unwrap();
    folder.write("bills/expected.csv", "customer,product,seats\ncontoso,Opus,9\n");
    exporter.signal("HUP");
    exporter.until(&expected("contoso", "Opus"), 9.0).await;
    exporter.until(&seats("contoso", "Opus"), 0.0).await;
    folder.configure(&yaml.rest("discovery: {enabled: true}\nproducts: all\ncustomers: [{id: c-1, name: contoso}]\n"));
    exporter.signal("HUP");
    exporter.until_gone(SUCCESS).await;
    assert!(!exporter.metrics().await.contains("avepoint_expected"));
    exporter.stop().await;
}

#[tokio::test]
async fn what_a_bill_named_stays_watched_over_restarts_until_it_can_be_read() {
    let (_simulator, yaml) = world().await;
    let folder = with_bill(&yaml.and("state_file: state.json\n"), "customer,product,seats\nc-2,Opus,5\n");
    let exporter = Exporter::start(&folder).await;
    exporter.until(&seats("c-2", "Opus"), 0.0).await;
    exporter.stop().await;

    fs::remove_file(folder.file("bills/expected.csv")).unwrap();
    for _ in 0..2 {
        let exporter = Exporter::start(&folder).await;
        exporter.cycles(1).await;
        let metrics = exporter.metrics().await;
        assert_eq!((value(&metrics, SUCCESS), value(&metrics, &seats("c-2", "Opus"))), (Some(0.0), Some(0.0)));
        assert_eq!(value(&metrics, &expected("c-2", "Opus")), None);
        let warnings = exporter.log_lines("the expected seats were not read");
        assert!(warnings[0].contains("not read: none are expected until they can be"), "{warnings:?}");
        exporter.stop().await;
    }
    let exporter = Exporter::start(&folder).await;
    folder.write("bills/expected.csv", "customer,product,seats\ncontoso,Fly,1\n");
    exporter.until(&expected("contoso", "Fly"), 1.0).await;
    exporter.until_gone(&seats("c-2", "Opus")).await;
    exporter.stop().await;
}

#[tokio::test]
async fn check_and_poll_read_the_bill_too() {
    let (_simulator, yaml) = world().await;
    let rest = yaml.rest.replace("discovery: {enabled: true}\n", "");
    let folder = with_bill(&yaml.clone().rest(&rest), "customer,product,seats\nnobody,Fly,1\ncontoso,4096,7\n");
    let said = Ended::beside(folder.command(&["check"])).await;
    assert_eq!(said.code, Some(0));
    let warning = "warning: expected_seats_file: ignores 1 row of unknown customers or products: customer \"nobody\"\n";
    assert!(said.stdout.contains(warning), "{}", said.text());
    let polled = Ended::beside(folder.command(&["poll", "--output=metrics"])).await;
    let found = |series: &str| value(&polled.stdout, series);
    let product = "Cloud Management";
    assert_eq!((found(&expected("contoso", product)), found(&seats("contoso", product))), (Some(7.0), Some(0.0)));
    assert_eq!(found(UNMATCHED), Some(1.0));

    folder.write("bills/expected.csv", "customer;product;seats\ncontoso;4096;7.5\n");
    let said = Ended::beside(folder.command(&["check"])).await;
    assert!(said.stdout.contains("bills/expected.csv:2: seats: expected a whole number"), "{}", said.text());
    assert_eq!(said.code, Some(0), "the exporter would run");

    folder.write("bills/expected.csv", "customer,product,seats\ncontoso,4096,7\ncontoso,Fly,7\n");
    folder.configure(&yaml.rest(&rest.replace("products: all", "products: [Fly]")));
    let said = Ended::beside(folder.command(&["check"])).await;
    assert!(said.stdout.starts_with("ok: 1 customer, 2 products, 2 targets\n"), "{}", said.text());
}
