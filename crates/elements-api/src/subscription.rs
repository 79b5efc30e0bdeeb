//! Subscriptions and tenants: what was bought until when, and by how many people it is used.

use std::fmt;
use std::time::SystemTime;

use crate::catalog::ProductType;
use crate::listing::LostRows;
use crate::model::{CustomerId, Seats};

/// One row of what a customer has bought. Each field is `None` where the vendor says that it does not apply (`"N/A"`), or
/// what cannot be read. Texts are one short line each.
///
/// Nothing makes a row unique: two may agree in every field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Subscription {
    /// What was bought, in words that are finer than those of the catalogue of products.
    pub service: Option<String>,
    /// Tells apart several subscriptions of one service.
    pub name: Option<String>,
    /// The edition.
    pub package: Option<String>,
    /// Bought alone, or as a part of the partner's pool.
    pub source: Option<String>,
    /// What is counted.
    pub model: Option<String>,
    /// In advance, or by the month.
    pub payment_type: Option<String>,
    /// Where the customer's data is kept.
    pub storage: Option<String>,
    /// For how long it is kept.
    pub retention: Option<String>,
    /// What was purchased, where it is sold by the user.
    pub purchased_user_seats: Option<Seats>,
    /// The same where it is sold by the unit.
    pub purchased_units: Option<Seats>,
    /// Microsoft's licences that the customer has given to users.
    pub microsoft_licenses_assigned: Option<Seats>,
    /// Microsoft's licences that the customer has left.
    pub microsoft_licenses_available: Option<Seats>,
    /// Seats of the pooled licence against the first day of the month.
    pub pooled_change: Option<i64>,
    /// Capacity in bytes, where it is sold by that.
    pub purchased_capacity_bytes: Option<u64>,
    /// Storage in use, in bytes.
    pub consumed_storage_bytes: Option<u64>,
    /// When the subscription ends.
    pub expiration: Option<SystemTime>,
    /// When the contract behind it ends.
    pub contract_end: Option<SystemTime>,
}

impl Subscription {
    /// When it ends: as its contract does, where there is one, since that is what the customer has signed.
    pub fn ends(&self) -> Option<SystemTime> {
        self.contract_end.or(self.expiration)
    }
}

/// What one customer has bought. The mail address in the listing is personal data, and is not even read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubscribedCustomer {
    /// As the listing spells it.
    pub id: CustomerId,
    /// The name of its organization; `None` if it is blank.
    pub organization: Option<String>,
    /// In the listing's order; maybe none.
    pub subscriptions: Vec<Subscription>,
}

/// The subscriptions of every customer that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscriptionListing {
    /// In the listing's order, each once. Who has bought nothing may be missing.
    pub customers: Vec<SubscribedCustomer>,
    /// Rows that name no customer; `None` where each row does.
    pub lost: Option<LostRows>,
    /// A value of each field in which one could not be read.
    pub unreadable: Vec<UnreadableValue>,
}

/// A value that is not of the form that its field has: it costs itself alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableValue {
    /// The vendor's name of the field.
    pub field: &'static str,
    /// The value, no more than 60 characters of it, those for control escaped.
    pub value: String,
}

/// A platform of which the vendor tells seats by the tenant. Its text is a label value, and so part of the public
/// interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Microsoft 365.
    Microsoft365,
    /// Salesforce.
    Salesforce,
    /// Google Workspace.
    Google,
    /// Dynamics 365.
    Dynamics365,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 4] = [Self::Microsoft365, Self::Salesforce, Self::Google, Self::Dynamics365];

    /// The label value, which is how a configuration names it, too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Microsoft365 => "microsoft_365",
            Self::Salesforce => "salesforce",
            Self::Google => "google",
            Self::Dynamics365 => "dynamics_365",
        }
    }

    /// The platform whose label value this is, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.as_str().eq_ignore_ascii_case(text))
    }

    /// The product that backs it up, whose seats its users need.
    pub const fn backup(self) -> ProductType {
        match self {
            Self::Microsoft365 => ProductType::MICROSOFT_365_BACKUP,
            Self::Salesforce => ProductType::SALESFORCE_BACKUP,
            Self::Google => ProductType::GOOGLE_BACKUP,
            Self::Dynamics365 => ProductType::DYNAMICS_365_BACKUP,
        }
    }

    /// The vendor's number of it.
    pub const fn number(self) -> u32 {
        match self {
            Self::Microsoft365 => 0,
            Self::Salesforce => 1,
            Self::Google => 2,
            Self::Dynamics365 => 3,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A customer's tenant of a platform, with its seats.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// The platform's own id of it, in one short line.
    pub id: String,
    /// `None` if it is blank.
    pub name: Option<String>,
    /// Seats that users have; `None` where that does not apply.
    pub assigned: Option<Seats>,
    /// Seats that are left. It may be less than 0 where more are assigned than there are.
    pub available: Option<i64>,
}

/// The tenants that a customer has of a platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantListing {
    /// In the listing's order, each once.
    pub tenants: Vec<Tenant>,
    /// Rows that name no tenant, or have a number that cannot be read; `None` where there are none.
    pub lost: Option<LostRows>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_backed_up_by_the_product_that_is_called_so() {
        let names = Platform::ALL.map(|platform| platform.backup().label().into_owned());
        let called = ["Microsoft 365", "Salesforce", "Google Workspace", "Dynamics 365"];
        assert_eq!(names, called.map(|name| format!("Cloud Backup for {name}")));
    }

    #[test]
    fn a_platform_is_read_as_it_is_written() {
        assert!(Platform::ALL.into_iter().all(|platform| Platform::parse(platform.as_str()) == Some(platform)));
        assert_eq!(Platform::parse("Microsoft_365"), Some(Platform::Microsoft365));
        assert_eq!(Platform::parse("office"), None);
    }
}
