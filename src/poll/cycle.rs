//! One cycle: the listing of customers and the sweep over the targets that are due, side by side.

use std::panic::resume_unwind;
use std::time::SystemTime;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::roster::Verdict;
use super::sweep::{Polled, Sweep};
use super::{Plan, Poller};
use crate::store;
use elements_api::ListedCustomer;
use elements_api::{Error, Round};

/// A cycle on its way.
pub(super) struct Cycle {
    start: Instant,
    deadline: Instant,
    sweep: Sweep,
    swept: bool,
    /// At most one.
    listing: JoinSet<Result<Vec<ListedCustomer>, Error>>,
    tally: Tally,
}

/// What a cycle has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) seats: usize,
    pub(super) absent: usize,
    pub(super) failed: usize,
    /// Not asked for in time: they lead the next cycle.
    pub(super) left: usize,
    listings: usize,
    failed_listings: usize,
}

impl Tally {
    /// Whether the API answered anything; `None` where nothing was asked.
    fn api_up(self) -> Option<bool> {
        let answered = self.seats + self.absent + self.listings;
        (answered + self.failed + self.failed_listings > 0).then_some(answered > 0)
    }
}

impl Cycle {
    /// A cycle that begins at `start`, and begins no request at `deadline` or later.
    pub(super) fn begin(poller: &Poller, start: Instant, deadline: Instant) -> Self {
        let round = Round::begin(&poller.plan.client, deadline);
        let mut cycle = Self {
            start,
            deadline,
            sweep: Sweep::new(round),
            swept: false,
            listing: JoinSet::new(),
            tally: Tally::default(),
        };
        cycle.line_up(poller);
        cycle
    }

    /// Runs to the end, and publishes results as they come.
    pub(super) async fn run(mut self, poller: &mut Poller) {
        while !(self.swept && self.listing.is_empty()) {
            tokio::select! {
                biased;
                Ok(()) = poller.plans.changed() => self.adopt_plan(poller),
                Some(listed) = self.listing.join_next() => {
                    self.take_listing(poller, listed.unwrap_or_else(|error| resume_unwind(error.into_panic())));
                }
                outcome = self.sweep.next(), if !self.swept => match outcome {
                    Some(outcome) => self.publish(poller, outcome),
                    None => self.swept = true,
                },
            }
        }
        self.tally.left = poller.due(self.start).len();
        let duration = self.start.elapsed();
        poller.stats.poll_cycle();
        let Tally { seats, absent, failed, left, .. } = self.tally;
        let targets = store::CycleTargets { answered: seats + absent, failed, left };
        let ended = store::Cycle { completed: SystemTime::now(), duration, targets };
        poller.store.cycle_ended(ended, self.tally.api_up());
        poller.journal.cycle_ended(self.tally, duration, &poller.store.snapshot());
    }

    fn line_up(&mut self, poller: &Poller) {
        self.sweep.wait_for(poller.due(self.start));
        self.swept = false;
        if self.listing.is_empty() && poller.discovery_is_due(self.start) {
            let round = self.sweep.round();
            self.listing.spawn(async move { round.customers().await });
        }
    }

    /// Requests of targets that stay go on; with another client, their targets are asked for again by that.
    fn adopt_plan(&mut self, poller: &mut Poller) {
        let interval = poller.plan.timing.interval;
        let other_client = poller.adopt_plan();
        let Plan { client, timing, .. } = &poller.plan;
        if timing.interval != interval {
            self.deadline = self.start + timing.interval;
        }
        let round = Round::begin(client, self.deadline);
        if other_client {
            self.sweep = Sweep::new(round);
            self.listing = JoinSet::new();
        } else {
            self.sweep.continue_in(round);
        }
        self.line_up(poller);
    }

    fn take_listing(&mut self, poller: &mut Poller, outcome: Result<Vec<ListedCustomer>, Error>) {
        let verdict = poller.roster.take(outcome, self.start, SystemTime::now());
        poller.journal.listing(&verdict);
        match verdict {
            Verdict::Believed(listing) => {
                self.tally.listings += 1;
                poller.store.set_listing(listing);
            }
            Verdict::HeldBack { .. } => self.tally.listings += 1,
            // Without the permission the API is not even asked.
            Verdict::Failed(Error::ScopeMissing) => {}
            // It is still due, and left to the next cycle.
            Verdict::NotAsked => return,
            Verdict::Failed(_) => self.tally.failed_listings += 1,
        }
        poller.watch();
        self.line_up(poller);
    }

    fn publish(&mut self, poller: &mut Poller, (target, outcome): Polled) {
        let taken = match &outcome {
            Ok(answer) => Ok(*answer),
            Err(error) => match error.reason() {
                Some(reason) => Err(reason),
                // It was not asked for, and stays due.
                None => return,
            },
        };
        poller.schedule.asked(&target, self.start, taken.ok());
        let Some((before, after)) = poller.store.record(&target, taken, SystemTime::now()) else { return };
        match taken {
            Ok(answer) if answer.seats().is_some() => self.tally.seats += 1,
            Ok(_) => self.tally.absent += 1,
            Err(reason) => {
                self.tally.failed += 1;
                poller.stats.poll_failure(reason);
            }
        }
        poller.journal.polled(target, &before, &after, outcome.err());
    }
}
