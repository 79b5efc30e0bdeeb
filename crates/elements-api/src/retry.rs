//! What is tried again, and when.

use std::time::{Duration, SystemTime};

use crate::Error;
use crate::model::Reason;

/// However long the vendor asks for, no longer than this is waited.
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

/// Whether the same request may succeed later: 408, 429, 5xx, a timeout, a broken connection.
pub(crate) const fn may_succeed_later(error: &Error) -> bool {
    matches!(error.reason(), Some(Reason::Timeout | Reason::Throttled | Reason::ServerError | Reason::Network))
}

/// How a request gives way to others that wait for its slot. A function of a [`Reason`] is one that decides on retries
/// alone.
pub trait GivesWay: Send + Sync {
    /// Whether what failed for this reason is worth a retry now.
    fn may_retry(&self, reason: Reason) -> bool;

    /// Whether an attempt that has waited so long for its answer, and less than the settings' `timeout`, is given up for
    /// others. It has timed out, then.
    fn gives_up(&self, waited: Duration) -> bool {
        let _ = waited;
        false
    }
}

impl<F: Fn(Reason) -> bool + Send + Sync> GivesWay for F {
    fn may_retry(&self, reason: Reason) -> bool {
        self(reason)
    }
}

/// How long to wait before retry number `retry` (the first is 0): exponential backoff with full jitter, so that clients
/// that failed together do not come back together, or what the vendor asks for, if that is longer.
pub(crate) fn delay(retry: u32, error: &Error) -> Duration {
    let ceiling = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(retry)).min(LONGEST_BACKOFF);
    let jittered = ceiling.mul_f64(rand::random::<f64>());
    error.retry_after().map_or(jittered, |asked| asked.min(LONGEST_RETRY_AFTER).max(jittered))
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). `None` where it is neither.
pub(crate) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a very long time.
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Operation;

    fn status(status: u16, retry_after: Option<Duration>) -> Error {
        Error::Status { operation: Operation::Overview, status, retry_after, request_id: None }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (code, again) in
            [(400, false), (401, false), (403, false), (404, false), (408, true), (429, true), (500, true), (503, true)]
        {
            assert_eq!(may_succeed_later(&status(code, None)), again, "{code}");
        }
        assert!(!may_succeed_later(&Error::NotBegun));
    }

    #[test]
    fn backoff_doubles_up_to_its_ceiling_and_is_jittered_over_the_whole_range() {
        for (retry, ceiling) in [(0, 0.5), (1, 1.0), (3, 4.0), (20, 60.0), (u32::MAX, 60.0)] {
            let delays: Vec<f64> = (0..400).map(|_| delay(retry, &status(503, None)).as_secs_f64()).collect();
            assert!(delays.iter().all(|delay| (0.0..=ceiling).contains(delay)));
            assert!(delays.iter().any(|delay| *delay < ceiling * 0.1), "no short delay for retry {retry}");
            assert!(delays.iter().any(|delay| *delay > ceiling * 0.9), "no long delay for retry {retry}");
        }
    }

    #[test]
    fn retry_after_is_obeyed_up_to_an_hour() {
        assert_eq!(delay(0, &status(429, Some(Duration::from_secs(7)))), Duration::from_secs(7));
        assert_eq!(delay(0, &status(503, Some(Duration::from_hours(24)))), LONGEST_RETRY_AFTER);
    }

    #[test]
    fn a_retry_after_of_nothing_takes_no_backoff_away() {
        let delays = (0..400).map(|_| delay(3, &status(429, Some(Duration::ZERO))));
        assert!(delays.max() > Some(Duration::from_secs(3)), "of up to four seconds");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let parse = |value| parse_retry_after(value, now);
        assert_eq!(parse("120"), Some(Duration::from_mins(2)));
        assert_eq!(parse("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(parse("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(parse("99999999999999999999999"), Some(Duration::MAX));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-1"), None);
        assert_eq!(parse(""), None);
    }
}
