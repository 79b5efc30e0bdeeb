//! The dashboards and the metrics agree.

use std::collections::BTreeSet;

use avepoint_exporter::metrics::{CATALOGUE, Kind};

use super::board::{Board, list, text};

/// What every Prometheus has, or every Prometheus client's process, and what the dashboards use of it.
const OF_OTHERS: [&str; 3] = ["up", "process_resident_memory_bytes", "process_start_time_seconds"];

/// Metrics that nobody wants to look at, and why.
const ON_NO_PANEL: &[(&str, &str)] = &[
    ("avepoint_api_token_expiry_timestamp_seconds", "it is renewed every hour: only a failure to do so matters"),
    ("avepoint_poll_cycles_total", "the age of the last cycle says whether they go on"),
];

/// Whatever in the text is named like a metric.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| ["avepoint_", "process_"].iter().any(|prefix| word.starts_with(prefix)) || *word == "up")
        .collect()
}

/// What a family is called in a query.
fn in_queries(name: &str, kind: Kind) -> Vec<String> {
    match kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")).into(),
        Kind::Counter | Kind::Gauge => vec![name.to_owned()],
    }
}

#[test]
fn every_metric_that_is_asked_for_exists() {
    let mut known: BTreeSet<_> = CATALOGUE.iter().flat_map(|family| in_queries(family.name, family.kind)).collect();
    known.extend(OF_OTHERS.map(str::to_owned));
    for board in Board::all() {
        let variables = board.variables().iter().filter_map(|variable| variable["query"]["query"].as_str());
        for expression in board.queries().iter().map(|query| query.expr).chain(variables) {
            let names = named(expression);
            // Prometheus makes series of the alerts that fire.
            assert!(!names.is_empty() || expression.contains("ALERTS{"), "{expression}");
            assert!(names.iter().all(|name| known.contains(*name)), "{names:?} of {expression}");
        }
    }
}

#[test]
fn every_metric_is_on_a_panel_or_in_an_annotation_unless_nobody_wants_to_see_it() {
    let boards = Board::all();
    let queries: Vec<_> = boards.iter().flat_map(Board::queries).collect();
    let shown: BTreeSet<_> = queries.iter().flat_map(|query| named(query.expr)).collect();
    for family in CATALOGUE {
        let names = in_queries(family.name, family.kind);
        let is_shown = names.iter().any(|name| shown.contains(name.as_str()));
        let is_left_out = ON_NO_PANEL.iter().any(|(name, _)| *name == family.name);
        assert!(is_shown != is_left_out, "{}: shown {is_shown}, left out {is_left_out}", family.name);
    }
    assert!(ON_NO_PANEL.iter().all(|(name, _)| CATALOGUE.iter().any(|family| family.name == *name)));
}

/// What the exporter counts rises once a cycle: with a shorter window or step graphs would be combs, and with a step
/// shorter than the window each bar would count what the one before counted.
#[test]
fn windows_are_as_long_as_the_interval_that_is_the_default() {
    let interval = std::time::Duration::from_mins(15);
    let mut counted = 0;
    for board in Board::all() {
        for panel in board.panels() {
            for query in board.queries_of(panel).iter().filter(|query| !query.instant) {
                let windows = query.expr.matches("rate(").count() + query.expr.matches("increase(").count();
                assert_eq!(windows, query.expr.matches("[$__rate_interval]").count(), "{}", query.place);
                if windows > 0 {
                    let step = humantime::parse_duration(text(&panel["interval"])).unwrap();
                    assert!(step >= interval, "{}: {step:?}", query.place);
                    counted += 1;
                }
            }
        }
    }
    assert!(counted >= 8, "{counted}");
}

#[test]
fn graphs_over_every_target_are_coarse_and_draw_a_few_lines() {
    let per_target: BTreeSet<_> =
        CATALOGUE.iter().filter(|family| family.labels.contains(&"product")).map(|family| family.name).collect();
    for board in Board::all() {
        for query in board.queries().iter().filter(|query| !query.instant) {
            let asks_all = named(query.expr).iter().any(|name| per_target.contains(name));
            let panel = board.panels().into_iter().find(|panel| list(&panel["targets"]).contains(query.target));
            match panel {
                Some(panel) if asks_all => {
                    assert!(panel["maxDataPoints"].as_u64().is_some_and(|points| points <= 150), "{}", query.place);
                }
                Some(_) => {}
                // Grafana asks for annotations of every pixel, unless it is given a step.
                None => assert_eq!(query.target["interval"], if asks_all { "15m" } else { "5m" }, "{}", query.place),
            }
            let by_customer = query.target["legendFormat"].as_str().unwrap().contains("{{name}}");
            assert!(!by_customer || query.expr.contains("topk(10, "), "{}: a thousand lines", query.place);
        }
    }
}
