use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::TextEncoder;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;

use super::*;
use crate::status::Stats;
use crate::store::{Customer, Label, Target, WatchedCustomer};
use crate::store::{Cycle, CycleTargets, DiscoveryStatus, Freshness, Settings, Store};
use elements_api::{Answer, CustomerId, ProductType, Reason, Seats};
use elements_api::{Code, Observer as _, Operation};

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

pub(crate) fn settings() -> Settings {
    let freshness = Freshness { stale_after: Duration::from_mins(45), absent_stale_after: Duration::from_hours(12) };
    Settings { interval: Duration::from_mins(15), freshness }
}

pub(crate) fn watched(id: &str, label: &str, name: &str, products: &[u32]) -> WatchedCustomer {
    let id = CustomerId::parse(id).unwrap();
    let customer = Customer { id, label: Label::from(label), name: Label::from(name) };
    WatchedCustomer { customer, products: products.iter().map(|number| ProductType::new(*number).unwrap()).collect() }
}

pub(crate) fn target(id: &str, product: u32) -> Target {
    Target { customer: CustomerId::parse(id).unwrap(), product: ProductType::new(product).unwrap() }
}

#[expect(clippy::unnecessary_wraps, reason = "the outcome of a poll, which may be a failure")]
pub(crate) fn seats(number: u64) -> Result<Answer, Reason> {
    Ok(Answer::Seats(Seats::new(number).unwrap()))
}

/// A store and counts in which every family has something to say, as of `at(1_000)`.
pub(crate) fn scene() -> (Arc<Store>, Arc<Stats>) {
    let store = Store::new(settings(), at(0));
    store.watch(&[
        watched("11111111-aaaa", "contoso", "Contoso \"East\" \\ Söhne\nGmbH", &[2048, 16_777_216]),
        watched("22222222-bbbb", "22222222-bbbb", "22222222-bbbb", &[7, 1, 2048]),
    ]);
    store.record(&target("11111111-aaaa", 2048), seats(25), at(100));
    store.record(&target("11111111-aaaa", 2048), seats(30), at(1_000));
    store.record(&target("11111111-aaaa", 16_777_216), Ok(Answer::NotFound), at(200));
    store.record(&target("22222222-bbbb", 7), seats(0), at(300));
    store.record(&target("22222222-bbbb", 7), Err(Reason::Throttled), at(900));
    store.record(&target("22222222-bbbb", 1), Err(Reason::Forbidden), at(900));
    store.cycle_began(at(948));
    let targets = CycleTargets { answered: 3, failed: 2, left: 0 };
    store.cycle_ended(Cycle { completed: at(950), duration: Duration::from_millis(1_250), targets }, Some(true));
    let discovery = DiscoveryStatus { success: Some(false), last_success: Some(at(10)), customers: Some(2) };
    store.set_discovery(Some(discovery));
    store.reload_failed();

    let stats = Stats::default();
    stats.request(Operation::Token, Code::Status(200), Duration::from_millis(30));
    stats.request(Operation::Overview, Code::Error, Duration::from_secs(90));
    stats.retry(Reason::Timeout);
    stats.token_expires(Some(at(3_600)));
    stats.certificate_expires(Some(at(86_400)));
    stats.poll_failure(Reason::Throttled);
    stats.poll_cycle();
    stats.http_handler("/metrics", 200);
    stats.http_request("other", 404);
    (Arc::new(store), Arc::new(stats))
}

fn families(store: &Arc<Store>, stats: &Arc<Stats>, now: SystemTime) -> Vec<MetricFamily> {
    let known = store.snapshot();
    let mut families: Vec<_> = polled(&known, now).flatten().flat_map(|piece| piece.collect()).collect();
    families.extend(always(store, stats));
    families.retain(|family| !family.get_metric().is_empty());
    families
}

/// The families that change at any time, without the process.
pub(crate) fn always(store: &Arc<Store>, stats: &Arc<Stats>) -> Vec<MetricFamily> {
    let (moment, requests) = Always::reproducible(store.clone(), stats.clone()).now();
    [moment.collect(), requests.collect()].concat()
}

fn text(families: &[MetricFamily]) -> String {
    TextEncoder::new().encode_to_string(families).unwrap()
}

fn at_start() -> Vec<MetricFamily> {
    families(&Arc::new(Store::new(settings(), at(0))), &Arc::default(), at(0))
}

#[test]
fn every_family_is_exported_as_it_always_was() {
    let (store, stats) = scene();
    let text = text(&families(&store, &stats, at(1_000)));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write("tests/golden/metrics.txt", &text).unwrap();
    }
    let golden = include_str!("../../tests/golden/metrics.txt");
    for (line, golden) in text.lines().zip(golden.lines()) {
        assert_eq!(line, golden, "UPDATE_GOLDEN=1 writes the file anew");
    }
    assert_eq!(text.len(), golden.len());
}

#[test]
fn the_catalogue_lists_what_is_exported_and_nothing_else() {
    let (store, stats) = scene();
    let exported = families(&store, &stats, at(1_000));
    // The scene has no process.
    let listed = CATALOGUE.iter().map(|family| family.name).filter(|name| !name.starts_with("process_"));
    assert_eq!(exported.iter().map(MetricFamily::name).collect::<Vec<_>>(), listed.collect::<Vec<_>>());
    for family in CATALOGUE {
        assert!(family.desc().is_some(), "{} is no valid description", family.name);
        assert!(!family.help.contains(['"', '\\', '\n']), "{} would be escaped", family.name);
        assert!(!family.help.contains("  "), "{}", family.name);
        let taken = ["endpoint", "job", "instance", "pod", "service", "namespace"];
        assert!(family.labels.iter().all(|label| !taken.contains(label)), "{}", family.name);
    }
}

#[test]
fn a_family_that_does_not_apply_is_absent() {
    let text = text(&at_start());
    for absent in ["avepoint_discovery", "certificate", "token_expiry", "cycle_duration", "avepoint_api_up", "_info{c"]
    {
        assert!(!text.contains(absent), "{absent}\n{text}");
    }
}

#[test]
fn the_four_states_and_every_reason_are_there_from_the_start() {
    let text = text(&at_start());
    for state in ["ok", "absent", "failing", "pending"] {
        assert!(text.contains(&format!("avepoint_poll_targets{{state=\"{state}\"}} 0\n")), "{text}");
    }
    for reason in Reason::ALL {
        assert!(text.contains(&format!("avepoint_poll_failures_total{{reason=\"{reason}\"}} 0\n")), "{text}");
    }
}

#[test]
fn a_stale_number_goes_and_the_rest_of_the_target_stays() {
    let (store, stats) = scene();
    let fresh = text(&families(&store, &stats, at(3_700)));
    let stale = text(&families(&store, &stats, at(3_701)));
    let series = "{customer=\"contoso\",product=\"Cloud Backup for Microsoft 365\"}";
    assert!(fresh.contains(&format!("avepoint_purchased_user_seats{series} 30\n")));
    assert!(!stale.contains(&format!("avepoint_purchased_user_seats{series}")));
    assert!(stale.contains(&format!("avepoint_poll_success{series} 0\n")));
    assert!(stale.contains(&format!("avepoint_poll_last_success_timestamp_seconds{series} 1700001000\n")));
    assert!(stale.contains(&format!("avepoint_purchased_user_seats_previous{series} 25\n")));
}

#[test]
fn a_large_family_comes_in_pieces_that_are_one_family() {
    let store = Store::new(settings(), at(0));
    let customers: Vec<_> = (0..150).map(|i| watched(&format!("c{i}"), &format!("c{i}"), "n", &[1, 4])).collect();
    store.watch(&customers);
    for customer in &customers {
        store.record(
            &Target { customer: customer.customer.id.clone(), product: customer.products[0] },
            seats(1),
            at(0),
        );
    }
    let known = store.snapshot();
    let pieces = polled(&known, at(0)).next().unwrap();
    assert!(pieces.len() > 1);
    let collected: Vec<_> = pieces.iter().flat_map(Collector::collect).collect();
    assert!(collected.iter().all(|family| family.name() == "avepoint_purchased_user_seats"));
    assert_eq!(collected.iter().map(|family| family.get_metric().len()).sum::<usize>(), 150);
}

#[test]
fn cpu_time_has_fractions_and_its_name_once() {
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(30) {
        std::hint::spin_loop();
    }
    let collected = process::Process::new().families();
    let cpu: Vec<_> = collected.iter().filter(|family| family.name() == "process_cpu_seconds_total").collect();
    assert_eq!(cpu.len(), 1);
    assert!(cpu[0].get_metric()[0].get_counter().get_value() > 0.0);
    let names: HashSet<_> = collected.iter().map(MetricFamily::name).collect();
    assert!(names.contains("process_start_time_seconds") && names.contains("process_resident_memory_bytes"));
}
