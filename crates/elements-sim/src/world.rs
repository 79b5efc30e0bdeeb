//! What the simulated vendor knows: one app registration, and the customers that it may see.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::day::{DateForm, Day};
use crate::latency::Latency;
use crate::subscription::Subscription;
use crate::tenant::{Platform, Tenant};

/// The permission to read product overviews, subscriptions and tenants.
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
    /// Whether numbers of overviews and tenants are written as strings: the vendor's page of overviews has both.
    pub numbers_as_text: bool,
    /// How the dates of subscriptions are written.
    pub dates: DateForm,
    /// When a product's subscription ends that no [`Subscription`] speaks of; both its expiration and its contract.
    pub contract_end: Day,
    /// Whether the listing of subscriptions leaves out a customer that has none, in place of an empty list: the vendor
    /// documents neither.
    pub omits_unsubscribed: bool,
    /// Whether a customer without tenants on a platform is answered 404, in place of an empty list: the vendor documents
    /// neither.
    pub no_tenants_is_not_found: bool,
    /// The record keeps this many of the newest exchanges.
    pub record_limit: usize,
    /// The customers of the partner.
    pub customers: Customers,
    /// The ids, in any case, of customers outside the scope of the app registration: no listing has them, and whoever
    /// names one is refused.
    pub out_of_scope: Vec<String>,
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
            dates: DateForm::default(),
            contract_end: Day::of(2099, 3, 14),
            omits_unsubscribed: false,
            no_tenants_is_not_found: false,
            record_limit: 100_000,
            customers: Customers::default(),
            out_of_scope: Vec::new(),
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

    pub(crate) fn is_out_of_scope(&self, id: &str) -> bool {
        self.out_of_scope.iter().any(|outside| outside.eq_ignore_ascii_case(id))
    }

    /// A value as overviews and tenants have it: see [`Self::numbers_as_text`].
    pub(crate) fn number(&self, value: Value) -> Value {
        match value {
            Value::Number(number) if self.numbers_as_text => Value::String(number.to_string()),
            other => other,
        }
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
    /// Its subscriptions, beside those that [`Self::subscribes_to_products`] adds.
    pub subscriptions: Vec<Subscription>,
    /// Whether each product with more than 0 seats has a subscription, too, unless one of [`Self::subscriptions`] tells of
    /// it.
    pub subscribes_to_products: bool,
    /// Its tenants on each platform.
    pub tenants: BTreeMap<Platform, Vec<Tenant>>,
}

impl Customer {
    /// A customer without products.
    pub fn new(id: impl Into<String>, organization: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            organization: organization.into(),
            owner_email: "owner@example.com".to_owned(),
            seats: BTreeMap::new(),
            subscriptions: Vec::new(),
            subscribes_to_products: true,
            tenants: BTreeMap::new(),
        }
    }

    /// The customer with one more product.
    #[must_use]
    pub fn product(mut self, product: u32, seats: impl Into<Value>) -> Self {
        self.seats.insert(product, seats.into());
        self
    }

    /// The customer with one more subscription.
    #[must_use]
    pub fn subscription(mut self, subscription: Subscription) -> Self {
        self.subscriptions.push(subscription);
        self
    }

    /// The customer with these subscriptions and no others, whatever products it has.
    #[must_use]
    pub fn only_subscriptions(self, subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        Self { subscriptions: subscriptions.into_iter().collect(), subscribes_to_products: false, ..self }
    }

    /// The customer with one more tenant on a platform.
    #[must_use]
    pub fn tenant(mut self, platform: Platform, tenant: Tenant) -> Self {
        self.tenants.entry(platform).or_default().push(tenant);
        self
    }

    /// Its subscriptions as they stand in an answer: those of products first.
    pub(crate) fn products(&self, world: &World) -> Vec<Value> {
        let is_told = |product: u32| self.subscriptions.iter().any(|row| row.product() == Some(product));
        let untold = self.seats.keys().filter(|product| self.subscribes_to_products && !is_told(**product));
        let end = world.contract_end;
        let added = untold.map(|product| Subscription::of(*product).expires(end).contract_ends(end));
        let listed = added.chain(self.subscriptions.iter().cloned()).filter_map(|row| {
            let purchased = row.product().and_then(|product| self.seats.get(&product));
            let is_purchased = purchased.and_then(Value::as_u64) > Some(0);
            (row.product().is_none() || is_purchased).then(|| row.written(purchased, world.dates))
        });
        listed.collect()
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

    fn services(customer: &Customer) -> Vec<(String, String)> {
        let text = |row: &Value, field: &str| row[field].as_str().expect("text").to_owned();
        let rows = customer.products(&World::default());
        rows.iter().map(|row| (text(row, "service"), text(row, "purchasedUserSeats"))).collect()
    }

    fn said(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        rows.iter().map(|(service, seats)| ((*service).to_owned(), (*seats).to_owned())).collect()
    }

    #[test]
    fn what_was_bought_is_subscribed_to_until_it_is_given_up() {
        let mut customer = Customer::new("c1", "Contoso").product(2048, 25).product(4, 0).product(41, "N/A");
        assert_eq!(services(&customer), said(&[("Cloud Backup for Microsoft 365", "25")]));
        customer.seats.insert(2048, 30.into());
        customer.seats.insert(16_777_216, 7.into());
        assert_eq!(services(&customer), said(&[("Cloud Backup for Microsoft 365", "30"), ("Fly Migration", "7")]));
        customer.seats.insert(2048, 0.into());
        assert_eq!(services(&customer), said(&[("Fly Migration", "7")]));
    }

    #[test]
    fn a_row_of_a_product_replaces_its_own_alone() {
        let customer = Customer::new("c1", "Contoso").product(4, 9).product(2048, 25);
        let beside = customer.clone().subscription(Subscription::of(2048).field("service", "Backup"));
        assert_eq!(services(&beside), said(&[("Cloud Governance", "9"), ("Backup", "25")]));
        let gone = beside.clone().product(2048, 0);
        assert_eq!(services(&gone), said(&[("Cloud Governance", "9")]));
        let only = beside.only_subscriptions([Subscription::new("Cense")]);
        assert_eq!(services(&only), said(&[("Cense", "N/A")]));
    }

    #[test]
    fn a_products_subscription_ends_when_the_world_says() {
        let customer = Customer::new("c1", "Contoso").product(4, 9);
        let row = &customer.products(&World { dates: DateForm::IsoDate, ..World::default() })[0];
        assert_eq!((&row["expirationDate"], &row["contractEndDate"]), (&"2099-03-14".into(), &"2099-03-14".into()));
    }
}
