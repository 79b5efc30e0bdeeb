//! The simulated vendor, healthy and faulty.

use elements_sim::{Effect, Latency, Operation, Rule, World};
use reqwest::StatusCode;

use crate::shared::Result;
use crate::shared::role::{customers_with_all, play_vendor};
use crate::{CUSTOMERS, LATENCY, TIMEOUT};

/// The arguments that make this program the vendor.
pub(super) const ROLES: [&str; 2] = [GOOD, FAULTY];
pub(super) const GOOD: &str = "vendor";
/// 5 % of the answers are a 503, 1 % come after twice the timeout.
pub(super) const FAULTY: &str = "faulty-vendor";

/// Plays the vendor in this role.
pub(super) fn play(role: &str) -> Result<()> {
    let world = World { latency: Latency::of(LATENCY), ..customers_with_all(CUSTOMERS) };
    play_vendor(world, |simulator| {
        if role == FAULTY {
            let unavailable = Effect::status(StatusCode::SERVICE_UNAVAILABLE);
            simulator.inject(Rule::on(Operation::Overview, unavailable).fraction(0.05, 1));
            // The first rule takes its share before this one sees a request.
            simulator.inject(Rule::on(Operation::Overview, Effect::Delay(TIMEOUT * 2)).fraction(0.01 / 0.95, 2));
        }
    })
}
