//! Every target once, without cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use elements_api::{Error, Round};
use tracing::warn;

use super::expected::{Expected, ExpectedSeatsFile};
use super::log::PollLog;
use super::schedule::Due;
use super::selection::Selection;
use super::sweep::{Outcome, Sweep};
use crate::store::{Freshness, Now, Snapshot, StoreWriter, Target};

/// What polling every target once came to.
#[derive(Debug)]
pub struct PolledOnce {
    pub known: Snapshot,
    /// Why targets were not answered.
    pub errors: BTreeMap<Target, Error>,
    /// How many were not asked for.
    pub left: usize,
}

/// Polls every target of `selection` once, and what seats are `expected` of. `progress` hears how many targets are done, and of how many.
///
/// # Errors
///
/// The listing of customers, where discovery needs one.
pub async fn poll_once(
    round: Arc<Round>,
    selection: &Selection,
    expected: Option<ExpectedSeatsFile>,
    freshness: Freshness,
    mut progress: impl FnMut(usize, usize),
) -> Result<PolledOnce, Error> {
    let listing = match selection.discovery {
        Some(_) => round.customers().await?.customers,
        None => Vec::new(),
    };
    let mut watched = selection.watch_list(&listing, |_| None);
    let store = StoreWriter::new(freshness);
    store.set_expected_file(
        Expected::by(expected, &BTreeSet::new()).expect(&mut watched, Some(&mut PollLog::default())),
    );
    for customer_id in &watched.hidden {
        warn!(%customer_id, "a discovered customer is not polled: its id is the name of another customer");
    }
    store.watch(&watched.customers);

    let known = store.snapshot();
    let targets = known.targets().map(|(customer, product, _)| Target { customer: customer.id.clone(), product });
    let due = Due { targets: targets.collect(), ..Due::default() };
    let (mut done, all) = (0, due.targets.len());
    let mut sweep = Sweep::new(round, Duration::MAX);
    sweep.wait_for(due);
    let (mut errors, mut left) = (BTreeMap::new(), all);
    progress(done, all);
    while let Some(Outcome { target, answer, .. }) = sweep.next().await {
        done += 1;
        progress(done, all);
        match answer {
            Ok(answer) => {
                left -= 1;
                store.record(&target, Ok(answer), Now::read());
            }
            Err(error) => {
                // Without a reason it was not asked for.
                if let Some(reason) = error.reason() {
                    left -= 1;
                    store.record(&target, Err(reason), Now::read());
                    errors.insert(target, error);
                }
            }
        }
    }
    Ok(PolledOnce { known: store.snapshot(), errors, left })
}
