//! `poll`: every target once.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::time::SystemTime;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use super::args::{Output, PollOutput};
use super::output::write;
use super::{Outcome, round};
use crate::app::Source;
use crate::metrics::exposition;
use crate::poll::Sweep;
use crate::store::Target;
use crate::store::{Settings, Snapshot, State, Store};
use crate::table::Cell;
use elements_api::Error;
use elements_api::ProductType;

/// Polls every target once and prints what was answered.
pub(super) async fn run(source: &Source, output: PollOutput) -> Result<Outcome> {
    let config = source.load()?;
    let round = round(&config)?;
    let listing = match config.selection.discovery {
        Some(_) => round.customers().await.context("discovery failed")?,
        None => Vec::new(),
    };
    let settings = Settings { interval: config.poll.interval, freshness: config.poll.freshness() };
    let store = Store::new(settings, SystemTime::now());
    let watched = config.selection.watched(&listing);
    for customer_id in &watched.hidden {
        tracing::warn!(%customer_id, "a discovered customer is not polled: its id is another customer's name");
    }
    store.watch(&watched.customers);

    let targets: Vec<_> =
        store.snapshot().records().map(|(customer, product, _)| target(&customer.id, product)).collect();
    let progress = progress(targets.len());
    let mut sweep = Sweep::new(round);
    sweep.wait_for(targets);
    let mut errors = BTreeMap::new();
    while let Some((target, outcome)) = sweep.next().await {
        progress.inc(1);
        let reason = outcome.as_ref().err().and_then(Error::reason);
        match (outcome, reason) {
            (Ok(answer), _) => store.record(&target, Ok(answer), SystemTime::now()),
            (Err(error), Some(reason)) => {
                let known = store.record(&target, Err(reason), SystemTime::now());
                errors.insert(target, error);
                known
            }
            (Err(_), None) => None,
        };
    }
    progress.finish_and_clear();

    let known = store.snapshot();
    match output {
        PollOutput::Table => print_list(Output::Table, &known, &errors)?,
        PollOutput::Csv => print_list(Output::Csv, &known, &errors)?,
        PollOutput::Json => print_list(Output::Json, &known, &errors)?,
        PollOutput::Metrics => stdout().lock().write_all(exposition::text(&known, SystemTime::now()).as_bytes())?,
    }
    Ok(if errors.is_empty() { Outcome::Done } else { Outcome::Failed })
}

fn target(customer: &elements_api::CustomerId, product: ProductType) -> Target {
    Target { customer: customer.clone(), product }
}

/// A bar on a terminal, and nothing elsewhere.
fn progress(targets: usize) -> ProgressBar {
    let bar = ProgressBar::new(targets as u64);
    match ProgressStyle::with_template("{bar:40} {pos}/{len} targets, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn print_list(output: Output, known: &Snapshot, errors: &BTreeMap<Target, Error>) -> Result<()> {
    let now = SystemTime::now();
    let freshness = known.settings.freshness;
    let rows = known.records().map(|(customer, product, record)| {
        let error = errors.get(&target(&customer.id, product)).map(|error| Cell::Text(error.to_string()));
        [
            Cell::from(customer.label.as_str()),
            Cell::from(customer.id.as_str()),
            Cell::from(product.label().as_ref()),
            Cell::Number(product.number().into()),
            record.seats(now, freshness).map_or(Cell::Nothing, |seats| Cell::Number(seats.get())),
            Cell::from(match record.state(now, freshness) {
                State::Failing => record.failure.map_or("failing", |reason| reason.as_str()),
                state => state.as_str(),
            }),
            error.unwrap_or(Cell::Nothing),
        ]
    });
    let columns = ["customer", "customer_id", "product", "product_type", "seats", "outcome", "error"];
    Ok(write(&mut stdout().lock(), output, columns, rows)?)
}
