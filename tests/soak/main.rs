//! The real binary through a day of faults: what breaks follows from a seed, and a model says what each scrape may show.
//!
//! `SOAK_CYCLES` says for how many cycles, `SOAK_SEED` what goes wrong.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test ends with what it did not expect, and its helpers are called more often than they are read"
)]

mod exposition;
mod hostile;
mod model;
mod process;
mod run;
mod script;
#[path = "../harness/yaml.rs"]
mod yaml;

use std::env;

use run::Soak;

/// Who scrapes.
pub const USER: &str = "prometheus";

/// For a run that is to be the same each time.
const SEED: u64 = 15;

/// What a test among others takes.
const CYCLES: u64 = 130;

/// A customer's id.
pub fn id(customer: u32) -> String {
    format!("c0000000-0000-4000-8000-{customer:012x}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scrape_shows_what_was_answered_whatever_breaks() {
    let number = |name| env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")));
    let cycles = number("SOAK_CYCLES");
    let seed = number("SOAK_SEED").unwrap_or_else(|| cycles.map_or(SEED, |_| rand::random_range(0..1_000_000)));
    eprintln!("SOAK_SEED={seed}");
    let mut soak = Soak::start(cycles.unwrap_or(CYCLES)).await;
    let outcome = soak.run(seed).await;
    eprintln!("{}", soak.report());
    if let Err(wrong) = outcome {
        panic!("SOAK_SEED={seed} {}", soak.moment(&wrong));
    }
}
