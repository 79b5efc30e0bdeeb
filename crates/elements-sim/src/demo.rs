//! The account of the `demo` command: invented customers whose seats move, and an API that fails now and then.

use std::convert::Infallible;
use std::time::Duration;

use hyper::StatusCode;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, RngExt};
use serde_json::Value;

use crate::{Control, Customer, Effect, Latency, Operation, Rule, World};

/// A partner's dozen customers, with the products and numbers that such customers have.
pub fn world() -> World {
    let customers = CUSTOMERS.iter().zip(1..).map(|((organization, domain, seats), number)| {
        let mut customer = Customer::new(format!("de300000-0000-4000-8000-{number:012}"), *organization);
        customer.owner_email = format!("it@{domain}.example");
        customer.seats = seats.iter().map(|&(product, seats)| (product, seats.into())).collect();
        if *organization == NOT_APPLICABLE.0 {
            customer.seats.insert(NOT_APPLICABLE.1, "N/A".into());
        }
        customer
    });
    World { latency: Latency::scaled(0.2), record_limit: 0, ..World::with(customers) }
}

/// Changes seats about once per `pace`, and makes a request fail now and then, until it is dropped.
pub async fn live(control: Control, pace: Duration) -> Infallible {
    let mut rng: StdRng = rand::make_rng();
    loop {
        tokio::time::sleep(pace.mul_f64(rng.random_range(0.5..1.5))).await;
        control.change(|world| move_seats(world, &mut rng));
        if rng.random_bool(FAULT_PROBABILITY) {
            // A fault that met no request must not add up with the next one.
            control.clear_faults();
            control.inject(Rule::on(Operation::Overview, fault(&mut rng)).once());
        }
    }
}

const FAULT_PROBABILITY: f64 = 0.15;

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

/// The organization and the product type that are answered `"N/A"`.
const NOT_APPLICABLE: (&str, u32) = ("Litware", CLOUD_ARCHIVING);

/// Seats stay within the range that the dozen began with.
const FEWEST: u64 = 5;
const MOST: u64 = 2500;

/// Some customer buys or returns up to a tenth of some product's seats.
fn move_seats(world: &mut World, rng: &mut impl Rng) {
    let numbers = world.customers.iter_mut().flat_map(|customer| customer.seats.values_mut()).filter(|v| v.is_u64());
    let Some(seats) = numbers.choose(rng) else { return };
    let now = seats.as_u64().unwrap_or_default();
    let step = rng.random_range(1..=(now / 10).max(1));
    let grows = now <= FEWEST || (now < MOST && rng.random_bool(0.6));
    let then = if grows { now + step } else { now.saturating_sub(step) };
    *seats = Value::from(then.clamp(FEWEST, MOST));
}

fn fault(rng: &mut impl Rng) -> Effect {
    match rng.random_range(0..3) {
        0 => Effect::status(StatusCode::SERVICE_UNAVAILABLE),
        1 => Effect::throttled(2),
        _ => Effect::Stall,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;
    use crate::Simulator;

    fn seats(world: &World) -> Vec<Value> {
        world.customers.iter().flat_map(|customer| customer.seats.values().cloned()).collect()
    }

    #[test]
    fn the_demo_shows_a_dozen_customers() {
        let world = world();
        let names: HashSet<_> = world.customers.iter().map(|customer| &customer.organization).collect();
        assert_eq!(names.len(), 12);
        assert_eq!(seats(&world).iter().filter(|seats| **seats == "N/A").count(), 1);
    }

    #[test]
    fn one_number_moves_at_a_time_and_stays_believable() {
        let mut world = world();
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..2000 {
            let before = seats(&world);
            move_seats(&mut world, &mut rng);
            let after = seats(&world);
            assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1);
            assert!(after.iter().filter_map(Value::as_u64).all(|seats| (FEWEST..=MOST).contains(&seats)));
        }
    }

    #[tokio::test]
    async fn a_living_demo_changes_seats_by_itself() {
        let sim = Simulator::start(world()).await.expect("a free port");
        let before = sim.change(|world| seats(world));
        let changed = async {
            while sim.change(|world| seats(world)) == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            never = live(sim.control(), Duration::from_micros(1)) => match never {},
            () = changed => {}
        }
    }
}
