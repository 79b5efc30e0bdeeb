//! What happens at the vendor reaches a person: simulated API, exporter, Prometheus, Alertmanager, webhook.

mod hurried;
mod stack;
mod webhook;

use std::collections::BTreeSet;

use elements_sim::{Customer, Effect, Rule, Simulator};
use hyper::StatusCode;

use self::hurried::Hurry;
use self::stack::Stack;
use self::webhook::Notification;
use crate::harness::{Exporter, FLY, Folder, Yaml, world};

/// An hour is half a minute. Hurried more, a busy machine would miss scrapes for as long as an alert waits.
const HURRY: Hurry = Hurry(120.0);

/// Every customer that the simulated account has, polled often enough for the rules.
async fn watched(products: &str) -> (Simulator, Folder, Exporter, Stack) {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator)
        .with_poll("interval", HURRY.after("5m"))
        .with_poll("absent_interval", HURRY.after("10m"))
        .rest(&format!("state_file: state.json\ndiscovery: {{enabled: true}}\nproducts: {products}\n"));
    let folder = Folder::new(&yaml);
    let exporter = Exporter::start(&folder).await;
    let stack = Stack::start(&folder, exporter.address(), HURRY).await;
    stack.prometheus.until("avepoint_purchased_user_seats{product=\"Fly\"}", "7").await;
    // Prometheus takes seconds before its first scrape, which are many minutes to its rules.
    stack.webhook.forget_what_is_over().await;
    (simulator, folder, exporter, stack)
}

#[tokio::test]
async fn each_change_of_seats_arrives_with_both_numbers_and_the_names() {
    let (simulator, _folder, exporter, stack) = watched("[2048, Fly]").await;
    for (seats, alert, receiver, summary) in [
        (1_234_567, "AvePointSeatsIncreased", "news", "Contoso has more seats of Fly: 7 before, 1234567 now"),
        (5, "AvePointSeatsDecreased", "team", "Contoso has fewer seats of Fly: 1234567 before, 5 now"),
        // Within the hour of the first increase, and an alert of its own.
        (9, "AvePointSeatsIncreased", "news", "Contoso has more seats of Fly: 5 before, 9 now"),
    ] {
        simulator.set_seats("c-1", FLY, seats);
        let notification = stack.webhook.until_summary(summary).await;
        assert!(notification.is_firing);
        assert_eq!(["alertname", "customer", "product"].map(|name| notification.label(name)), [alert, "c-1", "Fly"]);
        assert_eq!((notification.label("seats"), &*notification.receiver), (&*seats.to_string(), receiver));
    }
    let of_other_seats = |notification: &&Notification| {
        !notification.name().starts_with("AvePointSeats") || notification.label("customer") != "c-1"
    };
    assert!(stack.webhook.received().iter().find(of_other_seats).is_none(), "{:?}", stack.webhook.received());
    exporter.stop().await;
}

#[tokio::test]
async fn a_first_purchase_and_a_new_customer_are_news() {
    let (simulator, _folder, exporter, stack) = watched("all").await;
    exporter.until("avepoint_customer_purchased_products{customer=\"c-2\"}", 1.0).await;
    simulator.set_seats("c-2", FLY, 25);
    simulator.change(|world| world.customers.insert(Customer::new("c-3", "Litware").product(FLY, 4)));
    let (purchase, customer) =
        ("Fabrikam has purchased Fly: 0 before, 25 now", "Litware is new in AvePoint's list of customers");
    for (alert, summary) in [("AvePointSeatsIncreased", purchase), ("AvePointCustomerAdded", customer)] {
        let notification = stack.webhook.until_summary(summary).await;
        assert_eq!((notification.name(), &*notification.receiver), (alert, "news"));
    }
    let others = |notification: &&Notification| ![purchase, customer].contains(&notification.annotation("summary"));
    assert!(stack.webhook.received().iter().find(others).is_none(), "{:?}", stack.webhook.received());
    exporter.stop().await;
}

#[tokio::test]
async fn a_restart_between_two_changes_notifies_nobody() {
    let (simulator, folder, exporter, stack) = watched("[2048, Fly]").await;
    let increase = |before, now| format!("Contoso has more seats of Fly: {before} before, {now} now");
    simulator.set_seats("c-1", FLY, 8);
    stack.webhook.until_summary(&increase(7, 8)).await;

    let address = exporter.address().to_owned();
    exporter.stop().await;
    let exporter = Exporter::spawn(&mut folder.command(&["--web.listen-address", &address])).await;
    exporter.cycles(1).await;
    simulator.set_seats("c-1", FLY, 9);
    stack.webhook.until_summary(&increase(8, 9)).await;

    let notifications = stack.webhook.received();
    let summaries: BTreeSet<_> = notifications.iter().map(|notification| notification.annotation("summary")).collect();
    assert_eq!(summaries, [increase(7, 8), increase(8, 9)].iter().map(String::as_str).collect());
    exporter.stop().await;
}

#[tokio::test]
async fn an_outage_at_the_vendor_is_one_alert_and_resolves() {
    let (simulator, _folder, exporter, stack) = watched("[2048, Fly]").await;
    simulator.inject(Rule::new(Effect::status(StatusCode::SERVICE_UNAVAILABLE)));
    let is_outage = |notification: &Notification| notification.name() == "AvePointApiDown";
    let notification =
        stack.webhook.until("the outage", |notification| is_outage(notification) && notification.is_firing).await;
    assert_eq!((notification.label("severity"), &*notification.receiver), ("critical", "on-call"));
    assert!(notification.annotation("summary").contains(exporter.address()), "{notification:?}");
    simulator.clear_faults();
    stack.webhook.until("its end", |notification| is_outage(notification) && !notification.is_firing).await;
    assert!(stack.webhook.received().iter().all(is_outage), "{:?}", stack.webhook.received());
    exporter.stop().await;
}
