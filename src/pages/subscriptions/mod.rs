//! The page `/subscriptions`: what was bought until when, and what ends soon.

mod headline;
mod next;
mod query;
mod rows;

use std::time::SystemTime;

use askama::Template;

pub(super) use self::next::{NextEndings, next_endings};
use self::query::is_paid_by_the_month;
pub(super) use self::query::{Query, Shown, Sort};
pub(super) use self::rows::finds_labels;
use self::rows::{Known, Subscribed};
use super::finding::{Headline, Mood};
use super::format::{Moment, bytes};
use super::found::Found;
use super::query::{Column, Filter as _, Order as _};
use super::style::STYLE;
use crate::status::Status;
use crate::store::{Customer, Label, MergedSubscription, Now, Store};

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
    let snapshot = store.snapshot();
    let known = Known::of(&snapshot, now);
    let query = Query::new(query);
    let list = Found::new(known.find(&query, now.wall), query.page);
    let page = Page {
        style: STYLE,
        telemetry_path,
        headline: headline::headline(&snapshot, &known, &status.snapshot(), now.wall),
        all: known.rows.len(),
        tiles: Shown::NOTICES.map(|shown| Tile::new(shown, &known, now.wall)),
        columns: COLUMNS,
        rows: list.rows.iter().map(|row| Row::new(*row, now.wall)).collect(),
        shown_at: Moment::new(now.wall, now.wall),
        query,
        list,
    };
    page.render()
}

/// The template escapes all that it shows but the style, which is a part of this program.
#[derive(Debug, Template)]
#[template(path = "subscriptions.html")]
struct Page<'a> {
    style: &'static str,
    telemetry_path: &'a str,
    headline: Headline,
    /// So many are known.
    all: usize,
    tiles: [Tile; 4],
    query: Query,
    list: Found<Subscribed<'a>>,
    columns: [Column<Sort>; 6],
    rows: Vec<Row<'a>>,
    shown_at: Moment,
}

const COLUMNS: [Column<Sort>; 6] = [
    Column { name: "Customer", sort: Some(Sort::Customer) },
    Column { name: "Service", sort: Some(Sort::Service) },
    Column { name: "Seats", sort: Some(Sort::Seats) },
    Column { name: "Other measures", sort: None },
    Column { name: "Ends", sort: Some(Sort::Ends) },
    Column { name: "Paid", sort: None },
];

/// How many end so soon.
#[derive(Debug)]
struct Tile {
    shown: Shown,
    mood: Mood,
    number: usize,
    seats: u64,
}

impl Tile {
    fn new(shown: Shown, known: &Known<'_>, now: SystemTime) -> Self {
        let (number, seats) = known.count(shown, now);
        Self { shown, mood: shown.mood(), number, seats }
    }
}

/// A subscription as the table shows it. What is not told is `""` or `None`.
#[derive(Debug)]
struct Row<'a> {
    customer: &'a Customer,
    service: &'a str,
    /// What tells it from others of its service.
    details: Vec<&'a str>,
    seats: Option<u64>,
    measures: Vec<String>,
    ends: Option<Moment>,
    mood: Option<Mood>,
    payment: &'a str,
    renews: bool,
}

impl<'a> Row<'a> {
    fn new(row: Subscribed<'a>, now: SystemTime) -> Self {
        let Subscribed { customer, labels, known, .. } = row;
        let details = [&labels.subscription, &labels.package, &labels.source].map(Label::as_str);
        let ends = known.ends();
        Self {
            customer,
            service: labels.service.as_str(),
            details: details.into_iter().filter(|text| !text.is_empty()).collect(),
            seats: known.purchased_user_seats,
            measures: measures(known),
            ends: ends.map(|ends| Moment::new(ends, now)),
            mood: row.mood(now),
            payment: known.terms.payment_type.as_str(),
            renews: is_paid_by_the_month(known) && ends.is_some_and(|ends| ends > now),
        }
    }
}

/// What is sold by something else than the seat, and what is in use.
fn measures(known: &MergedSubscription) -> Vec<String> {
    let units = known.purchased_units.map(|units| format!("{units} {}", if units == 1 { "unit" } else { "units" }));
    let storage = match (known.consumed_storage_bytes, known.purchased_capacity_bytes) {
        (Some(used), Some(purchased)) => Some(format!("{} of {} used", bytes(used), bytes(purchased))),
        (Some(used), None) => Some(format!("{} used", bytes(used))),
        (None, purchased) => purchased.map(bytes),
    };
    let licences = known.microsoft_licenses_assigned.map(|assigned| format!("{assigned} Microsoft licences assigned"));
    let left = known.microsoft_licenses_available.map(|left| format!("{left} Microsoft licences left"));
    let change = known.pooled_change.map(|change| format!("{change:+} seats this month"));
    [units, storage, licences, left, change].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
