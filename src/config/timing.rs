//! The section `poll`.

use std::time::Duration;

use checked_yaml::value::duration;
use checked_yaml::{Key, Problems, Refused};
use humantime::format_duration;

use super::{document, doubts};
use crate::poll::Timing;

pub(super) fn timing(raw: &document::Poll, problems: &mut Problems<'_>) -> Result<Timing, Refused> {
    let key = |name| Key::of("poll").then(name);
    let interval = problems.read(&key("interval"), &raw.interval, duration);
    let stale_after = problems.read(&key("stale_after"), &raw.stale_after, duration);
    let absent_interval = problems.read(&key("absent_interval"), &raw.absent_interval, duration);

    let interval = interval?.unwrap_or(Duration::from_mins(15));
    let interval = at_least(LEAST_INTERVAL, interval, "the least interval")
        .map_err(|message| problems.add(&key("interval"), message))?;
    doubts::of_interval(interval, &key("interval"), problems);
    let stale_after = stale_after.map(|found| found.unwrap_or(interval * 3)).and_then(|found| {
        at_least(interval * 2, found, "two intervals").map_err(|message| problems.add(&key("stale_after"), message))
    });
    let absent_interval =
        absent_interval.map(|found| found.unwrap_or(ABSENT_INTERVAL.max(interval))).and_then(|found| {
            at_least(interval, found, "the interval").map_err(|message| problems.add(&key("absent_interval"), message))
        });
    Ok(Timing { interval, stale_after: stale_after?, absent_interval: absent_interval? })
}

/// Below it there is no time for an answer.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// Between two looks at what was never purchased: four a day find a first purchase in time for the next bill.
const ABSENT_INTERVAL: Duration = Duration::from_hours(6);

fn at_least(least: Duration, found: Duration, name: &str) -> Result<Duration, String> {
    if found >= least {
        return Ok(found);
    }
    let (found, least) = (format_duration(found), format_duration(least));
    Err(format!("{found} is below {name} ({least}); set at least {least}"))
}
