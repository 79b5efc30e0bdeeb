//! What is watched, as the metrics show it.

use std::fmt;
use std::sync::Arc;

use elements_api::{CustomerId, ProductType};

/// What is polled: one product of one customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub customer: CustomerId,
    pub product: ProductType,
}

/// A customer as the metrics show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: CustomerId,
    /// The `customer` label: the configured name, or else the id.
    pub label: Label,
    /// The `name` of `avepoint_customer_info`: the organization that discovery found, or else the label.
    pub name: Label,
}

/// A customer and the products that are watched for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedCustomer {
    pub customer: Customer,
    pub products: Vec<ProductType>,
}

/// Text of at most [`Label::MAX_CHARS`] characters, which is what one label value may cost.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Arc<str>);

impl Label {
    /// Longer text is cut here.
    pub const MAX_CHARS: usize = 256;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        let end = text.char_indices().nth(Self::MAX_CHARS).map_or(text.len(), |(end, _)| end);
        Self(Arc::from(&text[..end]))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_cut_between_characters() {
        let long = "é".repeat(300);
        assert_eq!(Label::from(long.as_str()).as_str().chars().count(), 256);
        assert_eq!(Label::from("short").as_str(), "short");
    }
}
