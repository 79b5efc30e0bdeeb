//! Which subscriptions the page lists, and in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::query::{Query, Shown, Sort};
use crate::pages::finding::Mood;
use crate::pages::found::sort_by;
use crate::pages::query::Search;
use crate::store::{Customer, Label, MergedSubscription, Now, Snapshot, SubscriptionLabels};

/// What is known of the subscriptions of all who are watched.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// What counts, by customer.
    pub(super) rows: Vec<Subscribed<'a>>,
    /// So many customers have some.
    pub(super) customers: usize,
    /// Of so many customers the last listing is too old to count.
    pub(super) stale: usize,
    /// When the latest listing came that counts.
    pub(super) listed: Option<SystemTime>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Subscribed<'a> {
    pub(super) customer: &'a Customer,
    pub(super) labels: &'a SubscriptionLabels,
    pub(super) known: &'a MergedSubscription,
    /// Of the customer among all by label, and of the subscription among its own: what stands first among equals.
    ranks: (usize, usize),
}

impl<'a> Known<'a> {
    pub(super) fn of(known: &'a Snapshot, now: Now) -> Self {
        let mut all = Self { rows: Vec::new(), customers: 0, stale: 0, listed: None };
        let mut customers: Vec<_> = known.customers.values().map(|known| &known.customer).collect();
        customers.sort_by_cached_key(|customer| customer.label.as_str().to_lowercase());
        let is_listed = |customer: &Customer| known.subscriptions.as_ref()?.get(&customer.id);
        for (customer_rank, customer) in customers.into_iter().enumerate() {
            let Some(subscribed) = known.subscriptions_of(&customer.id, now) else {
                all.stale += usize::from(is_listed(customer).is_some());
                continue;
            };
            all.listed = all.listed.max(Some(subscribed.at));
            all.customers += usize::from(!subscribed.by_label.is_empty());
            all.rows.extend(subscribed.by_label.iter().enumerate().map(|(rank, (labels, known))| Subscribed {
                customer,
                labels,
                known,
                ranks: (customer_rank, rank),
            }));
        }
        all
    }

    /// How many are among those, and their seats.
    pub(super) fn count(&self, shown: Shown, now: SystemTime) -> (usize, u64) {
        let among = self.rows.iter().filter(|row| shown.shows(row.known, now));
        among.fold((0, 0), |(rows, seats), row| {
            (rows + 1, seats.saturating_add(row.known.purchased_user_seats.unwrap_or_default()))
        })
    }

    /// Those that `query` asks for, in its order.
    pub(super) fn find(&self, query: &Query, now: SystemTime) -> Vec<Subscribed<'a>> {
        let (search, shown) = query.filter();
        let found = self.rows.iter().filter(|row| {
            shown.shows(row.known, now) && (search.finds_customer(row.customer) || finds_labels(&search, row.labels))
        });
        let mut found: Vec<_> = found.copied().collect();
        sort(&mut found, query);
        found
    }
}

impl Subscribed<'_> {
    /// How much it matters when it ends; `None`: not at all, or not yet.
    pub(super) fn mood(&self, now: SystemTime) -> Option<Mood> {
        Shown::NOTICES.into_iter().find(|notice| notice.shows(self.known, now)).map(Shown::mood)
    }
}

/// Whether it is part of anything that a subscription is called.
pub(in crate::pages) fn finds_labels(search: &Search, labels: &SubscriptionLabels) -> bool {
    let SubscriptionLabels { service, subscription, package, source } = labels;
    [service, subscription, package, source].into_iter().map(Label::as_str).any(|label| search.finds(label))
}

fn sort(rows: &mut [Subscribed<'_>], query: &Query) {
    fn by<K: Ord>(rows: &mut [Subscribed<'_>], descending: bool, key: impl Fn(&Subscribed<'_>) -> Option<K>) {
        sort_by(rows, descending, |row| row.ranks, key);
    }
    let descending = query.descending;
    match query.sort {
        Sort::Customer => by(rows, descending, |row| Some(row.ranks.0)),
        Sort::Service => {
            let ranks = ranks(rows);
            by(rows, descending, |row| ranks.get(row.labels.service.as_str()));
        }
        Sort::Seats => by(rows, descending, |row| row.known.purchased_user_seats),
        Sort::Ends => by(rows, descending, |row| row.known.ends()),
    }
}

/// Each service's place among all by name, in any case. What is not told has none.
fn ranks<'a>(rows: &[Subscribed<'a>]) -> BTreeMap<&'a str, usize> {
    let services: BTreeSet<_> = rows.iter().map(|row| row.labels.service.as_str()).collect();
    let mut services: Vec<_> = services.into_iter().filter(|service| !service.is_empty()).collect();
    services.sort_by_cached_key(|service| service.to_lowercase());
    services.into_iter().enumerate().map(|(rank, service)| (service, rank)).collect()
}
