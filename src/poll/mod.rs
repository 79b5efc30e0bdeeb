//! When to ask, and for what.
//!
//! A cycle asks for the targets that are due, and begins no request after its time is over: what is left leads the next
//! one. Between two of them, early cycles try again what failed and may be answered by now. The agenda outlives the
//! cycles: it knows what is due, and takes their answers to the store as they arrive.

mod agenda;
mod capacity;
mod cycle;
mod discovery;
mod expected;
mod fruitless;
mod log;
mod once;
mod periodic;
mod schedule;
mod selection;
mod steady;
mod subscriptions;
mod sweep;
mod tenants;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

pub use capacity::{Capacity, TYPICAL_LATENCY};
pub use expected::{ExpectedRow, ExpectedSeatsFile, Unmatched};
pub use once::{PolledOnce, poll_once};
pub use selection::{ConfiguredCustomer, Discovery, ProductList, Selection, WatchList};

use elements_api::Client;

use self::agenda::Agenda;
use self::cycle::{Cycle, Kind};
use crate::status::Status;
use crate::store::saved::Saved;
use crate::store::{Clock, Freshness, Store};

/// How often to poll, and how long an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between the starts of two cycles.
    pub interval: Duration,
    /// How long a number is shown after it was answered. At least two intervals.
    pub stale_after: Duration,
    /// When to ask again for a product that nobody listed by name and that the customer never purchased. At least one
    /// interval.
    pub absent_interval: Duration,
    /// The same while subscriptions are listed, which tell of a first purchase by themselves.
    pub told_absent_interval: Duration,
    /// Between two listings of subscriptions. `None`: they are not listed.
    pub subscriptions: Option<Duration>,
    /// Between two answers about the tenants of one customer.
    pub tenants: Duration,
}

impl Timing {
    /// As it is where only the interval is configured.
    pub fn every(interval: Duration) -> Self {
        let absent = |usual: Duration| usual.max(interval);
        Self {
            interval,
            stale_after: interval.saturating_mul(3),
            absent_interval: absent(Duration::from_hours(6)),
            told_absent_interval: absent(Duration::from_hours(24)),
            subscriptions: None,
            tenants: Duration::from_hours(6),
        }
    }

    /// How long answers count, as the store needs to know it.
    pub fn freshness(&self) -> Freshness {
        let two_of = |interval: Duration| self.stale_after.max(interval.saturating_mul(2));
        let told = self.subscriptions.map(|_| self.told_absent_interval);
        Freshness {
            stale_after: self.stale_after,
            dormant_stale_after: two_of(self.absent_interval.max(told.unwrap_or_default())),
            subscriptions: two_of(self.subscriptions.unwrap_or_default()),
            tenants: self.tenants.saturating_mul(2),
        }
    }
}

/// What to poll, how often, and through which client. A new plan takes effect at once, also within a cycle.
#[derive(Debug, Clone)]
pub struct Plan {
    pub client: Arc<Client>,
    pub selection: Arc<Selection>,
    pub timing: Timing,
    /// What the file says by which seats are expected, as it was when the plan was made.
    pub expected: Option<ExpectedSeatsFile>,
}

/// The background poller, the only one who writes the store.
#[derive(Debug)]
pub struct Poller {
    plans: watch::Receiver<Plan>,
    agenda: Agenda,
}

impl Poller {
    /// A poller that goes by `clock`, and knows what an earlier run has saved: what is young enough of that is not due.
    pub fn new(mut plans: watch::Receiver<Plan>, saved: &Saved, status: Arc<Status>, clock: Clock) -> Self {
        let plan = plans.borrow_and_update().clone();
        Self { plans, agenda: Agenda::new(plan, saved, status, clock) }
    }

    /// Where the answers go.
    pub fn store(&self) -> Arc<Store> {
        self.agenda.store()
    }

    /// Runs cycles until `shutdown`, and drops what is on its way then.
    pub async fn run(mut self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.run_cycles() => {}
        }
    }

    async fn run_cycles(&mut self) {
        let Self { plans, agenda } = self;
        let mut look_around = interval(LOOK_AROUND);
        look_around.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause_until = Instant::now();
        loop {
            agenda.woke();
            let next = agenda.next_cycle();
            let early = agenda.next_early_cycle().map(|at| at.max(pause_until));
            let kind = tokio::select! {
                biased;
                Ok(()) = plans.changed() => {
                    let change = agenda.adopt(plans.borrow_and_update().clone());
                    let now = Instant::now();
                    // What is new does not wait for the next cycle, unless that begins now.
                    let at_once = now < agenda.next_cycle() && agenda.has_work(now);
                    at_once.then_some(if change.tries_again { Kind::Early } else { Kind::Part })
                }
                () = sleep_until(next) => Some(Kind::Full),
                () = sleep_until(early.unwrap_or(next)), if early.is_some() => Some(Kind::Early),
                _ = look_around.tick() => agenda.look_around().await.then_some(Kind::Early),
            };
            let Some(kind) = kind else { continue };
            if kind != Kind::Part {
                agenda.look_at_expected().await;
            }
            let start = agenda.cycle_began(kind);
            let deadline = if kind == Kind::Full { agenda.next_cycle() } else { agenda.last_early_request() };
            Cycle::begin(kind, agenda, start, deadline).run(agenda, plans).await;
            pause_until = Instant::now() + EARLY_PAUSE;
        }
    }
}

/// How often the poller looks whether a trouble may have come to an end.
const LOOK_AROUND: Duration = Duration::from_secs(10);

/// Between the end of a cycle and an early one, so that what failed one by one is tried again together.
const EARLY_PAUSE: Duration = Duration::from_secs(10);
