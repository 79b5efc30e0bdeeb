//! `docs/dashboards.md` describes what there is.

use std::collections::BTreeSet;

use super::board::{Board, text};
use crate::harness::document::Document;
use crate::harness::root;

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
fn it_says_how_to_import_them_and_how_their_pictures_were_made() {
    let document = document().text;
    for part in [
        "dashboards/seats.json",
        "dashboards/renewals.json",
        "dashboards/exporter-health.json",
        "apiVersion: 1",
        "Grafana's own published components",
        "not by a running",
    ] {
        assert!(document.contains(part), "{part}");
    }
}

/// Light in README.md, dark here: whoever looks at one sees what the other's eyes would.
#[test]
fn each_dashboard_has_its_pictures_and_no_picture_is_shown_nowhere() {
    let shown = |document: &Document| document.text.split("](").skip(1).map(address).collect::<BTreeSet<_>>();
    let [here, readme] = [document(), Document::readme()].map(|document| shown(&document));
    for board in Board::all() {
        let name = board.file.strip_suffix(".json").unwrap();
        assert!(here.contains(&format!("{name}-dark.png")), "{name} in docs/dashboards.md");
        assert!(readme.contains(&format!("docs/{name}-light.png")), "{name} in README.md");
    }
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        // Those of the status page are drawn by its own tests.
        if entry.path().extension() == Some("png".as_ref()) && !name.starts_with("status-") {
            let texts = Document::all().into_iter().flat_map(|document| shown(&document)).collect::<Vec<_>>();
            assert!(texts.iter().any(|shown| shown.rsplit('/').next() == Some(&name)), "{name} is shown nowhere");
            assert!(entry.metadata().unwrap().len() < 200_000, "{name} is too large");
        }
    }
}

/// The address at the beginning of what follows `](`.
fn address(text: &str) -> String {
    text.split(')').next().unwrap().to_owned()
}
