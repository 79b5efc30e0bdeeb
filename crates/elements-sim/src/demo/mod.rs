//! The account of the `demo` command: invented customers whose seats move, and an API that fails now and then.

mod contracts;
mod story;

use crate::{Customer, Day, Latency, World};

pub use story::live;

/// A partner's dozen customers, with the products, contracts and tenants that such customers have. Answers take a fifth of
/// their true time: a cycle is seen to run, and ends well before the next.
pub fn world() -> World {
    let customers = CUSTOMERS.iter().zip(1..).map(|(line, number)| customer(line, number));
    World {
        latency: Latency::scaled(0.2),
        record_limit: 0,
        contract_end: Day::from_now(contracts::A_YEAR),
        ..World::with(customers)
    }
}

fn customer((organization, domain, seats): &Line, number: usize) -> Customer {
    let mut customer = Customer::new(id(number), *organization);
    customer.owner_email = format!("it@{domain}.example");
    customer.seats = seats.iter().map(|&(product, seats)| (product, seats.into())).collect();
    if *organization == NOT_APPLICABLE.0 {
        customer.seats.insert(NOT_APPLICABLE.1, "N/A".into());
    }
    contracts::agree(customer)
}

/// The id of the customer with this number; those of [`CUSTOMERS`] are counted from 1.
fn id(number: usize) -> String {
    format!("de300000-0000-4000-8000-{number:012}")
}

const CLOUD_GOVERNANCE: u32 = 4;
const SALESFORCE_BACKUP: u32 = 32;
const RISK_MANAGEMENT: u32 = 41;
const USER_MANAGEMENT: u32 = 49;
const MY_HUB: u32 = 60;
const M365_BACKUP: u32 = 2048;
const CLOUD_ARCHIVING: u32 = 8192;
const OPUS: u32 = 65_536;
const DYNAMICS_BACKUP: u32 = 131_072;
const INSIGHTS: u32 = 4_194_304;
const POLICIES: u32 = 8_388_608;
const FLY: u32 = 16_777_216;
const GOOGLE_BACKUP: u32 = 33_554_432;
const IAAS_BACKUP: u32 = 1_073_741_824;

/// Organization, domain, and seats by product type.
type Line = (&'static str, &'static str, &'static [(u32, u64)]);

const CUSTOMERS: [Line; 12] = [
    ("Adventure Works", "adventure-works", &[(M365_BACKUP, 640), (CLOUD_ARCHIVING, 640), (FLY, 150), (MY_HUB, 640)]),
    ("Alpine Ski House", "alpineskihouse", &[(M365_BACKUP, 45), (USER_MANAGEMENT, 45)]),
    (
        "Contoso",
        "contoso",
        &[
            (M365_BACKUP, 2500),
            (CLOUD_GOVERNANCE, 2200),
            (SALESFORCE_BACKUP, 320),
            (OPUS, 1800),
            (INSIGHTS, 2500),
            (POLICIES, 2500),
        ],
    ),
    ("Fabrikam", "fabrikam", &[(M365_BACKUP, 1180), (DYNAMICS_BACKUP, 210), (RISK_MANAGEMENT, 1180), (INSIGHTS, 900)]),
    ("Fourth Coffee", "fourthcoffee", &[(GOOGLE_BACKUP, 85)]),
    ("Lamna Healthcare", "lamnahealthcare", &[(M365_BACKUP, 1425), (OPUS, 1425), (RISK_MANAGEMENT, 1425)]),
    ("Litware", "litware", &[(M365_BACKUP, 310), (SALESFORCE_BACKUP, 60), (IAAS_BACKUP, 25)]),
    ("Northwind Traders", "northwindtraders", &[(M365_BACKUP, 275), (DYNAMICS_BACKUP, 90), (CLOUD_ARCHIVING, 120)]),
    ("Proseware", "proseware", &[(M365_BACKUP, 130), (FLY, 130)]),
    ("Tailspin Toys", "tailspintoys", &[(GOOGLE_BACKUP, 220), (M365_BACKUP, 18)]),
    ("Wide World Importers", "wideworldimporters", &[(M365_BACKUP, 820), (CLOUD_GOVERNANCE, 500), (MY_HUB, 500)]),
    ("Woodgrove Bank", "woodgrovebank", &[(M365_BACKUP, 1960), (POLICIES, 1960), (USER_MANAGEMENT, 1960), (FLY, 5)]),
];

/// The customer that comes later.
const NEWCOMER: Line =
    ("Graphic Design Institute", "graphicdesigninstitute", &[(M365_BACKUP, 95), (CLOUD_ARCHIVING, 95)]);

/// The organization and the product type that are answered `"N/A"`.
const NOT_APPLICABLE: (&str, u32) = ("Litware", CLOUD_ARCHIVING);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_demo_shows_a_dozen_customers() {
        let world = world();
        let names: HashSet<_> = world.customers.iter().map(|customer| &customer.organization).collect();
        assert_eq!(names.len(), 12);
        let seats = world.customers.iter().flat_map(|customer| customer.seats.values());
        assert_eq!(seats.filter(|seats| **seats == "N/A").count(), 1);
    }
}
