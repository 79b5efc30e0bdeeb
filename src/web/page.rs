//! The page at `/`.

use std::time::SystemTime;

use askama::Template;

use super::readiness::readiness;
use crate::metrics::Build;
use crate::store::{Cycle, State, Store};

/// A summary, and where to look. The template escapes what it shows.
#[derive(Debug, Template)]
#[template(path = "page.html")]
struct Page<'a> {
    build: Build,
    telemetry_path: &'a str,
    not_ready: Option<String>,
    states: Vec<(&'static str, usize)>,
    cycle: Option<(String, String)>,
}

/// # Errors
///
/// None that a page could tell: writing to a string does not fail.
pub(super) fn page(store: &Store, telemetry_path: &str, now: SystemTime) -> askama::Result<String> {
    let known = store.snapshot();
    let states = known.states(now);
    let page = Page {
        build: Build::THIS,
        telemetry_path,
        not_ready: readiness(store, now).err(),
        states: State::ALL.map(|state| (state.as_str(), states.get(&state).copied().unwrap_or_default())).to_vec(),
        cycle: known.cycle.map(|Cycle { completed, duration }| {
            (humantime::format_rfc3339_seconds(completed).to_string(), format!("{:.1}", duration.as_secs_f64()))
        }),
    };
    page.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::{at, scene, settings};

    #[test]
    fn the_page_says_whether_all_is_well_and_where_to_look() {
        let (store, _) = scene();
        let html = page(&store, "/scrape", at(1_000)).unwrap();
        for part in ["<strong>Ready.", "href=\"/scrape\"", "<td>failing</td>", "2023-11-14T22:29:10Z", "1.2 s"] {
            assert!(html.contains(part), "{part}\n{html}");
        }
    }

    #[test]
    fn the_page_says_why_nothing_is_there_yet() {
        let html = page(&Store::new(settings(), at(0)), "/metrics", at(0)).unwrap();
        assert!(html.contains("</strong> no customer is known yet"), "{html}");
        assert!(html.contains("No cycle has ended yet"), "{html}");
    }
}
