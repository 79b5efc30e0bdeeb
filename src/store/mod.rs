//! What is known now of targets and customers.
//!
//! One [writer](StoreWriter), the poller's, and many readers. A reader takes a [`Snapshot`], which costs one pointer per
//! customer and holds nobody up: customers are shared until one of them changes, and copied then.

mod record;
pub mod saved;
mod target;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

pub use record::{Answered, CLOCK_TOLERANCE, Change, Freshness, Record, TargetState};
pub use target::{Customer, Label, Target, WatchedCustomer};

use elements_api::{Account, Answer, CustomerId, ListedCustomer, ProductType, Reason};

/// What is known now of every target, for all who show it.
#[derive(Debug)]
pub struct Store {
    known: Mutex<Snapshot>,
}

/// What changes a [`Store`]. Only one exists of each, and the poller has it.
#[derive(Debug)]
pub struct StoreWriter(Arc<Store>);

/// What was known at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Whose numbers these are; `None` before the poller has said so.
    pub account: Option<Account>,
    pub customers: BTreeMap<CustomerId, Arc<KnownCustomer>>,
    pub freshness: Freshness,
    /// The last complete listing of customers that is believed.
    pub listing: Option<Arc<[ListedCustomer]>>,
    /// An answer came, or a number was restored that is not stale: what is served is worth looking at.
    pub ready: bool,
    /// Rises with every change to `customers` and `freshness`: two snapshots of one version know the same targets.
    pub version: u64,
}

/// A customer and what is known of each of its products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCustomer {
    pub customer: Customer,
    pub products: BTreeMap<ProductType, Record>,
}

impl Store {
    /// What is known now.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// Looks at what is known now without a copy of it. Everybody else waits meanwhile, so the look must be short.
    pub fn look<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        // Each method leaves the snapshot whole, so a panic elsewhere while it was locked spoils nothing.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever writes it may read it, too.
impl Deref for StoreWriter {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl StoreWriter {
    /// For a store that knows nothing yet.
    pub fn new(freshness: Freshness) -> Self {
        let known =
            Snapshot { account: None, customers: BTreeMap::new(), freshness, listing: None, ready: false, version: 0 };
        Self(Arc::new(Store { known: Mutex::new(known) }))
    }

    /// The store, for all who show it.
    pub fn reader(&self) -> Arc<Store> {
        self.0.clone()
    }

    /// From now on the numbers are `account`'s: nothing that was known is, save its `listing` of an earlier run.
    pub fn begin_account(&self, account: Account, listing: Option<Arc<[ListedCustomer]>>) {
        let mut known = self.lock();
        known.version += 1;
        known.account = Some(account);
        known.customers.clear();
        known.listing = listing;
    }

    /// From now on answers count for so long.
    pub fn set_freshness(&self, freshness: Freshness) {
        let mut known = self.lock();
        if known.freshness != freshness {
            known.version += 1;
            known.freshness = freshness;
        }
    }

    /// From now on these are watched: those that were before keep what is known of them, the others go.
    pub fn watch(&self, watched: &[WatchedCustomer]) {
        let mut known = self.lock();
        known.version += 1;
        let mut before = std::mem::take(&mut known.customers);
        known.customers = watched
            .iter()
            .map(|WatchedCustomer { customer, products }| {
                let records = before.remove(&customer.id);
                let record = |product| records.as_ref().and_then(|known| known.products.get(product)).copied();
                let products = products.iter().map(|product| (*product, record(product).unwrap_or_default()));
                let entry = KnownCustomer { customer: customer.clone(), products: products.collect() };
                (customer.id.clone(), Arc::new(entry))
            })
            .collect();
    }

    /// Takes what an earlier run knew of the targets that are watched.
    pub fn restore(&self, records: &BTreeMap<Target, Record>, now: SystemTime) {
        let mut known = self.lock();
        known.version += 1;
        for (target, record) in records {
            if let Some(entry) = known.entry(target) {
                *entry = *record;
                known.ready |= record.seats(now, known.freshness).is_some();
            }
        }
    }

    /// Takes what a poll came to; returns the record before and after. `None`: the target is no longer watched.
    pub fn record(
        &self,
        target: &Target,
        outcome: Result<Answer, Reason>,
        now: SystemTime,
    ) -> Option<(Record, Record)> {
        let mut known = self.lock();
        let entry = known.entry(target)?;
        let before = *entry;
        entry.take(outcome, now);
        let after = *entry;
        known.ready |= outcome.is_ok();
        known.version += 1;
        Some((before, after))
    }

    /// A complete listing is believed. It is an answer, too: an account without customers is ready with it.
    pub fn set_listing(&self, listing: Arc<[ListedCustomer]>) {
        let mut known = self.lock();
        known.listing = Some(listing);
        known.ready = true;
    }
}

impl Snapshot {
    /// Every target with its customer.
    pub fn records(&self) -> impl Iterator<Item = (&Customer, ProductType, &Record)> {
        self.customers
            .values()
            .flat_map(|known| known.products.iter().map(|(product, record)| (&known.customer, *product, record)))
    }

    /// Every target.
    pub fn targets(&self) -> Vec<Target> {
        self.records().map(|(customer, product, _)| Target { customer: customer.id.clone(), product }).collect()
    }

    /// How many targets are in each state at `now`. Every state is there.
    pub fn states(&self, now: SystemTime) -> BTreeMap<TargetState, usize> {
        let mut counts: BTreeMap<_, _> = TargetState::ALL.iter().map(|state| (*state, 0)).collect();
        for (_, _, record) in self.records() {
            *counts.entry(record.state(now, self.freshness)).or_default() += 1;
        }
        counts
    }

    fn entry(&mut self, target: &Target) -> Option<&mut Record> {
        Arc::make_mut(self.customers.get_mut(&target.customer)?).products.get_mut(&target.product)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use elements_api::Seats;

    use super::*;
    use crate::testing::{answer, at, freshness, store, target, watched};

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn customer(id: &str, products: &[u32]) -> WatchedCustomer {
        watched(id, id, id, products)
    }

    fn seats(store: &Store, id: &str, product: u32) -> Option<u64> {
        let snapshot = store.snapshot();
        let target = target(id, product);
        let record = *snapshot.customers.get(&target.customer)?.products.get(&target.product)?;
        record.seats(NOW, snapshot.freshness).map(Seats::get)
    }

    #[test]
    fn what_is_still_watched_keeps_its_number_and_what_is_not_goes() {
        let store = store();
        store.watch(&[customer("a", &[1, 4]), customer("b", &[1])]);
        for (id, product) in [("a", 1), ("a", 4), ("b", 1)] {
            store.record(&target(id, product), Ok(answer(7)), NOW).unwrap();
        }
        store.watch(&[customer("A", &[4, 32])]);
        assert_eq!(seats(&store, "a", 4), Some(7));
        assert_eq!(seats(&store, "a", 1), None);
        assert_eq!(seats(&store, "b", 1), None);
        assert_eq!(store.snapshot().records().count(), 2);
    }

    #[test]
    fn an_answer_for_a_target_that_went_meanwhile_is_dropped() {
        let store = store();
        store.watch(&[customer("a", &[1])]);
        assert!(store.record(&target("a", 4), Ok(answer(7)), NOW).is_none());
        assert!(store.record(&target("b", 1), Ok(answer(7)), NOW).is_none());
        assert!(!store.snapshot().ready);
    }

    #[test]
    fn a_snapshot_stays_as_it_was() {
        let store = store();
        store.watch(&[customer("a", &[1])]);
        let before = store.snapshot();
        store.record(&target("a", 1), Ok(answer(7)), NOW).unwrap();
        assert!(before.records().all(|(_, _, record)| record.answer.is_none()));
        assert_eq!(seats(&store, "a", 1), Some(7));
    }

    #[test]
    fn the_first_answer_makes_ready_and_a_failure_does_not() {
        let store = store();
        store.watch(&[customer("a", &[1])]);
        store.record(&target("a", 1), Err(Reason::Timeout), NOW);
        assert!(!store.snapshot().ready);
        store.record(&target("a", 1), Ok(Answer::NotFound), NOW);
        assert!(store.snapshot().ready);
    }

    #[test]
    fn a_restored_number_makes_ready_unless_it_is_stale() {
        let mut record = Record::default();
        record.take(Ok(answer(7)), at(0));
        for (age, ready) in [(Duration::ZERO, true), (Duration::from_secs(1), false)] {
            let store = store();
            store.watch(&[customer("a", &[1])]);
            let now = at(0) + freshness().stale_after + age;
            store.restore(&BTreeMap::from([(target("a", 1), record)]), now);
            assert_eq!(store.snapshot().ready, ready);
        }
    }
}
