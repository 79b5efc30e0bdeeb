//! Times, durations and reasons as a person reads them.

use std::time::{Duration, SystemTime};

use elements_api::Reason;
use humantime::format_duration;

use crate::rfc3339;

/// A moment, seen from another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// RFC 3339, UTC, to the second.
    pub(super) exact: String,
    /// Such as "5 min ago" and "in 5 min".
    pub(super) relative: String,
}

impl Moment {
    pub(super) fn new(at: SystemTime, now: SystemTime) -> Self {
        let relative = match now.duration_since(at) {
            Ok(age) if age < Duration::from_secs(1) => "now".to_owned(),
            Ok(age) => format!("{} ago", roughly(age)),
            Err(ahead) => format!("in {}", roughly(ahead.duration())),
        };
        Self { exact: rfc3339::seconds(at).to_string(), relative }
    }

    /// The exact time, with a place where a line may break.
    pub(super) fn readable(&self) -> String {
        self.exact.replacen('T', " ", 1)
    }

    /// Its day in UTC, such as `2026-11-25`.
    pub(super) fn day(&self) -> &str {
        self.exact.split_once('T').map_or(&self.exact, |(day, _)| day)
    }
}

/// A size in the unit in which it has few digits; `GB` is 10⁹ bytes.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB")];
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| bytes >= *unit).unwrap_or((1_000_000, "MB"));
    let fraction = format!("{:02}", bytes % unit / (unit / 100));
    match fraction.trim_end_matches('0') {
        "" => format!("{} {name}", bytes / unit),
        fraction => format!("{}.{fraction} {name}", bytes / unit),
    }
}

/// A duration, no finer than a person would say it.
pub(super) fn span(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return format!("{} ms", duration.as_millis());
    }
    if duration < Duration::from_mins(1) {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

/// Why a target has no answer, and what would help. `None`: it was answered, but too long ago.
pub(super) const fn why(failure: Option<Reason>) -> &'static str {
    match failure {
        Some(Reason::Auth) => "No access: the client id, its secret or its certificate is not accepted.",
        Some(Reason::Forbidden) => {
            "Not permitted: the app registration needs elements.license.read.all, and a scope with this customer."
        }
        Some(Reason::BadRequest) => "The API did not understand the question; is the customer's id right?",
        Some(Reason::Throttled) => "Too many requests for the API; a lower requests_per_second helps.",
        Some(Reason::ServerError) => "The API had an error of its own.",
        Some(Reason::Timeout) => "No complete answer in time.",
        Some(Reason::Network) => "No connection to the API, or one that broke.",
        Some(Reason::BadResponse) => "The answer was not one that the API documents.",
        None => "Not asked for so long that its last answer no longer counts.",
    }
}

/// What an error says, as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).chain(['.']).collect()
}

fn roughly(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match duration.as_secs() {
        seconds @ 0..MINUTE => format!("{} s", seconds.max(1)),
        seconds @ MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{} h", seconds / HOUR),
        seconds => format!("{} days", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn a_moment_tells_how_far_away_it_is_in_the_unit_that_a_person_would() {
        for (seconds, relative) in [
            (0, "now"),
            (1, "1 s ago"),
            (59, "59 s ago"),
            (119, "1 min ago"),
            (3_600, "1 h ago"),
            (172_799, "47 h ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(Moment::new(at(0), at(seconds)).relative, relative);
        }
        let ahead = Moment::new(at(300), at(0));
        assert_eq!((ahead.relative.as_str(), ahead.exact.as_str()), ("in 5 min", "2023-11-14T22:18:20Z"));
    }

    #[test]
    fn a_size_has_two_digits_after_the_point_at_most() {
        for (number, text) in [
            (0, "0 MB"),
            (250_000, "0.25 MB"),
            (1_000_000_000, "1 GB"),
            (388_500_000_000, "388.5 GB"),
            (1_024_000_000_000, "1.02 TB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn a_span_has_tenths_only_as_long_as_they_count() {
        assert_eq!(span(Duration::from_micros(42_900)), "42 ms");
        assert_eq!(span(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(span(Duration::from_millis(201_900)), "3m 21s");
    }
}
