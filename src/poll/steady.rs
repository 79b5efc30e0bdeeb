//! Time that nobody sets, and turns that lie evenly in it.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::store::Now;

/// Time since the Unix epoch, as the wall clock stood at the start and as the monotonic clock goes on: nobody sets it.
pub(super) type Steady = Duration;

/// Tells steady time.
#[derive(Debug, Clone, Copy)]
pub(super) struct SteadyClock {
    pub(super) started: Now,
}

impl SteadyClock {
    pub(super) fn at(self, at: Instant) -> Steady {
        let started = since_epoch(self.started.wall);
        match at.checked_duration_since(self.started.monotonic) {
            Some(later) => started + later,
            None => started.saturating_sub(self.started.monotonic.duration_since(at)),
        }
    }
}

/// The moment of an earlier run.
pub(super) fn since_epoch(at: SystemTime) -> Steady {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Where in every interval a turn is, as a fraction of 2^32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// Where the turns of a customer begin: anywhere, and always there.
    pub(super) fn first(customer: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        customer.hash(&mut hasher);
        // The upper half is as good as the lower one.
        Self(u32::try_from(hasher.finish() >> u32::BITS).unwrap_or_default())
    }

    /// The next turn of the same customer: as many of them as one likes lie evenly.
    pub(super) const fn next(self) -> Self {
        Self(self.0.wrapping_add(GOLDEN_STEP))
    }

    /// How many turns there have been until `at`: one in each interval.
    pub(super) const fn turns_until(self, at: Steady, interval: Duration) -> u128 {
        let place = (interval.as_nanos() * self.0 as u128) >> u32::BITS;
        (at.as_nanos() + place) / interval.as_nanos()
    }
}

/// 2^32 divided by the golden ratio.
const GOLDEN_STEP: u32 = 0x9E37_79B9;
