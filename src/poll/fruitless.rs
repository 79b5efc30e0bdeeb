//! Cycles that came to nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::schedule::backoff;

/// Cycles in a row in which no target was answered, and when everything that failed is to be tried again.
#[derive(Debug, Default)]
pub(super) struct Fruitless {
    cycles: u32,
    retry_at: Option<Instant>,
}

impl Fruitless {
    /// Whether the last cycle that says anything was fruitless.
    pub(super) const fn is_so(&self) -> bool {
        self.cycles > 0
    }

    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Everything is tried again.
    pub(super) const fn try_again(&mut self) {
        self.retry_at = None;
    }

    /// A cycle has ended by now in which a target was `answered`, or none was.
    pub(super) fn cycle_ended(&mut self, answered: bool, now: Instant, interval: Duration) {
        *self = if answered {
            Self::default()
        } else {
            let cycles = self.cycles.saturating_add(1);
            Self { cycles, retry_at: Some(now + backoff(cycles, interval)) }
        };
    }
}
