//! Which customers and products are watched: what is configured, and what discovery adds.

use std::collections::HashSet;

use crate::model::{CustomerId, ProductType};

/// The `customers`, `discovery` and `products` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    pub customers: Vec<ConfiguredCustomer>,
    pub discovery: Option<Discovery>,
    /// For every customer without a list of its own.
    pub products: Vec<ProductType>,
}

/// One entry of `customers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredCustomer {
    pub id: CustomerId,
    /// The `customer` label, instead of the id.
    pub name: Option<String>,
    /// Instead of the common list.
    pub products: Option<Vec<ProductType>>,
}

/// That every customer which the credentials can see is watched, save some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discovery {
    pub exclude: HashSet<CustomerId>,
}
