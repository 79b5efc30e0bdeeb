use elements_api::Subscription;

use super::*;
use crate::store::StoreWriter;
use crate::testing::{self, at, freshness, now, scene, status, subscribed, subscription, watched};

const DAY: u64 = 86_400;

/// A row of a service whose contract ends at so many seconds, seen from `now(1_000)`.
fn row(service: &str, left: u64) -> Subscription {
    Subscription { contract_end: Some(at(1_000 + left)), ..subscription(service, 1_000 + left) }
}

fn monthly(service: &str, left: u64) -> Subscription {
    Subscription { payment_type: Some("Monthly".to_owned()), ..row(service, left) }
}

/// What is known of alpha and Beta, listed at `at(900)`, and of gamma, who has bought nothing.
fn store(alpha: Vec<Subscription>, beta: Vec<Subscription>) -> StoreWriter {
    let store = testing::store();
    store.watch(&[
        watched("id-2", "alpha", "Umbrella", &[4]),
        watched("id-1", "Beta", "Org B", &[4]),
        watched("id-3", "gamma", "", &[4]),
    ]);
    let all = vec![subscribed("id-2", alpha), subscribed("id-1", beta), subscribed("id-3", vec![])];
    store.set_subscriptions(all, |_| true, now(900));
    store
}

fn listed() -> Status {
    let status = status();
    status.subscriptions_listed(at(900));
    status
}

fn html(store: &Store, status: &Status, query: &str) -> String {
    page(store, status, "/scrape", query, now(1_000)).unwrap()
}

fn found(store: &Store, query: &str) -> Vec<String> {
    let snapshot = store.snapshot();
    let rows = Known::of(&snapshot, now(1_000)).find(&Query::new(query), at(1_000));
    rows.iter().map(|row| format!("{} {}", row.customer.label, row.labels.service)).collect()
}

fn headline(store: &Store, status: &Status, now: Now) -> Headline {
    let snapshot = store.snapshot();
    headline::headline(&snapshot, &Known::of(&snapshot, now), &status.snapshot(), now.wall)
}

fn titles(headline: &Headline) -> Vec<&str> {
    std::iter::once(&headline.first).chain(&headline.others).map(|finding| finding.title.as_str()).collect()
}

#[test]
fn the_page_shows_all_that_a_row_tells() {
    let (store, status) = scene();
    let html = html(&store, &status, "");
    for part in [
        "<bdi>contoso</bdi>",
        "<bdi>Cloud Backup for Microsoft 365</bdi>",
        "<bdi>Cloud Backup Yearly</bdi> · <bdi>Enterprise</bdi> · <bdi>Individual</bdi>",
        "<td role=\"cell\" class=\"seats\" data-name=\"Seats\">30</td>",
        "<small>2 units</small>",
        "<small>250 MB of 1 GB used</small>",
        "<small>28 Microsoft licences assigned</small>",
        "<small>-3 seats this month</small>",
        "title=\"2023-11-16T23:13:20Z\">in 2 days</time>",
        "<small>2023-11-16</small>",
        "<bdi>Upfront</bdi>",
        "href=\"./subscriptions.csv\"",
        "href=\"./scrape\"",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    assert!(html.contains("<h2>1 subscription ends within 7 days</h2>"), "{html}");
    assert!(html.contains("2 subscriptions of 1 customer, listed 1 min ago."), "{html}");
}

#[test]
fn what_is_not_listed_says_why_and_what_would_help() {
    let empty = testing::store();
    let off = html(&empty, &status(), "");
    assert!(off.contains("<h2>Subscriptions are not listed</h2>") && off.contains("subscriptions: {enabled: true}"));
    assert!(off.contains("No subscription is known.") && !off.contains("class=\"states\""), "{off}");

    let status = status();
    status.set_subscriptions(true);
    assert_eq!(titles(&headline(&empty, &status, now(1_000))), ["Subscriptions are not listed yet"]);
    status.subscriptions_failed(elements_api::Error::ScopeMissing);
    let failed = headline(&empty, &status, now(1_000));
    assert_eq!(titles(&failed), ["The last listing of subscriptions failed"]);
    assert!(failed.first.detail.starts_with("Nothing was listed before"));

    let store = store(vec![row("Backup", DAY)], vec![]);
    let failed = headline(&store, &status, now(1_000));
    assert_eq!(titles(&failed), ["The last listing of subscriptions failed", "1 subscription ends within 7 days"]);
    assert!(failed.first.detail.starts_with("What was listed before stays"));
    assert!(failed.first.detail.ends_with("grant the app registration elements.customers.read.all."), "why");
    let late = now(901) + freshness().subscriptions;
    let stale = headline(&store, &listed(), late);
    assert_eq!(titles(&stale), ["What was listed of 3 customers is too old"]);
    assert!(page(&store, &listed(), "/m", "", late).unwrap().contains("No subscription is known."));
}

#[test]
fn where_nobody_is_watched_nobody_is_said_to_have_nothing() {
    let (empty, status) = (testing::store(), listed());
    empty.set_subscriptions(vec![subscribed("id-1", vec![row("Backup", DAY)])], |_| true, now(900));
    assert_eq!(titles(&headline(&empty, &status, now(1_000))), ["No customer is watched"]);
    status.set_discovery(true);
    status.listing_failed(elements_api::Error::ScopeMissing);
    let failed = headline(&empty, &status, now(1_000));
    assert_eq!((failed.first.mood, titles(&failed)), (Mood::Warning, vec!["The last listing of customers failed"]));
    assert!(failed.first.detail.starts_with("None came before. "), "{}", failed.first.detail);
    let next = next_endings(&empty.snapshot(), &status.snapshot(), now(1_000));
    assert_eq!(next.why_none.as_deref(), Some("The last listing of customers failed."));
    let some = store(vec![row("Backup", DAY)], vec![]);
    let failed = headline(&some, &status, now(1_000));
    assert_eq!(titles(&failed), ["The last listing of customers failed", "1 subscription ends within 7 days"]);
    some.set_listing(std::sync::Arc::new([]), at(900));
    assert_eq!(titles(&headline(&some, &status, now(1_000))), ["1 subscription ends within 7 days"]);
}

#[test]
fn the_headline_says_what_ends_soon() {
    let title = |alpha: Vec<Subscription>| {
        let headline = headline(&store(alpha, vec![]), &listed(), now(1_000));
        assert_eq!(headline.others, []);
        (headline.first.mood, headline.first.title)
    };
    let soon = vec![row("a", 7 * DAY), row("b", 8 * DAY), row("c", 1)];
    assert_eq!(title(soon), (Mood::Bad, "2 subscriptions end within 7 days".to_owned()));
    assert_eq!(title(vec![row("b", 30 * DAY)]), (Mood::Warning, "1 subscription ends within 30 days".to_owned()));
    let later = vec![row("b", 30 * DAY + 1), row("gone", 0), monthly("c", DAY)];
    assert_eq!(title(later), (Mood::Well, "Nothing ends within 30 days".to_owned()));
    assert_eq!(title(vec![]), (Mood::Well, "Nobody has subscriptions".to_owned()));
}

#[test]
fn rows_are_filtered_by_when_they_end_and_what_is_paid_by_the_month_only_once_it_has() {
    let none = Subscription { expiration: None, contract_end: None, ..row("None", 0) };
    let alpha = vec![row("Now", 0), row("Week", 7 * DAY), row("Month", 30 * DAY), row("Year", 365 * DAY), none];
    let store = store(alpha, vec![monthly("Old", 0), monthly("New", 12 * DAY)]);
    assert_eq!(found(&store, "ends=ended"), ["alpha Now", "Beta Old"]);
    assert_eq!(found(&store, "ends=7d"), ["alpha Week"]);
    assert_eq!(found(&store, "ends=30d"), ["alpha Week", "alpha Month"]);
    assert_eq!(found(&store, "ends=90d"), ["alpha Week", "alpha Month"]);
    assert_eq!(found(&store, "ends=365d"), ["alpha Week", "alpha Month", "alpha Year"]);
    let all = ["alpha Now", "Beta Old", "alpha Week", "Beta New", "alpha Month", "alpha Year", "alpha None"];
    assert_eq!(found(&store, ""), all, "what does not end comes last");
    let html = html(&store, &listed(), "ends=30d");
    assert!(
        html.contains("href=\"./subscriptions?ends=30d#subscriptions\" aria-current=\"true\">\n<b>2</b>"),
        "{html}"
    );
    assert!(html.contains("<option value=\"30d\" selected>within 30 days</option>"), "{html}");
    assert!(html.contains("<small>60 seats</small>"), "{html}");
}

#[test]
fn every_column_sorts_both_ways_and_names_of_all_kinds_are_searched() {
    let few = Subscription { purchased_user_seats: None, ..row("archive", 3 * DAY) };
    let many = Subscription { purchased_user_seats: elements_api::Seats::new(70), ..row("Fly", DAY) };
    let store = store(vec![row("Backup", 2 * DAY)], vec![few, many]);
    for (query, order) in [
        ("sort=customer", ["alpha Backup", "Beta Fly", "Beta archive"]),
        ("sort=customer&dir=desc", ["Beta Fly", "Beta archive", "alpha Backup"]),
        ("sort=service", ["Beta archive", "alpha Backup", "Beta Fly"]),
        ("sort=service&dir=desc", ["Beta Fly", "alpha Backup", "Beta archive"]),
        ("sort=seats", ["alpha Backup", "Beta Fly", "Beta archive"]),
        ("sort=seats&dir=desc", ["Beta Fly", "alpha Backup", "Beta archive"]),
        ("", ["Beta Fly", "alpha Backup", "Beta archive"]),
        ("dir=desc", ["Beta archive", "alpha Backup", "Beta Fly"]),
    ] {
        assert_eq!(found(&store, query), order, "{query}");
    }
    for (search, rows) in [("q=UMBREL", 1), ("q=id-1", 2), ("q=FLY", 1), ("q=enterprise", 3), ("q=nobody", 0)] {
        assert_eq!(found(&store, search).len(), rows, "{search}");
    }
}

#[test]
fn many_come_in_pages_and_links_keep_what_was_asked_for() {
    let rows = (0..120).map(|i| row(&format!("Service {i:03}"), DAY + i)).collect();
    let html = html(&store(rows, vec![]), &listed(), "q=service&ends=7d&sort=service&page=2");
    assert!(html.contains("101–120 of 120 subscriptions"), "{html}");
    let kept = "q=service&#38;ends=7d&#38;sort=service";
    assert!(html.contains(&format!("rel=\"prev\" href=\"./subscriptions?{kept}#subscriptions\"")), "{html}");
    assert!(html.contains("href=\"./subscriptions.json?q=service&#38;ends=7d\""), "{html}");
    assert!(html.contains("<input type=\"hidden\" name=\"sort\" value=\"service\">"), "{html}");
}

#[test]
fn nothing_that_others_write_becomes_markup() {
    let hostile = "\"><script>alert(1)</script>'&";
    let text = || Some(hostile.to_owned());
    let all = Subscription { name: text(), package: text(), source: text(), payment_type: text(), ..row(hostile, DAY) };
    let store = store(vec![all], vec![]);
    let html = html(&store, &listed(), "q=%22%3E%3Cscript%3E&ends=%22%3E%3Cscript%3E");
    assert!(html.contains("1–1 of 1 subscription<") && !html.contains("<script"), "{html}");
    let status_page = crate::pages::status::page(&store, &listed(), "/m", "", now(1_000)).unwrap();
    assert!(status_page.contains("alert(1)") && !status_page.contains("<script"), "{status_page}");
}

#[test]
fn the_next_five_endings_have_each_customer_once_a_day() {
    let alpha = (1..9).map(|day| row(&format!("Late {day}"), day * 40 * DAY));
    let alpha = alpha.chain([row("Fly", 2 * DAY), row("Backup", 2 * DAY), row("Gone", 0)]).collect();
    let store = store(alpha, vec![row("Archive", DAY), monthly("Monthly", DAY)]);
    let next = next_endings(&store.snapshot(), &listed().snapshot(), now(1_000));
    let rows: Vec<_> = next
        .rows
        .iter()
        .map(|row| format!("{} {} {} {} {}", row.at.relative, row.customer, row.services, row.seats, row.mood.as_str()))
        .collect();
    let expected = [
        "in 24 h Beta Archive 30 bad",
        "in 2 days alpha Backup and 1 more 60 bad",
        "in 40 days alpha Late 1 30 waiting",
        "in 80 days alpha Late 2 30 waiting",
        "in 120 days alpha Late 3 30 well",
    ];
    assert_eq!(rows, expected);
    assert_eq!((next.rows[1].link.as_str(), next.why_none), ("./subscriptions?q=alpha#subscriptions", None));
}

#[test]
fn without_endings_the_status_page_says_why() {
    let why = |store: &StoreWriter, status: &Status| {
        next_endings(&store.snapshot(), &status.snapshot(), now(1_000)).why_none.unwrap()
    };
    assert_eq!(why(&testing::store(), &status()), "Subscriptions are not listed.");
    let nothing = store(vec![row("Gone", 0), monthly("Monthly", DAY)], vec![]);
    assert_eq!(why(&nothing, &listed()), "Nothing that is known ends, but for what is paid by the month.");
    let status = listed();
    status.subscriptions_failed(elements_api::Error::ScopeMissing);
    let html = crate::pages::status::page(&nothing, &status, "/m", "", now(1_000)).unwrap();
    assert_eq!(html.matches("The last listing of subscriptions failed.").count(), 2, "{html}");
}

#[test]
fn a_page_of_6_000_subscriptions_has_a_hundred() {
    let store = testing::store();
    let ids: Vec<_> = (0..1_000).map(|i| format!("id-{i:04}")).collect();
    store.watch(&ids.iter().map(|id| watched(id, id, id, &[4])).collect::<Vec<_>>());
    let six = || (0..6).map(|i| row(&format!("Service {i}"), i * DAY)).collect();
    store.set_subscriptions(ids.iter().map(|id| subscribed(id, six())).collect(), |_| true, now(900));
    for query in ["", "q=service", "sort=service&dir=desc&page=60", "ends=90d&sort=seats"] {
        assert_eq!(html(&store, &listed(), query).matches("<tr").count(), 101, "{query}");
    }
}
