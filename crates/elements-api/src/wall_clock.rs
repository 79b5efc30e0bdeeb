//! Moments by the wall clock, whatever that says: somebody may have set it to the year 10,000.

use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From now on `duration`, or now where the clock has no such moment.
pub(crate) fn from_now(duration: Duration) -> SystemTime {
    let now = SystemTime::now();
    now.checked_add(duration).unwrap_or(now)
}

/// In RFC 3339, which has four digits for a year, and here none before 1970.
pub(crate) fn shown(at: SystemTime) -> impl Display {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(at.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_moment_is_too_odd_to_be_shown_or_reckoned() {
        assert_eq!(shown(UNIX_EPOCH - Duration::from_secs(1)).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(shown(UNIX_EPOCH + Duration::from_secs(1 << 40)).to_string(), "9999-12-31T23:59:59Z");
        assert!(from_now(Duration::MAX) <= SystemTime::now());
    }
}
