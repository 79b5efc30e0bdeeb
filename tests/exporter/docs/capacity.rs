//! The table of how much fits an interval.

use std::time::Duration;

use avepoint_exporter::config::Config;
use avepoint_exporter::poll::{Capacity, TYPICAL_LATENCY};
use elements_api::Settings;
use humantime::format_duration;

use crate::harness::document::Document;
use crate::harness::root;

/// What is watched of each customer.
#[derive(Debug, Clone, Copy)]
struct Row {
    products: usize,
    /// Under `products: all`: so many of them are purchased.
    purchased: Option<usize>,
}

impl Row {
    const fn by_name(products: usize) -> Self {
        Self { products, purchased: None }
    }

    const fn all(purchased: usize) -> Self {
        Self { products: 22, purchased: Some(purchased) }
    }

    const fn dormant(self) -> usize {
        match self.purchased {
            None => 0,
            Some(purchased) => self.products - purchased,
        }
    }
}

const ROWS: [Row; 7] =
    [Row::by_name(1), Row::by_name(3), Row::by_name(8), Row::by_name(22), Row::all(1), Row::all(3), Row::all(8)];

const CUSTOMERS_OF_THE_FIRST_PASS: usize = 1_000;

#[test]
fn the_table_of_what_fits_is_what_the_exporter_reckons_with_the_shipped_settings() {
    let config = shipped();
    let rows = ROWS.map(|row| {
        let products = match row.purchased {
            None => format!("{} by name", row.products),
            Some(purchased) => format!("`all`, {purchased} of {} purchased", row.products),
        };
        vec![
            products,
            format!("{:.2}", requests_per_cycle(row, &config)),
            with_thousands(customers_that_fit(row, &config)),
            format_duration(time_of(row.products * CUSTOMERS_OF_THE_FIRST_PASS, &config.api)).to_string(),
        ]
    });
    assert_eq!(Document::at("docs/configuration.md").table("| products of each customer |"), rows);
}

#[test]
fn the_text_around_it_has_the_same_numbers() {
    let Config { api, poll, .. } = shipped();
    let text = Document::at("docs/configuration.md").text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (slots, pace) = (api.max_in_flight.get(), api.requests_per_second.get());
    let latency = TYPICAL_LATENCY.as_secs_f64();
    let in_slots = slots as u128 * 1_000 / TYPICAL_LATENCY.as_millis();
    let fit = u64::from(pace) * poll.interval.as_secs();
    for part in [
        format!("takes about {latency} s to answer"),
        format!("{slots} requests in flight are {in_slots} a second"),
        format!("the default of {pace} a second is the limit: {} requests", with_thousands(fit.try_into().unwrap())),
        format!("with {latency} s a request at first"),
        format!("at 2 s a request, {pace} a second need {} in flight", 2 * pace),
    ] {
        assert!(text.contains(&part), "{part}");
    }
}

/// The commented configuration, which has every default in force or in a comment.
fn shipped() -> Config {
    Config::load_with(&root().join("exporter.yaml"), &|_| Some("x".to_owned())).expect("a configuration")
}

#[expect(clippy::cast_precision_loss, reason = "a few products")]
fn requests_per_cycle(row: Row, config: &Config) -> f64 {
    let turns = config.poll.interval.as_secs_f64() / config.poll.absent_interval.as_secs_f64();
    (row.products - row.dormant()) as f64 + row.dormant() as f64 * turns
}

/// The most for which the exporter does not warn of its cycles. Of the first pass it may.
fn customers_that_fit(row: Row, config: &Config) -> usize {
    let fit = |customers: usize| {
        let capacity = Capacity::new(row.products * customers, row.dormant() * customers, 0, &config.api, config.poll);
        !capacity.advice(TYPICAL_LATENCY).iter().any(|advice| advice.starts_with("a cycle cannot fit"))
    };
    let customers = (1..100_000).take_while(|customers| fit(*customers)).last().expect("one customer fits");
    assert!(!fit(customers + 1), "{row:?}");
    customers
}

/// How long so many requests take, in whole seconds.
fn time_of(requests: usize, settings: &Settings) -> Duration {
    let requests = u32::try_from(requests).expect("not so many");
    let slots = u32::try_from(settings.max_in_flight.get()).expect("not so many");
    let paced = Duration::from_secs(requests.into()) / settings.requests_per_second.get();
    let time = paced.max(requests * TYPICAL_LATENCY / slots);
    Duration::from_secs(time.as_millis().div_ceil(1_000).try_into().expect("not so long"))
}

/// As people write it: `18,000`.
fn with_thousands(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}
