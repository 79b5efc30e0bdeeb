//! What Grafana expects of a file, and what a viewer expects of a panel.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::board::{Board, RENEWALS, each_object, keys, list, text};

/// Grafana 11 writes 39, Grafana 12 writes 41 and 42.
const SCHEMAS: std::ops::RangeInclusive<u64> = 39..=42;

/// The panels of a current Grafana. Others are those of plugins, or of a framework that it no longer runs.
const TYPES: &str = "heatmap row stat state-timeline table timeseries";

#[test]
fn a_current_grafana_can_import_them() {
    for board in Board::all() {
        let (file, json) = (board.file, &board.json);
        assert!(SCHEMAS.contains(&json["schemaVersion"].as_u64().unwrap()), "{file}");
        assert!(json["id"].is_null(), "{file}: Grafana gives the id");
        // Contracts end on a day, wherever it is read.
        assert_eq!(json["timezone"], if file == RENEWALS { "utc" } else { "browser" }, "{file}");
        assert_eq!(json["tags"], json!(["avepoint"]), "{file}");
        assert_eq!(format!("{}.json", text(&json["uid"]).strip_prefix("avepoint-").unwrap()), file);
        for key in ["refresh", "description", "title"] {
            assert!(!text(&json[key]).is_empty(), "{file}: {key}");
        }
        for old in ["rows", "__inputs", "__requires"] {
            assert!(json[old].is_null(), "{file}: {old}");
        }
        for panel in board.placed() {
            let kind = text(&panel["type"]);
            assert!(TYPES.split(' ').any(|known| known == kind), "{file}: {kind}");
        }
    }
}

#[test]
fn the_files_are_written_in_one_way() {
    for board in Board::all() {
        let written = serde_json::to_string_pretty(&board.json).unwrap() + "\n";
        assert!(board.text == written, "{}: two spaces, sorted keys, a line break at the end", board.file);
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    for board in Board::all() {
        let (mut ids, mut titles, mut taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for panel in board.placed() {
            let title = text(&panel["title"]);
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: {}", panel["id"]);
            assert!(titles.insert(title), "{title}: twice");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
            assert!(w > 0 && h > 0 && x + w <= 24, "{title}: the grid has 24 columns");
            for column in x..x + w {
                for line in y..y + h {
                    assert!(taken.insert((column, line)), "{title} lies upon another panel");
                }
            }
        }
        // Grafana moves up a panel that has nothing above it, and the file then differs from what is seen.
        let lowest = taken.iter().map(|(_, line)| line).max().unwrap();
        for line in 0..=*lowest {
            for column in 0..24 {
                assert!(taken.contains(&(column, line)), "{}: a hole at {column}, {line}", board.file);
            }
        }
    }
}

#[test]
fn the_data_source_is_the_variable_everywhere() {
    let variable = json!({"type": "prometheus", "uid": "${datasource}"});
    for board in Board::all() {
        let first = &board.variables()[0];
        assert_eq!([&first["name"], &first["type"], &first["query"]], ["datasource", "datasource", "prometheus"]);
        let annotations = board.annotations().iter();
        let owners = board.panels().into_iter().chain(&board.variables()[1..]).chain(annotations);
        let targets = board.queries().into_iter().map(|query| query.target).collect::<Vec<_>>();
        for owner in owners.chain(targets) {
            assert_eq!(owner["datasource"], variable, "{}: {owner}", board.file);
        }
        each_object(&board.json, &mut |object| {
            if let Some(source) = object.get("datasource") {
                assert_eq!(*source, variable, "{}", board.file);
            }
        });
    }
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_what_nothing_means() {
    for board in Board::all() {
        for panel in board.panels() {
            let (title, defaults) = (text(&panel["title"]), &panel["fieldConfig"]["defaults"]);
            assert!(text(&panel["description"]).ends_with('.'), "{title}: a description of whole sentences");
            if panel["type"] != "stat" {
                assert!(text(&defaults["noValue"]).len() > 8, "{title}: words for no value");
            }
            assert!(!list(&panel["targets"]).is_empty(), "{title}: a query");
            let explained = defaults["unit"].is_string() || !list(&defaults["mappings"]).is_empty();
            assert!(explained, "{title}: a unit, or words for its values");
        }
    }
}

#[test]
fn dates_are_in_milliseconds_and_seconds_are_durations() {
    for board in Board::all() {
        for query in board.queries().iter().filter(|query| query.expr.contains("_timestamp_seconds")) {
            // A moment is shown as a date, compared with now or with the scrape, or only chooses rows.
            let is_moment = ["* 1000", "time()", "timestamp(", "topk(20"].iter().any(|part| query.expr.contains(part));
            assert!(is_moment, "{}: {}", query.place, query.expr);
        }
        for panel in board.panels().into_iter().filter(|panel| panel["type"] == "stat") {
            // Grafana makes "3 weeks ago" of 19 days.
            assert_ne!(panel["fieldConfig"]["defaults"]["unit"], "dateTimeFromNow", "{}", panel["title"]);
        }
    }
}

#[test]
fn tables_and_single_values_ask_for_one_moment_and_graphs_for_a_range() {
    for board in Board::all() {
        for panel in board.panels() {
            let kind = text(&panel["type"]);
            let (instant, format) = match kind {
                "table" => (true, "table"),
                "stat" => (true, "time_series"),
                "heatmap" => (false, "heatmap"),
                _ => (false, "time_series"),
            };
            for query in board.queries_of(panel) {
                assert_eq!(query.instant, instant, "{}", query.place);
                assert_eq!(query.target["range"], !instant, "{}", query.place);
                assert_eq!(query.target["format"], format, "{}", query.place);
            }
        }
    }
}

#[test]
fn every_variable_is_used_and_every_used_one_is_defined() {
    const OF_GRAFANA: &str = "__rate_interval __range __from __to __url_time_range __value.raw __value.text \
                              __field.labels.name";
    for board in Board::all() {
        let defined: BTreeSet<_> = board.variables().iter().map(|variable| text(&variable["name"])).collect();
        let mut used = BTreeSet::new();
        for part in board.text.split('$').skip(1) {
            let reference = part.strip_prefix('{').unwrap_or(part);
            // `$__all` is a choice, and `$1` a group of PromQL's `label_replace`.
            let end = reference.find(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c))).unwrap();
            if reference[..end] != *"__all" && !reference.starts_with(|c: char| c.is_ascii_digit()) {
                used.insert(&reference[..end]);
            }
        }
        let known: BTreeSet<_> = OF_GRAFANA.split_whitespace().collect();
        let own: BTreeSet<_> = used.difference(&known).copied().collect();
        assert_eq!(own, defined, "{}", board.file);
    }
}

#[test]
fn several_values_are_a_regular_expression_between_backticks() {
    // Between quotes Prometheus would take a backslash for its own, and refuse `\.`.
    for board in Board::all() {
        let variables = board.variables().iter().filter_map(|variable| variable["query"]["query"].as_str());
        let expressions = board.queries().iter().map(|query| query.expr).chain(variables).collect::<Vec<_>>();
        for expression in expressions {
            for name in ["job", "instance", "customer", "product"] {
                let right = expression.matches(&format!("=~`${{{name}:regex}}`")).count();
                assert_eq!(right, expression.matches(&format!("${{{name}")).count(), "{expression}");
                assert!(!expression.contains(&format!("${name}")), "{expression}");
            }
        }
    }
}

#[test]
fn each_query_has_a_letter_of_its_own_and_columns_are_laid_out_by_it() {
    for board in Board::all() {
        for panel in board.panels() {
            let letters: BTreeSet<_> = list(&panel["targets"]).iter().map(|target| text(&target["refId"])).collect();
            assert_eq!(letters.len(), list(&panel["targets"]).len(), "{}", panel["title"]);
        }
        for panel in board.panels().into_iter().filter(|panel| panel["type"] == "table") {
            let shown = columns(panel);
            let sort = text(&panel["options"]["sortBy"][0]["displayName"]);
            assert!(shown.contains(&sort), "{}: sorted by {sort}", panel["title"]);
            for change in list(&panel["fieldConfig"]["overrides"]) {
                let column = text(&change["matcher"]["options"]);
                assert!(shown.contains(&column), "{}: there is no column {column}", panel["title"]);
            }
        }
    }
}

/// The columns of a table under the names that are shown.
pub fn columns(panel: &Value) -> Vec<&str> {
    let renamed = &organize(panel)["renameByName"];
    keys(renamed).into_iter().map(|name| text(&renamed[name])).collect()
}

/// How a table lays out its columns.
pub fn organize(panel: &Value) -> &Value {
    transformation(panel, "organize")
}

/// What a table's transformation of this kind is told.
pub fn transformation<'a>(panel: &'a Value, id: &str) -> &'a Value {
    let transformations = list(&panel["transformations"]);
    let found = transformations.iter().find(|transformation| transformation["id"] == id);
    &found.unwrap_or_else(|| panic!("{}: no {id}", panel["title"]))["options"]
}
