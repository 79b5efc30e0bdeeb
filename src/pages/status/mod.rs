//! The status page at `/`: whether all is well, and every target.
//!
//! It is HTML alone. Search, filter, order and pages are parameters of its address, so they work without scripts, and
//! a link to what one sees can be sent to somebody else.

mod bill;
mod changes;
mod facts;
mod headline;
mod outage;
mod query;
mod short;
mod targets;
mod totals;

use std::borrow::Cow;

use askama::Template;

use self::bill::{Differences, differences};
use self::changes::{Changed, Changes, changes};
use self::facts::{Group, facts};
use self::headline::{Scene, headline};
pub(super) use self::query::{Query, Shown, Sort};
use self::short::{Shortages, shortages};
use self::targets::{Target, Targets};
use self::totals::{Totals, totals};
use super::finding::Headline;
use super::format::{Moment, why};
use super::query::{Column, Filter as _, Order as _};
use super::readiness::readiness;
use super::style::STYLE;
use super::subscriptions::{self, NextEndings};
use crate::status::Status;
use crate::store::{Now, Record, Store, TargetState};

/// The page, as `query` (of the URL) asks for it.
///
/// # Errors
///
/// None that a page could tell: writing to a string does not fail.
pub(super) fn page(
    store: &Store,
    status: &Status,
    telemetry_path: &str,
    query: &str,
    now: Now,
) -> askama::Result<String> {
    let known = store.snapshot();
    let not_ready = readiness(store, status, now).err();
    let status = status.snapshot();
    let by_state = known.states(now);
    let scene = Scene { known: &known, status: &status, by_state: &by_state, not_ready: not_ready.as_deref(), now };
    let query = Query::new(query);
    let targets = Targets::find(&known, &query, now);
    let [by_product, by_customer] = totals(&known, now);
    let page = Page {
        style: STYLE,
        telemetry_path,
        headline: headline(&scene),
        changes: changes(&known, now),
        by_product,
        by_customer,
        differences: differences(&known, now),
        shortages: shortages(&known, now),
        endings: subscriptions::next_endings(&known, &status, now),
        groups: facts(&scene),
        rows: targets.list.rows.iter().map(|target| Row::new(*target, now)).collect(),
        columns: COLUMNS,
        shown_at: Moment::new(now.wall, now.wall),
        scene,
        query,
        targets,
    };
    page.render()
}

/// The template escapes all that it shows but the style, which is a part of this program.
#[derive(Debug, Template)]
#[template(path = "status.html")]
struct Page<'a> {
    style: &'static str,
    telemetry_path: &'a str,
    headline: Headline,
    changes: Changes,
    by_product: Totals,
    by_customer: Totals,
    endings: NextEndings,
    /// `None` without an expected seats file.
    differences: Option<Differences>,
    /// `None` where tenants are not asked for.
    shortages: Option<Shortages>,
    groups: [Group; 4],
    scene: Scene<'a>,
    query: Query,
    targets: Targets<'a>,
    columns: [Column<Sort>; 6],
    rows: Vec<Row<'a>>,
    shown_at: Moment,
}

const COLUMNS: [Column<Sort>; 6] = [
    Column { name: "Customer", sort: Some(Sort::Customer) },
    Column { name: "Product", sort: Some(Sort::Product) },
    Column { name: "Seats", sort: Some(Sort::Seats) },
    Column { name: "State", sort: None },
    Column { name: "Last answered", sort: Some(Sort::Age) },
    Column { name: "Last change", sort: Some(Sort::Change) },
];

/// A target as the table shows it.
#[derive(Debug)]
struct Row<'a> {
    target: Target<'a>,
    sign: &'static str,
    product: Cow<'static, str>,
    why: Option<&'static str>,
    answered: Option<Moment>,
    change: Option<Changed>,
}

impl<'a> Row<'a> {
    fn new(target: Target<'a>, now: Now) -> Self {
        let Record { answer, last_seats, change, failure } = target.known.record;
        Self {
            target,
            sign: Page::sign(target.state),
            product: target.product.label(),
            why: (target.state == TargetState::Failing).then(|| why(failure)),
            answered: answer.map(|answered| Moment::new(answered.at, now.wall)),
            change: change.zip(last_seats).map(|(change, to)| Changed::new(change, to, now)),
        }
    }
}

impl Page<'_> {
    /// What stands beside a state for those who do not see colours.
    const fn sign(state: TargetState) -> &'static str {
        match state {
            TargetState::Ok => "✓",
            TargetState::Absent => "–",
            TargetState::Failing => "✕",
            TargetState::Pending => "…",
        }
    }

    const fn meaning(state: TargetState) -> &'static str {
        match state {
            TargetState::Ok => "answered: has or had seats",
            TargetState::Absent => "answered: never had seats",
            TargetState::Failing => "no answer",
            TargetState::Pending => "not polled yet",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use elements_api::Reason;

    use super::*;
    use crate::store::WatchedCustomer;
    use crate::testing::{self, now, scene, seats, status, target, watched};

    fn html(store: &Store, query: &str) -> String {
        page(store, &status(), "/scrape", query, now(1_000)).unwrap()
    }

    fn html_of_the_scene() -> String {
        let (store, status) = scene();
        page(&store, &status, "/scrape", "", now(1_000)).unwrap()
    }

    #[test]
    fn the_page_says_whether_all_is_well_and_where_to_look() {
        let html = html_of_the_scene();
        for part in [
            "<h2>2 of 5 targets fail</h2>",
            "href=\"./scrape\"",
            "href=\"./seats.csv\"",
            "title=\"2023-11-14T22:29:10Z\">50 s ago</time>",
            "took 1.2 s",
            "25 → 30",
            why(Some(Reason::Forbidden)),
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
        assert!(html.find(why(Some(Reason::Forbidden))) < html.find(">contoso<"), "failing first");
    }

    #[test]
    fn the_page_says_why_nothing_is_there_yet() {
        let html = html(&testing::store(), "");
        for part in ["<h2>Not ready</h2>", "No customer is known yet", "none has ended yet", "No target is known."] {
            assert!(html.contains(part), "{part}\n{html}");
        }
    }

    #[test]
    fn a_stale_number_is_shown_and_marked() {
        let store = testing::store();
        store.watch(&[watched("a", "contoso", "", &[1, 4])]);
        store.record(&target("a", 1), seats(17), Now { wall: now(0).wall - Duration::from_hours(9), ..now(0) });
        store.record(&target("a", 4), seats(5), now(900));
        let html = html(&store, "");
        assert!(html.contains("<span class=\"nothing\">17<small>stale</small></span>"), "{html}");
        assert_eq!(html.matches("<small>stale</small>").count(), 1, "{html}");
    }

    #[test]
    fn what_was_never_purchased_is_shown_on_request() {
        let store = testing::store();
        store.watch(&[WatchedCustomer { listed: false, ..watched("a", "contoso", "", &[1, 4]) }]);
        store.record(&target("a", 1), seats(0), now(900));
        store.record(&target("a", 4), seats(5), now(900));
        let page = html(&store, "");
        assert!(page.contains("1–1 of 1 target ·") && !page.contains("DocAve Online"), "{page}");
        assert!(page.contains("<a href=\"./?state=all#targets\">Show 1 never purchased</a>"), "{page}");
        let page = html(&store, "state=all");
        assert!(page.contains("DocAve Online") && !page.contains("Show 1 never"), "{page}");
        assert!(page.contains("<option selected>all</option>"), "{page}");
        let page = html(&store, "q=docave");
        assert!(page.contains("No target is like that. <a href=\"./?q=docave&#38;state=all#targets\">"), "{page}");
    }

    #[test]
    fn nothing_that_others_write_becomes_markup() {
        let hostile = "\"><script>alert(1)</script>'&";
        let store = testing::store();
        store.watch(&[watched("a", hostile, hostile, &[1])]);
        store.record(&target("a", 1), seats(1), now(0));
        let html = html(&store, "q=%22%3E%3Cscript%3E&sort=%22%3E%3Cscript%3E");
        assert_eq!(html.matches("<script").count(), 0, "{html}");
        assert!(html.contains("value=\"&#34;&#62;&#60;script&#62;\""), "{html}");
    }

    #[test]
    fn links_keep_what_was_asked_for() {
        let store = testing::store();
        let customers: Vec<_> = (0..120).map(|i| watched(&format!("c{i}"), &format!("c{i}"), "", &[1, 4])).collect();
        store.watch(&customers);
        let html = html(&store, "q=c&state=pending&sort=product&page=2");
        let kept = "q=c&#38;state=pending&#38;sort=product";
        assert!(html.contains(&format!("rel=\"next\" href=\"./?{kept}&#38;page=3#targets\"")), "{html}");
        assert!(html.contains(&format!("rel=\"prev\" href=\"./?{kept}#targets\"")), "{html}");
        assert!(html.contains("101–200 of 240 targets") && html.contains("aria-sort=\"ascending\""), "{html}");
        assert!(html.contains("<option selected>pending</option>"), "{html}");
        assert!(html.contains("href=\"./seats.csv?q=c&#38;state=pending\""), "{html}");
    }
}
