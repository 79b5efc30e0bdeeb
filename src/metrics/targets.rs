//! The families that change only when the poller learns something, or when a number becomes stale.

use std::collections::BTreeSet;

use elements_api::{Answer, Seats};
use prometheus::proto::{Metric, MetricFamily};

use super::family::{self, Family, count, flag, timestamp};
use crate::store::{
    Freshness, KnownCustomer, KnownTarget, Label, MergedSubscription, Now, Snapshot, SubscriptionLabels, TargetState,
    TenantLabels, TenantSeats, Terms,
};

/// What only the poller changes, as it is now: the families one after the other, each in chunks to make one after
/// the other, so that of a large family never more than a chunk is there as objects.
pub fn target_families(known: &Snapshot, now: Now) -> impl Iterator<Item = Vec<Chunk<'_>>> {
    SOURCES.iter().map(move |(family, source)| {
        let chunk = |customers| Chunk { family, source: *source, known, customers, now };
        if let Source::Whole(_) = source {
            return vec![chunk(Vec::new())];
        }
        let customers: Vec<_> = known.customers.values().map(AsRef::as_ref).collect();
        customers.chunks(CUSTOMERS_AT_ONCE).map(|customers| chunk(customers.to_vec())).collect()
    })
}

/// A part of a family's samples, or all of them.
#[derive(Debug, Clone)]
pub struct Chunk<'a> {
    family: &'static Family,
    source: Source,
    known: &'a Snapshot,
    customers: Vec<&'a KnownCustomer>,
    now: Now,
}

impl Chunk<'_> {
    /// The family with these samples alone.
    pub fn family(&self) -> MetricFamily {
        let samples = match self.source {
            Source::Whole(samples) => samples(self.family, self.known, self.now),
            Source::Targets(value) => self.targets(value).collect(),
            Source::Subscriptions(value) => self.subscriptions(value).collect(),
            Source::Terms => self.terms().collect(),
            Source::Tenants(value) => self.tenants(value),
            Source::TenantSuccess => self.tenant_success(),
        };
        self.family.of(samples)
    }

    fn subscriptions(&self, value: SubscriptionValue) -> impl Iterator<Item = Metric> {
        self.subscribed()
            .filter_map(move |(labels, subscription)| Some(self.family.sample(&labels, value(subscription)?)))
    }

    fn terms(&self) -> impl Iterator<Item = Metric> {
        self.subscribed().map(|(labels, subscription)| {
            let [customer, service, name, package, source] = labels;
            let Terms { model, payment_type, storage, retention } = &subscription.terms;
            let [model, payment_type, storage, retention] =
                [model, payment_type, storage, retention].map(Label::as_str);
            let labels = [customer, service, name, package, source, model, payment_type, storage, retention];
            self.family.sample(&labels, 1.0)
        })
    }

    /// What counts now of what the customers have bought, each with the values of its labels.
    fn subscribed(&self) -> impl Iterator<Item = ([&str; 5], &MergedSubscription)> {
        self.customers.iter().flat_map(|known| {
            let subscribed = self.known.subscriptions_of(&known.customer.id, self.now);
            subscribed.into_iter().flat_map(|subscribed| &subscribed.by_label).map(|(labels, subscription)| {
                let SubscriptionLabels { service, subscription: name, package, source } = labels;
                let labels = [&known.customer.label, service, name, package, source];
                (labels.map(Label::as_str), subscription)
            })
        })
    }

    fn tenants(&self, value: fn(TenantSeats) -> Option<f64>) -> Vec<Metric> {
        let mut samples = Vec::new();
        for known in &self.customers {
            for (platform, tenants) in &known.tenants {
                for (TenantLabels { id, name }, seats) in tenants.by_label(self.now, self.known.freshness) {
                    let labels = [known.customer.label.as_str(), platform.as_str(), id.as_str(), name.as_str()];
                    samples.extend(value(seats).map(|value| self.family.sample(&labels, value)));
                }
            }
        }
        samples
    }

    fn tenant_success(&self) -> Vec<Metric> {
        let mut samples = Vec::new();
        for known in &self.customers {
            for (platform, tenants) in &known.tenants {
                let success = tenants.success(self.now, self.known.freshness).map(flag);
                let labels = [known.customer.label.as_str(), platform.as_str()];
                samples.extend(success.map(|success| self.family.sample(&labels, success)));
            }
        }
        samples
    }

    fn targets(&self, value: Value) -> impl Iterator<Item = Metric> {
        let freshness = self.known.freshness;
        self.customers.iter().flat_map(move |known| {
            let with_series = known.products.iter().filter(|(_, target)| !target.is_dormant());
            with_series.filter_map(move |(product, target)| {
                let value = value(target, self.now, freshness)?;
                Some(self.family.sample(&[known.customer.label.as_str(), &product.label()], value))
            })
        })
    }
}

const CUSTOMERS_AT_ONCE: usize = 64;

type Value = fn(&KnownTarget, Now, Freshness) -> Option<f64>;

type SubscriptionValue = fn(&MergedSubscription) -> Option<f64>;

#[derive(Debug, Clone, Copy)]
enum Source {
    /// A sample for each target that has series of its own, and a value.
    Targets(Value),
    /// A sample for each subscription that has a value.
    Subscriptions(SubscriptionValue),
    /// A sample for each subscription.
    Terms,
    /// A sample for each tenant that has a value.
    Tenants(fn(TenantSeats) -> Option<f64>),
    /// A sample for each customer and platform that was asked for.
    TenantSuccess,
    Whole(fn(&Family, &Snapshot, Now) -> Vec<Metric>),
}

const SOURCES: [(Family, Source); 27] = [
    (family::PURCHASED_USER_SEATS, Source::Targets(|target, now, fresh| Some(target.seats(now, fresh)?.as_sample()))),
    (family::SEATS_PREVIOUS, Source::Targets(|target, _, _| Some(target.record.change?.previous.as_sample()))),
    (family::SEATS_LAST_CHANGE, Source::Targets(|target, _, _| Some(timestamp(target.record.change?.at)))),
    (family::POLL_SUCCESS, Source::Targets(poll_success)),
    (family::POLL_LAST_SUCCESS, Source::Targets(|target, _, _| Some(timestamp(target.record.answer?.at)))),
    (family::EXPECTED_USER_SEATS, Source::Targets(|target, _, _| Some(target.expected?.as_sample()))),
    (family::EXPECTED_FILE_SUCCESS, Source::Whole(expected_file_success)),
    (family::EXPECTED_ROWS_UNMATCHED, Source::Whole(expected_rows_unmatched)),
    (family::CUSTOMER_INFO, Source::Whole(customers)),
    (family::CUSTOMER_PURCHASED_PRODUCTS, Source::Whole(purchased_products)),
    (family::CUSTOMER_FAILING_PRODUCTS, Source::Whole(failing_products)),
    (family::CUSTOMER_ADDED, Source::Whole(added)),
    (family::SUBSCRIPTION_USER_SEATS, Source::Subscriptions(|one| one.purchased_user_seats.map(count))),
    (family::SUBSCRIPTION_UNITS, Source::Subscriptions(|one| one.purchased_units.map(count))),
    (family::SUBSCRIPTION_EXPIRATION, Source::Subscriptions(|one| one.expiration.map(timestamp))),
    (family::SUBSCRIPTION_CONTRACT_END, Source::Subscriptions(|one| one.contract_end.map(timestamp))),
    (family::SUBSCRIPTION_LICENSES_ASSIGNED, Source::Subscriptions(|one| one.microsoft_licenses_assigned.map(count))),
    (family::SUBSCRIPTION_LICENSES_AVAILABLE, Source::Subscriptions(|one| one.microsoft_licenses_available.map(count))),
    (family::SUBSCRIPTION_POOLED_CHANGE, Source::Subscriptions(|one| one.pooled_change.map(signed))),
    (family::SUBSCRIPTION_CAPACITY, Source::Subscriptions(|one| one.purchased_capacity_bytes.map(count))),
    (family::SUBSCRIPTION_STORAGE, Source::Subscriptions(|one| one.consumed_storage_bytes.map(count))),
    (family::SUBSCRIPTION_INFO, Source::Terms),
    (family::TENANT_ASSIGNED, Source::Tenants(|seats| seats.assigned.map(count))),
    (family::TENANT_AVAILABLE, Source::Tenants(|seats| seats.available.map(signed))),
    (family::TENANTS_SUCCESS, Source::TenantSuccess),
    (family::PRODUCT_INFO, Source::Whole(products)),
    (family::POLL_TARGETS, Source::Whole(states)),
];

#[expect(clippy::cast_precision_loss, reason = "no number of seats comes near 2^53")]
const fn signed(number: i64) -> f64 {
    number as f64
}

fn poll_success(target: &KnownTarget, now: Now, freshness: Freshness) -> Option<f64> {
    match target.state(now, freshness) {
        TargetState::Ok | TargetState::Absent => Some(flag(true)),
        TargetState::Failing => Some(flag(false)),
        TargetState::Pending => None,
    }
}

fn expected_file_success(family: &Family, known: &Snapshot, _: Now) -> Vec<Metric> {
    known.expected_file.map(|file| family.sample(&[], flag(file.success))).into_iter().collect()
}

fn expected_rows_unmatched(family: &Family, known: &Snapshot, _: Now) -> Vec<Metric> {
    let unmatched = known.expected_file.and_then(|file| file.unmatched);
    unmatched.map(|rows| family.sample(&[], count(rows as u64))).into_iter().collect()
}

fn customers(family: &Family, known: &Snapshot, _: Now) -> Vec<Metric> {
    let customers = known.customers.values().map(|known| &known.customer);
    customers.map(|c| family.sample(&[c.label.as_str(), c.id.as_str(), c.name.as_str()], 1.0)).collect()
}

/// A sample for each customer that has a value.
fn by_customer(family: &Family, known: &Snapshot, value: impl Fn(&KnownCustomer) -> Option<f64>) -> Vec<Metric> {
    let sample = |known: &KnownCustomer| Some(family.sample(&[known.customer.label.as_str()], value(known)?));
    known.customers.values().filter_map(|known| sample(known)).collect()
}

/// Unknown as long as one of the products is: else an outage would look like a customer without any.
fn purchased_products(family: &Family, known: &Snapshot, now: Now) -> Vec<Metric> {
    by_customer(family, known, |customer| {
        let answers = customer.products.values().map(|target| target.fresh_answer(now, known.freshness));
        let has_seats = |answer: Answer| answer.seats().is_some_and(|seats| seats > Seats::ZERO);
        let has_seats: Option<Vec<_>> = answers.map(|answer| answer.map(has_seats)).collect();
        has_seats.map(|products| count(products.into_iter().filter(|has_seats| *has_seats).count() as u64))
    })
}

fn failing_products(family: &Family, known: &Snapshot, now: Now) -> Vec<Metric> {
    by_customer(family, known, |customer| {
        let states = customer.products.values().map(|target| target.state(now, known.freshness));
        Some(count(states.filter(|state| *state == TargetState::Failing).count() as u64))
    })
}

fn added(family: &Family, known: &Snapshot, _: Now) -> Vec<Metric> {
    by_customer(family, known, |customer| Some(timestamp(*known.added.get(&customer.customer.id)?)))
}

fn products(family: &Family, known: &Snapshot, _: Now) -> Vec<Metric> {
    let products: BTreeSet<_> = known.targets().map(|(_, product, _)| product).collect();
    products.into_iter().map(|p| family.sample(&[&p.label(), &p.number().to_string()], 1.0)).collect()
}

fn states(family: &Family, known: &Snapshot, now: Now) -> Vec<Metric> {
    let states = known.states(now);
    states.into_iter().map(|(state, targets)| family.sample(&[state.as_str()], count(targets as u64))).collect()
}
