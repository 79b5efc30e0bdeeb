//! Which targets the page lists, and in which order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use elements_api::{ProductType, Seats};

use super::query::{Query, Shown, Sort};
use crate::pages::found::{Found, sort_by};
use crate::store::{Customer, KnownTarget, Now, Snapshot, TargetState};

/// One page of the targets that were asked for.
#[derive(Debug)]
pub(super) struct Targets<'a> {
    pub(super) list: Found<Target<'a>>,
    /// So many more would be found, which were never purchased.
    pub(super) hidden: usize,
    /// Of all that were found, where the number is not stale.
    pub(super) seats: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) customer: &'a Customer,
    pub(super) product: ProductType,
    pub(super) known: &'a KnownTarget,
    pub(super) state: TargetState,
    /// As last answered.
    pub(super) seats: Option<Seats>,
    /// Whether that answer is too old to be a number for a graph.
    pub(super) is_stale: bool,
    /// Of the customer among all by label, and of the product among all by name: what stands first among equals.
    ranks: (usize, usize),
}

impl<'a> Targets<'a> {
    /// The page that `query` asks for, or the last one there is.
    pub(super) fn find(known: &'a Snapshot, query: &Query, now: Now) -> Self {
        let (search, shown) = query.filter();
        let (mut targets, hidden) = matching(known, shown, |text| search.finds(text), now);
        sort(&mut targets, query);
        let numbers = targets.iter().filter(|target| !target.is_stale).filter_map(|target| target.seats);
        let seats = numbers.fold(0, |sum: u64, seats| sum.saturating_add(seats.get()));
        Self { list: Found::new(targets, query.page), hidden, seats }
    }
}

/// Those that are shown, in no particular order, and how many are as was asked for but that they were never purchased.
fn matching(known: &Snapshot, shown: Shown, finds: impl Fn(&str) -> bool, now: Now) -> (Vec<Target<'_>>, usize) {
    let products = products(known, &finds);
    let mut customers: Vec<_> =
        known.customers.values().map(|known| (known.customer.label.as_str().to_lowercase(), known)).collect();
    customers.sort_by(|(label, _), (other, _)| label.cmp(other));
    let (mut targets, mut hidden) = (Vec::new(), 0);
    for (customer_rank, (_, known_customer)) in customers.iter().enumerate() {
        let customer = &known_customer.customer;
        let customer_is_found = customer.names().into_iter().any(&finds);
        for (product, target) in &known_customer.products {
            let Some(&Product { rank, is_found }) = products.get(product) else { continue };
            if !(customer_is_found || is_found) {
                continue;
            }
            let state = target.state(now, known.freshness);
            if shown.shows(target, state) {
                let seats = target.record.answer.and_then(|answered| answered.answer.seats());
                let is_stale = target.counts_for(now, known.freshness).is_none();
                let ranks = (customer_rank, rank);
                targets.push(Target { customer, product: *product, known: target, state, seats, is_stale, ranks });
            } else if shown == Shown::Relevant {
                hidden += 1;
            }
        }
    }
    (targets, hidden)
}

/// What is the same for all targets of a product.
struct Product {
    /// Among all by name.
    rank: usize,
    is_found: bool,
}

fn products(known: &Snapshot, finds: impl Fn(&str) -> bool) -> BTreeMap<ProductType, Product> {
    let all: BTreeSet<_> = known.customers.values().flat_map(|known| known.products.keys()).collect();
    let mut by_name: Vec<_> = all.into_iter().map(|product| (product.label().to_lowercase(), *product)).collect();
    by_name.sort_unstable();
    let ranked = by_name.iter().enumerate();
    ranked.map(|(rank, (name, product))| (*product, Product { rank, is_found: finds(name) })).collect()
}

fn sort(targets: &mut [Target<'_>], query: &Query) {
    fn by<K: Ord>(targets: &mut [Target<'_>], descending: bool, key: impl Fn(&Target<'_>) -> Option<K>) {
        sort_by(targets, descending, |target| target.ranks, key);
    }
    let descending = query.descending;
    match query.sort {
        Sort::Urgency => by(targets, descending, |target| Some(urgency(target.state))),
        Sort::Customer => by(targets, descending, |target| Some(target.ranks.0)),
        Sort::Product => by(targets, descending, |target| Some(target.ranks.1)),
        Sort::Seats => by(targets, descending, |target| target.seats),
        Sort::Change => by(targets, descending, |target| target.known.record.change.map(|change| change.at)),
        Sort::Age => by(targets, descending, |target| target.known.record.answer.map(|answered| Reverse(answered.at))),
    }
}

const fn urgency(state: TargetState) -> u8 {
    match state {
        TargetState::Failing => 0,
        TargetState::Pending => 1,
        TargetState::Ok => 2,
        TargetState::Absent => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use elements_api::Reason;

    use super::*;
    use crate::pages::found::PER_PAGE;
    use crate::store::{Store, StoreWriter};
    use crate::testing::{self, now, scene, seats, status, target, watched};

    fn found(store: &Store, query: &str) -> Vec<String> {
        let known = store.snapshot();
        let targets = Targets::find(&known, &Query::new(query), now(1_000));
        targets.list.rows.iter().map(|row| format!("{}/{}", row.customer.label, row.product.number())).collect()
    }

    /// As of `now(1_000)`: beta fails for one product, alpha has one without seats, and Gamma waits.
    fn store() -> StoreWriter {
        let store = testing::store();
        store.watch(&[
            watched("id-2", "alpha", "Umbrella", &[4, 2048]),
            watched("id-1", "beta", "Org B", &[4, 2048]),
            watched("id-3", "Gamma", "Org C", &[1]),
        ]);
        store.record(&target("id-2", 4), seats(10), now(900));
        store.record(&target("id-2", 2048), Ok(elements_api::Answer::NotFound), now(800));
        store.record(&target("id-1", 4), seats(30), now(700));
        store.record(&target("id-1", 2048), seats(20), now(600));
        store.record(&target("id-1", 2048), Err(Reason::Timeout), now(900));
        store
    }

    #[test]
    fn what_needs_a_look_comes_first() {
        assert_eq!(found(&store(), ""), ["beta/2048", "Gamma/1", "alpha/4", "beta/4", "alpha/2048"]);
    }

    #[test]
    fn every_column_sorts_both_ways_and_what_has_no_value_comes_last() {
        let store = store();
        for (query, order) in [
            ("sort=customer", ["alpha/2048", "alpha/4", "beta/2048", "beta/4", "Gamma/1"]),
            ("sort=customer&dir=desc", ["Gamma/1", "beta/2048", "beta/4", "alpha/2048", "alpha/4"]),
            ("sort=product", ["alpha/2048", "beta/2048", "alpha/4", "beta/4", "Gamma/1"]),
            ("sort=product&dir=desc", ["Gamma/1", "alpha/4", "beta/4", "alpha/2048", "beta/2048"]),
            ("sort=seats", ["alpha/4", "beta/2048", "beta/4", "alpha/2048", "Gamma/1"]),
            ("sort=seats&dir=desc", ["beta/4", "beta/2048", "alpha/4", "alpha/2048", "Gamma/1"]),
            ("sort=age", ["alpha/4", "alpha/2048", "beta/4", "beta/2048", "Gamma/1"]),
            ("sort=age&dir=desc", ["beta/2048", "beta/4", "alpha/2048", "alpha/4", "Gamma/1"]),
        ] {
            assert_eq!(found(&store, query), order, "{query}");
        }
    }

    #[test]
    fn labels_names_ids_and_products_are_searched_in_any_case() {
        let store = store();
        assert_eq!(found(&store, "q=GAMM"), ["Gamma/1"]);
        assert_eq!(found(&store, "q=umbrella&sort=customer"), ["alpha/2048", "alpha/4"]);
        assert_eq!(found(&store, "q=D-1&sort=customer"), ["beta/2048", "beta/4"]);
        assert_eq!(found(&store, "q=microsoft+365&sort=customer"), ["alpha/2048", "beta/2048"]);
        assert_eq!(found(&store, "q=nobody"), [""; 0]);
        let (hostile, _) = scene();
        assert_eq!(found(&hostile, "q=SÖHNE&sort=product"), ["contoso/2048", "contoso/16777216"]);
    }

    #[test]
    fn states_filter() {
        let store = store();
        assert_eq!(found(&store, "state=failing"), ["beta/2048"]);
        assert_eq!(found(&store, "state=absent"), ["alpha/2048"]);
        assert_eq!(found(&store, "state=ok&q=beta"), ["beta/4"]);
    }

    #[test]
    fn pages_join_without_gap_and_a_page_past_the_last_is_the_last() {
        let store = testing::store();
        let customers: Vec<_> = (0..201).map(|i| watched(&format!("c{i:03}"), &format!("c{i:03}"), "", &[1])).collect();
        store.watch(&customers);
        let pages = ["", "page=2", "page=3"].map(|page| found(&store, page));
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 1]);
        assert!(pages.concat().is_sorted());
        assert_eq!(found(&store, "page=400"), pages[2]);
        let known = store.snapshot();
        let last = Targets::find(&known, &Query::new("page=9"), now(0)).list;
        assert_eq!((last.range(), last.total, last.pages), (201..202, 201, 3));
    }

    /// The given number of customers with each product of the catalogue.
    fn large(customers: usize) -> StoreWriter {
        let store = testing::store();
        let products: Vec<_> = elements_api::CATALOG.iter().map(|product| product.product_type.number()).collect();
        let customers: Vec<_> =
            (0..customers).map(|i| watched(&format!("{i:08}"), &format!("c-{i}"), "", &products)).collect();
        store.watch(&customers);
        store
    }

    #[test]
    fn a_page_of_22_000_targets_is_made_at_once() {
        for customers in [100, 1_000] {
            let store = large(customers);
            let known = store.snapshot();
            let searched = Cell::new(0);
            let finds = |_: &str| {
                searched.set(searched.get() + 1);
                false
            };
            assert!(matching(&known, Shown::All, finds, now(2_000)).0.is_empty());
            let products = elements_api::CATALOG.len();
            assert_eq!(searched.get(), 3 * customers + products, "for each customer and product, and for no target");

            let (mut targets, _) = matching(&known, Shown::All, |_| true, now(2_000));
            assert_eq!(targets.len(), customers * products);
            let keys = Cell::new(0);
            let key = |target: &Target<'_>| {
                keys.set(keys.get() + 1);
                Some(target.ranks.1)
            };
            sort_by(&mut targets, true, |target| target.ranks, key);
            // Two of each comparison, and at worst twice as many comparisons as n log n.
            let most = 4 * targets.len() * targets.len().ilog2() as usize;
            assert!(keys.get() <= most, "{} keys for {} targets", keys.get(), targets.len());
        }
        let (store, status) = (large(1_000), status());
        for query in ["", "q=microsoft", "sort=product&dir=desc&page=100", "sort=seats", "sort=age&page=220"] {
            let html = crate::pages::status::page(&store, &status, "/metrics", query, now(2_000)).unwrap();
            assert_eq!(html.matches("<tr").count(), 1 + PER_PAGE, "{query}");
        }
    }
}
