//! Moments in RFC 3339, in UTC. It writes four digits of a year, and here no time before 1970: a moment beyond that is
//! moved to the nearest one within it.

use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::{format_rfc3339_micros, format_rfc3339_nanos, format_rfc3339_seconds};

/// To the second.
pub fn seconds(at: SystemTime) -> impl Display {
    format_rfc3339_seconds(writable(at))
}

/// To the microsecond.
pub fn micros(at: SystemTime) -> impl Display {
    format_rfc3339_micros(writable(at))
}

/// Exactly.
pub fn nanos(at: SystemTime) -> impl Display {
    format_rfc3339_nanos(writable(at))
}

fn writable(at: SystemTime) -> SystemTime {
    /// The last second of the year 9999.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    at.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_too_odd_to_be_written() {
        let (early, late) = (UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(1 << 40));
        assert_eq!(seconds(early).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(seconds(late).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(nanos(late).to_string(), "9999-12-31T23:59:59.000000000Z");
    }
}
