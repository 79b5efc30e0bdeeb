//! Each dashboard links to the others, and a viewer's choices go along.

use serde_json::{Value, json};

use super::board::{Board, each_object, list, text};

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
        let links = links(&board.json);
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
