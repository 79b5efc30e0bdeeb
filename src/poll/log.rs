//! What the poller logs: one line a cycle, and one for each change of a target, as long as they are few.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use elements_api::{Answer, CustomerId, Error, Reason};
use tracing::{debug, info, warn};

use super::cycle::Tally;
use super::discovery::Verdict;
use crate::names::SomeOf;
use crate::store::{Record, Snapshot, Target, TargetState};

/// More changes than these in one cycle become one line.
const MOST_LINES: usize = 10;

/// So many names stand for all in a line that speaks of many.
const SOME_NAMES: usize = 5;

/// What was logged, so that it is not logged again, and what is left for the end of the cycle.
#[derive(Debug, Default)]
pub(super) struct PollLog {
    changes: Vec<(Target, StateChange)>,
    overload: Option<String>,
    hidden: Vec<CustomerId>,
    unknown: BTreeSet<CustomerId>,
    discovery_failed: bool,
    lists_nobody: bool,
    stale: usize,
}

/// How a target's state has changed.
#[derive(Debug)]
enum StateChange {
    Failing(Error),
    /// It is answered again, with a number.
    Recovered,
    /// It is answered, and there is no such product.
    Absent,
    /// A product that had no seats has some.
    Present,
}

impl PollLog {
    /// A cycle that cannot fit its interval is logged once, until the numbers change.
    pub(super) fn overload(&mut self, overload: Option<String>) {
        if self.overload != overload {
            if let Some(overload) = &overload {
                warn!("a cycle cannot fit its interval: {overload}");
            }
            self.overload = overload;
        }
    }

    /// These discovered customers cannot be shown.
    pub(super) fn hidden(&mut self, hidden: Vec<CustomerId>) {
        if self.hidden != hidden {
            for id in hidden.iter().take(MOST_LINES) {
                warn!(
                    customer_id = %id,
                    "a discovered customer is not shown: its id is another customer's name; rename that one"
                );
            }
            self.hidden = hidden;
        }
    }

    pub(super) fn listing(&mut self, verdict: &Verdict) {
        let failed = matches!(verdict, Verdict::Failed(_));
        match verdict {
            Verdict::Failed(error) if !self.discovery_failed => {
                warn!(%error, "discovery failed: the customers stay as they were");
            }
            Verdict::Failed(error) => debug!(%error, "discovery failed again"),
            Verdict::HeldBack { before, lost } => {
                warn!(before, lost, "a listing that lacks more than half of the customers is held back for one cycle");
            }
            Verdict::Believed(listing) if listing.is_empty() && !self.lists_nobody => {
                warn!("the listing has no customer: these credentials may belong to another account");
            }
            Verdict::Believed(listing) if self.discovery_failed => {
                info!(customers = listing.len(), "discovery works again");
            }
            Verdict::Believed(_) | Verdict::NotAsked => {}
        }
        if let Verdict::Believed(listing) = verdict {
            self.lists_nobody = listing.is_empty();
        }
        if *verdict != Verdict::NotAsked {
            self.discovery_failed = failed;
        }
    }

    /// A poll came to `after`, where `before` was known; `error` says why it had no answer.
    pub(super) fn polled(&mut self, target: Target, before: &Record, after: &Record, error: Option<Error>) {
        if let Some(error) = &error {
            let (customer_id, product) = (&target.customer, target.product.label());
            debug!(%customer_id, %product, %error, "poll failed");
        }
        if let Some(change) = after.change.filter(|_| after.change != before.change) {
            let now = after.last_seats.unwrap_or(change.previous);
            let (customer_id, product) = (&target.customer, target.product.label());
            debug!(%customer_id, %product, before = %change.previous, %now, "seats changed");
        }
        let change = match (error, before.failure) {
            (Some(error), None) => Some(StateChange::Failing(error)),
            (Some(_), Some(_)) => None,
            (None, Some(_)) => {
                Some(if has_seats(after) == Some(true) { StateChange::Recovered } else { StateChange::Absent })
            }
            (None, None) => match (has_seats(before), has_seats(after)) {
                (Some(true), Some(false)) => Some(StateChange::Absent),
                (Some(false), Some(true)) => Some(StateChange::Present),
                _ => None,
            },
        };
        self.changes.extend(change.map(|change| (target, change)));
    }

    /// Logs what the cycle changed, and what it came to.
    pub(super) fn cycle_ended(&mut self, tally: Tally, duration: Duration, known: &Snapshot) {
        let changes = std::mem::take(&mut self.changes);
        if changes.len() > MOST_LINES {
            log_many(&changes, known);
        } else {
            for (target, change) in &changes {
                log_one(target, change, known);
            }
        }
        self.log_stale_targets(known);
        self.log_unknown_customers(known);
        let Tally { seats, absent, failed, left, .. } = tally;
        info!(seats, absent, failed, left, duration_seconds = duration.as_secs_f64(), "cycle ended");
    }

    /// A target that has waited too long to be polled fails without a poll that could say so.
    fn log_stale_targets(&mut self, known: &Snapshot) {
        let (now, freshness) = (SystemTime::now(), known.freshness);
        let is_stale =
            |record: &Record| record.failure.is_none() && record.state(now, freshness) == TargetState::Failing;
        let stale = known.records().filter(|(_, _, record)| is_stale(record)).count();
        if stale > self.stale {
            warn!(stale, "targets have waited too long to be polled: their numbers are gone");
        } else if stale == 0 && self.stale > 0 {
            info!("no target waits too long any more");
        }
        self.stale = stale;
    }

    /// A configured customer none of whose products exist is probably none: logged once, until it has one.
    fn log_unknown_customers(&mut self, known: &Snapshot) {
        let listed: BTreeSet<_> = known.listing.iter().flat_map(|listing| listing.iter()).map(|one| &one.id).collect();
        let unknown: BTreeSet<CustomerId> = known
            .customers
            .values()
            .filter(|known| !known.products.is_empty() && known.products.values().all(was_not_found))
            .filter(|known| !listed.contains(&known.customer.id))
            .map(|known| known.customer.id.clone())
            .collect();
        let new: Vec<_> = unknown.difference(&self.unknown).map(|id| Named(id, known)).collect();
        match new.as_slice() {
            [] => {}
            [one] => warn!(customer = %one, "none of this customer's products exist: its id may be wrong"),
            many => {
                warn!(
                    customers = many.len(),
                    some = %SomeOf(many, SOME_NAMES),
                    "none of these customers' products exist: their ids may be wrong"
                );
            }
        }
        self.unknown = unknown;
    }
}

fn has_seats(record: &Record) -> Option<bool> {
    record.answer.map(|answered| answered.answer.seats().is_some())
}

fn was_not_found(record: &Record) -> bool {
    record.answer.is_some_and(|answered| answered.answer == Answer::NotFound)
}

fn log_one(target: &Target, change: &StateChange, known: &Snapshot) {
    let (customer, product) = (Named(&target.customer, known), target.product.label());
    match change {
        StateChange::Failing(error) => {
            let reason = error.reason().map(Reason::as_str);
            let request_id = error.request_id();
            warn!(%customer, %product, state = "failing", reason, request_id, %error, "target fails");
        }
        StateChange::Recovered => info!(%customer, %product, state = "ok", "target is answered again"),
        StateChange::Absent => info!(%customer, %product, state = "absent", "the customer has no such product"),
        StateChange::Present => info!(%customer, %product, state = "ok", "the customer has the product now"),
    }
}

fn log_many(all: &[(Target, StateChange)], known: &Snapshot) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failing = 0;
    for (_, change) in all {
        let word = match change {
            StateChange::Failing(error) => {
                failing += 1;
                error.reason().map_or("failing", Reason::as_str)
            }
            StateChange::Recovered | StateChange::Present => "ok",
            StateChange::Absent => "absent",
        };
        *reasons.entry(word).or_default() += 1;
    }
    let reasons: Vec<_> = reasons.into_iter().map(|(word, count)| format!("{word}: {count}")).collect();
    let reasons = reasons.join(", ");
    let customers: BTreeSet<_> = all.iter().map(|(target, _)| &target.customer).collect();
    let customers: Vec<_> = customers.into_iter().map(|id| Named(id, known)).collect();
    let example = all.iter().find_map(|(_, change)| match change {
        StateChange::Failing(error) => Some(error.to_string()),
        _ => None,
    });
    let (changed, some) = (all.len(), SomeOf(&customers, SOME_NAMES));
    if failing > 0 {
        warn!(changed, failing, %reasons, %some, example, "many targets changed");
    } else {
        info!(changed, %reasons, %some, "many targets changed");
    }
}

/// A customer by its label, and its id where that is another.
struct Named<'a>(&'a CustomerId, &'a Snapshot);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(id, known) = self;
        match known.customers.get(id).map(|known| known.customer.label.as_str()) {
            Some(label) if label != id.as_str() => write!(f, "{label} ({id})"),
            _ => write!(f, "{id}"),
        }
    }
}
