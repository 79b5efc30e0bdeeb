//! In one look: what ends soon, or why that is not known.

use std::time::SystemTime;

use super::query::Shown;
use super::rows::Known;
use crate::names::count;
use crate::pages::finding::{Finding, Headline, Mood, customers_failed, subscriptions_failed};
use crate::pages::format::Moment;
use crate::pages::query::Filter as _;
use crate::status::{ListingStatus, StatusSnapshot};
use crate::store::Snapshot;

pub(super) fn headline(snapshot: &Snapshot, known: &Known<'_>, status: &StatusSnapshot, now: SystemTime) -> Headline {
    let problems = [unknown(snapshot, status), stale(known)];
    let findings = problems.into_iter().flatten().chain(soon(known, now)).collect();
    Headline::of(findings, || well(known, now))
}

/// Why no listing says what is so now; `None`: one does.
pub(super) fn unknown(snapshot: &Snapshot, status: &StatusSnapshot) -> Option<Finding> {
    let finding = |title: &str, detail: &str| {
        Some(Finding { mood: Mood::Waiting, title: title.to_owned(), detail: detail.to_owned() })
    };
    let Some(listing) = &status.subscriptions else {
        return finding(
            "Subscriptions are not listed",
            "To list them, write “subscriptions: {enabled: true}” into the configuration, and reload it. The app \
             registration needs no other permission for it.",
        );
    };
    if let Some(why) = listing.failure() {
        return Some(subscriptions_failed(snapshot, why));
    }
    if snapshot.subscriptions.is_none() {
        return finding("Subscriptions are not listed yet", "The first listing comes with the first cycle.");
    }
    if let (None, Some(why)) = (&snapshot.listing, status.discovery.as_ref().and_then(ListingStatus::failure)) {
        return Some(customers_failed(snapshot, why));
    }
    if snapshot.customers.is_empty() {
        return finding(
            "No customer is watched",
            "Subscriptions are shown of those who are listed by discovery, or named in the configuration.",
        );
    }
    None
}

fn stale(known: &Known<'_>) -> Option<Finding> {
    let title = format!("What was listed of {} is too old", count(known.stale, "customer"));
    let detail = "Their subscriptions are left out until they are listed again.".to_owned();
    (known.stale > 0).then_some(Finding { mood: Mood::Warning, title, detail })
}

/// What ends so soon that it is urgent.
fn soon(known: &Known<'_>, now: SystemTime) -> Option<Finding> {
    [Shown::Within7Days, Shown::Within30Days].into_iter().find_map(|shown| {
        let (rows, _) = known.count(shown, now);
        let end = if rows == 1 { "ends" } else { "end" };
        let title = format!("{} {end} {}", count(rows, "subscription"), shown.name());
        (rows > 0).then(|| Finding { mood: shown.mood(), title, detail: listed(known, now) })
    })
}

fn well(known: &Known<'_>, now: SystemTime) -> Finding {
    let title = if known.rows.is_empty() { "Nobody has subscriptions" } else { "Nothing ends within 30 days" };
    Finding { mood: Mood::Well, title: title.to_owned(), detail: listed(known, now) }
}

fn listed(known: &Known<'_>, now: SystemTime) -> String {
    let at = known.listed.map(|at| format!(", listed {}", Moment::new(at, now).relative)).unwrap_or_default();
    let all = count(known.rows.len(), "subscription");
    format!(
        "{all} of {}{at}. What is paid by the month renews itself and is not counted before it has ended.",
        count(known.customers, "customer")
    )
}
