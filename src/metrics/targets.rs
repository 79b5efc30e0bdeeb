//! The families that change only when the poller learns something, or when a number becomes stale.

use std::collections::BTreeSet;
use std::time::SystemTime;

use prometheus::proto::{Metric, MetricFamily};

use super::family::{self, Family, count, flag, timestamp};
use crate::store::{Freshness, KnownCustomer, Record, Snapshot, TargetState};

/// What only the poller changes, as it is at `at`: the families one after the other, each in chunks to make one after
/// the other, so that of a large family never more than a chunk is there as objects.
pub fn target_families(known: &Snapshot, at: SystemTime) -> impl Iterator<Item = Vec<Chunk<'_>>> {
    SOURCES.iter().map(move |(family, source)| {
        let chunk = |customers| Chunk { family, source: *source, known, customers, at };
        match source {
            Source::Targets(_) => {
                let customers: Vec<_> = known.customers.values().map(AsRef::as_ref).collect();
                customers.chunks(CUSTOMERS_AT_ONCE).map(|customers| chunk(customers.to_vec())).collect()
            }
            Source::Whole(_) => vec![chunk(Vec::new())],
        }
    })
}

/// A part of a family's samples, or all of them.
#[derive(Debug, Clone)]
pub struct Chunk<'a> {
    family: &'static Family,
    source: Source,
    known: &'a Snapshot,
    customers: Vec<&'a KnownCustomer>,
    at: SystemTime,
}

impl Chunk<'_> {
    /// The family with these samples alone.
    pub fn family(&self) -> MetricFamily {
        let samples = match self.source {
            Source::Whole(samples) => samples(self.family, self.known, self.at),
            Source::Targets(value) => self.targets(value).collect(),
        };
        self.family.of(samples)
    }

    fn targets(&self, value: Value) -> impl Iterator<Item = Metric> {
        let freshness = self.known.freshness;
        self.customers.iter().flat_map(move |known| {
            known.products.iter().filter_map(move |(product, record)| {
                let value = value(record, self.at, freshness)?;
                Some(self.family.sample(&[known.customer.label.as_str(), &product.label()], value))
            })
        })
    }
}

const CUSTOMERS_AT_ONCE: usize = 64;

type Value = fn(&Record, SystemTime, Freshness) -> Option<f64>;

#[derive(Debug, Clone, Copy)]
enum Source {
    /// A sample for each target that has a value.
    Targets(Value),
    Whole(fn(&Family, &Snapshot, SystemTime) -> Vec<Metric>),
}

const SOURCES: [(Family, Source); 8] = [
    (family::PURCHASED_USER_SEATS, Source::Targets(|record, at, fresh| Some(record.seats(at, fresh)?.as_sample()))),
    (family::SEATS_PREVIOUS, Source::Targets(|record, _, _| Some(record.change?.previous.as_sample()))),
    (family::SEATS_LAST_CHANGE, Source::Targets(|record, _, _| Some(timestamp(record.change?.at)))),
    (family::POLL_SUCCESS, Source::Targets(poll_success)),
    (family::POLL_LAST_SUCCESS, Source::Targets(|record, _, _| Some(timestamp(record.answer?.at)))),
    (family::CUSTOMER_INFO, Source::Whole(customers)),
    (family::PRODUCT_INFO, Source::Whole(products)),
    (family::POLL_TARGETS, Source::Whole(states)),
];

fn poll_success(record: &Record, at: SystemTime, freshness: Freshness) -> Option<f64> {
    match record.state(at, freshness) {
        TargetState::Ok | TargetState::Absent => Some(flag(true)),
        TargetState::Failing => Some(flag(false)),
        TargetState::Pending => None,
    }
}

fn customers(family: &Family, known: &Snapshot, _: SystemTime) -> Vec<Metric> {
    let customers = known.customers.values().map(|known| &known.customer);
    customers.map(|c| family.sample(&[c.label.as_str(), c.id.as_str(), c.name.as_str()], 1.0)).collect()
}

fn products(family: &Family, known: &Snapshot, _: SystemTime) -> Vec<Metric> {
    let products: BTreeSet<_> = known.records().map(|(_, product, _)| product).collect();
    products.into_iter().map(|p| family.sample(&[&p.label(), &p.number().to_string()], 1.0)).collect()
}

fn states(family: &Family, known: &Snapshot, at: SystemTime) -> Vec<Metric> {
    let states = known.states(at);
    states.into_iter().map(|(state, targets)| family.sample(&[state.as_str()], count(targets as u64))).collect()
}
