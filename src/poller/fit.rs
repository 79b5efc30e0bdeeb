//! Whether a cycle can ask for everything within its interval.

use std::num::NonZeroU32;
use std::time::Duration;

/// How many targets there are, and how fast they may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    pub targets: usize,
    pub requests_per_second: NonZeroU32,
}

impl Fit {
    /// The arithmetic and what would help, where a cycle takes longer than `interval`. Then every target is still
    /// polled in turn, but less often than configured.
    pub fn problem(&self, interval: Duration) -> Option<String> {
        let Self { targets, requests_per_second } = *self;
        let needed_seconds = (targets as u64).div_ceil(u64::from(requests_per_second.get()));
        let needed = Duration::from_secs(needed_seconds);
        if needed <= interval {
            return None;
        }
        let enough_per_second = (targets as u128 * 1000).div_ceil(interval.as_millis().max(1));
        let enough_minutes = Duration::from_secs(needed_seconds.div_ceil(60) * 60);
        Some(format!(
            "{targets} targets at {requests_per_second} requests per second take {}, longer than the interval of {}: \
             raise api.requests_per_second to at least {enough_per_second}, or poll.interval to at least {}",
            humantime::format_duration(needed),
            humantime::format_duration(interval),
            humantime::format_duration(enough_minutes),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(targets: usize, per_second: u32, interval: u64) -> Option<String> {
        let requests_per_second = NonZeroU32::new(per_second).unwrap();
        Fit { targets, requests_per_second }.problem(Duration::from_secs(interval))
    }

    #[test]
    fn what_fits_is_no_problem() {
        assert_eq!(problem(0, 20, 900), None);
        assert_eq!(problem(18_000, 20, 900), None);
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_arithmetic_and_what_would_help() {
        assert_eq!(
            problem(22_000, 20, 900).as_deref(),
            Some(
                "22000 targets at 20 requests per second take 18m 20s, longer than the interval of 15m: raise \
                 api.requests_per_second to at least 25, or poll.interval to at least 19m"
            )
        );
    }
}
