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
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::shared::{Result, is_bought, products_by_number};
use crate::{CUSTOMERS, PRODUCTS, row};

const LATENCY: Duration = Duration::from_millis(650);
/// For a page of subscriptions.
const LISTING_LATENCY: Duration = Duration::from_millis(4800);
const SLOTS: u32 = 16;
const PACE: u32 = 20;

const DAY: Duration = Duration::from_hours(24);
const CYCLES_A_DAY: u32 = 24 * 4;

/// Which part of the requests that every product in every cycle would take there may be.
pub(super) const LIMIT: f64 = 0.20;

/// The same while subscriptions are listed, which tell of first purchases.
const LIMIT_WITH_SUBSCRIPTIONS: f64 = 0.15;

/// Prints both, and returns whether the goal is reached.
pub(super) fn measure() -> Result<bool> {
    println!("\n{SLOTS} in flight, {PACE} requests a second, {LATENCY:?} latency, interval 15m");
    let good = requests_a_day()?;
    first_pass()?;
    Ok(good)
}

/// The goal is reached only if what is bought is asked for in every cycle all the same.
fn requests_a_day() -> Result<bool> {
    let mut good = true;
    println!("requests a customer and day: for bought products, for the others, for listings");
    for (bought, is_bought) in [(1, (|_, nth| nth == 0) as IsBought), (3, |_, nth| nth % 8 == 0)] {
        let account = Account { customers: SOME, is_bought };
        for (name, watched, limit) in [
            ("all listed by number", format!("products: {}", products_by_number()), 1.0),
            ("products: all", "products: all".to_owned(), LIMIT),
            (
                "with subscriptions",
                "products: all\nsubscriptions: {enabled: true}".to_owned(),
                LIMIT_WITH_SUBSCRIPTIONS,
            ),
        ] {
            let Day { bought: asked, others, listings } = account.day(&watched)?;
            let share = f64::from(asked + others + listings) / f64::from(SOME * PRODUCTS * CYCLES_A_DAY);
            let [asked, others, listings] = [asked, others, listings].map(|number| f64::from(number) / f64::from(SOME));
            row(
                &format!("  {bought} of {PRODUCTS} bought, {name}"),
                &format!(
                    "{asked:.0} + {others:.0} + {listings:.1} = {:.1} % of every product in every cycle",
                    share * 100.0
                ),
            );
            good &= share <= limit && asked >= f64::from(bought * CYCLES_A_DAY);
        }
    }
    Ok(good)
}

/// So many customers stand for all: a listing of subscriptions has them on one page.
const SOME: u32 = 100;

type IsBought = fn(customer: usize, nth: usize) -> bool;

/// What was asked for within a day.
#[derive(Debug, Default)]
struct Day {
    bought: u32,
    others: u32,
    listings: u32,
}

/// How soon all numbers are known, and those that are not 0: the listing of subscriptions tells whom to ask for what first.
fn first_pass() -> Result<()> {
    for (customers, name, watched) in [
        (CUSTOMERS, "", "products: all"),
        (SOME, "", "products: all"),
        (SOME, ", with subscriptions", "products: all\nsubscriptions: {enabled: true}"),
    ] {
        let account = Account { customers, is_bought };
        let mut known = HashMap::new();
        for asked in account.poll(watched, Duration::from_hours(1))? {
            if let What::Overview(pair) = asked.what {
                known.entry(pair).or_insert(asked.at + LATENCY);
            }
        }
        let targets = customers * PRODUCTS;
        if known.len() != targets as usize {
            return Err(format!("{} of {targets} targets were asked for in an hour", known.len()).into());
        }
        let bought = known.iter().filter(|(pair, _)| account.has_bought(**pair)).map(|(_, at)| *at);
        let (number, last) = (bought.clone().count(), bought.max().unwrap_or_default());
        let ideal = f64::from(u32::try_from(number)?) / f64::from(PACE);
        let all = known.values().max().copied().unwrap_or_default();
        row(
            &format!("first pass over {customers} customers{name}"),
            &format!(
                "{number} purchased numbers in {:.0} s, of which they alone take {ideal:.0} s; {targets} answers in {:.0} s",
                last.as_secs_f64(),
                all.as_secs_f64()
            ),
        );
    }
    Ok(())
}

/// Who is polled, and what they have bought.
#[derive(Debug, Clone, Copy)]
struct Account {
    customers: u32,
    is_bought: IsBought,
}

/// A customer's number, and the place of a product in the catalogue.
type Pair = (usize, usize);

/// A request with a token.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Since the poller was started.
    at: Duration,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Overview(Pair),
    Listing,
}

impl What {
    /// As the vendor was asked for it; `None` for a token.
    fn of(what: &str) -> Option<Self> {
        match pair(what) {
            Some(pair) => Some(Self::Overview(pair)),
            None => what.starts_with("subscriptions/").then_some(Self::Listing),
        }
    }
}

impl Account {
    fn has_bought(self, (customer, nth): Pair) -> bool {
        (self.is_bought)(customer, nth)
    }

    /// Polls for two days. The first has the first pass in it: the second one counts.
    fn day(self, watched: &str) -> Result<Day> {
        let mut day = Day::default();
        for Asked { at, what } in self.poll(watched, DAY * 2)? {
            match what {
                _ if at < DAY => {}
                What::Listing => day.listings += 1,
                What::Overview(pair) if self.has_bought(pair) => day.bought += 1,
                What::Overview(_) => day.others += 1,
            }
        }
        Ok(day)
    }

    /// Polls for so long, and returns what the vendor was asked for.
    fn poll(self, watched: &str, time: Duration) -> Result<Vec<Asked>> {
        let config = self.config(watched)?;
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
                .filter_map(|asked| Some(Asked { at: asked.at, what: What::of(&asked.what)? }))
                .collect())
        })
    }

    fn answer(self, what: &str) -> Reply {
        match What::of(what) {
            None => Reply::token(),
            Some(What::Listing) => self.subscriptions(),
            Some(What::Overview((customer, nth))) => {
                let seats = if self.has_bought((customer, nth)) { 25 } else { 0 };
                Reply::seats(&CATALOG[nth].product_type.number().to_string(), seats).after(LATENCY)
            }
        }
    }

    /// Of all customers, on one page.
    fn subscriptions(self) -> Reply {
        let row = |customer: u32| {
            let bought = CATALOG.iter().enumerate().filter(|(nth, _)| self.has_bought((customer as usize, *nth)));
            let rows = bought.map(|(_, product)| json!({"service": product.name, "purchasedUserSeats": "25"}));
            json!({"customerId": format!("customer-{customer}"), "products": rows.collect::<Vec<_>>()})
        };
        let data: Vec<_> = (0..self.customers).map(row).collect();
        let metadata = json!({"pageIndex": 1, "pageSize": 100, "totalCount": data.len()});
        Reply::json(json!({"data": data, "metadata": metadata}).to_string()).after(LISTING_LATENCY)
    }

    fn config(self, watched: &str) -> Result<Config> {
        let mut yaml = format!(
            "api: {{client_id: bench, client_secret: bench, max_in_flight: {SLOTS}, requests_per_second: {PACE}}}\n\
             poll: {{interval: 15m}}\n{watched}\ncustomers:\n"
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
