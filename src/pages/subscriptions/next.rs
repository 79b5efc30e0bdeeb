//! What ends next: each customer once a day, since a contract covers many services.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::headline::unknown;
use super::query::{Query, Shown, is_paid_by_the_month};
use super::rows::{Known, Subscribed};
use crate::names::SomeOf;
use crate::pages::finding::Mood;
use crate::pages::format::Moment;
use crate::status::StatusSnapshot;
use crate::store::{Label, Now, Snapshot};

/// The next endings, or why there are none.
#[derive(Debug)]
pub(in crate::pages) struct NextEndings {
    pub(in crate::pages) rows: Vec<NextEnding>,
    /// `None` if there are some.
    pub(in crate::pages) why_none: Option<String>,
}

/// What ends for a customer on one day.
#[derive(Debug)]
pub(in crate::pages) struct NextEnding {
    pub(in crate::pages) customer: Label,
    /// To all that is known of its subscriptions.
    pub(in crate::pages) link: String,
    /// The first of that day.
    pub(in crate::pages) at: Moment,
    pub(in crate::pages) services: String,
    pub(in crate::pages) seats: u64,
    pub(in crate::pages) mood: Mood,
}

/// So many are shown.
const MOST: usize = 5;

const DAY: Duration = Duration::from_hours(24);

pub(in crate::pages) fn next_endings(snapshot: &Snapshot, status: &StatusSnapshot, now: Now) -> NextEndings {
    let known = Known::of(snapshot, now);
    let mut days: BTreeMap<_, Vec<&Subscribed<'_>>> = BTreeMap::new();
    for row in &known.rows {
        let ahead = row.known.ends().filter(|ends| *ends > now.wall);
        if let Some(ends) = ahead.filter(|_| !is_paid_by_the_month(row.known)) {
            days.entry((day(ends), &row.customer.label)).or_default().push(row);
        }
    }
    let rows: Vec<_> = days.into_values().take(MOST).filter_map(|rows| ending(&rows, now.wall)).collect();
    let why_none = || match unknown(snapshot, status) {
        Some(finding) => format!("{}.", finding.title),
        None => "Nothing that is known ends, but for what is paid by the month.".to_owned(),
    };
    let why_none = rows.is_empty().then(why_none);
    NextEndings { rows, why_none }
}

fn day(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY.as_secs()
}

/// Of rows of one customer that end on one day.
fn ending(rows: &[&Subscribed<'_>], now: SystemTime) -> Option<NextEnding> {
    let first = rows.iter().min_by_key(|row| row.known.ends())?;
    let services: Vec<_> = rows.iter().map(|row| row.labels.service.as_str()).collect();
    let seats = rows.iter().filter_map(|row| row.known.purchased_user_seats);
    Some(NextEnding {
        customer: first.customer.label.clone(),
        link: Query::search(first.customer.label.as_str()).link(),
        at: Moment::new(first.known.ends()?, now),
        services: SomeOf(&services, 1).to_string(),
        seats: seats.fold(0, u64::saturating_add),
        mood: first.mood(now).unwrap_or(Shown::All.mood()),
    })
}
