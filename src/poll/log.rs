//! What the poller tells the log: one line a cycle, and one for each change of a target, as long as they are few.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use tracing::{debug, info, warn};

use super::cycle::Tally;
use super::discovery::Verdict;
use crate::names::SomeOf;
use crate::store::{Record, Snapshot, Target, TargetState};
use elements_api::{Answer, CustomerId, Error, Reason};

/// More changes than these in one cycle become one line.
const MOST_LINES: usize = 10;

/// So many names stand for all in a line that speaks of many.
const SOME_NAMES: usize = 5;

/// What was told, so that it is not told again, and what the end of the cycle will tell.
#[derive(Debug, Default)]
pub(super) struct PollLog {
    turns: Vec<(Target, Turn)>,
    overload: Option<String>,
    hidden: Vec<CustomerId>,
    unknown: BTreeSet<CustomerId>,
    discovery_failed: bool,
    lists_nobody: bool,
    stale: usize,
}

/// How a target's state has changed.
#[derive(Debug)]
enum Turn {
    Failing(Error),
    /// It is answered again, with a number.
    Recovered,
    /// It is answered, and there is no such product.
    Absent,
    /// A product that had no seats has some.
    Present,
}

impl PollLog {
    /// A cycle that cannot fit its interval is told once, until the numbers change.
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
                warn!(before, lost, "a listing without more than half of the customers is held back for one cycle");
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
        let turn = match (error, before.failure) {
            (Some(error), None) => Some(Turn::Failing(error)),
            (Some(_), Some(_)) => None,
            (None, Some(_)) => Some(if has_seats(after) == Some(true) { Turn::Recovered } else { Turn::Absent }),
            (None, None) => match (has_seats(before), has_seats(after)) {
                (Some(true), Some(false)) => Some(Turn::Absent),
                (Some(false), Some(true)) => Some(Turn::Present),
                _ => None,
            },
        };
        self.turns.extend(turn.map(|turn| (target, turn)));
    }

    /// Tells what the cycle changed, and what it came to.
    pub(super) fn cycle_ended(&mut self, tally: Tally, duration: Duration, known: &Snapshot) {
        let turns = std::mem::take(&mut self.turns);
        if turns.len() > MOST_LINES {
            tell_many(&turns, known);
        } else {
            for (target, turn) in &turns {
                tell_one(target, turn, known);
            }
        }
        self.tell_stale_targets(known);
        self.tell_unknown_customers(known);
        let Tally { seats, absent, failed, left, .. } = tally;
        info!(seats, absent, failed, left, duration_seconds = duration.as_secs_f64(), "cycle ended");
    }

    /// A target whose turn did not come for too long fails without a poll that could tell it.
    fn tell_stale_targets(&mut self, known: &Snapshot) {
        let (now, freshness) = (SystemTime::now(), known.freshness);
        let is_stale =
            |record: &Record| record.failure.is_none() && record.state(now, freshness) == TargetState::Failing;
        let stale = known.records().filter(|(_, _, record)| is_stale(record)).count();
        if stale > self.stale {
            warn!(stale, "targets were not polled for too long: their numbers are gone");
        } else if stale == 0 && self.stale > 0 {
            info!("no target waits too long any more");
        }
        self.stale = stale;
    }

    /// A configured customer none of whose products exist is probably none: told once, until it has one.
    fn tell_unknown_customers(&mut self, known: &Snapshot) {
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

fn tell_one(target: &Target, turn: &Turn, known: &Snapshot) {
    let (customer, product) = (Named(&target.customer, known), target.product.label());
    match turn {
        Turn::Failing(error) => {
            let reason = error.reason().map(Reason::as_str);
            let request_id = error.request_id();
            warn!(%customer, %product, state = "failing", reason, request_id, %error, "target fails");
        }
        Turn::Recovered => info!(%customer, %product, state = "ok", "target is answered again"),
        Turn::Absent => info!(%customer, %product, state = "absent", "the customer has no such product"),
        Turn::Present => info!(%customer, %product, state = "ok", "the customer has the product now"),
    }
}

fn tell_many(turns: &[(Target, Turn)], known: &Snapshot) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failing = 0;
    for (_, turn) in turns {
        let word = match turn {
            Turn::Failing(error) => {
                failing += 1;
                error.reason().map_or("failing", Reason::as_str)
            }
            Turn::Recovered | Turn::Present => "ok",
            Turn::Absent => "absent",
        };
        *reasons.entry(word).or_default() += 1;
    }
    let reasons: Vec<_> = reasons.into_iter().map(|(word, count)| format!("{word}: {count}")).collect();
    let reasons = reasons.join(", ");
    let customers: BTreeSet<_> = turns.iter().map(|(target, _)| &target.customer).collect();
    let customers: Vec<_> = customers.into_iter().map(|id| Named(id, known)).collect();
    let example = turns.iter().find_map(|(_, turn)| match turn {
        Turn::Failing(error) => Some(error.to_string()),
        _ => None,
    });
    let (changed, some) = (turns.len(), SomeOf(&customers, SOME_NAMES));
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
