//! The product types that the vendor documents.
//!
//! Source: AvePoint's page "Retrieve AvePoint Product Overview", the table of `productType` (state of July 2026). The
//! names are label values, and so part of the public interface: they stand here exactly as the vendor writes them.

use std::borrow::Cow;
use std::fmt;

/// Every documented product, by rising number.
pub const CATALOG: [Product; 22] = [
    product(1, "DocAve Online"),
    product(4, "Cloud Governance"),
    product(32, "Cloud Backup for Salesforce"),
    product(40, "Baseline management"),
    product(41, "Risk management"),
    product(42, "Workspace management"),
    product(49, "User management"),
    product(60, "MyHub"),
    product(65, "WorkSpace management - storage optimization"),
    product(257, "TyGraph"),
    product(2048, "Cloud Backup for Microsoft 365"),
    product(4096, "Cloud Management"),
    product(8192, "Cloud Archiving"),
    product(65_536, "Opus"),
    product(131_072, "Cloud Backup for Dynamics 365"),
    product(4_194_304, "Insights"),
    product(8_388_608, "Policies for Microsoft 365"),
    product(16_777_216, "Fly"),
    product(33_554_432, "Cloud Backup for Google Workspace"),
    product(67_108_864, "Cense"),
    product(134_217_728, "Enpower"),
    product(1_073_741_824, "Cloud Backup for IaaS + PaaS"),
];

/// One line of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Its number.
    pub product_type: ProductType,
    /// As the vendor writes it.
    pub name: &'static str,
}

/// The number by which the API knows a product. It need not be in the catalogue: the vendor adds products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductType(u32);

impl ProductType {
    /// Cloud Backup for Salesforce.
    pub const SALESFORCE_BACKUP: Self = Self(32);
    /// Cloud Backup for Microsoft 365.
    pub const MICROSOFT_365_BACKUP: Self = Self(2048);
    /// Cloud Backup for Dynamics 365.
    pub const DYNAMICS_365_BACKUP: Self = Self(131_072);
    /// Cloud Backup for Google Workspace.
    pub const GOOGLE_BACKUP: Self = Self(33_554_432);

    /// `None` for 0, which is not a product.
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The number as it stands in the URL of the API.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The `product` label: the catalogue's name, or the number if the catalogue has none.
    pub fn label(self) -> Cow<'static, str> {
        match CATALOG.iter().find(|product| product.product_type == self) {
            Some(product) => Cow::Borrowed(product.name),
            None => Cow::Owned(self.0.to_string()),
        }
    }

    /// The product of this name, in any case.
    ///
    /// # Errors
    ///
    /// The catalogue has no such name.
    pub fn from_name(name: &str) -> Result<Self, UnknownProduct> {
        CATALOG
            .iter()
            .find(|product| product.name.eq_ignore_ascii_case(name.trim()))
            .map(|product| product.product_type)
            .ok_or_else(|| UnknownProduct { nearest: nearest(name) })
    }

    /// The product of the catalogue whose number differs by one digit (another one, one more or one less); `None` if the
    /// catalogue has this number itself.
    pub fn misspelt(self) -> Option<Product> {
        let distance = |number: u32| strsim::levenshtein(&self.0.to_string(), &number.to_string());
        let known = CATALOG.iter().all(|product| product.product_type != self);
        CATALOG.iter().find(|product| known && distance(product.product_type.number()) == 1).copied()
    }
}

/// A name that the catalogue does not have. Its text says what would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownProduct {
    /// `None` if nothing in the catalogue is near.
    pub nearest: Option<&'static str>,
}

impl std::error::Error for UnknownProduct {}

impl fmt::Display for UnknownProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nearest {
            Some(nearest) => write!(f, "did you mean \"{nearest}\"?"),
            None => f.write_str("`avepoint-exporter products` lists the names and numbers"),
        }
    }
}

/// Below this similarity (Jaro-Winkler, 0 to 1) a suggestion would be a guess.
const NEAR: f64 = 0.75;

fn nearest(name: &str) -> Option<&'static str> {
    let wanted = name.trim().to_lowercase();
    // As people call the products, and the catalogue none of them.
    let wanted = wanted.strip_prefix("avepoint ").unwrap_or(&wanted);
    CATALOG
        .iter()
        .map(|product| (strsim::jaro_winkler(wanted, &product.name.to_lowercase()), product.name))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[expect(clippy::panic, reason = "it can only happen while compiling `CATALOG`")]
const fn product(number: u32, name: &'static str) -> Product {
    match ProductType::new(number) {
        Some(product_type) => Product { product_type, name },
        None => panic!("0 is not a product type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let fly = ProductType::from_name(" fLY ").expect("the catalogue has Fly");
        assert_eq!(fly.number(), 16_777_216);
        assert_eq!(fly.label(), "Fly");
    }

    #[test]
    fn a_misspelt_name_suggests_the_nearest() {
        let suggestion = |name| ProductType::from_name(name).expect_err("misspelt").nearest;
        assert_eq!(suggestion("Cloud Backup for Microsft 365"), Some("Cloud Backup for Microsoft 365"));
        assert_eq!(suggestion("tygrph"), Some("TyGraph"));
        assert_eq!(suggestion("Flie"), Some("Fly"));
        assert_eq!(suggestion("AvePoint Opus"), Some("Opus"));
        assert_eq!(suggestion("something else"), None);
    }

    #[test]
    fn a_number_is_misspelt_that_is_one_digit_from_another() {
        let meant = |number| ProductType::new(number).expect("not 0").misspelt().map(|product| product.name);
        for near in [2049, 248, 20_480] {
            assert_eq!(meant(near), Some("Cloud Backup for Microsoft 365"), "{near}");
        }
        assert_eq!((meant(2048), meant(999_999)), (None, None));
    }

    #[test]
    fn a_number_outside_the_catalogue_is_its_own_label() {
        assert_eq!(ProductType::new(7).expect("not 0").label(), "7");
    }

    #[test]
    fn the_catalogue_rises_and_repeats_no_name() {
        assert!(CATALOG.windows(2).all(|pair| pair[0].product_type < pair[1].product_type));
        for (index, product) in CATALOG.iter().enumerate() {
            assert!(CATALOG[..index].iter().all(|other| !other.name.eq_ignore_ascii_case(product.name)));
        }
    }
}
