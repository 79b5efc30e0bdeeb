//! The section `poll`, and how often there are listings.

use std::time::Duration;

use checked_yaml::value::{duration, flag};
use checked_yaml::{Key, Problems, Refused};
use humantime::format_duration;

use super::{document, doubts};
use crate::poll::Timing;

pub(super) fn timing(
    raw: &document::Poll,
    subscribed: Option<&document::Subscriptions>,
    tenants: Option<&document::Tenants>,
    problems: &mut Problems<'_>,
) -> Result<Timing, Refused> {
    let key = |name| Key::of("poll").then(name);
    let interval = problems.read(&key("interval"), &raw.interval, duration);
    let stale_after = problems.read(&key("stale_after"), &raw.stale_after, duration);
    let absent_interval = problems.read(&key("absent_interval"), &raw.absent_interval, duration);

    let interval = interval?.unwrap_or(INTERVAL);
    let interval = at_least(LEAST_INTERVAL, interval, "the least interval")
        .map_err(|message| problems.add(&key("interval"), message))?;
    let tenants = tenants.map_or(Ok(None), |raw| tenant_interval(raw, interval, problems));
    let subscriptions = subscribed.map_or(Ok(None), |raw| subscriptions(raw, interval, problems));
    doubts::of_interval(interval, &key("interval"), problems);
    let usual = Timing::every(interval);
    let stale_after = stale_after.map(|found| found.unwrap_or(usual.stale_after)).and_then(|found| {
        at_least(interval * 2, found, "two intervals").map_err(|message| problems.add(&key("stale_after"), message))
    });
    let absent_interval = absent_interval.and_then(|found| {
        let found = found.map(|found| at_least(interval, found, "the interval")).transpose();
        found.map_err(|message| problems.add(&key("absent_interval"), message))
    });
    let (stale_after, subscriptions, absent_interval) = (stale_after?, subscriptions?, absent_interval?);
    Ok(Timing {
        stale_after,
        absent_interval: absent_interval.unwrap_or(usual.absent_interval),
        told_absent_interval: absent_interval.unwrap_or(usual.told_absent_interval),
        subscriptions,
        tenants: tenants?.unwrap_or(usual.tenants),
        ..usual
    })
}

/// Below it there is no time for an answer.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

const INTERVAL: Duration = Duration::from_mins(15);

/// Between two listings; `None` where there are none.
fn subscriptions(
    raw: &document::Subscriptions,
    usual: Duration,
    problems: &mut Problems<'_>,
) -> Result<Option<Duration>, Refused> {
    let key = |name| Key::of("subscriptions").then(name);
    let enabled = problems.read(&key("enabled"), &raw.enabled, flag);
    let interval = problems.read(&key("interval"), &raw.interval, duration);
    let enabled = enabled?.ok_or_else(|| problems.add(&key("enabled"), "is missing: write true or false"));
    let interval = at_least(LEAST_INTERVAL, interval?.unwrap_or(usual), "the least interval")
        .map_err(|message| problems.add(&key("interval"), message))?;
    Ok(enabled?.then_some(interval))
}

/// Between two answers about the tenants of a customer.
fn tenant_interval(
    raw: &document::Tenants,
    least: Duration,
    problems: &mut Problems<'_>,
) -> Result<Option<Duration>, Refused> {
    let key = Key::of("tenants").then("interval");
    let interval = problems.read(&key, &raw.interval, duration)?;
    let interval = interval.map(|found| at_least(least, found, "poll.interval")).transpose();
    interval.map_err(|message| problems.add(&key, message))
}

fn at_least(least: Duration, found: Duration, name: &str) -> Result<Duration, String> {
    if found >= least {
        return Ok(found);
    }
    let (found, least) = (format_duration(found), format_duration(least));
    Err(format!("{found} is below {name} ({least}); set at least {least}"))
}
