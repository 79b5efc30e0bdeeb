//! What the customers of the demo agreed upon, and how many of their people have a seat.

use serde_json::Value;

use super::{DYNAMICS_BACKUP, FLY, GOOGLE_BACKUP, INSIGHTS, M365_BACKUP, SALESFORCE_BACKUP};
use crate::{Customer, Day, Platform, Subscription, Tenant};

/// How many days a contract runs that begins today.
pub(super) const A_YEAR: i64 = 365;

/// In how many days each organization's contracts end. Who is not here has them for a year.
const ENDS: [(&str, i64); 11] = [
    ("Litware", 5),
    ("Fabrikam", 25),
    ("Alpine Ski House", 60),
    ("Northwind Traders", 88),
    ("Wide World Importers", 121),
    ("Lamna Healthcare", 182),
    ("Tailspin Toys", 240),
    ("Contoso", 335),
    ("Adventure Works", 400),
    ("Woodgrove Bank", 455),
    ("Proseware", 518),
];

/// Pays by the month and has no contract: its expiration is no news before it has passed.
const BY_THE_MONTH: &str = "Fourth Coffee";

/// Has so many more people in its tenant than it bought seats.
const SHORT: (&str, u64) = ("Alpine Ski House", 7);

/// The backup product whose seats the people of a platform take up.
const BACKUPS: [(Platform, u32); 4] = [
    (Platform::Microsoft365, M365_BACKUP),
    (Platform::Salesforce, SALESFORCE_BACKUP),
    (Platform::Google, GOOGLE_BACKUP),
    (Platform::Dynamics365, DYNAMICS_BACKUP),
];

/// The customer with its subscriptions and tenants.
pub(super) fn agree(mut customer: Customer) -> Customer {
    let organization = customer.organization.clone();
    for product in customer.seats.keys().copied().collect::<Vec<_>>() {
        customer.subscriptions.push(bought(&organization, product));
    }
    customer.subscriptions.extend(others(&organization));
    for (platform, product) in BACKUPS {
        let seats = customer.seats.get(&product).and_then(Value::as_u64).unwrap_or_default();
        if seats > 0 {
            customer.tenants.insert(platform, tenants(&customer, platform, seats));
        }
    }
    customer
}

fn day(organization: &str) -> Day {
    let ends = ENDS.iter().find(|(name, _)| *name == organization);
    Day::from_now(ends.map_or(A_YEAR, |(_, days)| *days))
}

/// The row of a product.
fn bought(organization: &str, product: u32) -> Subscription {
    let row = Subscription::of(product);
    if organization == BY_THE_MONTH {
        return row.field("paymentType", "Monthly").expires(Day::from_now(12));
    }
    let row = row.expires(day(organization)).contract_ends(day(organization));
    match (organization, product) {
        ("Wide World Importers", M365_BACKUP) => {
            row.field("source", "AvePoint pooled subscription").field("change", "12")
        }
        ("Fabrikam", INSIGHTS) => {
            row.field("microsoftLicenseAssigned", "1124").field("microsoftLicenseAvailable", "133")
        }
        ("Woodgrove Bank", FLY) => row.field("subscriptionName", "Branch offices"),
        (_, M365_BACKUP) => row
            .field("subscriptionModel", "Unlimited organizations")
            .field("storage", "AvePoint storage (Microsoft Azure Blob)")
            .field("retention", "Retain data for 1 month")
            .field("consumedStorage", "1.42 GB"),
        _ => row,
    }
}

/// What stands beside the rows of products: what the vendor sells by other measures, and the rest of a history.
fn others(organization: &str) -> Vec<Subscription> {
    let end = day(organization);
    let row = |service: &str| {
        let row = Subscription::new(service).field("source", "AvePoint subscription").field("package", "Standard");
        row.field("paymentType", "Prepaid").expires(end).contract_ends(end)
    };
    match organization {
        "Contoso" => vec![
            row("Opus - Storage optimization")
                .field("subscriptionModel", "Action and store")
                .field("purchasedCapacity", "1024 GB")
                .field("consumedStorage", "388.5 GB"),
            row("Baseline management").field("purchasedUnits", "1"),
            row("tyGraph - Power BI Embedded").seats(40),
        ],
        "Lamna Healthcare" => vec![row("Opus - Storage optimization").field("purchasedCapacity", "0/1 GB")],
        // It moved everything, and let this go.
        "Northwind Traders" => {
            let ended = Day::from_now(-6);
            vec![row("Fly Migration").seats(60).expires(ended).contract_ends(ended)]
        }
        "Proseware" => vec![Subscription::new("EnPower")],
        // It bought twice, and nothing tells one row from the other.
        "Woodgrove Bank" => vec![
            row("Fly Aviator").seats(20),
            row("Fly Aviator").seats(30).expires(Day::from_now(200)).contract_ends(Day::from_now(200)),
        ],
        _ => Vec::new(),
    }
}

/// Nine of ten seats are taken up, in one tenant or, for a large customer, in two.
fn tenants(customer: &Customer, platform: Platform, seats: u64) -> Vec<Tenant> {
    const LARGE: u64 = 2000;
    let domain = customer.owner_email.trim_start_matches("it@");
    let number = customer.id.rsplit('-').next().unwrap_or_default();
    let tenant = |nth: u8, name: String, seats: u64| {
        let id = format!("7e4{}{nth}000-0000-4000-8000-{number}", platform.number());
        let (short, people) = SHORT;
        let assigned = if customer.organization == short { seats + people } else { seats - seats / 10 };
        Tenant::new(id, name).available(seats).assigned(assigned)
    };
    if seats < LARGE {
        return vec![tenant(1, domain.to_owned(), seats)];
    }
    let abroad = seats / 5;
    vec![tenant(1, domain.to_owned(), seats - abroad), tenant(2, format!("emea.{domain}"), abroad)]
}

#[cfg(test)]
mod tests {
    use super::super::world;
    use super::*;
    use crate::{DateForm, World};

    /// The organization and the subscriptions of everybody.
    fn rows(world: &World) -> Vec<(String, Value)> {
        let customers = world.customers.iter();
        customers.flat_map(|one| one.products(world).into_iter().map(|row| (one.organization.clone(), row))).collect()
    }

    #[test]
    fn contracts_end_soon_later_and_lately() {
        let world = World { dates: DateForm::IsoDate, ..world() };
        let within = |from: i64, to: i64| {
            let days: Vec<_> = (from..=to).map(|days| Day::from_now(days).written(DateForm::IsoDate)).collect();
            let ends =
                rows(&world).into_iter().filter(|(_, row)| days.iter().any(|day| row["contractEndDate"] == *day));
            let mut who: Vec<_> = ends.map(|(organization, _)| organization).collect();
            who.dedup();
            who
        };
        assert_eq!(within(-13, -1), ["Northwind Traders"]);
        assert_eq!(within(1, 6), ["Litware"]);
        assert_eq!(within(8, 29), ["Fabrikam"]);
        assert_eq!(within(31, 89), ["Alpine Ski House", "Northwind Traders"]);
        assert_eq!(within(399, 401), ["Adventure Works"]);
    }

    #[test]
    fn every_kind_of_row_is_there() {
        let rows = rows(&world());
        let has = |field: &str, says: &str| rows.iter().filter(|(_, row)| row[field] == says).count();
        assert_eq!(has("paymentType", "Monthly"), 1);
        assert_eq!(has("source", "AvePoint pooled subscription"), 1);
        assert_eq!(has("change", "12"), 1);
        assert!(has("purchasedCapacity", "1024 GB") == 1 && has("purchasedCapacity", "0/1 GB") == 1);
        assert!(has("consumedStorage", "1.42 GB") > 0 && has("purchasedUnits", "1") == 1);
        let bare =
            |row: &Value| row.as_object().is_some_and(|row| row.values().filter(|says| *says != "N/A").count() == 1);
        assert_eq!(rows.iter().filter(|(_, row)| bare(row)).count(), 1, "all of it N/A but the service");

        let labels = |(who, row): &(String, Value)| {
            let says = ["service", "subscriptionName", "package", "source"].map(|field| row[field].to_string());
            (who.clone(), says)
        };
        let mut all: Vec<_> = rows.iter().map(labels).collect();
        all.sort();
        assert_eq!(all.windows(2).filter(|pair| pair[0] == pair[1]).count(), 1, "two rows agree in all labels");
    }

    #[test]
    fn one_customer_has_more_people_than_seats() {
        let world = world();
        let mut short = Vec::new();
        for (customer, (platform, product)) in world.customers.iter().flat_map(|one| BACKUPS.map(|both| (one, both))) {
            let assigned = |tenants: &Vec<Tenant>| tenants.iter().filter_map(|one| one.assigned.as_u64()).sum::<u64>();
            let people = customer.tenants.get(&platform).map(assigned);
            let seats = customer.seats.get(&product).and_then(Value::as_u64);
            assert_eq!(people.is_some(), seats.is_some(), "{} on {platform:?}", customer.organization);
            if people > seats {
                short.push((customer.organization.as_str(), people));
            }
        }
        assert_eq!(short, [("Alpine Ski House", Some(52))]);
        let tenants = world.customers.iter().flat_map(|one| one.tenants.values().flatten());
        let mut ids: Vec<_> = tenants.map(|tenant| tenant.id.clone()).collect();
        ids.sort();
        let all = ids.len();
        ids.dedup();
        assert_eq!((all, ids.len()), (18, 18), "each has an id of its own");
        assert!(ids.iter().all(|id| id.len() == 36));
    }

    #[test]
    fn subscriptions_follow_the_seats_as_they_move() {
        let mut world = world();
        let fabrikam = world.customers.iter_mut().find(|one| one.organization == "Fabrikam").expect("it is there");
        fabrikam.seats.insert(M365_BACKUP, 1215.into());
        let rows = rows(&world);
        assert!(rows.iter().any(|(who, row)| who == "Fabrikam" && row["purchasedUserSeats"] == "1215"));
    }
}
