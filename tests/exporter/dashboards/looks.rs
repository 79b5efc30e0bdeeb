//! What a viewer sees at a glance: words, colours, titles and columns.

use std::collections::BTreeSet;

use elements_api::CATALOG;
use serde_json::{Value, json};

use super::board::{Board, SEATS, each_object, keys, list, text};
use super::structure::{columns, organize, transformation};

/// Panels of all dashboards of this kind, with the file's name.
fn panels_of(kind: &str) -> Vec<(&'static str, Value)> {
    let boards = Board::all();
    let all = boards.iter().flat_map(|board| board.panels().into_iter().map(|panel| (board.file, panel.clone())));
    all.filter(|(_, panel)| panel["type"] == kind).collect()
}

/// The overrides of this column or series.
fn of<'a>(panel: &'a Value, name: &str) -> Vec<&'a Value> {
    let overrides = list(&panel["fieldConfig"]["overrides"]).iter();
    let mine = overrides.filter(|change| change["matcher"]["options"] == name);
    mine.flat_map(|change| list(&change["properties"])).collect()
}

fn property<'a>(panel: &'a Value, name: &str, id: &str) -> Option<&'a Value> {
    of(panel, name).into_iter().find(|property| property["id"] == id).map(|property| &property["value"])
}

/// At 1280 pixels, beside the mark of the description. A letter of titles is 7.2 pixels wide on average.
#[test]
fn every_title_fits_its_panel() {
    for board in Board::all() {
        for panel in board.panels() {
            let (title, columns) = (text(&panel["title"]), panel["gridPos"]["w"].as_u64().unwrap());
            let room = (columns * 52 - 8 - 60) * 10;
            assert!(title.len() as u64 * 72 <= room, "{title} is cut at {columns} columns");
        }
    }
}

/// Without a mapping, Grafana shows `noValue` in the colour of the lowest threshold: green or red.
#[test]
fn a_single_value_that_is_missing_is_a_short_word_in_a_neutral_colour() {
    for (_, panel) in panels_of("stat") {
        let (title, defaults) = (&panel["title"], &panel["fieldConfig"]["defaults"]);
        assert!(defaults["noValue"].is_null(), "{title}: a mapping says it");
        let nothing = list(&defaults["mappings"]).iter().find(|mapping| mapping["options"]["match"] == "null");
        let result = &nothing.unwrap_or_else(|| panic!("{title}: no word for nothing"))["options"]["result"];
        assert_eq!(result["color"], "text", "{title}");
        let word = text(&result["text"]);
        assert!((2..=12).contains(&word.len()), "{title}: {word}");
    }
}

#[test]
fn words_are_those_that_operators_use() {
    let former = ["in force", "served", "silent", "trouble", "well", "refused", "answers", "complete"];
    let mut words = BTreeSet::new();
    for board in Board::all() {
        for panel in board.panels() {
            each_object(&panel["fieldConfig"], &mut |object| {
                if !object["color"].is_null() && !object["index"].is_null() {
                    words.extend(object["text"].as_str().map(str::to_owned));
                }
            });
        }
    }
    assert!(words.contains("OK") && words.contains("failed"), "{words:?}");
    assert!(words.iter().all(|word| !former.contains(&word.as_str())), "{words:?}");
}

/// A line a change: a month of 100 customers has too many. Restarts and reloads are few.
#[test]
fn only_marks_of_what_is_rare_are_drawn_unasked() {
    for board in Board::all() {
        for annotation in board.annotations() {
            let is_rare = !text(&annotation["target"]["expr"]).contains("customer");
            assert_eq!(annotation["enable"], is_rare, "{}", annotation["name"]);
        }
    }
}

/// A sum of what a graph shows is wrong, since its windows overlap, and some of it is not shown.
#[test]
fn a_legend_has_the_largest_on_top_and_sums_up_nothing() {
    for (file, panel) in panels_of("timeseries") {
        let legend = &panel["options"]["legend"];
        let sorted = json!({"calcs": ["max"], "by": "Max", "desc": true});
        let found = json!({"calcs": legend["calcs"], "by": legend["sortBy"], "desc": legend["sortDesc"]});
        let plain = legend["calcs"] == json!([]);
        assert_eq!(legend["displayMode"], if plain { "list" } else { "table" }, "{file}: {}", panel["title"]);
        assert!(plain || found == sorted, "{file}: {}: {legend}", panel["title"]);
        assert_eq!(panel["options"]["tooltip"]["hideZeros"], true, "{file}: {}", panel["title"]);
    }
}

/// A stack of lines is mud, and a line from 0 hides a small change in a large number.
#[test]
fn lines_are_neither_stacked_nor_filled_and_bars_of_counts_leave_out_zeros() {
    for (file, panel) in panels_of("timeseries") {
        let custom = &panel["fieldConfig"]["defaults"]["custom"];
        let bars = custom["drawStyle"] == "bars";
        let title = format!("{file}: {}", panel["title"]);
        assert!(bars || (custom["stacking"]["mode"] == "none" && custom["fillOpacity"] == 0), "{title}");
        for target in list(&panel["targets"]).iter().filter(|target| text(&target["expr"]).contains("increase(")) {
            assert!(bars && text(&target["expr"]).ends_with(" > 0"), "{title}");
        }
    }
    let board = Board::read(SEATS);
    assert!(board.panel("Total seats over time")["fieldConfig"]["defaults"]["min"].is_null());
}

/// An answer without rows has no column to group by: Grafana drops it, and says in words that there is nothing. With
/// `merge` alone it would show a head without rows.
#[test]
fn a_table_without_rows_says_so() {
    for (_, panel) in panels_of("table") {
        let order: Vec<_> = list(&panel["transformations"]).iter().map(|step| text(&step["id"])).collect();
        assert_eq!(order[..2], ["groupBy", "merge"], "{}", panel["title"]);
        let grouped = &transformation(&panel, "groupBy")["fields"];
        let has_keys = keys(grouped).iter().any(|field| grouped[field]["operation"] == "groupby");
        assert!(has_keys, "{}", panel["title"]);
    }
}

#[test]
fn numbers_have_columns_of_their_own_width_and_an_empty_cell_is_a_word() {
    for (_, panel) in panels_of("table") {
        let layout = &organize(&panel)["renameByName"];
        for field in keys(layout).into_iter().filter(|field| field.starts_with("Value")) {
            let (title, column) = (&panel["title"], text(&layout[field]));
            let is_bar = property(&panel, column, "custom.cellOptions").is_some_and(|cell| cell["type"] == "gauge");
            assert!(is_bar || property(&panel, column, "custom.width").is_some(), "{title}: {column}");
            let own = property(&panel, column, "mappings").unwrap_or(&panel["fieldConfig"]["defaults"]["mappings"]);
            let has_word = list(own).iter().any(|mapping| mapping["options"]["match"] == "null+nan");
            // The first query finds the rows.
            assert!(has_word || field.starts_with("Value #A"), "{title}: {column}");
        }
    }
}

/// "Cloud Backup for Google Workspace" is 255 pixels wide.
#[test]
fn products_are_shown_in_full() {
    let mut checked = 0;
    for (_, panel) in panels_of("table") {
        for column in columns(&panel).into_iter().filter(|column| ["Product", "Service"].contains(column)) {
            let wraps = property(&panel, column, "custom.wrapText") == Some(&json!(true));
            let width = ["custom.width", "custom.minWidth"].iter().find_map(|id| property(&panel, column, id));
            let is_wide = width.and_then(Value::as_u64).is_some_and(|width| width >= 255);
            assert!(wraps || is_wide, "{}: {column}", panel["title"]);
            checked += 1;
        }
    }
    assert!(checked >= 6, "{checked}");
}

#[test]
fn each_product_has_a_colour_of_its_own() {
    let board = Board::read(SEATS);
    let panel = board.panel("Gained and lost per day");
    let color = |name: &str| property(panel, name, "color").unwrap_or_else(|| panic!("no colour for {name}"));
    let colors = CATALOG.iter().map(|product| product.name).chain(["others"]).map(|name| color(name).to_string());
    assert_eq!(colors.collect::<BTreeSet<_>>().len(), CATALOG.len() + 1);
}
