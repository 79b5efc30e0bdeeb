//! Every target once, without cycles.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use elements_api::{Error, Round};
use tracing::warn;

use super::selection::{Selection, WatchList};
use super::sweep::Sweep;
use crate::store::{Freshness, Snapshot, StoreWriter, Target};

/// What polling every target once came to.
#[derive(Debug)]
pub struct PolledOnce {
    pub known: Snapshot,
    /// Why targets were not answered.
    pub errors: BTreeMap<Target, Error>,
}

/// Polls every target of `selection` once. `progress` hears how many targets are done, and of how many.
///
/// # Errors
///
/// The listing of customers, where discovery needs one.
pub async fn poll_once(
    round: Arc<Round>,
    selection: &Selection,
    freshness: Freshness,
    mut progress: impl FnMut(usize, usize),
) -> Result<PolledOnce, Error> {
    let listing = match selection.discovery {
        Some(_) => round.customers().await?,
        None => Vec::new(),
    };
    let WatchList { customers, hidden } = selection.watch_list(&listing);
    for customer_id in &hidden {
        warn!(%customer_id, "a discovered customer is not polled: its id is another customer's name");
    }
    let store = StoreWriter::new(freshness);
    store.watch(&customers);

    let targets = store.snapshot().targets();
    let (mut done, all) = (0, targets.len());
    let mut sweep = Sweep::new(round);
    sweep.wait_for(targets);
    let mut errors = BTreeMap::new();
    progress(done, all);
    while let Some((target, outcome)) = sweep.next().await {
        done += 1;
        progress(done, all);
        match outcome {
            Ok(answer) => {
                store.record(&target, Ok(answer), SystemTime::now());
            }
            Err(error) => {
                // Without a reason it was not asked for.
                if let Some(reason) = error.reason() {
                    store.record(&target, Err(reason), SystemTime::now());
                    errors.insert(target, error);
                }
            }
        }
    }
    Ok(PolledOnce { known: store.snapshot(), errors })
}
