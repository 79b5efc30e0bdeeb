//! When listings are asked for, and what they change.

use std::collections::HashSet;
use std::time::Duration;

use elements_api::{CustomerListing, Error, TenantListing};
use tokio::time::Instant;

use super::{Agenda, Listed};
use crate::poll::discovery::{Verdict, with_whom_it_may_have_lost};
use crate::poll::log::Listing;
use crate::poll::subscriptions::{Failed, Part, Subscribed, Wanted};
use crate::poll::tenants;
use crate::store::{Now, Target};

impl Agenda {
    /// Whether a cycle that begins at `now` has to ask for the listing of customers.
    pub(in crate::poll) fn listing_is_due(&self, now: Instant) -> bool {
        self.plan.selection.discovery.is_some() && self.listings.is_due(now, self.plan.timing.interval)
    }

    /// Whose subscriptions a cycle that begins at `now` has to ask for; `None`: nobody's.
    pub(in crate::poll) fn subscriptions_due(&self, now: Instant) -> Option<Wanted> {
        let interval = self.plan.timing.subscriptions?;
        self.subscriptions.is_due(now, interval).then(|| {
            let selection = &self.plan.selection;
            let known = self.store.snapshot();
            let all = selection.discovery.is_some();
            let listing = known.listing.as_deref().filter(|_| all).unwrap_or_default();
            let listed: HashSet<_> = listing.iter().map(|customer| &customer.id).collect();
            let named = selection.customers.iter().map(|customer| &customer.id).filter(|id| !listed.contains(id));
            Wanted { all, named: named.cloned().collect() }
        })
    }

    /// Takes what asking for the customers came to; other targets may be due then. `None` where they were not asked for,
    /// and stay due.
    pub(in crate::poll) fn take_listing(&mut self, outcome: Result<CustomerListing, Error>) -> Option<Listed> {
        self.credentials_refused |= outcome.as_ref().is_err_and(Error::refuses_credentials);
        let known = self.store.snapshot();
        let before = known.listing.as_deref();
        if let Ok(listed) = &outcome {
            self.log.lost_rows(Listing::Customers, listed.lost.iter());
        }
        let outcome = outcome.map(|listed| with_whom_it_may_have_lost(listed, before.unwrap_or_default()));
        let (now, interval) = (Instant::now(), self.plan.timing.interval);
        let cycle = self.full_cycle.unwrap_or(now);
        let verdict = self.listings.judge(before.unwrap_or_default(), outcome, cycle, (now, interval));
        self.log.listing(&verdict, before);
        let wall = self.clock.now().wall;
        let listed = match verdict {
            Verdict::NotAsked => return None,
            Verdict::Failed(error) => {
                let listed = if error == Error::ScopeMissing { Listed::NotPermitted } else { Listed::Failed };
                self.status.listing_failed(error);
                listed
            }
            Verdict::HeldBack { .. } => Listed::Answered,
            Verdict::Believed(listing) => {
                self.store.set_listing(listing, wall);
                Listed::Answered
            }
        };
        if listed == Listed::Answered {
            self.status.listed(wall);
        }
        self.watch();
        self.warn_of_capacity();
        Some(listed)
    }

    /// Takes what asking for subscriptions came to; other targets may be due then. `None` where they were not asked for, and
    /// stay due.
    pub(in crate::poll) fn take_subscriptions(&mut self, outcome: Subscribed) -> Option<Listed> {
        let Subscribed { answered, failed } = outcome;
        let interval = self.plan.timing.subscriptions?;
        let now = self.clock.now();
        self.log.lost_rows(Listing::Subscriptions, answered.iter().filter_map(|part| part.listing.lost.as_ref()));
        for part in answered {
            self.log.unreadable(&part.listing.unreadable);
            self.take_part(part, now);
        }
        self.watch();
        self.credentials_refused |= failed.as_ref().is_some_and(|failed| failed.error.refuses_credentials());
        if failed.as_ref().is_some_and(|failed| failed.error == Error::NotBegun) {
            return None;
        }
        self.log.subscriptions_failed(failed.as_ref(), self.store.look(|known| known.subscriptions.is_some()));
        let asked = self.interval_began(now.monotonic, interval);
        match failed {
            None => {
                self.subscriptions.answered(asked);
                self.status.subscriptions_listed(now.wall);
                Some(Listed::Answered)
            }
            Some(Failed { error, .. }) => {
                self.subscriptions.failed(&error, asked, (now.monotonic, interval));
                self.status.subscriptions_failed(error);
                Some(Listed::Failed)
            }
        }
    }

    /// Whose tenants a cycle that asks at `now` has to ask for, in this order.
    pub(in crate::poll) fn tenants_due(&self, now: Instant) -> Vec<tenants::Key> {
        self.tenants.due(now, self.plan.timing.tenants)
    }

    /// Takes what asking for tenants came to. `None` where they were not asked for, and stay due, or are no longer watched.
    pub(in crate::poll) fn take_tenants(&mut self, outcome: tenants::Outcome) -> Option<Listed> {
        let tenants::Outcome { key, began, answer } = outcome;
        let (taken, error) = match answer {
            Ok(TenantListing { tenants, lost }) => {
                self.log.lost_rows(Listing::Tenants(key.clone()), lost.iter());
                (Ok(tenants), None)
            }
            Err(error) => (Err(error.reason()?), Some(error)),
        };
        self.credentials_refused |= error.as_ref().is_some_and(Error::refuses_credentials);
        if !self.store.record_tenants(&key, taken, self.clock.now()) {
            return None;
        }
        let failed_before = self.tenants.asked(&key, began, error.as_ref(), self.plan.timing.interval);
        let listed = if error.is_none() { Listed::Answered } else { Listed::Failed };
        self.log.tenants(&key, failed_before, error);
        Some(listed)
    }

    /// Whoever has bought something else than before is due, with all products.
    fn take_part(&mut self, part: Part, now: Now) {
        for customer in part.take_to(&self.store, now) {
            let products =
                self.store.look(|known| Some(known.customers.get(&customer)?.products.keys().copied().collect()));
            let products: Vec<_> = products.unwrap_or_default();
            self.log.purchases_changed(customer.clone());
            for product in products {
                self.schedule.ask_again(&Target { customer: customer.clone(), product });
            }
        }
    }

    /// When the interval of this length began in which `now` lies: they begin with the full cycles.
    fn interval_began(&self, now: Instant, interval: Duration) -> Instant {
        let full_cycle = self.full_cycle.unwrap_or(now);
        let since = now.saturating_duration_since(full_cycle).as_nanos();
        let over = since - since % interval.as_nanos().max(1);
        full_cycle + Duration::from_nanos(u64::try_from(over).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use elements_api::testing::{Reply, Vendor};

    use std::sync::Arc;

    use super::*;
    use crate::poll::{Discovery, Plan, ProductList, Selection, Timing};
    use crate::status;
    use crate::store::Clock;
    use crate::store::saved::Saved;
    use crate::testing::{INTERVAL, product, status};

    #[test]
    fn a_listing_that_was_not_asked_for_stays_due_and_says_nothing_of_discovery() {
        let timing = Timing { absent_interval: INTERVAL, ..Timing::every(INTERVAL) };
        let selection = Selection {
            customers: Vec::new(),
            discovery: Some(Discovery::default()),
            products: ProductList::Listed(vec![product(4)]),
            platforms: Vec::new(),
        };
        let client = Vendor::new(|_| Reply::status(500)).client(|_| {});
        let plan = Plan { client, selection: Arc::new(selection), timing, expected: None };
        let mut agenda = Agenda::new(plan, &Saved::default(), Arc::new(status()), Clock::system());
        let now = Instant::now();
        assert_eq!(agenda.take_listing(Err(Error::NotBegun)), None);
        assert!(agenda.listing_is_due(now));
        assert_eq!(agenda.status.snapshot().discovery, Some(status::ListingStatus::default()));
        assert_eq!(agenda.take_listing(Err(Error::ScopeMissing)), Some(Listed::NotPermitted));
        assert!(!agenda.listing_is_due(now));
        assert_eq!(agenda.status.snapshot().discovery.as_ref().and_then(status::ListingStatus::success), Some(false));
    }
}
