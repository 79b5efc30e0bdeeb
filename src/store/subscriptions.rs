//! What is known of the subscriptions of a customer.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use elements_api::{Seats, SubscribedCustomer, Subscription};
use tokio::time::Instant;

use super::record::age;
use super::{Freshness, Label, Now};

/// What the last listing said of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KnownSubscriptions {
    /// As it was listed. Who has bought nothing has no rows.
    pub listed: SubscribedCustomer,
    /// When the listing came.
    pub at: SystemTime,
    /// The same moment by the monotonic clock; `None` for what an earlier run has saved.
    pub came: Option<Instant>,
    /// The rows by their labels, in the order of these.
    pub by_label: BTreeMap<SubscriptionLabels, MergedSubscription>,
}

/// What tells one subscription of a customer from another. `""` stands for what does not apply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionLabels {
    pub service: Label,
    pub subscription: Label,
    pub package: Label,
    pub source: Label,
}

/// All rows that agree in their labels. What no row tells is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MergedSubscription {
    pub purchased_user_seats: Option<u64>,
    pub purchased_units: Option<u64>,
    /// The most that a row has.
    pub microsoft_licenses_assigned: Option<u64>,
    /// The most that a row has.
    pub microsoft_licenses_available: Option<u64>,
    pub pooled_change: Option<i64>,
    pub purchased_capacity_bytes: Option<u64>,
    pub consumed_storage_bytes: Option<u64>,
    /// The earliest.
    pub expiration: Option<SystemTime>,
    /// The earliest.
    pub contract_end: Option<SystemTime>,
    /// Of the row that ends first.
    pub terms: Terms,
}

/// How a subscription was bought. `""` stands for what does not apply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    pub model: Label,
    pub payment_type: Label,
    pub storage: Label,
    pub retention: Label,
}

impl KnownSubscriptions {
    pub(in crate::store) fn new(listed: SubscribedCustomer, at: SystemTime, came: Option<Instant>) -> Self {
        let mut by_label = BTreeMap::new();
        let mut rows: Vec<_> = listed.subscriptions.iter().collect();
        rows.sort_by(|one, other| ends_first(one, other));
        for row in rows {
            let labels = SubscriptionLabels::of(row);
            by_label
                .entry(labels)
                .and_modify(|all: &mut MergedSubscription| all.add(row))
                .or_insert_with(|| row.into());
        }
        Self { listed, at, came, by_label }
    }

    /// For how long from now on it counts; `None` if it does not any more.
    pub fn counts_for(&self, now: Now, freshness: Freshness) -> Option<Duration> {
        freshness.subscriptions.checked_sub(age(self.at, self.came, now)?)
    }

    /// Whether the poll may find other seats than before: the rows differ in more than drifts from day to day.
    pub(super) fn differs_in_purchases(&self, before: &Self) -> bool {
        let purchases = |known: &'_ Self| {
            let purchase = |row: &Subscription| {
                (row.service.clone(), row.name.clone(), row.purchased_user_seats, row.purchased_units)
            };
            let mut purchases: Vec<_> = known.listed.subscriptions.iter().map(purchase).collect();
            purchases.sort_unstable();
            purchases
        };
        purchases(self) != purchases(before)
    }
}

impl SubscriptionLabels {
    fn of(row: &Subscription) -> Self {
        let Subscription { service, name, package, source, .. } = row;
        Self {
            service: label(service.as_ref()),
            subscription: label(name.as_ref()),
            package: label(package.as_ref()),
            source: label(source.as_ref()),
        }
    }
}

impl From<&Subscription> for MergedSubscription {
    fn from(row: &Subscription) -> Self {
        Self {
            purchased_user_seats: row.purchased_user_seats.map(Seats::get),
            purchased_units: row.purchased_units.map(Seats::get),
            microsoft_licenses_assigned: row.microsoft_licenses_assigned.map(Seats::get),
            microsoft_licenses_available: row.microsoft_licenses_available.map(Seats::get),
            pooled_change: row.pooled_change,
            purchased_capacity_bytes: row.purchased_capacity_bytes,
            consumed_storage_bytes: row.consumed_storage_bytes,
            expiration: row.expiration,
            contract_end: row.contract_end,
            terms: Terms::of(row),
        }
    }
}

impl MergedSubscription {
    /// When it ends: as its contract does, where there is one.
    pub fn ends(&self) -> Option<SystemTime> {
        self.contract_end.or(self.expiration)
    }

    /// Takes in another row, which does not end before the first one.
    fn add(&mut self, row: &Subscription) {
        let row = Self::from(row);
        self.purchased_user_seats = join(self.purchased_user_seats, row.purchased_user_seats, u64::saturating_add);
        self.purchased_units = join(self.purchased_units, row.purchased_units, u64::saturating_add);
        self.microsoft_licenses_assigned =
            join(self.microsoft_licenses_assigned, row.microsoft_licenses_assigned, u64::max);
        self.microsoft_licenses_available =
            join(self.microsoft_licenses_available, row.microsoft_licenses_available, u64::max);
        self.pooled_change = join(self.pooled_change, row.pooled_change, i64::saturating_add);
        self.purchased_capacity_bytes =
            join(self.purchased_capacity_bytes, row.purchased_capacity_bytes, u64::saturating_add);
        self.consumed_storage_bytes =
            join(self.consumed_storage_bytes, row.consumed_storage_bytes, u64::saturating_add);
        self.expiration = join(self.expiration, row.expiration, SystemTime::min);
        self.contract_end = join(self.contract_end, row.contract_end, SystemTime::min);
    }
}

impl Terms {
    fn of(row: &Subscription) -> Self {
        let Subscription { model, payment_type, storage, retention, .. } = row;
        Self {
            model: label(model.as_ref()),
            payment_type: label(payment_type.as_ref()),
            storage: label(storage.as_ref()),
            retention: label(retention.as_ref()),
        }
    }
}

/// Of two that may both be missing.
pub(super) fn join<T>(one: Option<T>, other: Option<T>, both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(both(one, other)),
        (one, other) => one.or(other),
    }
}

/// What ends comes before what does not. Rows that end together are told apart by their terms, whatever the order in
/// which they are listed.
fn ends_first(one: &Subscription, other: &Subscription) -> Ordering {
    let key = |row: &Subscription| {
        let ends = row.ends();
        (ends.is_none(), ends, Terms::of(row))
    };
    key(one).cmp(&key(other))
}

fn label(text: Option<&String>) -> Label {
    Label::from(text.map(String::as_str).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, customer_id, freshness, now};

    fn seats(number: u64) -> Option<Seats> {
        Seats::new(number)
    }

    fn row(service: &str) -> Subscription {
        Subscription { service: Some(service.to_owned()), ..Subscription::default() }
    }

    fn known(subscriptions: Vec<Subscription>) -> KnownSubscriptions {
        let listed = SubscribedCustomer { id: customer_id("a"), organization: None, subscriptions };
        KnownSubscriptions::new(listed, at(0), Some(now(0).monotonic))
    }

    #[test]
    fn rows_that_agree_in_all_labels_are_one_series() {
        let first = Subscription {
            purchased_user_seats: seats(5),
            microsoft_licenses_assigned: seats(9),
            purchased_capacity_bytes: Some(1),
            pooled_change: Some(-3),
            expiration: Some(at(50)),
            payment_type: Some("Monthly".to_owned()),
            ..row("Backup")
        };
        let second = Subscription {
            purchased_user_seats: seats(7),
            purchased_units: seats(1),
            microsoft_licenses_assigned: seats(4),
            purchased_capacity_bytes: Some(2),
            pooled_change: Some(1),
            expiration: Some(at(90)),
            contract_end: Some(at(20)),
            payment_type: Some("Upfront".to_owned()),
            ..row("Backup")
        };
        for rows in [vec![first.clone(), second.clone(), row("Other")], vec![row("Other"), second, first]] {
            let known = known(rows);
            assert_eq!(known.by_label.len(), 2);
            let merged = &known.by_label.first_key_value().unwrap().1;
            assert_eq!((merged.purchased_user_seats, merged.purchased_units), (Some(12), Some(1)));
            assert_eq!((merged.microsoft_licenses_assigned, merged.microsoft_licenses_available), (Some(9), None));
            assert_eq!((merged.purchased_capacity_bytes, merged.pooled_change), (Some(3), Some(-2)));
            assert_eq!((merged.expiration, merged.contract_end), (Some(at(50)), Some(at(20))));
            assert_eq!(merged.terms.payment_type.as_str(), "Upfront", "its contract ends first");
        }
    }

    #[test]
    fn labels_that_agree_once_they_are_cut_are_one_series() {
        let long = "x".repeat(Label::MAX_BYTES);
        assert_eq!(known(vec![row(&format!("{long}1")), row(&format!("{long}2"))]).by_label.len(), 1);
    }

    #[test]
    fn purchases_differ_in_what_was_bought_and_not_in_what_drifts() {
        let before = known(vec![Subscription { purchased_user_seats: seats(5), ..row("Backup") }]);
        let drifted =
            Subscription { consumed_storage_bytes: Some(7), microsoft_licenses_assigned: seats(3), ..row("Backup") };
        let drifted = known(vec![Subscription { purchased_user_seats: seats(5), ..drifted }]);
        assert!(!drifted.differs_in_purchases(&before));
        let more = known(vec![Subscription { purchased_user_seats: seats(6), ..row("Backup") }]);
        assert!(more.differs_in_purchases(&before) && before.differs_in_purchases(&known(vec![])));
    }

    #[test]
    fn a_listing_counts_for_so_long() {
        let freshness = freshness();
        let known = known(vec![]);
        assert_eq!(known.counts_for(now(0), freshness), Some(freshness.subscriptions));
        assert_eq!(known.counts_for(now(0) + freshness.subscriptions, freshness), Some(Duration::ZERO));
        assert_eq!(known.counts_for(now(1) + freshness.subscriptions, freshness), None);
    }
}
