//! What is known now.
//!
//! One writer, the poller, and many readers. A reader takes a [`Snapshot`], which costs one pointer per customer and
//! holds nobody up: customers are shared until one of them changes, and copied then.

mod record;
pub mod saved;
mod target;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

pub use record::{Answered, CLOCK_TOLERANCE, Change, Freshness, Record, State};
pub use target::{Customer, Label, Target, WatchedCustomer};

use elements_api::{Account, Answer, CustomerId, ListedCustomer, ProductType, Reason};

/// What is known now of every target, and of the last cycle.
#[derive(Debug)]
pub struct Store {
    known: Mutex<Snapshot>,
    cycle_end: Notify,
}

/// What was known at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// `None` until it is told.
    pub account: Option<Account>,
    pub customers: BTreeMap<CustomerId, Arc<KnownCustomer>>,
    pub settings: Settings,
    pub cycle: Option<Cycle>,
    /// When the last cycle began that the interval called for. One that a reload called for leaves the next in its
    /// place.
    pub cycle_began: Option<SystemTime>,
    /// Whether the last cycle that asked anything got any answer.
    pub api_up: Option<bool>,
    /// `None` where discovery is off.
    pub discovery: Option<DiscoveryStatus>,
    /// The last complete listing of customers that is believed.
    pub listing: Option<Arc<[ListedCustomer]>>,
    pub reload: ReloadStatus,
    /// Which files are not in force as they are now.
    refused: RefusedFiles,
    /// An answer came, or a number was restored that is not stale: what is served is worth looking at.
    pub ready: bool,
    /// Rises with every change to `customers` and `settings`: two snapshots of one version know the same targets.
    pub version: u64,
}

/// The configuration, as far as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub interval: Duration,
    pub freshness: Freshness,
}

/// A customer and what is known of each of its products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCustomer {
    pub customer: Customer,
    pub products: BTreeMap<ProductType, Record>,
}

/// The last cycle that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    pub completed: SystemTime,
    pub duration: Duration,
    pub targets: CycleTargets,
}

/// How many targets a cycle asked for, and with what success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CycleTargets {
    pub answered: usize,
    pub failed: usize,
    /// Not asked for in time: they lead the next cycle.
    pub left: usize,
}

/// How discovery does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiscoveryStatus {
    /// Of the last attempt; `None` before the first.
    pub success: Option<bool>,
    pub last_success: Option<SystemTime>,
    /// In the listing that is believed.
    pub customers: Option<usize>,
}

/// How the last reload of the configuration went. The first load counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadStatus {
    /// Of `exporter.yaml` and of the web configuration file: neither is refused.
    pub successful: bool,
    /// Of `exporter.yaml`.
    pub last_success: SystemTime,
}

/// The files whose last change was refused. One that is right says nothing about the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct RefusedFiles {
    configuration: bool,
    web_configuration: bool,
}

impl Store {
    /// A store that knows nothing yet, with a configuration that was loaded at `now`.
    pub fn new(settings: Settings, now: SystemTime) -> Self {
        let known = Snapshot {
            account: None,
            customers: BTreeMap::new(),
            settings,
            cycle: None,
            cycle_began: None,
            api_up: None,
            discovery: None,
            listing: None,
            reload: ReloadStatus { successful: true, last_success: now },
            refused: RefusedFiles::default(),
            ready: false,
            version: 0,
        };
        Self { known: Mutex::new(known), cycle_end: Notify::new() }
    }

    /// What is known now.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// Looks at what is known now without a copy of it. Everybody else waits meanwhile, so the look must be short.
    pub fn look<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(&self.lock())
    }

    /// From now on the numbers are `account`'s: nothing that was known is.
    pub fn begin_account(&self, account: Account) {
        let mut known = self.lock();
        known.version += 1;
        known.account = Some(account);
        known.customers.clear();
        known.listing = None;
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

    /// Takes what an earlier run knew of the targets that are watched, and its listing.
    pub fn restore(&self, records: &BTreeMap<Target, Record>, listing: Option<Arc<[ListedCustomer]>>, now: SystemTime) {
        let mut known = self.lock();
        known.version += 1;
        known.listing = listing;
        for (target, record) in records {
            if let Some(entry) = known.entry(target) {
                *entry = *record;
                known.ready |= record.seats(now, known.settings.freshness).is_some();
            }
        }
    }

    /// Takes what a poll came to; tells the record before and after. `None`: the target is no longer watched.
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

    /// A cycle begins now because the interval is over.
    pub fn cycle_began(&self, now: SystemTime) {
        self.lock().cycle_began = Some(now);
    }

    /// A cycle has ended. `api_up` is `None` where it asked nothing.
    pub fn cycle_ended(&self, cycle: Cycle, api_up: Option<bool>) {
        let mut known = self.lock();
        known.cycle = Some(cycle);
        known.api_up = api_up.or(known.api_up);
        self.cycle_end.notify_one();
    }

    /// Waits for the end of a cycle that was not waited for yet.
    pub async fn cycle_end(&self) {
        self.cycle_end.notified().await;
    }

    /// How discovery does; `None` where it is off.
    pub fn set_discovery(&self, status: Option<DiscoveryStatus>) {
        self.lock().discovery = status;
    }

    /// A complete listing is believed. It is an answer, too: an account without customers is ready with it.
    pub fn set_listing(&self, listing: Arc<[ListedCustomer]>) {
        let mut known = self.lock();
        known.listing = Some(listing);
        known.ready = true;
    }

    /// The configuration was loaded again, at `now`.
    pub fn reloaded(&self, settings: Settings, now: SystemTime) {
        let mut known = self.lock();
        known.version += 1;
        known.settings = settings;
        known.reload.last_success = now;
        known.note(|refused| refused.configuration = false);
    }

    /// The configuration could not be loaded again, and the previous one stays in force.
    pub fn reload_failed(&self) {
        self.lock().note(|refused| refused.configuration = true);
    }

    /// The web configuration has changed, and the change is in force or was refused.
    pub fn web_reloaded(&self, successful: bool) {
        self.lock().note(|refused| refused.web_configuration = !successful);
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        // Each method leaves the snapshot whole, so a panic elsewhere while it was locked spoils nothing.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// Changes what is known of refused files, and with it whether the last reload was successful.
    fn note(&mut self, change: impl FnOnce(&mut RefusedFiles)) {
        change(&mut self.refused);
        self.reload.successful = self.refused == RefusedFiles::default();
    }

    /// Every target with its customer.
    pub fn records(&self) -> impl Iterator<Item = (&Customer, ProductType, &Record)> {
        self.customers
            .values()
            .flat_map(|known| known.products.iter().map(|(product, record)| (&known.customer, *product, record)))
    }

    /// How many targets are in each state at `now`. Every state is there.
    pub fn states(&self, now: SystemTime) -> BTreeMap<State, usize> {
        let mut counts: BTreeMap<_, _> = State::ALL.iter().map(|state| (*state, 0)).collect();
        for (_, _, record) in self.records() {
            *counts.entry(record.state(now, self.settings.freshness)).or_default() += 1;
        }
        counts
    }

    /// About when the next cycle begins: an interval after the last one began.
    pub fn next_cycle(&self) -> Option<SystemTime> {
        self.cycle_began?.checked_add(self.settings.interval)
    }

    /// Since when a cycle runs that the interval called for; `None` between two.
    pub fn cycle_runs_since(&self) -> Option<SystemTime> {
        let ended = self.cycle.map(|cycle| cycle.completed);
        self.cycle_began.filter(|began| ended.is_none_or(|ended| ended < *began))
    }

    fn entry(&mut self, target: &Target) -> Option<&mut Record> {
        Arc::make_mut(self.customers.get_mut(&target.customer)?).products.get_mut(&target.product)
    }
}

#[cfg(test)]
mod tests {
    use super::Label;
    use super::*;
    use elements_api::Seats;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn store() -> Store {
        let freshness =
            Freshness { stale_after: Duration::from_secs(100), absent_stale_after: Duration::from_secs(100) };
        Store::new(Settings { interval: Duration::from_secs(10), freshness }, NOW)
    }

    fn customer(id: &str, products: &[u32]) -> WatchedCustomer {
        let id_label = Label::from(id);
        let id = CustomerId::parse(id).unwrap();
        let customer = Customer { id, label: id_label.clone(), name: id_label };
        WatchedCustomer { customer, products: products.iter().map(|p| ProductType::new(*p).unwrap()).collect() }
    }

    fn target(id: &str, product: u32) -> Target {
        Target { customer: CustomerId::parse(id).unwrap(), product: ProductType::new(product).unwrap() }
    }

    fn seats(store: &Store, id: &str, product: u32) -> Option<u64> {
        let snapshot = store.snapshot();
        let target = target(id, product);
        let record = *snapshot.customers.get(&target.customer)?.products.get(&target.product)?;
        record.seats(NOW, snapshot.settings.freshness).map(Seats::get)
    }

    fn answer(seats: u64) -> Answer {
        Answer::Seats(Seats::new(seats).unwrap())
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
        record.take(Ok(answer(7)), NOW);
        for (age, ready) in [(100, true), (101, false)] {
            let store = store();
            store.watch(&[customer("a", &[1])]);
            store.restore(&BTreeMap::from([(target("a", 1), record)]), None, NOW + Duration::from_secs(age));
            assert_eq!(store.snapshot().ready, ready);
        }
    }

    #[test]
    fn a_cycle_that_asked_nothing_leaves_the_api_as_it_was() {
        let store = store();
        let cycle = Cycle { completed: NOW, duration: Duration::ZERO, targets: CycleTargets::default() };
        store.cycle_ended(cycle, None);
        assert_eq!(store.snapshot().api_up, None);
        store.cycle_ended(cycle, Some(false));
        store.cycle_ended(cycle, None);
        assert_eq!(store.snapshot().api_up, Some(false));
    }

    #[test]
    fn a_reload_is_successful_while_neither_file_is_refused() {
        let store = store();
        let is_successful = || store.snapshot().reload.successful;
        store.web_reloaded(false);
        assert!(!is_successful());
        let settings = store.snapshot().settings;
        store.reloaded(settings, NOW);
        assert!(!is_successful(), "the web configuration is still refused");
        store.reload_failed();
        store.web_reloaded(true);
        assert!(!is_successful(), "now it is the other file");
        store.reloaded(settings, NOW);
        assert!(is_successful());
    }

    #[test]
    fn the_next_cycle_comes_an_interval_after_the_last_began() {
        let store = store();
        assert_eq!((store.snapshot().next_cycle(), store.snapshot().cycle_runs_since()), (None, None));
        let began = NOW + Duration::from_secs(1);
        store.cycle_began(began);
        assert_eq!(store.snapshot().next_cycle(), Some(NOW + Duration::from_secs(11)));
        assert_eq!(store.snapshot().cycle_runs_since(), Some(began));
        let cycle = Cycle { completed: began, duration: Duration::ZERO, targets: CycleTargets::default() };
        store.cycle_ended(cycle, None);
        assert_eq!(store.snapshot().cycle_runs_since(), None);
    }
}
