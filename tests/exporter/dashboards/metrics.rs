//! The dashboards and the metrics agree.

use std::collections::BTreeSet;

use avepoint_exporter::metrics::{CATALOGUE, Kind};

use super::board::{Board, list};

/// What every Prometheus has, or every Prometheus client's process, and what the dashboards use of it.
const OF_OTHERS: [&str; 5] =
    ["up", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"];

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
            assert!(!names.is_empty(), "{expression}");
            assert!(names.iter().all(|name| known.contains(*name)), "{names:?} of {expression}");
        }
    }
}

#[test]
fn every_metric_is_on_a_panel() {
    let boards = Board::all();
    let panels = boards.iter().flat_map(|board| board.panels().into_iter().map(move |panel| (board, panel)));
    let expressions: Vec<_> =
        panels.flat_map(|(board, panel)| board.queries_of(panel)).map(|query| query.expr).collect();
    let shown: BTreeSet<_> = expressions.iter().flat_map(|expression| named(expression)).collect();
    for family in CATALOGUE {
        let names = in_queries(family.name, family.kind);
        assert!(names.iter().any(|name| shown.contains(name.as_str())), "{} is on no panel", family.name);
    }
}

/// `$__rate_interval` is four scrapes or more: with a shorter step each bar would count what the one before counted.
#[test]
fn bars_count_an_event_once() {
    let mut counted = 0;
    for board in Board::all() {
        for panel in board.panels() {
            if board.queries_of(panel).iter().any(|query| !query.instant && query.expr.contains("increase(")) {
                assert_eq!(panel["interval"], "5m", "{}: {}", board.file, panel["title"]);
                counted += 1;
            }
        }
    }
    assert!(counted >= 3, "{counted}");
}

/// Prometheus promises an order for the results of `topk` and `sort_desc`, and none for a join of them.
#[test]
fn bars_are_longest_first() {
    let is_whole_call = |expression: &str| {
        let mut depth = 0;
        let ends = expression.char_indices().filter(|(_, letter)| {
            depth += i32::from(*letter == '(') - i32::from(*letter == ')');
            *letter == ')' && depth == 0
        });
        ends.map(|(at, _)| at + 1).next() == Some(expression.len())
    };
    for board in Board::all() {
        for panel in board.panels().into_iter().filter(|panel| panel["type"] == "bargauge") {
            for query in board.queries_of(panel) {
                let ordered = ["topk(", "sort_desc("].iter().any(|call| query.expr.starts_with(call));
                assert!(ordered && is_whole_call(query.expr), "{}: {}", query.place, query.expr);
            }
        }
    }
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
                None => assert_eq!(query.target["interval"], "15m", "{}", query.place),
            }
            let by_customer = query.target["legendFormat"].as_str().unwrap().contains("{{name}}");
            assert!(!by_customer || query.expr.contains("topk(10, "), "{}: a thousand lines", query.place);
        }
    }
}
