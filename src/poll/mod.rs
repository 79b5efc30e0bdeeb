//! When to ask, and for what.
//!
//! A cycle asks for the targets that are due, and begins no request after its time is over: what is left leads the next
//! one. The agenda outlives the cycles: it knows what is due, and takes their answers to the store as they arrive.

mod agenda;
mod capacity;
mod cycle;
mod discovery;
mod log;
mod once;
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

pub use capacity::overload;
pub use once::{PolledOnce, poll_once};
pub use selection::{ConfiguredCustomer, Discovery, Selection, WatchList};

use elements_api::Client;

use self::agenda::Agenda;
use self::cycle::Cycle;
use crate::status::Status;
use crate::store::saved::Saved;
use crate::store::{Freshness, Store};

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

/// The background poller, the only one who writes the store.
#[derive(Debug)]
pub struct Poller {
    plans: watch::Receiver<Plan>,
    agenda: Agenda,
}

impl Poller {
    /// A poller that knows what an earlier run has saved: what is young enough of that is not due.
    pub fn new(mut plans: watch::Receiver<Plan>, saved: Saved, status: Arc<Status>) -> Self {
        let plan = plans.borrow_and_update().clone();
        Self { plans, agenda: Agenda::new(plan, saved, status) }
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
        let mut last_start: Option<Instant> = None;
        loop {
            let next = last_start.map(|last| last + agenda.interval());
            tokio::select! {
                biased;
                Ok(()) = plans.changed() => {
                    agenda.adopt(plans.borrow_and_update().clone());
                    let (start, next) = (Instant::now(), last_start.map(|last| last + agenda.interval()));
                    // What is new does not wait for the next cycle, unless that begins now.
                    if let Some(next) = next.filter(|next| start < *next && agenda.has_work(start)) {
                        Cycle::begin(agenda, start, next).run(agenda, plans).await;
                    }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)) => {
                    let start = Instant::now();
                    last_start = Some(start);
                    agenda.cycle_began(SystemTime::now());
                    Cycle::begin(agenda, start, start + agenda.interval()).run(agenda, plans).await;
                }
            }
        }
    }
}
