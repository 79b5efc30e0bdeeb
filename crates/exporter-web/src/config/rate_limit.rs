//! The section `rate_limit`.

use std::fmt;
use std::time::Duration;

use checked_yaml::value::{expected, number};
use checked_yaml::{Field, Key, Problems, Refused};
use humantime::{format_duration, parse_duration};

use super::document;

/// A bucket of `burst` requests that gets one more each `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimit {
    pub(crate) interval: Duration,
    /// At least 1.
    pub(crate) burst: u32,
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one request every {}, {} at once", format_duration(self.interval), self.burst)
    }
}

pub(crate) fn rate_limit(raw: &document::RateLimit, problems: &mut Problems<'_>) -> Result<Option<RateLimit>, Refused> {
    let key = |name| Key::of("rate_limit").then(name);
    let interval = problems.read(&key("interval"), &raw.interval, interval);
    let burst = problems.read(&key("burst"), &raw.burst, |field| number::<u32>(field, 0..=1_000_000));
    let (interval, burst) = (interval?.unwrap_or_default(), burst?.unwrap_or_default());
    // A bucket that holds nothing would answer nobody.
    Ok((!interval.is_zero()).then_some(RateLimit { interval, burst: burst.max(1) }))
}

fn interval(field: &Field) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_hours(24);
    let interval = match field {
        Field::Number(Some(0)) => Some(Duration::ZERO),
        Field::Text(text) if text.trim() == "0" => Some(Duration::ZERO),
        Field::Text(text) => parse_duration(text).ok().filter(|interval| *interval <= MAX),
        _ => None,
    };
    interval.map_or_else(|| expected("a duration with its unit, such as 100ms or 1s, at most 24h; or 0", field), Ok)
}
