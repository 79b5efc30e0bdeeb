//! The time by two clocks, since neither can be trusted alone.

use std::fmt;
use std::ops::Add;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// One moment, by the wall clock, which people read and somebody may set, and by the monotonic one, which nobody sets
/// and which forgets the time that a machine sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub wall: SystemTime,
    pub monotonic: Instant,
}

impl Now {
    /// What both clocks of this machine say now.
    pub fn read() -> Self {
        Clock::system().now()
    }

    /// How far the wall clock has moved since `before` beyond what the monotonic one has: the size of a step, in either
    /// direction.
    pub fn step_since(self, before: Self) -> Duration {
        let lasted = self.monotonic.saturating_duration_since(before.monotonic);
        let expected = before.wall.checked_add(lasted).unwrap_or(before.wall);
        self.wall.duration_since(expected).unwrap_or_else(|ahead| ahead.duration())
    }
}

impl Add<Duration> for Now {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        // A clock may be set so far ahead that there is no such moment.
        let wall = self.wall.checked_add(duration).unwrap_or(self.wall);
        Self { wall, monotonic: self.monotonic + duration }
    }
}

/// Tells the time. Tests have one whose wall clock they set.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// That of this machine.
    pub fn system() -> Self {
        Self::with(SystemTime::now)
    }

    /// With another wall clock.
    pub fn with(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(wall))
    }

    pub fn now(&self) -> Now {
        Now { wall: (self.0)(), monotonic: Instant::now() }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::now;

    #[test]
    fn a_step_is_what_one_clock_knows_and_the_other_does_not() {
        let before = now(0);
        assert_eq!(now(100).step_since(before), Duration::ZERO);
        for wall in [now(40).wall, now(160).wall] {
            assert_eq!(Now { wall, ..now(100) }.step_since(before), Duration::from_mins(1));
        }
    }
}
