//! What is to be asked for and when, and where the answers go.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use elements_api::{Answer, Client, Error, ListedCustomer, Reason};
use tokio::time::Instant;

use super::capacity::overload;
use super::cycle::Tally;
use super::discovery::{Listings, Verdict};
use super::log::PollLog;
use super::schedule::Schedule;
use super::selection::WatchList;
use super::{Plan, Timing};
use crate::status::{self, Status};
use crate::store::saved::Saved;
use crate::store::{Store, StoreWriter, Target};

/// The plan, what is due by it, and where answers and failures are written down. It outlives the cycles, which ask.
#[derive(Debug)]
pub(super) struct Agenda {
    plan: Plan,
    store: StoreWriter,
    status: Arc<Status>,
    schedule: Schedule,
    listings: Listings,
    log: PollLog,
}

/// What a new plan changes for a cycle that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlanChange {
    /// Requests of the client before it are of no use any more.
    pub(super) other_client: bool,
    pub(super) other_interval: bool,
}

/// How asking for a target ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polled {
    Seats,
    Absent,
    Failed,
}

/// How asking for the listing of customers ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Answered,
    Failed,
    /// Without the permission the API is not even asked.
    NotPermitted,
}

impl Agenda {
    pub(super) fn new(plan: Plan, saved: Saved, status: Arc<Status>) -> Self {
        let store = StoreWriter::new(plan.timing.freshness());
        store.begin_account(plan.client.settings().account(), saved.listing);
        let mut agenda = Self {
            plan,
            store,
            status,
            schedule: Schedule::default(),
            listings: Listings::default(),
            log: PollLog::default(),
        };
        agenda.watch();
        agenda.store.restore(&saved.records, SystemTime::now());
        agenda.skip_what_is_known();
        agenda
    }

    pub(super) fn store(&self) -> Arc<Store> {
        self.store.reader()
    }

    pub(super) const fn client(&self) -> &Arc<Client> {
        &self.plan.client
    }

    /// Between the starts of two cycles.
    pub(super) const fn interval(&self) -> Duration {
        self.plan.timing.interval
    }

    /// What a cycle that begins at `now` has to ask for, in this order.
    pub(super) fn due(&self, now: Instant) -> Vec<Target> {
        let Timing { interval, absent_interval, .. } = self.plan.timing;
        self.schedule.due(now, interval, absent_interval)
    }

    /// Whether a cycle that begins at `now` has to ask for the listing of customers.
    pub(super) fn listing_is_due(&self, now: Instant) -> bool {
        self.plan.selection.discovery.is_some() && self.listings.is_due(now, self.interval())
    }

    pub(super) fn has_work(&self, now: Instant) -> bool {
        self.listing_is_due(now) || !self.due(now).is_empty()
    }

    /// Goes by this plan from now on.
    pub(super) fn adopt(&mut self, plan: Plan) -> PlanChange {
        let before = std::mem::replace(&mut self.plan, plan);
        let other_client = !Arc::ptr_eq(&before.client, &self.plan.client);
        let account = self.plan.client.settings().account();
        if account != before.client.settings().account() {
            // Nothing that one account said holds for another.
            self.schedule = Schedule::default();
            self.listings = Listings::default();
            self.status.set_discovery(false);
            self.store.begin_account(account, None);
        } else if other_client || (before.selection.discovery.is_none() && self.plan.selection.discovery.is_some()) {
            self.listings.ask_again();
        }
        self.store.set_freshness(self.plan.timing.freshness());
        self.watch();
        PlanChange { other_client, other_interval: before.timing.interval != self.interval() }
    }

    /// A cycle begins because the interval is over.
    pub(super) fn cycle_began(&self, now: SystemTime) {
        self.status.cycle_began(now);
    }

    /// Takes what asking for `target` came to in the cycle that began at `cycle`. `None` where it was not asked for, and
    /// stays due, or is no longer watched.
    pub(super) fn take_answer(
        &mut self,
        target: Target,
        outcome: Result<Answer, Error>,
        cycle: Instant,
    ) -> Option<Polled> {
        let taken: Result<Answer, Reason> = match &outcome {
            Ok(answer) => Ok(*answer),
            Err(error) => Err(error.reason()?),
        };
        self.schedule.asked(&target, cycle, taken.ok());
        let (before, after) = self.store.record(&target, taken, SystemTime::now())?;
        self.log.polled(target, &before, &after, outcome.err());
        Some(match taken {
            Ok(answer) if answer.seats().is_some() => Polled::Seats,
            Ok(_) => Polled::Absent,
            Err(reason) => {
                self.status.poll_failed(reason);
                Polled::Failed
            }
        })
    }

    /// Takes what asking for the customers came to in the cycle that began at `cycle`; other targets may be due then.
    /// `None` where they were not asked for, and stay due.
    pub(super) fn take_listing(
        &mut self,
        outcome: Result<Vec<ListedCustomer>, Error>,
        cycle: Instant,
    ) -> Option<Listed> {
        let before = self.store.look(|known| known.listing.clone());
        let verdict = self.listings.judge(before.as_deref().unwrap_or_default(), outcome, cycle);
        self.log.listing(&verdict);
        let listed = match verdict {
            Verdict::NotAsked => return None,
            Verdict::Failed(Error::ScopeMissing) => Listed::NotPermitted,
            Verdict::Failed(_) => Listed::Failed,
            Verdict::HeldBack { .. } => Listed::Answered,
            Verdict::Believed(listing) => {
                self.store.set_listing(listing);
                Listed::Answered
            }
        };
        match listed {
            Listed::Answered => self.status.listed(SystemTime::now()),
            Listed::Failed | Listed::NotPermitted => self.status.listing_failed(),
        }
        self.watch();
        Some(listed)
    }

    /// A cycle has ended.
    pub(super) fn cycle_ended(&mut self, tally: Tally, duration: Duration) {
        let ended = status::Cycle { completed: SystemTime::now(), duration, targets: tally.targets() };
        self.status.cycle_ended(ended, tally.api_up());
        self.log.cycle_ended(tally, duration, &self.store.snapshot());
    }

    /// Watches what the selection and the listing of customers come to.
    fn watch(&mut self) {
        let Plan { client, selection, timing } = &self.plan;
        let listing = self.store.look(|known| known.listing.clone());
        let WatchList { customers, hidden } = selection.watch_list(listing.as_deref().unwrap_or_default());
        self.log.hidden(hidden);
        let targets = customers.iter().flat_map(|watched| {
            let customer = &watched.customer.id;
            watched.products.iter().map(|product| Target { customer: customer.clone(), product: *product })
        });
        self.schedule.set_targets(targets);
        self.store.watch(&customers);
        self.status.set_discovery(selection.discovery.is_some());
        self.log.overload(overload(self.schedule.len(), client.settings().requests_per_second, timing.interval));
    }

    /// What was restored, and is young enough, is not due.
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
}

#[cfg(test)]
mod tests {
    use elements_api::testing::{Reply, Vendor};

    use super::*;
    use crate::poll::{Discovery, Selection};
    use crate::testing::{INTERVAL, product, status};

    #[test]
    fn a_listing_that_was_not_asked_for_stays_due_and_says_nothing_of_discovery() {
        let timing = Timing { interval: INTERVAL, stale_after: INTERVAL * 3, absent_interval: INTERVAL };
        let selection =
            Selection { customers: Vec::new(), discovery: Some(Discovery::default()), products: vec![product(4)] };
        let client = Vendor::new(|_| Reply::status(500)).client(|_| {});
        let plan = Plan { client, selection: Arc::new(selection), timing };
        let mut agenda = Agenda::new(plan, Saved::default(), Arc::new(status()));
        let now = Instant::now();
        assert_eq!(agenda.take_listing(Err(Error::NotBegun), now), None);
        assert!(agenda.listing_is_due(now));
        assert_eq!(agenda.status.snapshot().discovery, Some(status::DiscoveryStatus::default()));
        assert_eq!(agenda.take_listing(Err(Error::ScopeMissing), now), Some(Listed::NotPermitted));
        assert!(!agenda.listing_is_due(now));
        assert_eq!(agenda.status.snapshot().discovery.and_then(|discovery| discovery.success), Some(false));
    }
}
