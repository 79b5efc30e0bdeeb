//! What the listings of subscriptions and tenants cost.
//!
//! All customers have bought six products each, with a subscription of each and a tenant. The release binary lists them
//! from a vendor as slow as the live one was seen to be; and beside one that answers at once it shows what they add to a
//! scrape and to memory.

mod vendor;

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::shared::{Customers, Exporter, Result, Role, UNPACED, get, mib, scrape_sizes};
use crate::{CUSTOMERS, row};

pub(super) use self::vendor::{ROLES, play};

const DISCOVERY: &str = "discovery: {enabled: true}\n";
const SUBSCRIPTIONS: &str = "discovery: {enabled: true}\nsubscriptions: {enabled: true}\n";
const BOTH: &str =
    "discovery: {enabled: true}\nsubscriptions: {enabled: true}\ntenants: {platforms: [microsoft_365]}\n";

/// As `exporter.yaml` has it where it says nothing.
const PACE: u32 = 20;
const SLOTS: u32 = 16;

pub(super) fn measure() -> Result<()> {
    println!("\n{CUSTOMERS} customers × 6 subscriptions and 1 tenant, products: all");
    let vendor = Role::start(&[vendor::INSTANT])?;
    println!("{:<44} {:>10} {:>10} {:>10} {:>10} {:>10}", "", "series", "bytes", "gzip", "resident", "peak");
    for (name, listings) in
        [("no listing but of customers", DISCOVERY), ("and of subscriptions", SUBSCRIPTIONS), ("and of tenants", BOTH)]
    {
        let (mut exporter, _) = Exporter::start(&vendor, customers("all", listings, UNPACED))?;
        exporter.logged("cycle ended")?;
        let [series, plain, gzip] = scrape_sizes(&exporter.address)?;
        let (resident, peak) = (exporter.memory(|status| status.vmrss)?, exporter.memory(|status| status.vmhwm)?);
        println!("{name:<44} {series:>10} {plain:>10} {gzip:>10} {:>10} {:>10}", mib(resident), mib(peak));
    }

    println!(
        "\nfrom a vendor who takes 4.8 s for a page of subscriptions and 0.65 s for tenants, {PACE} requests a second"
    );
    let slow = Role::start(&[vendor::SLOW])?;
    let (exporter, _) = Exporter::start(&slow, customers("[2048]", BOTH, PACE))?;
    for (name, operation, requests, page) in [
        (
            "a listing of subscriptions",
            "subscriptions",
            CUSTOMERS / 100,
            "services/batch?pageIndex={page}&pageSize=100",
        ),
        (
            "a listing of tenants",
            "tenants",
            CUSTOMERS,
            "{customer}/3rd-party-products/type/0/tenants/batch?pageIndex=1&pageSize=100",
        ),
    ] {
        let took = listed(&exporter.address, operation, requests)?;
        let bytes = vendor::bytes(&vendor, page, requests)?;
        row(name, &format!("{requests} requests, {:.1} s, {} KiB", took.as_secs_f64(), bytes >> 10));
    }
    Ok(())
}

const fn customers(products: &'static str, more: &'static str, pace: u32) -> Customers<'static> {
    // Whoever is listed is watched.
    Customers { number: 0, products, interval: "1h", timeout: Duration::from_secs(10), in_flight: SLOTS, pace, more }
}

/// Waits until so many requests of an operation have ended, and returns how long they took together: from the beginning
/// of the first to the end of the last.
fn listed(address: &str, operation: &str, requests: u32) -> Result<Duration> {
    let ended = || -> Result<(f64, f64)> {
        let metrics = String::from_utf8(get(address, "/metrics", "identity")?)?;
        let value = |name: &str| {
            let name = format!("avepoint_api_request_duration_seconds_{name}{{operation=\"{operation}\"}} ");
            metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or_default()
        };
        Ok((value("count"), value("sum")))
    };
    let mut first = None;
    loop {
        let (count, sum) = ended()?;
        if count > 0.0 {
            // The first that ended have begun as long before as one takes.
            let (ended, took) = *first.get_or_insert_with(|| (Instant::now(), sum / count));
            if count >= f64::from(requests) {
                return Ok(ended.elapsed() + Duration::from_secs_f64(took));
            }
        }
        sleep(Duration::from_millis(100));
    }
}
