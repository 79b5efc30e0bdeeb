//! `docs/dashboards.md` describes what there is.

use super::board::{Board, text};
use crate::harness::document::Document;

fn document() -> Document {
    Document::at("docs/dashboards.md")
}

/// What a table below the heading that the dashboard's title is says first in each row.
fn described(board: &Board, head: &str) -> Vec<String> {
    let Document { path, text: whole } = document();
    let heading = format!("\n## {}\n", text(&board.json["title"]));
    let (_, rest) = whole.split_once(&heading).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let chapter = Document { path, text: rest.split("\n## ").next().unwrap().to_owned() };
    chapter.table(head).into_iter().map(|mut row| row.swap_remove(0)).collect()
}

#[test]
fn it_describes_every_panel_in_order_and_no_other() {
    for board in Board::all() {
        let titles: Vec<_> = board.panels().into_iter().map(|panel| text(&panel["title"])).collect();
        assert_eq!(described(&board, "| panel |"), titles, "{}", board.file);
    }
}

#[test]
fn it_describes_every_variable_and_no_other() {
    for board in Board::all() {
        let labels: Vec<_> = board.variables().iter().map(|variable| text(&variable["label"])).collect();
        assert_eq!(described(&board, "| variable |"), labels, "{}", board.file);
    }
}

#[test]
fn it_says_how_to_import_them_and_why_there_are_no_pictures() {
    let document = document().text;
    for part in [
        "dashboards/seats.json",
        "dashboards/renewals.json",
        "dashboards/exporter-health.json",
        "apiVersion: 1",
        "a running Grafana",
    ] {
        assert!(document.contains(part), "{part}");
    }
}
