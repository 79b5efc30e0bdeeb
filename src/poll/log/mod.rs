//! What the poller logs: one line a cycle, and one for each change of a target, as long as they are few.

mod listings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use elements_api::{CustomerId, Error, Reason, Seats};
use tracing::{debug, info, warn};

pub(super) use self::listings::Listing;
use super::capacity::Capacity;
use super::cycle::{Kind, Tally};
use super::expected::Unmatched;
use crate::names::SomeOf;
use crate::rfc3339;
use crate::store::{KnownTarget, Now, Record, Snapshot, Target, TargetState};

/// More changes than these in one cycle become one line.
const MOST_LINES: usize = 10;

/// Three cycles in a row that leave targets are no accident.
const MOST_CYCLES_WITH_LEFT: u32 = 3;

/// So many names stand for all in a line that speaks of many.
const SOME_NAMES: usize = 5;

/// What was logged, so that it is not logged again, and what is left for the end of the cycle.
#[derive(Debug, Default)]
pub(super) struct PollLog {
    changes: Vec<(Target, StateChange)>,
    seat_changes: Vec<SeatChange>,
    /// What was looked at last, and how bad it was: 0 if all fits, 1 if the first pass does not, 2 if no cycle does.
    capacity: Option<(Capacity, usize)>,
    /// Full cycles in a row whose time was over before all targets had their turn.
    cycles_with_left: u32,
    hidden: Vec<CustomerId>,
    unknown: BTreeSet<CustomerId>,
    unmatched: Unmatched,
    held_until: Option<SystemTime>,
    discovery_failed: bool,
    lost_rows: BTreeMap<Listing, usize>,
    subscriptions_failed: bool,
    unreadable: BTreeSet<&'static str>,
    purchases_changed: Vec<CustomerId>,
    tenant_changes: TenantChanges,
    lists_nobody: bool,
    stale: usize,
}

/// Whose tenants could not be listed for the first time, and whose can be again.
#[derive(Debug, Default)]
struct TenantChanges {
    failing: Vec<(CustomerId, Error)>,
    recovered: Vec<CustomerId>,
}

/// A number of seats that has changed.
#[derive(Debug)]
struct SeatChange {
    target: Target,
    before: Seats,
    now: Seats,
}

/// How a target's state has changed.
#[derive(Debug)]
enum StateChange {
    Failing(Error),
    /// It is answered again.
    Recovered,
    /// A product that had seats does not exist any more.
    Gone,
}

impl PollLog {
    /// A hold that the vendor asked for is logged once. Something may have been answered before.
    pub(super) fn hold(&mut self, until: Option<SystemTime>, was_answered: bool) {
        if let Some(until) = until
            && self.held_until.is_none_or(|before| before < until)
        {
            let until = rfc3339::seconds(until);
            if was_answered {
                warn!(%until, "AvePoint asked for no requests until then: numbers stay as they are");
            } else {
                warn!(%until, "AvePoint asked for no requests until then: nothing was answered yet");
            }
        }
        self.held_until = until;
    }

    /// What cannot fit an interval is logged once, until there is more or less to ask for, or other limits.
    pub(super) fn capacity(&mut self, capacity: Capacity, latency: Duration) {
        let advice = &capacity.advice(latency);
        let severity = if capacity.fits_on_average(latency) { advice.len() } else { 2 };
        let is_new = self.capacity.is_none_or(|(before, was)| severity > was || !before.is_like(capacity));
        if is_new {
            for advice in advice {
                warn!("{advice}");
            }
        }
        self.capacity = Some((capacity, severity));
    }

    /// A full cycle has ended: too many that leave targets are warned of, however right the arithmetic seems.
    pub(super) fn left(&mut self, tally: &Tally, advice: &[String]) {
        if tally.left == 0 {
            self.cycles_with_left = 0;
            return;
        }
        self.cycles_with_left += 1;
        if self.cycles_with_left == MOST_CYCLES_WITH_LEFT {
            let Tally { left, seats, absent, .. } = tally;
            let asked = seats + absent + tally.failed();
            let advice = (!advice.is_empty()).then(|| advice.join("; "));
            warn!(left, asked, advice, "three cycles in a row were over before every target had its turn");
        }
    }

    /// These discovered customers cannot be shown.
    pub(super) fn hidden(&mut self, hidden: Vec<CustomerId>) {
        if self.hidden != hidden {
            for id in hidden.iter().take(MOST_LINES) {
                warn!(
                    customer_id = %id,
                    "a discovered customer is not shown: its id is the name of another customer; rename that one"
                );
            }
            self.hidden = hidden;
        }
    }

    /// Rows of expected seats that belong to nobody are logged once, until there are names among them that were not. Returns
    /// how many there are.
    pub(super) fn unmatched(&mut self, unmatched: Unmatched) -> usize {
        let rows = unmatched.rows;
        let new: Vec<_> = unmatched.names.difference(&self.unmatched.names).collect();
        if !new.is_empty() {
            let some = SomeOf(&new, SOME_NAMES);
            warn!(rows, %some, "the expected seats have rows of unknown customers or products: they are ignored");
        }
        self.unmatched = unmatched;
        rows
    }

    /// A poll came to `after`, where `before` was known; `error` says why it had no answer.
    pub(super) fn polled(&mut self, target: Target, before: &Record, after: &Record, error: Option<Error>) {
        if let Some(error) = &error {
            let (customer_id, product) = (&target.customer, target.product.label());
            debug!(%customer_id, %product, %error, "poll failed");
        }
        if let Some((change, now)) = after.change.filter(|_| after.change != before.change).zip(after.last_seats) {
            self.seat_changes.push(SeatChange { target: target.clone(), before: change.previous, now });
        }
        let change = match (error, before.failure) {
            (Some(error), None) => Some(StateChange::Failing(error)),
            (Some(_), Some(_)) => None,
            (None, Some(_)) => Some(StateChange::Recovered),
            (None, None) => {
                let is_gone = before.had_seats() && has_number(before) && !has_number(after);
                is_gone.then_some(StateChange::Gone)
            }
        };
        self.changes.extend(change.map(|change| (target, change)));
    }

    /// Logs what the cycle has changed.
    pub(super) fn changes(&mut self, known: &Snapshot) {
        let purchases_changed = std::mem::take(&mut self.purchases_changed);
        if !purchases_changed.is_empty() {
            let customers: Vec<_> = purchases_changed.iter().map(|id| Named(id, known)).collect();
            let some = SomeOf(&customers, SOME_NAMES);
            info!(customers = customers.len(), %some, "subscriptions changed: all products of these customers are asked for now");
        }
        let TenantChanges { failing, recovered } = std::mem::take(&mut self.tenant_changes);
        if let Some((_, error)) = failing.first() {
            let customers = customers_of(failing.iter().map(|(customer, _)| customer), known);
            warn!(failing = failing.len(), some = %SomeOf(&customers, SOME_NAMES), %error, "tenants could not be listed");
        }
        if !recovered.is_empty() {
            let customers = customers_of(recovered.iter(), known);
            info!(recovered = recovered.len(), some = %SomeOf(&customers, SOME_NAMES), "tenants are listed again");
        }
        let seat_changes = std::mem::take(&mut self.seat_changes);
        if seat_changes.len() > MOST_LINES {
            log_many_seat_changes(&seat_changes, known);
        } else {
            for SeatChange { target, before, now } in &seat_changes {
                let (customer, product) = (Named(&target.customer, known), target.product.label());
                info!(%customer, %product, %before, %now, "seats changed");
            }
        }
        let changes = std::mem::take(&mut self.changes);
        if changes.len() > MOST_LINES {
            log_many(&changes, known);
        } else {
            for (target, change) in &changes {
                log_one(target, change, known);
            }
        }
    }

    /// A target that has waited too long to be polled fails without a poll that could say so.
    pub(super) fn stale_targets(&mut self, known: &Snapshot, now: Now) {
        let freshness = known.freshness;
        let is_stale = |target: &KnownTarget| {
            target.record.failure.is_none() && target.state(now, freshness) == TargetState::Failing
        };
        let stale = known.targets().filter(|(_, _, target)| is_stale(target)).count();
        if stale > self.stale {
            warn!(stale, "targets have waited too long to be polled: their numbers are gone");
        } else if stale == 0 && self.stale > 0 {
            info!("no target waits too long any more");
        }
        self.stale = stale;
    }

    /// A configured customer who has nothing of any product is probably none: logged once, until it has something.
    pub(super) fn unknown_customers(&mut self, known: &Snapshot, discovers: bool) {
        let listing = known.listing.as_ref().filter(|_| discovers);
        let listed: BTreeSet<_> = listing.iter().flat_map(|listing| listing.iter()).map(|one| &one.id).collect();
        let has_nothing = |target: &KnownTarget| target.record.answer.is_some() && !target.record.had_seats();
        let unknown: BTreeSet<CustomerId> = known
            .customers
            .values()
            .filter(|known| !known.products.is_empty() && known.products.values().all(has_nothing))
            .filter(|known| !listed.contains(&known.customer.id))
            .map(|known| known.customer.id.clone())
            .collect();
        let new: Vec<_> = unknown.difference(&self.unknown).map(|id| Named(id, known)).collect();
        match new.as_slice() {
            [] => {}
            [one] => warn!(customer = %one, "this customer has purchased none of its products: its id may be wrong"),
            many => {
                warn!(
                    customers = many.len(),
                    some = %SomeOf(many, SOME_NAMES),
                    "these customers have purchased none of their products: their ids may be wrong"
                );
            }
        }
        self.unknown = unknown;
    }
}

/// Logs what the cycle came to, which is trouble or not.
pub(super) fn log_cycle_ended(kind: Kind, tally: &Tally, is_trouble: bool, duration: Duration) {
    let (Tally { seats, absent, left, .. }, failed) = (tally, tally.failed());
    let (duration_seconds, ended) = (duration.as_secs_f64(), kind.ended());
    match tally.answered() {
        None if kind != Kind::Full => debug!(left, duration_seconds, "{ended}"),
        // Those were due, and AvePoint wants no requests.
        None if *left > 0 => warn!(left, duration_seconds, "{ended}: no target was asked"),
        Some(false) if is_trouble => {
            warn!(seats, absent, failed, left, duration_seconds, "{ended}: no target was answered");
        }
        _ => info!(seats, absent, failed, left, duration_seconds, "{ended}"),
    }
}

/// Whether the last answer has a number.
fn has_number(record: &Record) -> bool {
    record.answer.is_some_and(|answered| answered.answer.seats().is_some())
}

fn log_many_seat_changes(all: &[SeatChange], known: &Snapshot) {
    let (mut purchased, mut returned) = (0, 0);
    for SeatChange { before, now, .. } in all {
        purchased += now.get().saturating_sub(before.get());
        returned += before.get().saturating_sub(now.get());
    }
    let customers = customers_of(all.iter().map(|change| &change.target.customer), known);
    info!(changed = all.len(), purchased, returned, some = %SomeOf(&customers, SOME_NAMES), "seats of many targets changed");
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
        StateChange::Gone => info!(%customer, %product, state = "ok", "the customer has no such product any more"),
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
            StateChange::Recovered | StateChange::Gone => "ok",
        };
        *reasons.entry(word).or_default() += 1;
    }
    let reasons: Vec<_> = reasons.into_iter().map(|(word, count)| format!("{word}: {count}")).collect();
    let reasons = reasons.join(", ");
    let customers = customers_of(all.iter().map(|(target, _)| &target.customer), known);
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

/// Each of `customers` once.
fn customers_of<'a>(customers: impl Iterator<Item = &'a CustomerId>, known: &'a Snapshot) -> Vec<Named<'a>> {
    let ids: BTreeSet<_> = customers.collect();
    ids.into_iter().map(|id| Named(id, known)).collect()
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
