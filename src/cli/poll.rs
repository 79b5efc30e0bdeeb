//! `poll`: every target once.

use std::collections::BTreeMap;
use std::io::{Write, stdout};

use anyhow::{Result, anyhow};
use elements_api::Error;
use indicatif::{ProgressBar, ProgressStyle};
use tracing::warn;

use super::args::{Output, PollOutput};
use super::output::write;
use super::{Outcome, round};
use crate::app::Source;
use crate::metrics::exposition;
use crate::off_runtime::off_runtime;
use crate::pages::{SEAT_COLUMNS, seat_row};
use crate::poll::{ExpectedSeatsFile, PolledOnce, poll_once};
use crate::store::{Now, Snapshot, Target, TargetState};
use crate::table::Cell;

/// Polls every target once and prints what was answered.
pub(super) async fn run(source: &Source, output: PollOutput) -> Result<Outcome> {
    let config = source.load()?;
    let bar = progress();
    let file = config.expected_seats_file.clone();
    let expected = off_runtime(move || file.as_deref().map(ExpectedSeatsFile::read)).await;
    let (round, hold) = round(&config)?;
    let polling = poll_once(round, &config.selection, expected, config.poll.freshness(), |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    let polled = polling.await.map_err(|error| anyhow!("discovery failed: {error}{}", hold.after_failure()));
    let PolledOnce { known, errors, left } = polled?;
    bar.finish_and_clear();
    match output {
        PollOutput::Table => print_table(&known, &errors)?,
        PollOutput::Csv => print_list(Output::Csv, &known, &errors)?,
        PollOutput::Json => print_list(Output::Json, &known, &errors)?,
        PollOutput::Metrics => stdout().lock().write_all(exposition::text(&known, Now::read()).as_bytes())?,
    }
    hold.all_were_made(left)?;
    Ok(if errors.is_empty() { Outcome::Done } else { Outcome::Failed })
}

/// A bar on a terminal, and nothing elsewhere.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("{bar:40} {pos}/{len} targets, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// For a program: as the downloads of a running exporter are. What has failed is told beside.
fn print_list(output: Output, known: &Snapshot, errors: &BTreeMap<Target, Error>) -> Result<()> {
    let now = Now::read();
    for (Target { customer, product }, error) in errors {
        warn!(customer_id = %customer, product = %product.label(), %error, "poll failed");
    }
    let rows =
        known.targets().map(|(customer, product, target)| seat_row(customer, product, target, known.freshness, now));
    Ok(write(&mut stdout().lock(), output, SEAT_COLUMNS, rows)?)
}

/// For a person: with why a target has failed.
fn print_table(known: &Snapshot, errors: &BTreeMap<Target, Error>) -> Result<()> {
    let now = Now::read();
    let freshness = known.freshness;
    let rows = known.targets().map(|(customer, product, known_target)| {
        let target = Target { customer: customer.id.clone(), product };
        let error = errors.get(&target).map(ToString::to_string);
        [
            Cell::from(customer.label.as_str()),
            Cell::from(customer.id.as_str()),
            Cell::from(product.label().as_ref()),
            Cell::Number(product.number().into()),
            known_target.seats(now, freshness).into(),
            Cell::from(match known_target.state(now, freshness) {
                TargetState::Failing => known_target.record.failure.map_or("failing", |reason| reason.as_str()),
                state => state.as_str(),
            }),
            error.into(),
        ]
    });
    let columns = ["customer", "customer_id", "product", "product_type", "seats", "outcome", "error"];
    Ok(write(&mut stdout().lock(), Output::Table, columns, rows)?)
}
