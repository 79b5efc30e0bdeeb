//! `docs/dashboards.md` describes what there is.

use crate::board::{Board, text};
use crate::harness::read;

fn document() -> String {
    read("docs/dashboards.md")
}

/// The part of the document below the heading that the dashboard's title is.
fn chapter<'a>(document: &'a str, board: &Board) -> &'a str {
    let heading = format!("\n## {}\n", text(&board.json["title"]));
    let (_, chapter) = document.split_once(&heading).unwrap_or_else(|| panic!("no heading {heading:?}"));
    chapter.split("\n## ").next().unwrap()
}

/// The first cells of the table's rows.
fn first_cells<'a>(chapter: &'a str, head: &str) -> Vec<&'a str> {
    let (_, table) = chapter.split_once(head).unwrap_or_else(|| panic!("no table {head:?}"));
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_start_matches('|').split('|').next().unwrap().trim()).collect()
}

#[test]
fn it_describes_every_panel_in_order_and_no_other() {
    let document = document();
    for board in Board::all() {
        let titles: Vec<_> = board.panels().into_iter().map(|panel| text(&panel["title"])).collect();
        assert_eq!(first_cells(chapter(&document, &board), "| panel |"), titles, "{}", board.file);
    }
}

#[test]
fn it_describes_every_variable_and_no_other() {
    let document = document();
    for board in Board::all() {
        let labels: Vec<_> = board.variables().iter().map(|variable| text(&variable["label"])).collect();
        assert_eq!(first_cells(chapter(&document, &board), "| variable |"), labels, "{}", board.file);
    }
}

#[test]
fn it_says_how_to_import_them_and_why_there_are_no_pictures() {
    let document = document();
    for part in ["dashboards/seats.json", "dashboards/exporter-health.json", "apiVersion: 1", "a running Grafana"] {
        assert!(document.contains(part), "{part}");
    }
}
