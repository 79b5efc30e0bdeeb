//! What is to be asked for and when, and where the answers go.

mod listings;
mod restore;

use std::sync::Arc;
use std::time::Duration;

use elements_api::{Answer, Client, CustomerId, Error, Operation, Reason};
use tokio::time::Instant;
use tracing::{info, warn};

use super::capacity::{Capacity, Latency};
use super::cycle::{Kind, Tally};
use super::discovery::Listings;
use super::expected::Expected;
use super::fruitless::Fruitless;
use super::log::{PollLog, log_cycle_ended};
use super::periodic::Periodic;
use super::schedule::{Asked, Candidate, Count, Due, Schedule};
use super::subscriptions::is_probable;
use super::sweep::Outcome;
use super::tenants::TenantTurns;
use super::{Plan, Timing};
use crate::status::{self, Status};
use crate::store::saved::Saved;
use crate::store::{CLOCK_TOLERANCE, Clock, Now, Store, StoreWriter, Target};

/// The plan, what is due by it, and where answers and failures are written down. It outlives the cycles, which ask.
#[derive(Debug)]
pub(super) struct Agenda {
    plan: Plan,
    store: StoreWriter,
    status: Arc<Status>,
    schedule: Schedule,
    listings: Listings,
    subscriptions: Periodic,
    tenants: TenantTurns,
    expected: Expected,
    log: PollLog,
    created: Instant,
    /// When the interval last began a cycle.
    full_cycle: Option<Instant>,
    fruitless: Fruitless,
    credentials_refused: bool,
    /// When a hold ends that left targets without their turn.
    after_hold: Option<Instant>,
    latency: Latency,
    clock: Clock,
    /// When the two clocks were last compared, and what they said.
    compared: Now,
}

/// What a new plan changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlanChange {
    /// Requests of the client before it are of no use any more.
    pub(super) other_client: bool,
    pub(super) other_interval: bool,
    /// What failed with the client before it is asked for again.
    pub(super) tries_again: bool,
}

/// How asking for a target ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polled {
    /// It has or had seats.
    Seats,
    /// It never had any.
    Absent,
    Failed(Reason),
}

/// How asking for a listing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Answered,
    Failed,
    /// Without the permission for it, the API is not even asked for the customers.
    NotPermitted,
}

impl Agenda {
    pub(super) fn new(plan: Plan, saved: &Saved, status: Arc<Status>, clock: Clock) -> Self {
        let now = clock.now();
        let store = StoreWriter::new(plan.timing.freshness());
        store.begin_account(plan.client.settings().account(), saved);
        let expected = Expected::by(plan.expected.clone(), &saved.billed);
        let mut agenda = Self {
            plan,
            store,
            status,
            schedule: Schedule::new(now),
            listings: Listings::default(),
            subscriptions: Periodic::default(),
            tenants: TenantTurns::new(now),
            expected,
            log: PollLog::default(),
            created: now.monotonic,
            full_cycle: None,
            fruitless: Fruitless::default(),
            credentials_refused: false,
            after_hold: None,
            latency: Latency::default(),
            clock,
            compared: now,
        };
        agenda.watch();
        agenda.store.restore(&saved.records, now);
        agenda.restore_tenants(saved);
        agenda.restore_subscriptions(saved);
        agenda.skip_what_is_known(now);
        agenda.warn_of_capacity();
        agenda
    }

    pub(super) fn store(&self) -> Arc<Store> {
        self.store.reader()
    }

    pub(super) const fn client(&self) -> &Arc<Client> {
        &self.plan.client
    }

    /// The poller lives. Whatever it waits for, it looks around in between, so this never stays away for long.
    pub(super) fn woke(&self) {
        self.status.poller_woke();
    }

    /// When the interval begins the next cycle: the first one at once.
    pub(super) fn next_cycle(&self) -> Instant {
        self.full_cycle.map_or(self.created, |began| began + self.plan.timing.interval)
    }

    /// When the next early cycle is to begin, if one is.
    pub(super) fn next_early_cycle(&self) -> Option<Instant> {
        let subscriptions = self.plan.timing.subscriptions.and_then(|interval| self.subscriptions.next(interval));
        let causes = [
            self.schedule.next_retry(),
            self.listings.next_retry(),
            subscriptions,
            self.fruitless.retry_at(),
            self.after_hold,
        ];
        causes.into_iter().flatten().min().filter(|retry_at| *retry_at < self.last_early_request())
    }

    /// Before this an early cycle begins its requests: what hangs then does not delay the next full cycle. Where a request
    /// may take as long as an interval, that cannot be helped.
    pub(super) fn last_early_request(&self) -> Instant {
        let next_cycle = self.next_cycle();
        let in_time = next_cycle.checked_sub(self.client().settings().timeout);
        in_time.filter(|at| self.full_cycle.is_some_and(|began| *at > began)).unwrap_or(next_cycle)
    }

    /// How long a request that others wait for has to answer: much longer than one takes, and much shorter than it may.
    pub(super) fn patience(&self) -> Duration {
        (self.latency.typical() * 5).max(self.client().settings().timeout / 6)
    }

    /// What a cycle that begins at `now` has to ask for, in this order.
    pub(super) fn due(&self, now: Instant) -> Due {
        self.schedule.due(now, self.timing())
    }

    pub(super) fn has_work(&self, now: Instant) -> bool {
        self.listing_is_due(now) || self.subscriptions_due(now).is_some() || !self.due(now).is_empty()
    }

    /// Goes by this plan from now on.
    pub(super) fn adopt(&mut self, plan: Plan) -> PlanChange {
        let before = std::mem::replace(&mut self.plan, plan);
        let other_client = !Arc::ptr_eq(&before.client, &self.plan.client);
        let account = self.plan.client.settings().account();
        let mut tries_again = false;
        if account != before.client.settings().account() {
            // Nothing that one account said holds for another.
            self.schedule = Schedule::new(self.clock.now());
            self.listings = Listings::default();
            self.subscriptions = Periodic::default();
            self.tenants = TenantTurns::new(self.clock.now());
            self.fruitless = Fruitless::default();
            self.status.set_discovery(false);
            self.status.set_subscriptions(false);
            let now = self.clock.now();
            let held_for = self.client().held_until().saturating_duration_since(now.monotonic);
            self.status.begin_account((!held_for.is_zero()).then(|| (now + held_for).wall));
            self.after_hold = None;
            // All of it is asked for at once, as after a start.
            (self.created, self.full_cycle) = (now.monotonic, None);
            self.store.begin_account(account, &Saved::default());
        } else if other_client {
            self.listings.ask_again();
            self.subscriptions = Periodic::default();
            self.tenants.ask_again();
            tries_again = self.try_again();
        } else if before.selection.discovery.is_none() && self.plan.selection.discovery.is_some() {
            self.listings.ask_again();
        }
        self.credentials_refused &= !other_client;
        if before.selection != self.plan.selection || before.timing.subscriptions.is_none() {
            // There may be somebody whose subscriptions nobody asked for yet.
            self.subscriptions = Periodic::default();
        }
        self.expected.adopt(self.plan.expected.clone());
        self.store.set_freshness(self.plan.timing.freshness());
        self.watch();
        self.warn_of_capacity();
        let other_interval = before.timing.interval != self.plan.timing.interval;
        PlanChange { other_client, other_interval, tries_again }
    }

    /// A cycle of this kind begins, at the moment that is returned.
    pub(super) fn cycle_began(&mut self, kind: Kind) -> Instant {
        let now = self.clock.now();
        if kind == Kind::Full {
            // One that is late keeps the rhythm, unless it is late by more than an interval.
            let planned = self.next_cycle();
            let is_late = now.monotonic.saturating_duration_since(planned) >= self.plan.timing.interval;
            self.full_cycle = Some(if is_late { now.monotonic } else { planned });
            self.status.cycle_began(now.wall);
        }
        self.follow_clock(now);
        self.schedule.cycle_began();
        self.after_hold = self.after_hold.filter(|end| *end > now.monotonic);
        if kind != Kind::Part && self.fruitless.retry_at().is_some_and(|retry_at| retry_at <= now.monotonic) {
            self.try_again();
        }
        now.monotonic
    }

    /// Looks whether other seats are expected.
    pub(super) async fn look_at_expected(&mut self) {
        if self.expected.look().await {
            self.watch();
            self.warn_of_capacity();
        }
    }

    /// Looks for what may have put an end to a trouble: credentials that were replaced, or a clock that was set. Whether a
    /// cycle should begin at once.
    pub(super) async fn look_around(&mut self) -> bool {
        let now = self.clock.now();
        if self.follow_clock(now) {
            return now.monotonic < self.next_cycle() && self.has_work(now.monotonic);
        }
        if self.credentials_refused && self.client().credentials_changed().await {
            info!("the credentials were refused, and their file has changed: they are tried again");
            return self.try_again();
        }
        false
    }

    /// Where the clock was set, what no longer counts by it is due, and so is what failed. Whether it was.
    fn follow_clock(&mut self, now: Now) -> bool {
        let step = now.step_since(self.compared);
        self.compared = now;
        if step <= CLOCK_TOLERANCE {
            return false;
        }
        warn!(seconds = step.as_secs(), "the clock was set, or the machine has slept");
        let known = self.store.snapshot();
        for (customer, product, target) in known.targets() {
            if target.record.answer.is_some() && target.counts_for(now, known.freshness).is_none() {
                self.schedule.ask_again(&Target { customer: customer.id.clone(), product });
            }
        }
        self.try_again();
        true
    }

    /// All that failed is due. Whether anything did.
    fn try_again(&mut self) -> bool {
        self.fruitless.try_again();
        let listing_failed = self.listings.try_again() | self.subscriptions.try_again();
        self.schedule.ask_failing_again() || listing_failed
    }

    /// Takes what asking for a target came to. `None` where it was not asked for, and stays due, or is no longer watched.
    pub(super) fn take_answer(&mut self, outcome: Outcome) -> Option<(Target, Polled)> {
        let Outcome { target, began, hung, answer } = outcome;
        let taken: Result<Answer, Reason> = match &answer {
            Ok(answer) => Ok(*answer),
            Err(error) => Err(error.reason()?),
        };
        let now = self.clock.now();
        let asked = Asked { cycle: self.full_cycle.unwrap_or(began), began };
        let (before, after) = self.store.record(&target, taken, now)?;
        let polled = match taken {
            Ok(_) => {
                self.credentials_refused = false;
                self.schedule.answered(&target, asked, after.is_dormant());
                if after.record.had_seats() { Polled::Seats } else { Polled::Absent }
            }
            Err(reason) => {
                self.credentials_refused |= answer.as_ref().is_err_and(Error::refuses_credentials);
                let now = (now.monotonic, self.plan.timing.interval);
                self.schedule.failed(&target, asked, (reason, hung), now);
                Polled::Failed(reason)
            }
        };
        self.log.polled(target.clone(), &before.record, &after.record, answer.err());
        Some((target, polled))
    }

    /// A cycle of this kind has ended.
    pub(super) fn cycle_ended(&mut self, kind: Kind, tally: &Tally, duration: Duration) {
        let full = (kind == Kind::Full).then(|| {
            tally.failures().for_each(|reason| self.status.poll_failed(reason));
            self.latency.measure(self.status.snapshot().counts.api_durations[&Operation::Overview]);
            status::Cycle { completed: self.clock.now().wall, duration, targets: tally.targets() }
        });
        // What fails by itself, and is tried again, says nothing of the API; an answer does.
        let fruitless = self.fruitless.is_so();
        let speaks = |good: &bool| match kind {
            Kind::Full => true,
            Kind::Early => *good || fruitless,
            Kind::Part => false,
        };
        self.status.cycle_ended(full, tally.api_up().filter(speaks));
        if let Some(answered) = tally.answered().filter(speaks) {
            self.fruitless.cycle_ended(answered, Instant::now(), self.plan.timing.interval);
        }
        let held_until = self.client().held_until();
        let is_held = held_until > Instant::now();
        if tally.left > 0 && is_held {
            self.after_hold = Some(held_until);
        }
        let now = self.clock.now();
        let is_trouble = tally.answered() == Some(false) && (kind == Kind::Full || self.fruitless.is_so());
        let discovers = self.plan.selection.discovery.is_some();
        let known = self.store.snapshot();
        self.log.changes(&known);
        self.log.stale_targets(&known, now);
        self.log.unknown_customers(&known, discovers);
        log_cycle_ended(kind, tally, is_trouble, duration);
        let was_answered = known.targets().any(|(_, _, target)| target.record.answer.is_some());
        self.log.hold(self.status.snapshot().held_until(now.wall), was_answered);
        if kind == Kind::Full && !is_held {
            self.log.left(tally, &self.capacity().advice(self.latency.typical()));
        }
    }

    /// Watches what the selection, the listing of customers and the expected seats come to.
    fn watch(&mut self) {
        let selection = &self.plan.selection;
        if self.plan.timing.subscriptions.is_none() {
            self.store.forget_subscriptions();
        }
        let known = self.store.snapshot();
        let subscribed = |id: &CustomerId| known.subscriptions.as_ref()?.get(id);
        let organization = |id: &CustomerId| subscribed(id)?.listed.organization.as_deref();
        let listing = known.listing.as_deref().unwrap_or_default();
        let mut watched = selection.watch_list(listing, organization);
        // Before a listing nobody is unknown.
        let all_are_known = selection.discovery.is_none() || known.listing.is_some();
        let file = self.expected.expect(&mut watched, all_are_known.then_some(&mut self.log));
        self.log.hidden(watched.hidden);
        self.store.set_platforms(selection.platforms.clone());
        self.store.watch(&watched.customers);
        self.store.set_expected_file(file);
        let watched = self.store.snapshot();
        let targets = watched.targets().map(|(customer, product, target)| Candidate {
            target: Target { customer: customer.id.clone(), product },
            dormant: target.is_dormant(),
            probable: subscribed(&customer.id).is_some_and(|known| is_probable(product, known)),
        });
        self.schedule.set_targets(targets);
        let customers = watched.customers.keys();
        let keys = customers.flat_map(|id| selection.platforms.iter().map(|platform| (id.clone(), *platform)));
        self.tenants.set(keys);
        self.status.set_discovery(selection.discovery.is_some());
        self.status.set_subscriptions(self.plan.timing.subscriptions.is_some());
    }

    /// As configured, save that a fresh listing of subscriptions tells of most first purchases.
    fn timing(&self) -> Timing {
        let now = self.clock.now();
        let is_told = self.store.look(|known| {
            let mut subscribed = known.subscriptions.iter().flat_map(|all| all.values());
            subscribed.any(|listed| listed.counts_for(now, known.freshness).is_some())
        });
        let Timing { absent_interval, told_absent_interval, .. } = self.plan.timing;
        Timing { absent_interval: if is_told { told_absent_interval } else { absent_interval }, ..self.plan.timing }
    }

    fn warn_of_capacity(&mut self) {
        self.log.capacity(self.capacity(), self.latency.typical());
    }

    fn capacity(&self) -> Capacity {
        let Count { targets, dormant, unsettled } = self.schedule.count();
        Capacity::new(targets, dormant, unsettled, self.client().settings(), self.plan.timing)
    }
}
