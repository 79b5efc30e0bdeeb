//! `/subscriptions.csv` and `/subscriptions.json`: what the last listings said that count.
//!
//! `customer` (the label), `customer_id` and `name` (the organization); what tells a subscription from another, as the
//! labels of its metrics do; how it is sold; what was bought, and what is in use; `ends`, which is the end of the contract
//! where there is one, and else the expiration; and when all this was `listed`. An empty cell is what does not apply.

use std::mem::take;

use bytes::Bytes;

use super::chunks;
use crate::pages::subscriptions::{Query, finds_labels};
use crate::store::{Customer, Label, MergedSubscription, Now, Snapshot, SubscriptionLabels, Terms};
use crate::table::{Cell, Form};

pub(in crate::pages) fn subscriptions(
    mut known: Snapshot,
    query: &str,
    form: Form,
    now: Now,
) -> impl Iterator<Item = Bytes> + Send + use<> {
    let query = Query::new(query);
    let customers = take(&mut known.customers);
    chunks(form, COLUMNS, customers.into_values(), move |known_customer| {
        rows(&known_customer.customer, &known, &query, now)
    })
}

const COLUMNS: [&str; 22] = [
    "customer",
    "customer_id",
    "name",
    "subscribed_service",
    "subscription",
    "package",
    "source",
    "model",
    "payment_type",
    "storage",
    "retention",
    "user_seats",
    "units",
    "microsoft_licenses_assigned",
    "microsoft_licenses_available",
    "pooled_change",
    "purchased_capacity_bytes",
    "consumed_storage_bytes",
    "ends",
    "expiration",
    "contract_end",
    "listed",
];

fn rows(customer: &Customer, known: &Snapshot, query: &Query, now: Now) -> Vec<[Cell; 22]> {
    let Some(subscribed) = known.subscriptions_of(&customer.id, now) else { return Vec::new() };
    let (search, shown) = query.filter();
    let customer_is_found = search.finds_customer(customer);
    let asked_for = subscribed.by_label.iter().filter(|(labels, subscription)| {
        (customer_is_found || finds_labels(&search, labels)) && shown.shows(subscription, now.wall)
    });
    let row = |(labels, subscription): (&SubscriptionLabels, &MergedSubscription)| {
        let SubscriptionLabels { service, subscription: name, package, source } = labels;
        let Terms { model, payment_type, storage, retention } = &subscription.terms;
        [
            Cell::from(customer.label.as_str()),
            Cell::from(customer.id.as_str()),
            Cell::from(customer.name.as_str()),
            text(service),
            text(name),
            text(package),
            text(source),
            text(model),
            text(payment_type),
            text(storage),
            text(retention),
            subscription.purchased_user_seats.into(),
            subscription.purchased_units.into(),
            subscription.microsoft_licenses_assigned.into(),
            subscription.microsoft_licenses_available.into(),
            subscription.pooled_change.into(),
            subscription.purchased_capacity_bytes.into(),
            subscription.consumed_storage_bytes.into(),
            subscription.ends().into(),
            subscription.expiration.into(),
            subscription.contract_end.into(),
            Cell::Time(subscribed.at),
        ]
    };
    asked_for.map(row).collect()
}

fn text(label: &Label) -> Cell {
    if label.as_str().is_empty() { Cell::Nothing } else { Cell::from(label.as_str()) }
}
