//! Whose rows they are, and of which products.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use elements_api::{CATALOG, CustomerId, ProductType, Seats};

use super::rows::{ExpectedProduct, ExpectedRow};
use crate::poll::WatchList;
use crate::store::Label;

/// Rows whose customer or product nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unmatched {
    /// How many there are.
    pub rows: usize,
    /// Whom and what they name.
    pub names: BTreeSet<Unknown>,
}

/// What a row names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    Customer(Label),
    Product(Label),
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(name) => write!(f, "customer {name:?}"),
            Self::Product(name) => {
                write!(f, "product {name:?}")?;
                let nearest = ProductType::from_name(name.as_str()).err().and_then(|unknown| unknown.nearest);
                nearest.map_or(Ok(()), |nearest| write!(f, " (did you mean {nearest:?}?)"))
            }
        }
    }
}

impl WatchList {
    /// Expects of each customer what its rows come to, and watches those products as if somebody had listed them by name.
    /// Returns the rows that belong to nobody.
    pub fn expect(&mut self, rows: &[ExpectedRow]) -> Unmatched {
        let (seats, unmatched) = self.matched(rows);
        for ((place, product), seats) in seats {
            // No sum is above that of all rows, which is a number of seats.
            let Some(seats) = Seats::new(seats) else { continue };
            let watched = &mut self.customers[place];
            if !watched.products.contains(&product) {
                watched.products.push(product);
            }
            watched.expected.insert(product, Some(seats));
        }
        unmatched
    }

    /// Watches these products, too, as a bill has named them that cannot be read now.
    pub(super) fn remember(&mut self, billed: &BTreeMap<CustomerId, Vec<ProductType>>) {
        for watched in &mut self.customers {
            let customer = &watched.customer.id;
            for product in billed.get(customer).into_iter().flatten() {
                if !watched.products.contains(product) {
                    watched.products.push(*product);
                }
                watched.expected.insert(*product, None);
            }
        }
    }

    /// The seats of each pair, where a customer is its place in the list.
    fn matched(&self, rows: &[ExpectedRow]) -> (BTreeMap<(usize, ProductType), u64>, Unmatched) {
        let places = || self.customers.iter().map(|watched| &watched.customer).zip(0_usize..);
        let by_id: HashMap<_, _> = places().map(|(customer, place)| (&customer.id, place)).collect();
        let by_label: HashMap<_, _> =
            places().map(|(customer, place)| (customer.label.as_str().trim(), place)).collect();
        // Labels come from the catalogue and the configuration, whatever numbers a bill may have.
        let watched = self.customers.iter().flat_map(|watched| watched.products.iter().copied());
        let products: HashSet<_> = CATALOG.iter().map(|product| product.product_type).chain(watched).collect();

        let (mut seats, mut unmatched) = (BTreeMap::new(), Unmatched::default());
        for row in rows {
            let customer = Label::from(&*row.customer);
            let by_id = || by_id.get(&CustomerId::parse(&row.customer)?);
            let place = by_label.get(customer.as_str().trim()).or_else(by_id);
            let product = match &row.product {
                ExpectedProduct::Known(product) if products.contains(product) => Ok(*product),
                ExpectedProduct::Known(product) => Err(Label::from(product.number().to_string().as_str())),
                ExpectedProduct::Unknown(name) => Err(Label::from(&**name)),
            };
            let unknown = match (place, product) {
                (Some(place), Ok(product)) => {
                    *seats.entry((*place, product)).or_default() += row.seats.get();
                    continue;
                }
                (None, _) => Unknown::Customer(customer),
                (_, Err(product)) => Unknown::Product(product),
            };
            unmatched.rows += 1;
            unmatched.names.insert(unknown);
        }
        (seats, unmatched)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::poll::expected::rows::parse;
    use crate::testing::watched;

    /// What the bill expects of the customers, each pair in a line; and what nobody knows.
    fn expected(customers: &mut WatchList, bill: &str) -> (String, Vec<String>) {
        let unmatched = customers.expect(&parse(format!("customer,product,seats\n{bill}").as_bytes()).unwrap());
        let mut pairs = String::new();
        for watched in &customers.customers {
            for (product, seats) in &watched.expected {
                assert_eq!(watched.products.iter().filter(|watched| *watched == product).count(), 1);
                writeln!(pairs, "{} {} {}", watched.customer.id, product.number(), seats.unwrap()).unwrap();
            }
        }
        assert!(unmatched.rows >= unmatched.names.len());
        (pairs, unmatched.names.iter().map(ToString::to_string).collect())
    }

    fn customers() -> WatchList {
        let customers =
            vec![watched("A-1", "Contoso ", "Contoso Ltd", &[2048, 7]), watched("b-2", "b-2", "Fabrikam", &[2048])];
        WatchList { customers, hidden: Vec::new() }
    }

    #[test]
    fn rows_of_a_pair_are_added_however_they_name_it() {
        let bill = "Contoso,2048,20\na-1,Cloud Backup for Microsoft 365,3\nA-1,cloud backup for microsoft 365,2\n\
                    B-2,Fly,0\nb-2,7,1\n";
        assert_eq!(expected(&mut customers(), bill), ("A-1 2048 25\nb-2 7 1\nb-2 16777216 0\n".to_owned(), vec![]));
    }

    #[test]
    fn rows_that_name_nobody_and_nothing_are_counted_and_ignored() {
        let bill = "contoso,2048,1\nFabrikam,2048,1\nContoso,Fli,1\nContoso,2049,1\nFabrikam,Fly,1\nb-2,2048,5\n";
        let mut customers = customers();
        let unknown = [
            "customer \"Fabrikam\"",
            "customer \"contoso\"",
            "product \"2049\"",
            "product \"Fli\" (did you mean \"Fly\"?)",
        ];
        let (pairs, names) = expected(&mut customers, bill);
        assert_eq!((pairs.as_str(), names), ("b-2 2048 5\n", unknown.map(str::to_owned).to_vec()));
        assert_eq!(customers.targets(), 3, "what is ignored is not watched");
    }
}
