//! When to ask, and for what.
//!
//! A cycle asks for the targets that are due, and begins no request after its time is over: what is left leads the
//! next one. Results go to the store as they arrive.

mod cycle;
mod fit;
mod journal;
mod roster;
mod schedule;
mod selection;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use fit::overload;
pub use journal::SomeOf;
pub use selection::{ConfiguredCustomer, Discovery, Selection, Watched};
pub use sweep::{Polled, Sweep};

use self::cycle::Cycle;
use self::journal::Journal;
use self::roster::Roster;
use self::schedule::Schedule;
use crate::status::Stats;
use crate::store::Target;
use crate::store::{Freshness, Store};
use elements_api::Client;

/// How often to poll, and how long an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between the starts of two cycles.
    pub interval: Duration,
    /// How long a number is shown after it was answered. At least two intervals.
    pub stale_after: Duration,
    /// When to ask again for a product that the customer does not have. At least one interval.
    pub absent_interval: Duration,
}

impl Timing {
    /// How long answers count, as the store needs to know it.
    pub fn freshness(&self) -> Freshness {
        Freshness {
            stale_after: self.stale_after,
            absent_stale_after: self.stale_after.max(self.absent_interval.saturating_mul(2)),
        }
    }
}

/// What to poll, how often, and through which client. A new plan takes effect at once, also within a cycle.
#[derive(Debug, Clone)]
pub struct Plan {
    pub client: Arc<Client>,
    pub selection: Arc<Selection>,
    pub timing: Timing,
}

/// The background poller.
#[derive(Debug)]
pub struct Poller {
    plans: watch::Receiver<Plan>,
    plan: Plan,
    store: Arc<Store>,
    stats: Arc<Stats>,
    schedule: Schedule,
    roster: Roster,
    journal: Journal,
}

impl Poller {
    /// A poller that knows what the store knows: what was restored there, and is young enough, is not due.
    pub fn new(mut plans: watch::Receiver<Plan>, store: Arc<Store>, stats: Arc<Stats>) -> Self {
        let plan = plans.borrow_and_update().clone();
        let roster = Roster::new(store.snapshot().listing);
        let mut poller =
            Self { plans, plan, store, stats, schedule: Schedule::default(), roster, journal: Journal::default() };
        poller.watch();
        poller.skip_what_is_known();
        poller
    }

    /// Runs cycles until `shutdown`, and drops what is on its way then.
    pub async fn run(mut self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.run_cycles() => {}
        }
    }

    async fn run_cycles(&mut self) {
        let mut last_start: Option<Instant> = None;
        loop {
            let next = last_start.map(|last| last + self.plan.timing.interval);
            tokio::select! {
                biased;
                Ok(()) = self.plans.changed() => {
                    self.adopt_plan();
                    let (start, next) = (Instant::now(), last_start.map(|last| last + self.plan.timing.interval));
                    // What is new does not wait for the next cycle, unless that begins now.
                    if let Some(next) = next.filter(|next| start < *next && self.has_new_work(start)) {
                        Cycle::begin(self, start, next).run(self).await;
                    }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)) => {
                    let start = Instant::now();
                    last_start = Some(start);
                    self.store.cycle_began(SystemTime::now());
                    Cycle::begin(self, start, start + self.plan.timing.interval).run(self).await;
                }
            }
        }
    }

    /// Takes over the plan that came. `true`: it has another client.
    fn adopt_plan(&mut self) -> bool {
        let plan = self.plans.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.plan, plan);
        let other_client = !Arc::ptr_eq(&before.client, &self.plan.client);
        let account = self.plan.client.settings().account();
        if account != before.client.settings().account() {
            // Nothing that one account said holds for another.
            self.schedule = Schedule::default();
            self.roster = Roster::default();
            self.store.begin_account(account);
        } else if other_client {
            self.roster.ask_again();
        }
        self.watch();
        other_client
    }

    /// Makes what the selection and the listing come to what is watched.
    fn watch(&mut self) {
        let Watched { customers, hidden } = self.plan.selection.watched(self.roster.listing());
        self.journal.hidden(hidden);
        let targets = customers.iter().flat_map(|watched| {
            let customer = &watched.customer.id;
            watched.products.iter().map(|product| Target { customer: customer.clone(), product: *product })
        });
        self.schedule.set_targets(targets);
        self.store.watch(&customers);
        let discovery = self.plan.selection.discovery.is_some();
        self.store.set_discovery(discovery.then(|| self.roster.status()));
        let settings = self.plan.client.settings();
        self.journal.overload(overload(self.schedule.len(), settings.requests_per_second, self.plan.timing.interval));
    }

    fn skip_what_is_known(&mut self) {
        let (now, wall_now) = (Instant::now(), SystemTime::now());
        for (customer, product, record) in self.store.snapshot().records() {
            let Some(answered) = record.answer else { continue };
            let age = wall_now.duration_since(answered.at).ok();
            if let Some(asked) = age.and_then(|age| now.checked_sub(age)) {
                let target = Target { customer: customer.id.clone(), product };
                self.schedule.asked(&target, asked, Some(answered.answer));
            }
        }
    }

    fn due(&self, now: Instant) -> Vec<Target> {
        let Timing { interval, absent_interval, .. } = self.plan.timing;
        self.schedule.due(now, interval, absent_interval)
    }

    fn discovery_is_due(&self, now: Instant) -> bool {
        self.plan.selection.discovery.is_some() && self.roster.is_due(now, self.plan.timing.interval)
    }

    fn has_new_work(&self, now: Instant) -> bool {
        self.discovery_is_due(now) || !self.due(now).is_empty()
    }
}
