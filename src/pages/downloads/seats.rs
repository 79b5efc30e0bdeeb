//! `/seats.csv` and `/seats.json`: the targets as they are now.
//!
//! Without `state`, what was never purchased is left out. They have the columns `customer` (the label), `customer_id`,
//! `name` (the organization), `product`, `product_type`, `seats` (nothing where no fresh number is known), `state`,
//! `last_success` (when the target was last answered), `previous` (the number before the last change that was seen) and
//! `last_change` (when it was seen).

use bytes::Bytes;
use elements_api::ProductType;

use super::chunks;
use crate::pages::status::Query;
use crate::store::{Customer, Freshness, KnownCustomer, KnownTarget, Now, Snapshot};
use crate::table::{Cell, Form};

pub(in crate::pages) fn seats(
    known: Snapshot,
    query: &str,
    form: Form,
    now: Now,
) -> impl Iterator<Item = Bytes> + Send + use<> {
    let freshness = known.freshness;
    let query = Query::new(query);
    chunks(form, SEAT_COLUMNS, known.customers.into_values(), move |known| rows(&known, &query, freshness, now))
}

/// What a [row](seat_row) has.
pub(crate) const SEAT_COLUMNS: [&str; 10] = [
    "customer",
    "customer_id",
    "name",
    "product",
    "product_type",
    "seats",
    "state",
    "last_success",
    "previous",
    "last_change",
];

fn rows(known: &KnownCustomer, query: &Query, freshness: Freshness, now: Now) -> Vec<[Cell; 10]> {
    let customer = &known.customer;
    let (search, shown) = query.filter();
    let customer_is_found = search.finds_customer(customer);
    let asked_for = known.products.iter().filter_map(|(product, target)| {
        let is_found = customer_is_found || search.finds(&product.label());
        let is_shown = is_found && shown.shows(target, target.state(now, freshness));
        is_shown.then(|| seat_row(customer, *product, target, freshness, now))
    });
    asked_for.collect()
}

/// What is known now of a target.
pub(crate) fn seat_row(
    customer: &Customer,
    product: ProductType,
    target: &KnownTarget,
    freshness: Freshness,
    now: Now,
) -> [Cell; 10] {
    let record = &target.record;
    [
        Cell::from(customer.label.as_str()),
        Cell::from(customer.id.as_str()),
        Cell::from(customer.name.as_str()),
        Cell::from(product.label().as_ref()),
        Cell::Number(product.number().into()),
        target.seats(now, freshness).into(),
        Cell::from(target.state(now, freshness).as_str()),
        record.answer.map(|answered| answered.at).into(),
        record.change.map(|change| change.previous).into(),
        record.change.map(|change| change.at).into(),
    ]
}

#[cfg(test)]
mod tests {
    use elements_api::Reason;
    use serde_json::{Value, json};

    use super::*;
    use crate::pages::downloads::CHUNK;
    use crate::store::{Store, WatchedCustomer};
    use crate::testing::{self, now, scene, store, target, watched};

    fn downloaded(store: &Store, form: Form) -> String {
        found(store, "", form)
    }

    fn found(store: &Store, query: &str, form: Form) -> String {
        String::from_utf8(seats(store.snapshot(), query, form, now(1_000)).flatten().collect()).unwrap()
    }

    #[test]
    fn json_has_every_target_with_its_times() {
        let (store, _) = scene();
        let seats: Value = serde_json::from_str(&downloaded(&store, Form::Json)).unwrap();
        assert_eq!(seats.as_array().unwrap().len(), 5);
        assert_eq!(
            seats[0],
            json!({
                "customer": "contoso", "customer_id": "11111111-aaaa", "name": "Contoso \"East\" \\ Söhne GmbH",
                "product": "Cloud Backup for Microsoft 365", "product_type": 2048, "seats": 30, "state": "ok",
                "last_success": "2023-11-14T22:30:00Z", "previous": 25, "last_change": "2023-11-14T22:30:00Z"
            })
        );
        assert_eq!((&seats[1]["state"], &seats[1]["seats"]), (&json!("absent"), &Value::Null));
        assert_eq!((&seats[3]["state"], &seats[3]["seats"]), (&json!("failing"), &json!(0)), "fresh all the same");
        assert_eq!((&seats[4]["state"], &seats[4]["last_success"]), (&json!("pending"), &Value::Null));
    }

    #[test]
    fn csv_has_the_same_and_no_formula() {
        let (store, _) = scene();
        store.watch(&[watched("a", "=HYPERLINK(1)", "@name", &[1])]);
        let csv = downloaded(&store, Form::Csv);
        let header = "customer,customer_id,name,product,product_type,seats,state,last_success,previous,last_change";
        assert_eq!(csv, format!("\u{feff}{header}\n'=HYPERLINK(1),a,'@name,DocAve Online,1,,pending,,,\n"));
    }

    #[test]
    fn what_was_never_purchased_is_left_out_unless_it_is_asked_for() {
        let store = store();
        let all = WatchedCustomer { listed: false, ..watched("a", "contoso", "", &[1, 4, 7, 32]) };
        store.watch(&[all, watched("b", "fabrikam", "", &[1])]);
        for (id, product, number) in [("a", 1, 0), ("a", 4, 5), ("b", 1, 0)] {
            store.record(&target(id, product), testing::seats(number), now(900));
        }
        store.record(&target("a", 7), Err(Reason::Forbidden), now(900));
        let rows = |query: &str| {
            let rows: Vec<Value> = serde_json::from_str(&found(&store, query, Form::Json)).unwrap();
            rows.iter()
                .map(|row| format!("{} {}", row["customer_id"].as_str().unwrap(), row["product_type"]))
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(""), ["a 4", "a 7", "a 32", "b 1"], "and what fails, waits or is listed by name stays");
        assert_eq!(rows("state=all").len(), 5);
        assert_eq!(rows("state=absent"), ["a 1", "b 1"]);
        assert_eq!(rows("state=failing&q=CONTOSO"), ["a 7"]);
        assert_eq!(rows("q=fabr&state=broken&sort=seats"), ["b 1"]);
    }

    #[test]
    fn a_large_download_comes_in_small_pieces_and_is_whole() {
        let store = store();
        let customers: Vec<_> = (0..1_000).map(|i| watched(&format!("c{i}"), "x", "y", &[1, 4, 32, 7])).collect();
        store.watch(&customers);
        let chunks: Vec<_> = seats(store.snapshot(), "", Form::Json, now(0)).collect();
        assert!(chunks.len() > 5 && chunks.iter().all(|chunk| chunk.len() < 2 * CHUNK), "{}", chunks.len());
        let seats: Value = serde_json::from_slice(&chunks.concat()).unwrap();
        assert_eq!(seats.as_array().unwrap().len(), 4_000);
    }
}
