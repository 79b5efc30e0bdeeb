//! How many seats there are of each product, and how many each customer has.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use elements_api::Seats;

use crate::names::count;
use crate::pages::status::Query;
use crate::store::{Now, Snapshot};

/// Who has the most seats, those first.
#[derive(Debug)]
pub(super) struct Totals {
    /// Of all.
    pub(super) seats: u64,
    pub(super) rows: Vec<Total>,
    /// What else there is to say.
    pub(super) note: Option<String>,
}

#[derive(Debug)]
pub(super) struct Total {
    pub(super) name: String,
    /// To its targets.
    pub(super) link: String,
    pub(super) seats: u64,
    /// How many targets have them.
    pub(super) targets: String,
}

/// So many are shown.
const MOST: usize = 5;

/// The seats that are on `/metrics` now, once by product and once by customer.
pub(super) fn totals(known: &Snapshot, now: Now) -> [Totals; 2] {
    let (mut products, mut customers) = (BTreeMap::new(), BTreeMap::new());
    for (customer, product, target) in known.targets() {
        let seats = target.seats(now, known.freshness).map_or(0, Seats::get);
        if seats > 0 {
            add(products.entry(product).or_default(), seats);
            add(customers.entry(customer.label.as_str()).or_default(), seats);
        }
    }
    [
        Totals::of(products.into_iter().map(|(product, sum)| (product.label().into_owned(), sum)), "customer"),
        Totals::of(customers.into_iter().map(|(label, sum)| (label.to_owned(), sum)), "product"),
    ]
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    seats: u64,
    targets: usize,
}

const fn add(sum: &mut Sum, seats: u64) {
    sum.seats = sum.seats.saturating_add(seats);
    sum.targets += 1;
}

impl Totals {
    /// `each` is what a target stands for there, such as "customer" in the row of a product.
    fn of(sums: impl Iterator<Item = (String, Sum)>, each: &str) -> Self {
        let mut sums: Vec<_> = sums.collect();
        sums.sort_by(|(name, sum), (other, others)| (Reverse(sum.seats), name).cmp(&(Reverse(others.seats), other)));
        let seats_of = |sums: &[(String, Sum)]| sums.iter().fold(0, |all: u64, (_, sum)| all.saturating_add(sum.seats));
        let seats = seats_of(&sums);
        let rest = sums.split_off(sums.len().min(MOST));
        let note = match (seats, rest.len()) {
            (0, _) => Some("No seats are known.".to_owned()),
            (_, 0) => None,
            (_, more) => Some(format!("And {more} more, with {} seats together.", seats_of(&rest))),
        };
        let row = |(name, sum): (String, Sum)| Total {
            link: Query::search(&name).link(),
            name,
            seats: sum.seats,
            targets: count(sum.targets, each),
        };
        Self { seats, rows: sums.into_iter().map(row).collect(), note }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{self, now, seats, target, watched};

    fn lines(totals: &Totals) -> Vec<String> {
        let line = |row: &Total| format!("{} {} {} {}", row.seats, row.name, row.targets, row.link);
        totals.rows.iter().map(line).chain(totals.note.clone()).collect()
    }

    #[test]
    fn seats_are_added_by_product_and_by_customer_the_most_first() {
        let store = testing::store();
        store.watch(&["b", "a"].map(|id| watched(id, id, id, &[2048, 4, 1])));
        for (id, product, number) in [("a", 2048, 10), ("b", 2048, 20), ("a", 4, 30), ("b", 4, 0)] {
            store.record(&target(id, product), seats(number), now(0));
        }
        // What is stale is no number on `/metrics` either.
        let stale = Now { wall: now(0).wall - Duration::from_hours(9), ..now(0) };
        store.record(&target("a", 1), seats(1_000), stale);
        let [products, customers] = totals(&store.snapshot(), now(1));
        assert_eq!((products.seats, customers.seats), (60, 60));
        let [fly, backup] = [4, 2048].map(|product| target("a", product).product.label());
        let found = |text: &str| Query::search(text).link();
        let expected =
            [format!("30 {backup} 2 customers {}", found(&backup)), format!("30 {fly} 1 customer {}", found(&fly))];
        assert_eq!(lines(&products), expected);
        assert_eq!(lines(&customers), ["40 a 2 products ./?q=a#targets", "20 b 1 product ./?q=b#targets"]);
    }

    #[test]
    fn of_many_the_rest_is_added() {
        let store = testing::store();
        let none = || vec!["No seats are known.".to_owned()];
        assert_eq!(totals(&store.snapshot(), now(1)).map(|totals| lines(&totals)), [none(), none()]);
        let ids: Vec<_> = (0..10).map(|nth| format!("c{nth}")).collect();
        store.watch(&ids.iter().map(|id| watched(id, id, id, &[4])).collect::<Vec<_>>());
        for (nth, id) in (1..).zip(&ids) {
            store.record(&target(id, 4), seats(nth), now(0));
        }
        let [_, customers] = totals(&store.snapshot(), now(1));
        assert_eq!((customers.rows.len(), customers.rows[0].name.as_str()), (5, "c9"));
        assert_eq!(customers.note.as_deref(), Some("And 5 more, with 15 seats together."));
    }
}
