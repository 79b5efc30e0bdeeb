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

#[cfg(test)]
mod tests {
    use elements_api::Subscription;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{at, now, scene, store, subscribed, subscription, watched};

    fn downloaded(known: Snapshot, query: &str, form: Form, now: Now) -> String {
        String::from_utf8(subscriptions(known, query, form, now).flatten().collect()).unwrap()
    }

    #[test]
    fn json_has_all_that_is_known_and_null_where_nothing_is() {
        let (store, _) = scene();
        let json = downloaded(store.snapshot(), "", Form::Json, now(1_000));
        let rows: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(rows.as_array().unwrap().len(), 2);
        assert_eq!(rows[0]["subscribed_service"], Value::Null, "a row that tells nothing");
        let expected = json!({
            "customer": "contoso", "customer_id": "11111111-aaaa", "name": "Contoso \"East\" \\ Söhne GmbH",
            "subscribed_service": "Cloud Backup for Microsoft 365", "subscription": "Cloud Backup Yearly",
            "package": "Enterprise", "source": "Individual", "model": "User", "payment_type": "Upfront",
            "storage": "AvePoint Storage", "retention": "Unlimited", "user_seats": 30, "units": 2,
            "microsoft_licenses_assigned": 28, "microsoft_licenses_available": 4, "pooled_change": -3,
            "purchased_capacity_bytes": 1_000_000_000, "consumed_storage_bytes": 250_000_000,
            "ends": "2023-11-16T23:13:20Z", "expiration": "2023-11-15T23:13:20Z",
            "contract_end": "2023-11-16T23:13:20Z", "listed": "2023-11-14T22:29:00Z"
        });
        assert_eq!(rows[1], expected);
    }

    #[test]
    fn csv_begins_with_a_mark_and_has_times_that_spreadsheets_read_and_no_formula() {
        let store = store();
        store.watch(&[watched("a", "a", "@name", &[1])]);
        let row = Subscription {
            service: Some("=HYPERLINK(1)".to_owned()),
            expiration: Some(at(0)),
            ..Subscription::default()
        };
        store.set_subscriptions(vec![subscribed("a", vec![row])], |_| true, now(60));
        let csv = downloaded(store.snapshot(), "", Form::Csv, now(60));
        let (header, row) = csv.split_once('\n').unwrap();
        assert_eq!(header, format!("\u{feff}{}", COLUMNS.join(",")));
        let time = "2023-11-14 22:13:20";
        assert_eq!(row, format!("a,a,'@name,'=HYPERLINK(1),,,,,,,,,,,,,,,{time},{time},,2023-11-14 22:14:20\n"));
    }

    #[test]
    fn the_pages_search_and_filter_are_taken_and_what_is_too_old_is_not_told() {
        const DAY: u64 = 86_400;
        let store = store();
        store.watch(&[watched("a", "contoso", "", &[1]), watched("b", "fabrikam", "", &[1])]);
        let rows = vec![subscription("Backup", 3 * DAY), subscription("Fly", 60 * DAY)];
        store.set_subscriptions(vec![subscribed("a", rows.clone()), subscribed("b", rows)], |_| true, now(0));
        let services = |query, now| {
            let rows: Vec<Value> = serde_json::from_str(&downloaded(store.snapshot(), query, Form::Json, now)).unwrap();
            let name = |row: &Value| format!("{} {}", row["customer_id"].as_str().unwrap(), row["subscribed_service"]);
            rows.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(services("", now(0)).len(), 4);
        assert_eq!(services("ends=30d&q=FABR", now(0)), ["b \"Backup\""]);
        assert_eq!(services("q=fly&sort=seats&page=7", now(0)), ["a \"Fly\"", "b \"Fly\""]);
        assert_eq!(services("", now(1) + store.snapshot().freshness.subscriptions), [""; 0]);
    }
}
