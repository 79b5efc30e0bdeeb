//! What is known now of targets and customers.
//!
//! One [writer](StoreWriter), the poller's, and many readers. A reader takes a [`Snapshot`], which costs one pointer per
//! customer and holds nobody up: customers are shared until one of them changes, and copied then.

mod expected;
mod now;
mod record;
pub mod saved;
mod subscriptions;
mod target;
mod tenants;

use std::collections::{BTreeMap, HashSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

pub use expected::ExpectedFile;
pub use now::{Clock, Now};
pub use record::{Answered, CLOCK_TOLERANCE, Change, Freshness, KnownTarget, Record, TargetState};
pub use subscriptions::{KnownSubscriptions, MergedSubscription, SubscriptionLabels, Terms};
pub use target::{Customer, Label, Target, WatchedCustomer};
pub use tenants::{AnsweredTenants, KnownTenants, TenantLabels, TenantSeats};

use elements_api::{
    Account, Answer, CustomerId, ListedCustomer, Platform, ProductType, Reason, SubscribedCustomer, Tenant,
};

use self::saved::Saved;

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
    /// Those of its customers that a later listing than the first one brought, and when.
    pub added: BTreeMap<CustomerId, SystemTime>,
    /// What the last listings of subscriptions said, of whoever they said anything. `None` before there was one.
    pub subscriptions: Option<Arc<BTreeMap<CustomerId, Arc<KnownSubscriptions>>>>,
    /// Those whose tenants are asked for.
    pub platforms: Vec<Platform>,
    /// Of the file that says which seats are expected; `None` without one.
    pub expected_file: Option<ExpectedFile>,
    /// An answer came, or a number was restored that is not stale: what is served is worth looking at.
    pub ready: bool,
    /// Rises with every change to `customers`, `added`, `subscriptions`, `expected_file` and `freshness`: two
    /// snapshots of one version show the same.
    pub version: u64,
}

/// A customer and what is known of each of its products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCustomer {
    pub customer: Customer,
    pub products: BTreeMap<ProductType, KnownTarget>,
    /// Of each platform whose tenants are asked for.
    pub tenants: BTreeMap<Platform, KnownTenants>,
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
        let known = Snapshot {
            account: None,
            customers: BTreeMap::new(),
            freshness,
            listing: None,
            added: BTreeMap::new(),
            subscriptions: None,
            platforms: Vec::new(),
            expected_file: None,
            ready: false,
            version: 0,
        };
        Self(Arc::new(Store { known: Mutex::new(known) }))
    }

    /// The store, for all who show it.
    pub fn reader(&self) -> Arc<Store> {
        self.0.clone()
    }

    /// From now on the numbers are `account`'s: nothing that was known is, save what is `saved` of its listings.
    pub fn begin_account(&self, account: Account, saved: &Saved) {
        let mut known = self.lock();
        known.version += 1;
        known.account = Some(account);
        known.customers.clear();
        known.listing.clone_from(&saved.listing);
        known.added.clone_from(&saved.added);
        known.subscriptions.clone_from(&saved.subscriptions);
    }

    /// From now on answers count for so long.
    pub fn set_freshness(&self, freshness: Freshness) {
        let mut known = self.lock();
        if known.freshness != freshness {
            known.version += 1;
            known.freshness = freshness;
        }
    }

    /// From now on this is so of the file of expected seats.
    pub fn set_expected_file(&self, file: Option<ExpectedFile>) {
        let mut known = self.lock();
        if known.expected_file != file {
            known.version += 1;
            known.expected_file = file;
        }
    }

    /// From now on the tenants of these are asked for, of whoever is [watched](Self::watch) next.
    pub fn set_platforms(&self, platforms: Vec<Platform>) {
        self.lock().platforms = platforms;
    }

    /// From now on these are watched: those that were before keep what is known of them, the others go.
    pub fn watch(&self, watched: &[WatchedCustomer]) {
        let mut known = self.lock();
        known.version += 1;
        let mut before = std::mem::take(&mut known.customers);
        let platforms = known.platforms.clone();
        known.customers = watched
            .iter()
            .map(|WatchedCustomer { customer, products, listed, expected }| {
                let was = before.remove_entry(&customer.id);
                let is_respelled = was.as_ref().is_some_and(|(id, _)| id.as_str() != customer.id.as_str());
                let record = |product| {
                    let record = was.as_ref()?.1.products.get(product)?.record;
                    // That there is nothing was answered by another spelling of the id, and may be true of that alone.
                    (record.had_seats() || !is_respelled).then_some(record)
                };
                let target = |product| {
                    let (billed, expected) = (expected.contains_key(product), expected.get(product).copied().flatten());
                    let record = record(product).unwrap_or_default();
                    KnownTarget { listed: *listed || billed, billed, expected, record }
                };
                let products = products.iter().map(|product| (*product, target(product)));
                let tenants = |platform: &Platform| was.as_ref()?.1.tenants.get(platform).cloned();
                let tenants = platforms.iter().map(|platform| (*platform, tenants(platform).unwrap_or_default()));
                let (products, tenants) = (products.collect(), tenants.collect());
                let entry = KnownCustomer { customer: customer.clone(), products, tenants };
                (customer.id.clone(), Arc::new(entry))
            })
            .collect();
    }

    /// Takes what an earlier run knew of the targets that are watched.
    pub fn restore(&self, records: &BTreeMap<Target, Record>, now: Now) {
        let mut known = self.lock();
        known.version += 1;
        for (target, record) in records {
            if let Some(entry) = known.entry(target) {
                entry.record = *record;
                let restored = *entry;
                known.ready |= restored.seats(now, known.freshness).is_some();
            }
        }
    }

    /// Takes what a poll came to now; returns what was known before and after. `None`: the target is no longer watched.
    pub fn record(
        &self,
        target: &Target,
        outcome: Result<Answer, Reason>,
        now: Now,
    ) -> Option<(KnownTarget, KnownTarget)> {
        let mut known = self.lock();
        let entry = known.entry(target)?;
        let before = *entry;
        entry.record.take(outcome, now);
        let after = *entry;
        known.ready |= outcome.is_ok();
        known.version += 1;
        Some((before, after))
    }

    /// Takes what an earlier run knew of the tenants that are asked for.
    pub fn restore_tenants(&self, restored: &BTreeMap<(CustomerId, Platform), KnownTenants>) {
        let mut known = self.lock();
        known.version += 1;
        for (key, restored) in restored {
            if let Some(tenants) = known.tenants(key) {
                tenants.clone_from(restored);
            }
        }
    }

    /// Takes what asking for tenants came to now. Whether they are still asked for.
    pub fn record_tenants(&self, key: &(CustomerId, Platform), outcome: Result<Vec<Tenant>, Reason>, now: Now) -> bool {
        let mut known = self.lock();
        let Some(tenants) = known.tenants(key) else { return false };
        tenants.take(outcome, now);
        known.version += 1;
        true
    }

    /// A complete listing of `now` is believed. It is an answer, too: an account without customers is ready with it.
    pub fn set_listing(&self, listing: Arc<[ListedCustomer]>, now: SystemTime) {
        let mut known = self.lock();
        known.version += 1;
        let ids = |listing: &Arc<[ListedCustomer]>| listing.iter().map(|one| one.id.clone()).collect::<HashSet<_>>();
        let before = known.listing.as_ref().map(ids);
        let after = ids(&listing);
        known.added.retain(|id, _| after.contains(id));
        if let Some(before) = before {
            let new: Vec<_> = after.into_iter().filter(|id| !before.contains(id)).collect();
            // Whom the configuration names was there before.
            let new = new.into_iter().filter(|id| !known.customers.contains_key(id)).map(|id| (id, now));
            let new: Vec<_> = new.collect();
            known.added.extend(new);
        }
        known.listing = Some(listing);
        known.ready = true;
    }

    /// A listing of subscriptions came at `now` that is of all who were `asked`. Whoever is watched and not in it has none.
    /// Returns whose purchases are others than in the listing before, if there was one that was of them, too.
    pub fn set_subscriptions(
        &self,
        customers: Vec<SubscribedCustomer>,
        asked: impl Fn(&CustomerId) -> bool,
        now: Now,
    ) -> Vec<CustomerId> {
        let mut known = self.lock();
        known.version += 1;
        // Of whom nobody asked for, nothing is known.
        let mut listed: BTreeMap<_, _> = customers.into_iter().map(|listed| (listed.id.clone(), listed)).collect();
        listed.retain(|id, _| asked(id));
        for id in known.customers.keys().filter(|id| asked(id)) {
            let nothing = || SubscribedCustomer { id: id.clone(), organization: None, subscriptions: Vec::new() };
            listed.entry(id.clone()).or_insert_with(nothing);
        }
        let all = Arc::make_mut(known.subscriptions.get_or_insert_default());
        let before: BTreeMap<_, _> = all.extract_if(.., |id, _| asked(id)).collect();
        let mut changed = Vec::new();
        for (id, listed) in listed {
            let now = KnownSubscriptions::new(listed, now.wall, Some(now.monotonic));
            if before.get(&id).is_some_and(|before| now.differs_in_purchases(before)) {
                changed.push(id.clone());
            }
            all.insert(id, Arc::new(now));
        }
        changed
    }

    /// Subscriptions are not listed any more, or no longer of the same account.
    pub fn forget_subscriptions(&self) {
        let mut known = self.lock();
        if known.subscriptions.take().is_some() {
            known.version += 1;
        }
    }
}

impl Snapshot {
    /// Every target with its customer.
    pub fn targets(&self) -> impl Iterator<Item = (&Customer, ProductType, &KnownTarget)> {
        self.customers
            .values()
            .flat_map(|known| known.products.iter().map(|(product, target)| (&known.customer, *product, target)))
    }

    /// What a customer has bought, as the last listing said, as long as that counts.
    pub fn subscriptions_of(&self, customer: &CustomerId, now: Now) -> Option<&KnownSubscriptions> {
        let known = self.subscriptions.as_ref()?.get(customer)?;
        known.counts_for(now, self.freshness).map(|_| known.as_ref())
    }

    /// How many targets are in each state now. Every state is there.
    pub fn states(&self, now: Now) -> BTreeMap<TargetState, usize> {
        let mut counts: BTreeMap<_, _> = TargetState::ALL.iter().map(|state| (*state, 0)).collect();
        for (_, _, target) in self.targets() {
            *counts.entry(target.state(now, self.freshness)).or_default() += 1;
        }
        counts
    }

    fn tenants(&mut self, (customer, platform): &(CustomerId, Platform)) -> Option<&mut KnownTenants> {
        Arc::make_mut(self.customers.get_mut(customer)?).tenants.get_mut(platform)
    }

    fn entry(&mut self, target: &Target) -> Option<&mut KnownTarget> {
        Arc::make_mut(self.customers.get_mut(&target.customer)?).products.get_mut(&target.product)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use elements_api::{Seats, Subscription};

    use super::*;
    use crate::testing::{answer, at, freshness, listed, now, store, subscribed, subscription, target, watched};

    fn customer(id: &str, products: &[u32]) -> WatchedCustomer {
        watched(id, id, id, products)
    }

    fn seats(store: &Store, id: &str, product: u32) -> Option<u64> {
        let snapshot = store.snapshot();
        let target = target(id, product);
        let known = *snapshot.customers.get(&target.customer)?.products.get(&target.product)?;
        known.seats(now(0), snapshot.freshness).map(Seats::get)
    }

    #[test]
    fn what_is_still_watched_keeps_its_number_and_what_is_not_goes() {
        let store = store();
        store.watch(&[customer("a", &[1, 4]), customer("b", &[1])]);
        for (id, product) in [("a", 1), ("a", 4), ("b", 1)] {
            store.record(&target(id, product), Ok(answer(7)), now(0)).unwrap();
        }
        store.watch(&[customer("A", &[4, 32])]);
        assert_eq!(seats(&store, "a", 4), Some(7));
        assert_eq!(seats(&store, "a", 1), None);
        assert_eq!(seats(&store, "b", 1), None);
        assert_eq!(store.snapshot().targets().count(), 2);
    }

    #[test]
    fn what_is_expected_counts_as_listed_until_it_is_not() {
        let store = store();
        let all = WatchedCustomer { listed: false, ..customer("a", &[1, 4]) };
        let expected = BTreeMap::from([(target("a", 4).product, Some(Seats::ZERO))]);
        store.watch(&[WatchedCustomer { expected, ..all.clone() }]);
        let shown = || store.snapshot().targets().map(|(_, _, t)| (t.is_dormant(), t.expected)).collect::<Vec<_>>();
        assert_eq!(shown(), [(true, None), (false, Some(Seats::ZERO))]);
        store.watch(&[all]);
        assert_eq!(shown(), [(true, None), (true, None)]);
    }

    #[test]
    fn an_answer_for_a_target_that_went_meanwhile_is_dropped() {
        let store = store();
        store.watch(&[customer("a", &[1])]);
        assert!(store.record(&target("a", 4), Ok(answer(7)), now(0)).is_none());
        assert!(store.record(&target("b", 1), Ok(answer(7)), now(0)).is_none());
        assert!(!store.snapshot().ready);
    }

    #[test]
    fn a_snapshot_stays_as_it_was() {
        let store = store();
        store.watch(&[customer("a", &[1])]);
        let before = store.snapshot();
        store.record(&target("a", 1), Ok(answer(7)), now(0)).unwrap();
        assert!(before.targets().all(|(_, _, target)| target.record.answer.is_none()));
        assert_eq!(seats(&store, "a", 1), Some(7));
    }

    #[test]
    fn the_first_answer_makes_ready_and_a_failure_does_not() {
        let store = store();
        store.watch(&[customer("a", &[1])]);
        store.record(&target("a", 1), Err(Reason::Timeout), now(0));
        assert!(!store.snapshot().ready);
        store.record(&target("a", 1), Ok(Answer::NotFound), now(0));
        assert!(store.snapshot().ready);
    }

    #[test]
    fn a_restored_number_makes_ready_unless_it_is_stale() {
        let mut record = Record::default();
        record.take(Ok(answer(7)), now(0));
        for (age, ready) in [(Duration::ZERO, true), (Duration::from_secs(1), false)] {
            let store = store();
            store.watch(&[customer("a", &[1])]);
            let now = now(0) + freshness().stale_after + age;
            store.restore(&BTreeMap::from([(target("a", 1), record.lasting())]), now);
            assert_eq!(store.snapshot().ready, ready);
        }
    }
    #[test]
    fn customers_that_a_later_listing_brings_are_added_until_they_go() {
        let store = store();
        store.watch(&[customer("configured", &[1])]);
        let list = |ids: &[&str], seconds| {
            store.set_listing(ids.iter().map(|id| listed(id, None)).collect(), at(seconds));
            store.snapshot().added.into_iter().map(|(id, at)| (id.to_string(), at)).collect::<Vec<_>>()
        };
        assert_eq!(list(&["a", "b"], 0), [], "the first listing brings nobody");
        let added = [("c".to_owned(), at(1))];
        assert_eq!(list(&["a", "c", "configured"], 1), added);
        assert_eq!(list(&["a", "b", "C"], 2), [("b".to_owned(), at(2)), added[0].clone()], "b is back");
        assert_eq!(list(&["a"], 3), []);
    }

    #[test]
    fn what_an_earlier_run_knew_of_the_listings_goes_on() {
        let store = store();
        let saved = Saved {
            listing: Some([listed("a", None), listed("b", None)].into()),
            added: BTreeMap::from([(target("b", 1).customer, at(0))]),
            ..Saved::default()
        };
        let account = Account { base_url: "https://api.example".parse().unwrap(), client_id: "app".to_owned() };
        store.begin_account(account, &saved);
        store.set_listing([listed("b", None), listed("c", None)].into(), at(9));
        let added: Vec<_> = store.snapshot().added.into_iter().map(|(id, at)| (id.to_string(), at)).collect();
        assert_eq!(added, [("b".to_owned(), at(0)), ("c".to_owned(), at(9))]);
    }

    #[test]
    fn a_listing_tells_nothing_of_whom_nobody_asked_for_and_of_the_others_what_has_changed() {
        let store = store();
        store.watch(&[customer("a", &[1]), customer("b", &[1])]);
        let list = |asked: &[&str], ids: &[&str], seats| {
            let rows = ids.iter().map(|id| {
                let row = Subscription { purchased_user_seats: Seats::new(seats), ..subscription("Fly", 9) };
                subscribed(id, vec![row])
            });
            let asked = |id: &CustomerId| asked.contains(&id.as_str());
            let changed = store.set_subscriptions(rows.collect(), asked, now(0));
            changed.into_iter().map(|id| id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(list(&["a"], &["a", "stranger"], 1), [""; 0]);
        assert_eq!(list(&["b"], &[], 1), [""; 0], "another part of the first listing is no change");
        assert_eq!(list(&["a"], &["a", "stranger"], 1), [""; 0]);
        assert_eq!(list(&["a", "b"], &["a", "b"], 1), ["b"], "a first purchase");
        assert_eq!(list(&["a", "b"], &["b"], 2), ["a", "b"]);
        assert_eq!(store.snapshot().subscriptions.unwrap().len(), 2);
    }
}
