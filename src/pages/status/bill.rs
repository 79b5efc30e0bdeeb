//! Where the seats that were purchased are not those that are expected.

use std::cmp::Reverse;

use crate::names::count;
use crate::pages::found::first_few;
use crate::pages::status::Query;
use crate::store::{KnownCustomer, Label, Now, Snapshot, TargetState};

/// What differs from the expected seats file, the most seats first.
#[derive(Debug)]
pub(super) struct Differences {
    pub(super) rows: Vec<Difference>,
    /// What else there is to say.
    pub(super) note: Option<String>,
}

#[derive(Debug)]
pub(super) struct Difference {
    pub(super) customer: Label,
    /// To its targets.
    pub(super) link: String,
    pub(super) product: String,
    pub(super) purchased: u64,
    /// `None`: the file does not name it, but other products of its customer.
    pub(super) expected: Option<u64>,
}

/// So many are shown.
const MOST: usize = 5;

/// `None` without a file.
pub(super) fn differences(known: &Snapshot, now: Now) -> Option<Differences> {
    known.expected_file?;
    let mut rows: Vec<_> = known.customers.values().flat_map(|customer| of_customer(customer, known, now)).collect();
    rows.sort_by_cached_key(|row| (Reverse(row.seats().unsigned_abs()), row.customer.clone(), row.product.clone()));
    let note = first_few(&mut rows, MOST, "What was answered is as expected.");
    Some(Differences { rows, note })
}

/// As the shipped alerts have it: of what the last poll was answered, what differs, and what was purchased that the file
/// does not name, if it names anything else of the customer.
fn of_customer(known: &KnownCustomer, snapshot: &Snapshot, now: Now) -> Vec<Difference> {
    let KnownCustomer { customer, products, .. } = known;
    let is_named = products.values().any(|target| target.expected.is_some());
    let answered = products.iter().filter(|(_, target)| {
        is_named && matches!(target.state(now, snapshot.freshness), TargetState::Ok | TargetState::Absent)
    });
    let rows = answered.map(|(product, target)| Difference {
        customer: customer.label.clone(),
        link: Query::search(customer.label.as_str()).link(),
        product: product.label().into_owned(),
        purchased: target.seats(now, snapshot.freshness).map_or(0, elements_api::Seats::get),
        expected: target.expected.map(elements_api::Seats::get),
    });
    rows.filter(|row| row.seats() != 0).collect()
}

impl Difference {
    /// How many more were purchased than expected.
    pub(super) fn seats(&self) -> i64 {
        // No number of seats comes near 2^63.
        self.purchased.cast_signed() - self.expected.unwrap_or_default().cast_signed()
    }

    /// Both numbers.
    pub(super) fn numbers(&self) -> String {
        let purchased = count(usize::try_from(self.purchased).unwrap_or(usize::MAX), "seat");
        match self.expected {
            Some(expected) => format!("{purchased} purchased, {expected} expected"),
            None => format!("{purchased} purchased, none expected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use elements_api::{Answer, Reason, Seats};

    use super::*;
    use crate::store::{ExpectedFile, StoreWriter, WatchedCustomer};
    use crate::testing::{self, now, seats, target, watched};

    /// Two customers of whom the file says this of products 1, 4 and 7, and one that it does not name.
    fn store() -> StoreWriter {
        let store = testing::store();
        let expecting = |id: &str, expected: &[(u32, u64)]| {
            let expected = expected.iter().map(|(product, number)| (target(id, *product).product, Seats::new(*number)));
            WatchedCustomer { expected: expected.collect::<BTreeMap<_, _>>(), ..watched(id, id, id, &[1, 4, 7]) }
        };
        store.watch(&[
            expecting("a", &[(1, 10), (4, 5)]),
            expecting("b", &[(1, 3), (4, 8), (7, 9)]),
            expecting("c", &[]),
        ]);
        for id in ["a", "b", "c"] {
            store.record(&target(id, 1), seats(10), now(900));
            store.record(&target(id, 4), Ok(Answer::NotFound), now(900));
        }
        store.record(&target("a", 7), seats(2), now(900));
        store.record(&target("b", 7), seats(1), now(800));
        store.record(&target("b", 7), Err(Reason::Timeout), now(900));
        store
    }

    #[test]
    fn what_differs_is_what_the_alerts_tell_the_most_seats_first() {
        let store = store();
        assert!(differences(&store.snapshot(), now(1_000)).is_none(), "there is no file");
        store.set_expected_file(Some(ExpectedFile { success: true, unmatched: Some(0) }));
        let found = differences(&store.snapshot(), now(1_000)).unwrap();
        let rows = found.rows.iter().map(|row| format!("{} {:+}: {}", row.customer, row.seats(), row.numbers()));
        let expected = [
            "b -8: 0 seats purchased, 8 expected",
            "b +7: 10 seats purchased, 3 expected",
            "a -5: 0 seats purchased, 5 expected",
            "a +2: 2 seats purchased, none expected",
        ];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
        assert_eq!((found.rows[0].link.as_str(), found.note), ("./?q=b#targets", None));
    }

    #[test]
    fn many_are_counted_and_none_is_said() {
        let store = testing::store();
        store.set_expected_file(Some(ExpectedFile { success: true, unmatched: None }));
        let note = |store: &StoreWriter| differences(&store.snapshot(), now(1_000)).unwrap().note;
        assert_eq!(note(&store).as_deref(), Some("What was answered is as expected."));
        let ids: Vec<_> = (0..7).map(|i| format!("c{i}")).collect();
        let one = BTreeMap::from([(target("c0", 1).product, Seats::new(1))]);
        let all = ids.iter().map(|id| WatchedCustomer { expected: one.clone(), ..watched(id, id, id, &[1]) });
        store.watch(&all.collect::<Vec<_>>());
        for id in &ids {
            store.record(&target(id, 1), seats(2), now(900));
        }
        assert_eq!(note(&store).as_deref(), Some("And 2 more."));
        let html = crate::pages::status::page(&store, &testing::status(), "/m", "", now(1_000)).unwrap();
        assert!(html.contains("<span class=\"state\">+1</span>") && html.contains("And 2 more."), "{html}");
    }
}
