//! Whether a cycle can ask for everything within its interval.

use std::num::NonZeroU32;
use std::time::Duration;

use elements_api::Settings;
use humantime::format_duration;

use crate::names::count;

/// A warning, where asking for so many `targets` takes longer than the interval: the arithmetic, and what would help.
/// Every target is still polled in turn then, but less often than configured.
pub fn overload(targets: usize, requests_per_second: NonZeroU32, interval: Duration) -> Option<String> {
    let nanos = targets as u128 * NANOS_PER_SECOND;
    if nanos <= interval.as_nanos() * u128::from(requests_per_second.get()) {
        return None;
    }
    let seconds = u64::try_from((targets as u128).div_ceil(requests_per_second.get().into())).unwrap_or(u64::MAX);
    let enough = nanos.div_ceil(interval.as_nanos().max(1));
    let rate = if enough <= Settings::MAX_REQUESTS_PER_SECOND.into() {
        format!("api.requests_per_second to at least {enough}, or ")
    } else {
        String::new()
    };
    Some(format!(
        "{} at {} per second {} {}, longer than the interval of {}: raise \
         {rate}poll.interval to at least {}",
        count(targets, "target"),
        count(requests_per_second.get() as usize, "request"),
        if targets == 1 { "takes" } else { "take" },
        format_duration(Duration::from_secs(seconds)),
        format_duration(interval),
        format_duration(Duration::from_secs(rounded_up(seconds))),
    ))
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Rounds durations above a minute up to whole minutes, as a person would write them.
fn rounded_up(seconds: u64) -> u64 {
    if seconds > 60 { seconds.div_ceil(60).saturating_mul(60) } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(targets: usize, requests_per_second: u32, interval: u64) -> Option<String> {
        let rate = NonZeroU32::new(requests_per_second).expect("not zero");
        overload(targets, rate, Duration::from_secs(interval))
    }

    #[test]
    fn a_cycle_that_cannot_fit_is_reported_with_what_would_help() {
        assert_eq!(
            at(22_000, 20, 900).expect("too much"),
            "22000 targets at 20 requests per second take 18m 20s, longer than the interval of 15m: raise \
             api.requests_per_second to at least 25, or poll.interval to at least 19m"
        );
    }

    #[test]
    fn one_target_takes_one_request() {
        let advice = overload(1, NonZeroU32::MIN, Duration::from_millis(500)).expect("too much");
        let expected = "1 target at 1 request per second takes 1s, longer than the interval of 500ms: raise";
        assert!(advice.starts_with(expected), "{advice}");
    }

    #[test]
    fn a_cycle_may_take_the_whole_interval() {
        assert_eq!(at(18_000, 20, 900), None);
        assert!(at(18_001, 20, 900).is_some());
        assert_eq!(at(0, 1, 1), None);
    }

    #[test]
    fn what_is_advised_fits() {
        for (targets, rate, interval) in [(22_000, 20, 900), (61, 1, 60), (7, 3, 2), (1_000_000, 7, 86_400)] {
            let advice = at(targets, rate, interval).expect("too much");
            let (before, enough) = advice.rsplit_once("to at least ").expect("an interval");
            let enough = humantime::parse_duration(enough).expect("a duration").as_secs();
            assert_eq!(at(targets, rate, enough), None, "{advice}");
            let (_, faster) = before.split_once("to at least ").expect("a rate");
            let faster = faster.split(',').next().and_then(|rate| rate.parse().ok()).expect("a number");
            assert_eq!(at(targets, faster, interval), None, "{advice}");
        }
    }

    #[test]
    fn a_rate_that_would_be_refused_is_not_advised() {
        assert!(!at(1_000_000, 20, 1).expect("too much").contains("requests_per_second to"));
    }
}
