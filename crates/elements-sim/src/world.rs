//! What the simulated vendor knows: one app registration, and the customers that it may see.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::latency::Latency;

/// The permission to read product overviews.
pub const LICENSE_SCOPE: &str = "elements.license.read.all";
/// The permission to list customers.
pub const CUSTOMERS_SCOPE: &str = "elements.customers.read.all";

/// The account that a simulator plays, and how it behaves. A running one is changed through
/// [`Control::change`](crate::Control::change).
#[derive(Debug, Clone)]
pub struct World {
    /// The id of the app registration.
    pub client_id: String,
    /// Its secret; `None` refuses every secret.
    pub client_secret: Option<String>,
    /// The DER of the registered certificate; `None` refuses every assertion.
    pub certificate: Option<Vec<u8>>,
    /// The scopes that a token may be asked for.
    pub scopes: Vec<&'static str>,
    /// How long a token is accepted after it was issued.
    pub token_lifetime: Duration,
    /// How long answers take.
    pub latency: Latency,
    /// By how many seconds the server's clock is ahead, in the `Date` header and when it checks an assertion.
    pub clock_skew: i64,
    /// How a product is answered that a customer never bought.
    pub never_bought: NeverBought,
    /// Whether numbers in `productType` and `purchasedUserSeat` are written as strings: the vendor's page has both.
    pub numbers_as_text: bool,
    /// The record keeps this many of the newest exchanges.
    pub record_limit: usize,
    /// Whom the app registration may see.
    pub customers: Customers,
}

impl Default for World {
    /// A registration with a secret and both scopes, no customers, and answers at once.
    fn default() -> Self {
        Self {
            client_id: "5e1f0000-51a1-4a7e-8000-00000000c11e".to_owned(),
            client_secret: Some("simulated-client-secret".to_owned()),
            certificate: None,
            scopes: vec![LICENSE_SCOPE, CUSTOMERS_SCOPE],
            token_lifetime: Duration::from_hours(1),
            latency: Latency::scaled(0.0),
            clock_skew: 0,
            never_bought: NeverBought::default(),
            numbers_as_text: false,
            record_limit: 100_000,
            customers: Customers::default(),
        }
    }
}

impl World {
    /// The default registration, with answers that take as long as the live API's.
    pub fn live() -> Self {
        Self { latency: Latency::LIVE, ..Self::default() }
    }

    /// The default registration with these customers.
    pub fn with(customers: impl IntoIterator<Item = Customer>) -> Self {
        Self { customers: customers.into_iter().collect(), ..Self::default() }
    }

    /// The default registration with this many made-up customers, by rising ids, who all have all of `products`.
    pub fn sized(customers: u32, products: &[u32]) -> Self {
        Self::with((1..=customers).map(|number| {
            let id = format!("c0000000-0000-4000-8000-{number:012x}");
            let seats = products.iter().zip(1_u64..).map(|(&product, nth)| (product, (u64::from(number) * nth).into()));
            Customer { seats: seats.collect(), ..Customer::new(id, format!("Customer {number}")) }
        }))
    }
}

/// How a product is answered that the customer never bought. The vendor documents nothing: the live API was seen to answer
/// [`Zero`](Self::Zero), and a client must cope with all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NeverBought {
    /// 200 with 0 seats.
    #[default]
    Zero,
    /// 404, as for a customer that does not exist.
    NotFound,
    /// 200 with null for the seats.
    Null,
    /// 200 with `"N/A"` for the seats.
    NotApplicable,
    /// 204 without a body.
    NoContent,
}

/// A customer of the partner whose account it is.
#[derive(Debug, Clone)]
pub struct Customer {
    /// In any case; listed as it is spelt here.
    pub id: String,
    /// The name of its organization.
    pub organization: String,
    /// The address of a person, which no program should keep.
    pub owner_email: String,
    /// What `purchasedUserSeat` says, by product type: a number, null, `"N/A"`, or something that the vendor would
    /// never write. A product that is not here was never bought; see [`World::never_bought`].
    pub seats: BTreeMap<u32, Value>,
}

impl Customer {
    /// A customer without products.
    pub fn new(id: impl Into<String>, organization: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            organization: organization.into(),
            owner_email: "owner@example.com".to_owned(),
            seats: BTreeMap::new(),
        }
    }

    /// The customer with one more product.
    #[must_use]
    pub fn product(mut self, product: u32, seats: impl Into<Value>) -> Self {
        self.seats.insert(product, seats.into());
        self
    }
}

/// Customers by their id, in any case. They are listed by rising id.
#[derive(Debug, Clone, Default)]
pub struct Customers(BTreeMap<String, Customer>);

impl Customers {
    /// Adds `customer`, or replaces the one with its id.
    pub fn insert(&mut self, customer: Customer) {
        self.0.insert(customer.id.to_ascii_lowercase(), customer);
    }

    /// Removes the customer with this id.
    pub fn remove(&mut self, id: &str) -> Option<Customer> {
        self.0.remove(&id.to_ascii_lowercase())
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Customer> {
        self.0.get(&id.to_ascii_lowercase())
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Customer> {
        self.0.get_mut(&id.to_ascii_lowercase())
    }

    /// All of them, by rising id.
    pub fn iter(&self) -> impl Iterator<Item = &Customer> {
        self.0.values()
    }

    /// The ids must not change: customers are found by the one that they were inserted with.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Customer> {
        self.0.values_mut()
    }
}

impl FromIterator<Customer> for Customers {
    fn from_iter<I: IntoIterator<Item = Customer>>(customers: I) -> Self {
        let mut all = Self::default();
        customers.into_iter().for_each(|customer| all.insert(customer));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_found_in_any_case() {
        let mut customers = Customers::from_iter([Customer::new("Abc", "Contoso")]);
        assert_eq!(customers.get("aBC").expect("found").organization, "Contoso");
        assert!(customers.remove("ABC").is_some());
        assert_eq!(customers.iter().count(), 0);
    }

    #[test]
    fn a_sized_world_has_every_product_for_every_customer() {
        let world = World::sized(5000, &[1, 4]);
        assert_eq!(world.customers.iter().count(), 5000);
        assert!(world.customers.iter().all(|customer| customer.seats.len() == 2));
    }
}
