//! Each dashboard links to the others, and a viewer's choices go along.

use serde_json::{Value, json};

use super::board::{Board, HEALTH, each_object, list, text};
use crate::harness::read;

#[test]
fn each_links_to_all_with_its_tag_and_keeps_time_and_variables() {
    for board in Board::all() {
        let [link] = list(&board.json["links"]) else { panic!("{}: one link", board.file) };
        assert_eq!([&link["type"], &link["tags"]], [&json!("dashboards"), &board.json["tags"]]);
        assert_eq!([&link["keepTime"], &link["includeVars"]], [true, true]);
    }
}

#[test]
fn links_on_rows_lead_to_dashboards_that_exist_with_the_same_choices() {
    let boards = Board::all();
    let homes: Vec<_> = boards.iter().map(|board| format!("/d/{0}/{0}?", text(&board.json["uid"]))).collect();
    for (number, board) in boards.iter().enumerate() {
        let links: Vec<_> = links(&board.json).into_iter().filter(|link| link.starts_with('/')).collect();
        for link in &links {
            let home = homes.iter().find_map(|home| link.strip_prefix(home.as_str()));
            let choices = home.unwrap_or_else(|| panic!("{link} leads to no dashboard of these"));
            for kept in
                ["${__url_time_range}", "${datasource:queryparam}", "${job:queryparam}", "${instance:queryparam}"]
            {
                assert!(choices.split('&').any(|choice| choice == kept), "{link} drops {kept}");
            }
            // A name may hold an `&`.
            if let Some((_, name)) = choices.split_once("&var-customer=") {
                assert!(name.ends_with(":percentencode}"), "{link}");
            }
        }
        for (_, home) in homes.iter().enumerate().filter(|(of, _)| *of != number) {
            assert!(links.iter().any(|link| link.starts_with(home)), "{} does not lead to {home}", board.file);
        }
    }
}

#[test]
fn an_alert_leads_to_its_runbook() {
    let board = Board::read(HEALTH);
    let links: Vec<_> = links(&board.json).into_iter().filter(|link| !link.starts_with('/')).collect();
    let [link] = &links[..] else { panic!("{links:?}") };
    let home = link.strip_suffix("#${__value.raw}").expect("the alert's heading");
    let rules = read("alerts/avepoint-alerts.yaml");
    let runbooks: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 20 && alerts.len() == runbooks.len());
    for (alert, runbook) in alerts.into_iter().zip(runbooks) {
        // Where GitHub finds no heading of that name, it looks for one in lower case.
        assert_eq!(format!("{home}#{}", alert.to_lowercase()), runbook);
    }
}

/// The addresses of all data links.
fn links(board: &Value) -> Vec<String> {
    let mut links = Vec::new();
    each_object(board, &mut |object| {
        let of_defaults = list(&object["links"]).iter();
        let of_overrides = list(&object["value"]).iter();
        links.extend(of_defaults.chain(of_overrides).filter_map(|link| Some(link["url"].as_str()?.to_owned())));
    });
    // The link at the top has a tag in place of an address.
    links.retain(|link| !link.is_empty());
    links
}
