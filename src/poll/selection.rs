//! Which customers and products are watched: what is configured, and what discovery adds.

use std::collections::{BTreeMap, HashMap, HashSet};

use elements_api::{CATALOG, CustomerId, ListedCustomer, Platform, ProductType};

use crate::store::{Customer, Label, WatchedCustomer};

/// The `customers`, `discovery` and `products` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    pub customers: Vec<ConfiguredCustomer>,
    pub discovery: Option<Discovery>,
    /// For every customer without a list of its own.
    pub products: ProductList,
    /// Those of which tenants are asked for.
    pub platforms: Vec<Platform>,
}

/// Which products are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductList {
    /// All of the catalogue, most of which a customer never bought.
    All,
    /// Those that somebody wants to see, purchased or not.
    Listed(Vec<ProductType>),
}

impl ProductList {
    /// Every product that is watched.
    pub fn products(&self) -> Vec<ProductType> {
        match self {
            Self::All => CATALOG.iter().map(|product| product.product_type).collect(),
            Self::Listed(products) => products.clone(),
        }
    }
}

impl Default for ProductList {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

/// One entry of `customers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredCustomer {
    pub id: CustomerId,
    /// The `customer` label, instead of the id.
    pub name: Option<String>,
    /// Instead of the common list.
    pub products: Option<ProductList>,
}

/// That every customer which the credentials can see is watched, save some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discovery {
    pub exclude: HashSet<CustomerId>,
}

/// Who is watched, and who cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchList {
    pub customers: Vec<WatchedCustomer>,
    /// Discovered, but with a label that another customer has: both at once would spoil the whole scrape.
    pub hidden: Vec<CustomerId>,
}

impl WatchList {
    pub fn targets(&self) -> usize {
        self.customers.iter().map(|watched| watched.products.len()).sum()
    }

    /// Those of them that are dormant until they turn out to have seats.
    pub fn dormant_targets(&self) -> usize {
        let all = self.customers.iter().filter(|watched| !watched.listed);
        all.map(|watched| watched.products.len() - watched.expected.len()).sum()
    }
}

impl Selection {
    /// Joins the configuration with the last complete listing: entries of the configuration name, narrow or add. An id
    /// is as the listing spells it, and a label as the configuration does. Who is not in it may have the name of an
    /// organization from another listing: `organization_of` tells it.
    pub fn watch_list<'a>(
        &self,
        listing: &'a [ListedCustomer],
        organization_of: impl Fn(&CustomerId) -> Option<&'a str>,
    ) -> WatchList {
        let listing = if self.discovery.is_some() { listing } else { &[] };
        let by_id: HashMap<_, _> = listing.iter().map(|listed| (&listed.id, listed)).collect();
        let watch = |id: &CustomerId, name: Option<&str>, products: &ProductList| {
            let label = Label::from(name.unwrap_or(id.as_str()));
            let listed = by_id.get(id);
            let organization = listed.and_then(|listed| listed.organization.as_deref()).or_else(|| organization_of(id));
            let name = organization.map_or_else(|| label.clone(), Label::from);
            let id = listed.map_or(id, |listed| &listed.id).clone();
            WatchedCustomer {
                customer: Customer { id, label, name },
                products: products.products(),
                listed: *products != ProductList::All,
                expected: BTreeMap::new(),
            }
        };
        let mut customers: Vec<_> = self
            .customers
            .iter()
            .map(|entry| watch(&entry.id, entry.name.as_deref(), entry.products.as_ref().unwrap_or(&self.products)))
            .collect();
        let mut labels: HashSet<_> = customers.iter().map(|watched| watched.customer.label.clone()).collect();
        let configured: HashSet<_> = self.customers.iter().map(|entry| &entry.id).collect();
        let excluded = |id| self.discovery.as_ref().is_some_and(|discovery| discovery.exclude.contains(id));
        let mut hidden = Vec::new();
        for ListedCustomer { id, .. } in listing {
            if configured.contains(id) || excluded(id) {
                continue;
            }
            let watched = watch(id, None, &self.products);
            if labels.insert(watched.customer.label.clone()) {
                customers.push(watched);
            } else {
                hidden.push(id.clone());
            }
        }
        WatchList { customers, hidden }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, customer_id as id, product};

    fn listed(text: &str, organization: &str) -> ListedCustomer {
        testing::listed(text, Some(organization))
    }

    fn configured(text: &str, name: Option<&str>, products: Option<&[u32]>) -> ConfiguredCustomer {
        let products = products.map(|numbers| ProductList::Listed(numbers.iter().copied().map(product).collect()));
        ConfiguredCustomer { id: id(text), name: name.map(str::to_owned), products }
    }

    fn selection(customers: Vec<ConfiguredCustomer>, exclude: &[&str]) -> Selection {
        let exclude = exclude.iter().copied().map(id).collect();
        let products = ProductList::Listed(vec![product(1), product(4)]);
        Selection { customers, discovery: Some(Discovery { exclude }), products, platforms: Vec::new() }
    }

    fn shown(watched: &WatchList) -> Vec<(&str, &str, &str, usize)> {
        let shown = watched.customers.iter().map(|WatchedCustomer { customer, products, .. }| {
            (customer.id.as_str(), customer.label.as_str(), customer.name.as_str(), products.len())
        });
        shown.collect()
    }

    #[test]
    fn the_configuration_names_narrows_and_adds_to_what_was_discovered() {
        let selection =
            selection(vec![configured("A", Some("contoso"), Some(&[32])), configured("mine", None, None)], &["c"]);
        let watched =
            selection.watch_list(&[listed("a", "Contoso Ltd"), listed("b", "Fabrikam"), listed("C", "Out")], |_| None);
        assert_eq!(
            shown(&watched),
            [("a", "contoso", "Contoso Ltd", 1), ("mine", "mine", "mine", 2), ("b", "b", "Fabrikam", 2)]
        );
    }

    #[test]
    fn without_discovery_a_listing_adds_nobody_and_names_nobody() {
        let mut selection = selection(vec![configured("a", None, None)], &[]);
        selection.discovery = None;
        assert_eq!(
            shown(&selection.watch_list(&[listed("a", "Contoso"), listed("b", "Fabrikam")], |_| None)),
            [("a", "a", "a", 2)]
        );
    }

    #[test]
    fn two_customers_of_one_organization_keep_apart() {
        let watched = selection(vec![], &[]).watch_list(&[listed("a", "Contoso"), listed("b", "Contoso")], |_| None);
        assert_eq!(shown(&watched), [("a", "a", "Contoso", 2), ("b", "b", "Contoso", 2)]);
    }

    #[test]
    fn a_discovered_id_that_is_anothers_name_is_hidden_and_reported() {
        let watched =
            selection(vec![configured("a", Some("b"), None)], &[]).watch_list(&[listed("b", "Fabrikam")], |_| None);
        assert_eq!(shown(&watched).len(), 1);
        assert_eq!(watched.hidden, [id("b")]);
    }

    #[test]
    fn another_listing_names_the_organizations_of_whom_this_one_does_not() {
        let organization = |id: &CustomerId| (id.as_str() == "a").then_some("Contoso Ltd");
        let mut selection = selection(vec![configured("a", Some("contoso"), None), configured("b", None, None)], &[]);
        selection.discovery = None;
        let watched = selection.watch_list(&[], organization);
        assert_eq!(shown(&watched), [("a", "contoso", "Contoso Ltd", 2), ("b", "b", "b", 2)]);
    }
}
