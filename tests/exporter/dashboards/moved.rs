//! Pairs of exporters, exporters and customers that change their names, and a Prometheus that knows nothing.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::board::{Board, HEALTH, RENEWALS, SEATS};
use super::choices::Choices;
use super::history::{DAY, HOUR, History, MINUTE, now};
use super::scene::{ask, options, quiet};
use crate::harness::prometheus::Prometheus;
use crate::harness::{Folder, Yaml};

/// The time range that a viewer chooses.
const MONTH: Duration = Duration::from_hours(24 * 30);

const M365: &str = "Cloud Backup for Microsoft 365";

/// Two exporters of one account, of which one took over from another a moment ago and still seems to be there, in a
/// moment in which a customer's name changes. The same happened 30 days before, under another job. Beside them runs
/// a program that is no exporter.
///
/// What Prometheus reads from blocks has no marks where series end, so each is seen for five minutes more.
fn crowd(at: i64) -> History {
    let mut past = History::default();
    for (at, until, job, seats) in
        [(at - 30 * DAY, at - 30 * DAY + HOUR, "former", 20), (at, at + 2 * HOUR, "avepoint", 25)]
    {
        let mut exporter = |instance: &str, customer, names, during| {
            let here = format!("job=\"{job}\",instance=\"{instance}\"");
            poll(&mut past, &here, (customer, names, seats), during);
        };
        let names = ["Contoso", "Contoso Group"];
        exporter("old:1", "contoso", names, at - 8 * HOUR..=at - 3 * MINUTE);
        exporter("new:1", "contoso", names, at - 4 * MINUTE..=until);
        exporter("twin:1", "c-1", ["Contoso", "c-1"], at - 8 * HOUR..=until);
        for (instance, customer, during) in [
            ("old:1", "contoso", at - 8 * HOUR..=at - 3 * MINUTE),
            ("new:1", "contoso", at - 4 * MINUTE..=until),
            ("twin:1", "c-1", at - 8 * HOUR..=until),
        ] {
            let here = format!("job=\"{job}\",instance=\"{instance}\",customer=\"{customer}\"");
            renew(&mut past, &here, at + 40 * DAY, during);
        }
    }
    let proxy = "job=\"avepoint\",instance=\"proxy:1\"";
    process(&mut past, proxy, at - 8 * HOUR..=at + 2 * HOUR);
    past.gauge(&format!("up{{{proxy}}}"), 0, at - 8 * HOUR..=at + 2 * HOUR);
    past
}

/// What one exporter says: a customer by its label, with a name that changes in the end and so many seats, and another
/// customer. Every poll fails.
fn poll(past: &mut History, here: &str, contoso: (&str, [&str; 2], i64), during: RangeInclusive<i64>) {
    let (label, names, seats) = contoso;
    let (begin, end) = (*during.start(), *during.end());
    let renamed = end - 2 * MINUTE;
    let info = [
        (label, "c-1", names[0], begin..=renamed),
        (label, "c-1", names[1], renamed + 1..=end),
        ("c-2", "c-2", "Fabrikam", during.clone()),
    ];
    for (customer, id, name, during) in info {
        let labels = format!("{{{here},customer=\"{customer}\",customer_id=\"{id}\",name=\"{name}\"}}");
        past.gauge(&format!("avepoint_customer_info{labels}"), 1, during);
    }
    for (customer, product, number) in [(label, M365, seats), ("c-2", M365, 300), ("c-2", "Fly", 5)] {
        let labels = format!("{{{here},customer=\"{customer}\",product=\"{product}\"}}");
        for (family, value) in [
            ("avepoint_purchased_user_seats", number),
            ("avepoint_purchased_user_seats_last_change_timestamp_seconds", begin - HOUR),
            ("avepoint_poll_success", 0),
        ] {
            past.gauge(&format!("{family}{labels}"), value, during.clone());
        }
    }
    for (customer, products) in [(label, 1), ("c-2", 2)] {
        for (family, value) in [
            ("avepoint_customer_failing_products", products),
            ("avepoint_customer_purchased_products", products),
            ("avepoint_customer_added_timestamp_seconds", begin),
        ] {
            past.gauge(&format!("{family}{{{here},customer=\"{customer}\"}}"), value, during.clone());
        }
    }
    for product in [M365, "Fly"] {
        past.gauge(&format!("avepoint_product_info{{{here},product=\"{product}\"}}"), 1, during.clone());
    }
    past.gauge(&format!("up{{{here}}}"), 1, during.clone());
    past.gauge(&format!("avepoint_exporter_build_info{{{here},version=\"1\",revision=\"r\"}}"), 1, during.clone());
    process(past, here, during);
}

/// What one exporter says of a customer's contract, tenant and bill.
fn renew(past: &mut History, here: &str, ends: i64, during: RangeInclusive<i64>) {
    let subscription = "subscribed_service=\"Backup\",subscription=\"\",package=\"Standard\",source=\"\"";
    let tenant = "platform=\"microsoft_365\",customer_tenant_id=\"t-1\",customer_tenant=\"contoso.example\"";
    let target = format!("product=\"{M365}\"");
    for (family, labels, value) in [
        ("avepoint_subscription_info", &*format!("{subscription},payment_type=\"Prepaid\""), 1),
        ("avepoint_subscription_contract_end_timestamp_seconds", subscription, ends),
        ("avepoint_subscription_purchased_user_seats", subscription, 28),
        ("avepoint_tenant_assigned_user_seats", tenant, 31),
        ("avepoint_tenant_available_user_seats", tenant, 31),
        ("avepoint_expected_user_seats", &*target, 24),
    ] {
        past.gauge(&format!("{family}{{{here},{labels}}}"), value, during.clone());
    }
}

/// What every program has that Prometheus scrapes.
fn process(past: &mut History, here: &str, during: RangeInclusive<i64>) {
    for family in ["process_resident_memory_bytes", "process_start_time_seconds"] {
        past.gauge(&format!("{family}{{{here}}}"), 1, during.clone());
    }
}

/// A folder for a Prometheus without an exporter.
fn empty() -> Folder {
    Folder::new(&Yaml { api: Vec::new(), poll: Vec::new(), rest: String::new() })
}

/// Prometheus with that past, and the moment of the change.
async fn crowded() -> (Folder, Prometheus, i64) {
    let at = now() - 5 * HOUR;
    let folder = empty();
    crowd(at).write(&folder);
    let prometheus = quiet(&folder).await;
    (folder, prometheus, at)
}

#[tokio::test]
async fn no_query_fails_while_exporters_and_names_change() {
    let (_folder, prometheus, at) = crowded().await;
    for board in Board::all() {
        for moment in [at - 6 * HOUR, at - MINUTE, at, at + MINUTE, at + HOUR - MINUTE, at + 2 * HOUR - MINUTE] {
            let choices = Choices::all(&board, &["avepoint", "former"], moment);
            for query in board.queries() {
                ask(&prometheus, &query, &choices).await;
            }
        }
    }
}

#[tokio::test]
async fn a_seat_counts_once_however_many_exporters_poll_it() {
    let (_folder, prometheus, at) = crowded().await;
    let board = Board::read(SEATS);
    for moment in [at - HOUR, at - MINUTE, at, at + MINUTE, at + HOUR - MINUTE] {
        let choices = Choices::all(&board, &[], moment).over(MONTH);
        for (title, value) in
            [("Total seats", 330.0), ("Customers", 2.0), ("Products", 2.0), ("Incomplete data", 0.0), ("Change", 5.0)]
        {
            let found = ask(&prometheus, &board.query(title, "A"), &choices).await;
            let values: Vec<_> = found.iter().map(|series| series.value).collect();
            assert_eq!(values, [value], "{title}, {} s after the change", moment - at);
        }
        for (title, letter, values) in [
            ("Total seats over time", "A", &[330.0][..]),
            ("Seats by product", "A", &[5.0, 325.0]),
            ("Largest customers", "A", &[25.0, 305.0]),
            ("New customers", "B", &[1.0, 2.0]),
            ("New customers", "C", &[25.0, 305.0]),
            ("Customers by number of products", "A", &[1.0, 1.0]),
            ("Seats of every customer", "A", &[5.0, 25.0, 300.0]),
            ("Seats of every customer", "B", &[0.0, 0.0, 5.0]),
        ] {
            let found = ask(&prometheus, &board.query(title, letter), &choices).await;
            let mut seats: Vec<_> = found.iter().map(|series| series.value).collect();
            seats.sort_by(f64::total_cmp);
            assert_eq!(seats, values, "{title} {letter}, {} s after the change", moment - at);
        }
    }
}

/// Each would be a few pixels, if there were one for each exporter.
#[tokio::test]
async fn a_single_value_is_one_however_many_exporters_there_are() {
    let (_folder, prometheus, at) = crowded().await;
    for board in Board::all() {
        let choices = Choices::all(&board, &["avepoint"], at);
        for panel in board.panels().into_iter().filter(|panel| panel["type"] == "stat") {
            for query in board.queries_of(panel) {
                let found = ask(&prometheus, &query, &choices).await;
                assert!(found.iter().all(|series| series.labels.is_empty()), "{}: {found:?}", query.place);
            }
        }
    }
}

#[tokio::test]
async fn a_contract_and_a_tenant_count_once_too() {
    let (_folder, prometheus, at) = crowded().await;
    let board = Board::read(RENEWALS);
    for moment in [at - HOUR, at - MINUTE, at, at + MINUTE, at + HOUR - MINUTE] {
        let choices = Choices::all(&board, &[], moment);
        for (title, letter, value) in [
            ("Ended", "A", 0.0),
            ("Ends in 30 d", "A", 0.0),
            ("Ends in 90 d", "A", 1.0),
            ("Seats, 90 d", "A", 28.0),
            ("Who is short", "A", 1.0),
            ("What ends when", "C", 28.0),
            ("Assigned against purchased", "A", 31.0),
            ("Assigned against purchased", "D", -6.0),
            ("Every subscription", "A", 1.0),
        ] {
            let found = ask(&prometheus, &board.query(title, letter), &choices).await;
            let values: Vec<_> = found.iter().map(|series| series.value).collect();
            assert_eq!(values, [value], "{title} {letter}, {} s after the change", moment - at);
        }
        let months = ask(&prometheus, &board.query("Endings by month", "A"), &choices).await;
        let seats = months.iter().map(|month| month.value).filter(|seats| *seats > 0.0);
        assert_eq!(seats.collect::<Vec<_>>(), [28.0]);
        let months = ask(&prometheus, &board.query("Endings by month", "B"), &choices).await;
        assert_eq!(months.iter().map(|month| month.value).collect::<Vec<_>>(), [1.0]);
    }
}

#[tokio::test]
async fn a_gap_of_a_quarter_of_an_hour_hides_no_number_of_the_past_and_a_longer_one_does() {
    let (_folder, prometheus, at) = crowded().await;
    let board = Board::read(SEATS);
    // 30 days before, the exporters ended an hour after that moment.
    for (minutes, change) in [(14, Some(5.0)), (16, None)] {
        let choices = Choices::all(&board, &[], at + HOUR + minutes * MINUTE).over(MONTH);
        let found = ask(&prometheus, &board.query("Change", "A"), &choices).await;
        assert_eq!(found.first().map(|series| series.value), change, "{minutes} minutes");
    }
}

#[tokio::test]
async fn a_program_under_the_same_job_is_not_taken_for_an_exporter() {
    let (_folder, prometheus, at) = crowded().await;
    let board = Board::read(HEALTH);
    let choices = Choices::all(&board, &["avepoint"], at);
    let down = ask(&prometheus, &board.query("Exporters", "A"), &choices).await;
    assert_eq!(down.iter().map(|series| series.value).collect::<Vec<_>>(), [0.0], "what is down is no exporter");
    for (title, letter) in [("Every exporter", "A"), ("Every exporter", "K"), ("Memory", "A"), ("Builds", "B")] {
        let found = ask(&prometheus, &board.query(title, letter), &choices).await;
        assert!(found.iter().any(|series| series.label("instance") == "twin:1"), "{title}: {found:?}");
        assert!(found.iter().all(|series| series.label("instance") != "proxy:1"), "{title}: {found:?}");
    }
}

#[tokio::test]
async fn without_any_data_every_panel_says_so_and_no_query_fails() {
    let folder = empty();
    let prometheus = quiet(&folder).await;
    for board in Board::all() {
        let choices = Choices::all(&board, &[], now());
        for query in board.queries() {
            // A zero that nobody counted would stand in place of the words for no value.
            let found = ask(&prometheus, &query, &choices).await;
            assert!(found.is_empty(), "{}: {found:?}", query.place);
        }
        for variable in board.variables().iter().filter(|variable| variable["type"] == "query") {
            assert!(options(&prometheus, variable, &choices).await.is_empty(), "{}", variable["name"]);
        }
    }
}
