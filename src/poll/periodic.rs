//! When to ask for a listing.

use std::time::Duration;

use elements_api::Error;
use tokio::time::Instant;

use super::schedule::{backoff, may_pass_soon};

/// When a listing was last asked for, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Periodic {
    /// When the interval began in which it was asked for last. `None`: it is due.
    asked: Option<Instant>,
    /// In a row.
    failures: u32,
    /// When the last failure may pass before the next interval.
    retry_at: Option<Instant>,
}

impl Periodic {
    pub(super) fn is_due(&self, now: Instant, interval: Duration) -> bool {
        self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= interval)
            || self.retry_at.is_some_and(|retry_at| retry_at <= now)
    }

    /// When the next interval begins, or a listing that failed is to be asked for again.
    pub(super) fn next(&self, interval: Duration) -> Option<Instant> {
        [self.asked.and_then(|asked| asked.checked_add(interval)), self.retry_at].into_iter().flatten().min()
    }

    /// When a listing that failed is to be asked for again.
    pub(super) const fn next_retry(&self) -> Option<Instant> {
        self.retry_at
    }

    /// If the last listing failed, one is due. Whether it did.
    pub(super) fn try_again(&mut self) -> bool {
        self.asked = self.asked.filter(|_| self.failures == 0);
        self.failures > 0
    }

    /// What was asked for in the interval that began at `asked` came completely.
    pub(super) const fn answered(&mut self, asked: Instant) {
        *self = Self { asked: Some(asked), failures: 0, retry_at: None };
    }

    /// What was asked for in the interval that began at `asked` has failed by `now`; intervals last so long.
    pub(super) fn failed(&mut self, error: &Error, asked: Instant, (now, interval): (Instant, Duration)) {
        self.asked = Some(asked);
        self.failures = self.failures.saturating_add(1);
        let retry = error.reason().is_some_and(may_pass_soon);
        self.retry_at = retry.then(|| now + backoff(self.failures, interval));
    }
}
