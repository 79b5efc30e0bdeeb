//! Whether what is served is worth looking at, and if not, why not.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::names::count;
use crate::status::Status;
use crate::store::{Now, Snapshot, Store, TargetState};

/// # Errors
///
/// The reason in words for which there is nothing to see yet.
pub(super) fn readiness(store: &Store, status: &Status, now: Now) -> Result<(), String> {
    if store.look(|known| known.ready) { Ok(()) } else { Err(reason(&store.snapshot(), status, now)) }
}

/// The answer to anybody who asks, which looks at all targets at most once a second: it needs no password.
#[derive(Debug, Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, String)>>);

impl Readiness {
    /// # Errors
    ///
    /// The reason in words, as it was within the last second.
    pub(super) fn ask(&self, store: &Store, status: &Status) -> Result<(), String> {
        if store.look(|known| known.ready) {
            return Ok(());
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, reason)) = last.as_ref().filter(|(at, _)| at.elapsed() < Duration::from_secs(1)) {
            return Err(reason.clone());
        }
        readiness(store, status, Now::read()).inspect_err(|reason| *last = Some((Instant::now(), reason.clone())))
    }
}

fn reason(known: &Snapshot, status: &Status, now: Now) -> String {
    if known.customers.is_empty() {
        let status = status.snapshot();
        // Whoever asks needs no password, and learns no more than a label says.
        let failure = status.discovery.as_ref().and_then(|discovery| discovery.failure()?.reason());
        return match failure {
            Some(why) => format!("no customer is known: the last listing of customers failed ({})", why.as_str()),
            None => "no customer is known yet: the first listing of customers has not come".to_owned(),
        };
    }
    let by_state = known.states(now);
    let number = |state| by_state.get(&state).copied().unwrap_or_default();
    let (failing, pending) = (number(TargetState::Failing), number(TargetState::Pending));
    if failing == 0 {
        return format!("no answer yet: {} {} not polled yet", count(pending, "target"), are(pending));
    }
    let mut reasons: BTreeMap<_, usize> = BTreeMap::new();
    for reason in known.targets().filter_map(|(_, _, target)| target.record.failure) {
        *reasons.entry(reason.as_str()).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.iter().map(|(reason, targets)| format!("{reason}: {targets}")).collect();
    if reasons.is_empty() {
        reasons.push("their restored numbers are stale".to_owned());
    }
    let (failed, reasons) = (count(failing, "target"), reasons.join(", "));
    format!("no answer yet: {failed} failed ({reasons}), {pending} {} not polled yet", are(pending))
}

const fn are(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

#[cfg(test)]
mod tests {
    use elements_api::{Error, Reason};

    use super::*;
    use crate::store::StoreWriter;
    use crate::testing::{self, now, seats, status, target, watched};

    fn store() -> StoreWriter {
        let store = testing::store();
        store.watch(&[watched("a", "a", "a", &[1, 4])]);
        store
    }

    #[test]
    fn the_reason_tells_what_is_missing() {
        let (empty, status) = (testing::store(), status());
        let store = store();
        assert_eq!(
            readiness(&empty, &status, now(0)).unwrap_err(),
            "no customer is known yet: the first listing of customers has not come"
        );
        let failed = testing::status();
        failed.listing_failed(Error::ScopeMissing);
        assert_eq!(
            readiness(&empty, &failed, now(0)).unwrap_err(),
            "no customer is known: the last listing of customers failed (forbidden)"
        );
        assert_eq!(readiness(&store, &status, now(0)).unwrap_err(), "no answer yet: 2 targets are not polled yet");
        store.record(&target("a", 1), Err(Reason::Auth), now(0));
        assert_eq!(
            readiness(&store, &status, now(0)).unwrap_err(),
            "no answer yet: 1 target failed (auth: 1), 1 is not polled yet"
        );
        store.record(&target("a", 4), seats(1), now(0));
        assert_eq!(readiness(&store, &status, now(0)), Ok(()));
    }
}
