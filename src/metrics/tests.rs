use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use elements_api::Reason;
use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;

use super::*;
use crate::status::Status;
use crate::store::{Now, StoreWriter, Target};
use crate::testing::{now, scene, seats, status, store, watched};

/// All families that have samples, without the process.
pub(super) fn families(store: &StoreWriter, status: &Arc<Status>, now: Now) -> Vec<MetricFamily> {
    let known = store.snapshot();
    let mut families: Vec<_> = target_families(&known, now).flatten().map(|chunk| chunk.family()).collect();
    let (readings, requests) = StatusFamilies::reproducible(store.reader(), status.clone()).read();
    families.extend(readings.families());
    let samples = requests.samples().map(|(labels, n)| {
        let labels: Vec<_> = labels.iter().map(AsRef::as_ref).collect();
        RequestCounts::FAMILY.sample(&labels, n)
    });
    families.push(RequestCounts::FAMILY.of(samples.collect()));
    families.retain(|family| !family.get_metric().is_empty());
    families
}

fn text(families: &[MetricFamily]) -> String {
    TextEncoder::new().encode_to_string(families).unwrap()
}

fn at_start() -> Vec<MetricFamily> {
    families(&store(), &Arc::new(status()), now(0))
}

#[test]
fn every_family_is_exported_as_it_always_was() {
    let (store, status) = scene();
    let text = text(&families(&store, &status, now(1_000)));
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
    let (store, status) = scene();
    let exported = families(&store, &status, now(1_000));
    // The scene has no process.
    let listed = CATALOGUE.iter().map(|family| family.name).filter(|name| !name.starts_with("process_"));
    assert_eq!(exported.iter().map(MetricFamily::name).collect::<Vec<_>>(), listed.collect::<Vec<_>>());
    for family in CATALOGUE {
        assert!(is_name(family.name) && family.labels.iter().copied().all(is_name), "{}", family.name);
        assert!(!family.help.contains(['"', '\\', '\n']), "{} would be escaped", family.name);
        assert!(!family.help.contains("  "), "{}", family.name);
        let taken = ["endpoint", "job", "instance", "pod", "service", "namespace"];
        assert!(family.labels.iter().all(|label| !taken.contains(label)), "{}", family.name);
    }
}

/// Of a metric or a label, as Prometheus takes it in every version.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(plain) && text.starts_with(|c: char| !c.is_ascii_digit())
}

#[test]
fn a_family_that_does_not_apply_is_absent() {
    let text = text(&at_start());
    for absent in [
        "avepoint_discovery",
        "avepoint_expected",
        "certificate",
        "token_expiry",
        "cycle_duration",
        "avepoint_api_up",
        "_info{c",
    ] {
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
    let (store, status) = scene();
    let fresh = text(&families(&store, &status, now(3_700)));
    let stale = text(&families(&store, &status, now(3_701)));
    let series = "{customer=\"contoso\",product=\"Cloud Backup for Microsoft 365\"}";
    assert!(fresh.contains(&format!("avepoint_purchased_user_seats{series} 30\n")));
    assert!(!stale.contains(&format!("avepoint_purchased_user_seats{series}")));
    assert!(stale.contains(&format!("avepoint_poll_success{series} 0\n")));
    assert!(stale.contains(&format!("avepoint_poll_last_success_timestamp_seconds{series} 1700001000\n")));
    assert!(stale.contains(&format!("avepoint_purchased_user_seats_previous{series} 25\n")));
}

#[test]
fn a_large_family_comes_in_chunks_that_are_one_family() {
    let store = store();
    let customers: Vec<_> = (0..150).map(|i| watched(&format!("c{i}"), &format!("c{i}"), "n", &[1, 4])).collect();
    store.watch(&customers);
    for customer in &customers {
        store.record(
            &Target { customer: customer.customer.id.clone(), product: customer.products[0] },
            seats(1),
            now(0),
        );
    }
    let known = store.snapshot();
    let chunks = target_families(&known, now(0)).next().unwrap();
    assert!(chunks.len() > 1);
    let collected: Vec<_> = chunks.iter().map(Chunk::family).collect();
    assert!(collected.iter().all(|family| family.name() == "avepoint_purchased_user_seats"));
    assert_eq!(collected.iter().map(|family| family.get_metric().len()).sum::<usize>(), 150);
}

#[test]
fn cpu_time_has_fractions_and_its_name_once() {
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(30) {
        std::hint::spin_loop();
    }
    let collected = process::Process::new().read().0;
    let cpu: Vec<_> = collected.iter().filter(|family| family.name() == "process_cpu_seconds_total").collect();
    assert_eq!(cpu.len(), 1);
    assert!(cpu[0].get_metric()[0].get_counter().get_value() > 0.0);
    let names: HashSet<_> = collected.iter().map(MetricFamily::name).collect();
    assert!(names.contains("process_start_time_seconds") && names.contains("process_resident_memory_bytes"));
}
