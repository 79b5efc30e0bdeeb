//! What is scarce is the vendor's quota: how many requests a customer costs, and how soon the numbers are known.
//!
//! The poller alone, on a paused clock, against a vendor as slow as the live one was seen to be.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use avepoint_exporter::config::Config;
use avepoint_exporter::poll::{Plan, Poller};
use avepoint_exporter::status::Status;
use avepoint_exporter::store::Clock;
use avepoint_exporter::store::saved::Saved;
use elements_api::CATALOG;
use elements_api::testing::{Reply, Vendor};
use tempfile::NamedTempFile;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::shared::{Result, is_bought, products_by_number};
use crate::{CUSTOMERS, PRODUCTS, TARGETS, row};

const LATENCY: Duration = Duration::from_millis(650);
const SLOTS: u32 = 16;
const PACE: u32 = 20;

const DAY: Duration = Duration::from_hours(24);
const CYCLES_A_DAY: u32 = 24 * 4;

/// Which part of the requests that every product in every cycle would take there may be.
pub(super) const LIMIT: f64 = 0.20;

/// Prints both, and returns whether the goal is reached.
pub(super) fn measure() -> Result<bool> {
    println!("\n{SLOTS} in flight, {PACE} requests a second, {LATENCY:?} latency, interval 15m, absent_interval 6h");
    let good = requests_a_day()?;
    first_pass()?;
    Ok(good)
}

/// The goal is reached only if what is bought is asked for in every cycle all the same.
fn requests_a_day() -> Result<bool> {
    const SOME: u32 = 10;
    const BOUGHT: u32 = 3;
    let account = Account { customers: SOME, is_bought: |_, nth| nth % 8 == 0 };
    let (every, least) = (SOME * PRODUCTS * CYCLES_A_DAY, SOME * BOUGHT * CYCLES_A_DAY);
    let mut good = true;
    for (name, products, limit) in [("all listed", &*products_by_number(), 1.0), ("products: all", "all", LIMIT)] {
        // The first day has the first pass in it.
        let asked = account.poll(products, DAY * 2)?.into_iter().filter(|asked| asked.at >= DAY);
        let (bought, others): (Vec<_>, Vec<_>) = asked.partition(|asked| account.has_bought(asked.pair));
        let (bought, others) = (u32::try_from(bought.len())?, u32::try_from(others.len())?);
        let share = f64::from(bought + others) / f64::from(every);
        row(
            &format!("requests a customer and day, {name}"),
            &format!(
                "{} for {BOUGHT} bought products and {} for the others: {:.1} % of {}",
                bought / SOME,
                others / SOME,
                share * 100.0,
                every / SOME
            ),
        );
        good &= share <= limit && bought >= least;
    }
    Ok(good)
}

fn first_pass() -> Result<()> {
    let account = Account { customers: CUSTOMERS, is_bought };
    let mut known = HashMap::new();
    for asked in account.poll("all", Duration::from_hours(1))? {
        known.entry(asked.pair).or_insert(asked.at + LATENCY);
    }
    if known.len() != TARGETS as usize {
        return Err(format!("{} of {TARGETS} targets were asked for in an hour", known.len()).into());
    }
    let bought = known.iter().filter(|(pair, _)| account.has_bought(**pair)).map(|(_, at)| *at);
    let (number, last) = (bought.clone().count(), bought.max().unwrap_or_default());
    let ideal = f64::from(u32::try_from(number)?) / f64::from(PACE);
    row(
        &format!("first start to {number} purchased numbers"),
        &format!("{:.0} s, of which they alone take {ideal:.0} s", last.as_secs_f64()),
    );
    let last = known.values().max().copied().unwrap_or_default();
    row(&format!("first start to {TARGETS} answers"), &format!("{:.0} s", last.as_secs_f64()));
    Ok(())
}

/// Who is polled, and what they have bought.
#[derive(Debug, Clone, Copy)]
struct Account {
    customers: u32,
    is_bought: fn(customer: usize, nth: usize) -> bool,
}

/// A customer's number, and the place of a product in the catalogue.
type Pair = (usize, usize);

/// A request for an overview.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Since the poller was started.
    at: Duration,
    pair: Pair,
}

impl Account {
    fn has_bought(self, (customer, nth): Pair) -> bool {
        (self.is_bought)(customer, nth)
    }

    /// Polls for so long, and returns what the vendor was asked for.
    fn poll(self, products: &str, time: Duration) -> Result<Vec<Asked>> {
        let config = self.config(products)?;
        Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
            let vendor = Vendor::new(move |what| self.answer(what));
            let client = vendor.client(|settings| {
                settings.max_in_flight = config.api.max_in_flight;
                settings.requests_per_second = config.api.requests_per_second;
            });
            let (started, wall) = (Instant::now(), SystemTime::now());
            // It goes on as the paused one does.
            let clock = Clock::with(move || wall + started.elapsed());
            let status = Arc::new(Status::new(config.poll.interval, wall, None));
            let plan = Plan { client, selection: Arc::new(config.selection), timing: config.poll, expected: None };
            // The poller listens for another plan for as long as it runs.
            let (_plans, plans) = watch::channel(plan);
            let poller = Poller::new(plans, &Saved::default(), status, clock);
            let running = AbortOnDropHandle::new(tokio::spawn(poller.run(CancellationToken::new())));
            sleep(time).await;
            drop(running);
            Ok(vendor
                .asked()
                .iter()
                .filter_map(|asked| Some(Asked { at: asked.at, pair: pair(&asked.what)? }))
                .collect())
        })
    }

    fn answer(self, what: &str) -> Reply {
        let Some((customer, nth)) = pair(what) else { return Reply::token() };
        let seats = if self.has_bought((customer, nth)) { 25 } else { 0 };
        Reply::seats(&CATALOG[nth].product_type.number().to_string(), seats).after(LATENCY)
    }

    fn config(self, products: &str) -> Result<Config> {
        let mut yaml = format!(
            "api: {{client_id: bench, client_secret: bench, max_in_flight: {SLOTS}, requests_per_second: {PACE}}}\n\
             poll: {{interval: 15m, absent_interval: 6h}}\nproducts: {products}\ncustomers:\n"
        );
        for customer in 0..self.customers {
            writeln!(yaml, "- id: customer-{customer}")?;
        }
        let file = NamedTempFile::new()?;
        fs::write(&file, yaml)?;
        Ok(Config::load_with(file.path(), &|_| None)?)
    }
}

/// Which overview was asked for, if one was.
fn pair(what: &str) -> Option<Pair> {
    let (customer, product) = what.strip_prefix("customer-")?.split_once('/')?;
    let product: u32 = product.parse().ok()?;
    let nth = CATALOG.iter().position(|known| known.product_type.number() == product)?;
    Some((customer.parse().ok()?, nth))
}
