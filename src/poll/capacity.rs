//! Whether a cycle can ask for everything within its interval.

use std::time::Duration;

use elements_api::Settings;
use humantime::format_duration;

use super::Timing;
use crate::names::count;
use crate::status::Histogram;

/// How much there is to ask for, and how fast that may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    targets: usize,
    /// Those of the targets that are asked for once in an absent interval.
    dormant: usize,
    /// Those of which nothing is known yet.
    unsettled: usize,
    requests_per_second: u32,
    max_in_flight: usize,
    timing: Timing,
}

impl Capacity {
    /// For so many `targets`, of which some are `dormant`, and of some nothing is known yet.
    pub fn new(targets: usize, dormant: usize, unsettled: usize, settings: &Settings, timing: Timing) -> Self {
        let (requests_per_second, max_in_flight) = (settings.requests_per_second.get(), settings.max_in_flight.get());
        Self { targets, dormant, unsettled, requests_per_second, max_in_flight, timing }
    }

    /// Whether the average cycle fits its interval.
    pub(super) fn fits_on_average(&self, latency: Duration) -> bool {
        self.longer_than_interval(self.requests_in_a_cycle(), latency).is_none()
    }

    /// Whether there is as much to ask for, with the same limits; what is known of it may differ.
    pub(super) fn is_like(self, other: Self) -> bool {
        Self { dormant: 0, unsettled: 0, ..self } == Self { dormant: 0, unsettled: 0, ..other }
    }

    /// Warnings, where asking takes longer than an interval: of the average cycle, and of the first pass over everything.
    /// Each has the arithmetic and what would help. Every target is still polled in turn then, but less often than
    /// configured. An overview takes `latency`.
    pub fn advice(&self, latency: Duration) -> Vec<String> {
        let Timing { interval, absent_interval, .. } = self.timing;
        let average = self.requests_in_a_cycle();
        let mut advice = Vec::new();
        if let Some(takes) = self.longer_than_interval(average, latency) {
            let what = match self.dormant {
                0 => count(self.targets, "target"),
                dormant => format!(
                    "{}, {dormant} of which have nothing purchased and are asked once in {}, are {} a cycle, which",
                    count(self.targets, "target"),
                    format_duration(absent_interval),
                    count(average, "request"),
                ),
            };
            let take = if self.targets == 1 { "takes" } else { "take" };
            advice.push(format!(
                "a cycle cannot fit its interval: {what} {take} {} {}, longer than the interval of {}: {}",
                format_duration(takes),
                self.limit(latency),
                format_duration(interval),
                self.help(average, takes, latency),
            ));
        } else if let Some(takes) = self.longer_than_interval(self.unsettled, latency) {
            advice.push(format!(
                "the first pass over {} takes {} {}, longer than the interval of {}; later cycles may fit, as what turns \
                 out to have no purchases is asked less often: to know every number sooner, {}",
                count(self.unsettled, "target"),
                format_duration(takes),
                self.limit(latency),
                format_duration(interval),
                self.faster(self.unsettled, latency).unwrap_or_else(|| "watch less".to_owned()),
            ));
        }
        advice
    }

    /// On average, with the turns of dormant targets spread.
    fn requests_in_a_cycle(&self) -> usize {
        let Timing { interval, absent_interval, .. } = self.timing;
        let dormant = (self.dormant as u128 * interval.as_nanos()).div_ceil(absent_interval.as_nanos().max(1));
        self.targets - self.dormant + usize::try_from(dormant).unwrap_or(self.dormant).min(self.dormant)
    }

    /// How long so many requests take, if that is longer than the interval; in whole seconds, rounded up.
    fn longer_than_interval(&self, requests: usize, latency: Duration) -> Option<Duration> {
        let nanos = self.paced(requests).max(self.in_slots(requests, latency));
        let seconds = u64::try_from(nanos.div_ceil(SECOND)).unwrap_or(u64::MAX);
        (nanos > self.timing.interval.as_nanos()).then(|| Duration::from_secs(seconds))
    }

    const fn paced(&self, requests: usize) -> u128 {
        requests as u128 * SECOND / self.requests_per_second as u128
    }

    const fn in_slots(&self, requests: usize, latency: Duration) -> u128 {
        requests as u128 * latency.as_nanos() / self.max_in_flight as u128
    }

    /// What it is that takes so long.
    fn limit(&self, latency: Duration) -> String {
        if self.paced(1_000_000) >= self.in_slots(1_000_000, latency) {
            format!("at {} per second", count(self.requests_per_second as usize, "request"))
        } else {
            let seconds = latency.as_secs_f64();
            format!("with {} in flight of {seconds:.2} s each", count(self.max_in_flight, "request"))
        }
    }

    fn help(&self, requests: usize, takes: Duration, latency: Duration) -> String {
        let longer = format!("raise poll.interval to at least {}", format_duration(rounded_up(takes)));
        match self.faster(requests, latency) {
            Some(faster) => format!("{faster}, or {longer}"),
            None => longer,
        }
    }

    /// With what so many requests would fit; `None` where nothing would be enough.
    fn faster(&self, requests: usize, latency: Duration) -> Option<String> {
        let interval = self.timing.interval.as_nanos().max(1);
        let per_second = (requests as u128 * SECOND).div_ceil(interval);
        let in_flight = (requests as u128 * latency.as_nanos()).div_ceil(interval);
        if per_second > Settings::MAX_REQUESTS_PER_SECOND.into() || in_flight > Settings::MAX_IN_FLIGHT.into() {
            return None;
        }
        let pace = per_second > self.requests_per_second.into();
        let pace = pace.then(|| format!("api.requests_per_second to at least {per_second}"));
        let slots = in_flight > self.max_in_flight as u128;
        let slots = slots.then(|| format!("api.max_in_flight to at least {in_flight}"));
        let both: Vec<_> = pace.into_iter().chain(slots).collect();
        (!both.is_empty()).then(|| format!("raise {}", both.join(" and ")))
    }
}

/// How long overviews take, as measured: half of them, so that those that hang say nothing of the others.
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// What had been counted when it was measured last.
    seen: Histogram,
    median: Option<Duration>,
}

impl Latency {
    /// From fewer than these nothing is concluded.
    const ENOUGH: u64 = 5;

    /// Takes what was counted since it was measured last.
    pub(super) fn measure(&mut self, counted: Histogram) {
        let new = counted.count.saturating_sub(self.seen.count);
        if new < Self::ENOUGH {
            return;
        }
        let up_to = |bucket: usize| counted.buckets[bucket].saturating_sub(self.seen.buckets[bucket]);
        let half = (0..Histogram::BOUNDS.len()).find(|bucket| up_to(*bucket) * 2 >= new);
        // Above the last bound nobody can say how far.
        let last = Histogram::BOUNDS.len() - 1;
        let bucket = half.unwrap_or(last);
        let (below, lower) = bucket.checked_sub(1).map_or((0, 0.0), |below| (up_to(below), Histogram::BOUNDS[below]));
        let within = up_to(bucket).saturating_sub(below).max(1);
        let width = Duration::from_secs_f64(Histogram::BOUNDS[bucket] - lower);
        let part = u32::try_from((new / 2).saturating_sub(below).min(within)).unwrap_or(u32::MAX);
        let all = u32::try_from(within).unwrap_or(u32::MAX);
        self.median = Some(Duration::from_secs_f64(lower) + width * part / all);
        self.seen = counted;
    }

    /// The last that was measured, or else what the live API takes.
    pub(super) fn typical(&self) -> Duration {
        self.median.unwrap_or(TYPICAL_LATENCY)
    }
}

/// How long an overview of the live API takes.
pub const TYPICAL_LATENCY: Duration = Duration::from_millis(650);

const SECOND: u128 = 1_000_000_000;

/// Rounds durations above a minute up to whole minutes, as a person would write them.
const fn rounded_up(duration: Duration) -> Duration {
    let seconds = duration.as_secs();
    if seconds > 60 { Duration::from_secs(seconds.div_ceil(60).saturating_mul(60)) } else { duration }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elements_api::testing::settings;

    const HOUR: Duration = Duration::from_hours(1);

    /// With an interval of 15 minutes, and 20 requests a second.
    fn advice(targets: usize, dormant: usize, max_in_flight: usize, latency_ms: u64) -> Vec<String> {
        let mut settings = settings();
        settings.requests_per_second = 20.try_into().unwrap();
        settings.max_in_flight = max_in_flight.try_into().unwrap();
        let interval = HOUR / 4;
        let timing = Timing { absent_interval: HOUR * 6, ..Timing::every(interval) };
        Capacity::new(targets, dormant, targets, &settings, timing).advice(Duration::from_millis(latency_ms))
    }

    #[test]
    fn a_cycle_that_the_pace_does_not_fit_is_reported_with_what_would_help() {
        assert_eq!(
            advice(22_000, 0, 64, 650),
            ["a cycle cannot fit its interval: 22000 targets take 18m 20s at 20 requests per second, longer than the \
              interval of 15m: raise api.requests_per_second to at least 25, or raise poll.interval to at least 19m"]
        );
    }

    #[test]
    fn a_cycle_that_the_slots_do_not_fit_is_reported_too() {
        assert_eq!(
            advice(12_000, 0, 8, 650),
            ["a cycle cannot fit its interval: 12000 targets take 16m 15s with 8 requests in flight of 0.65 s each, \
              longer than the interval of 15m: raise api.max_in_flight to at least 9, or raise poll.interval to at \
              least 17m"]
        );
        assert_eq!(advice(12_000, 0, 8, 500), [] as [&str; 0]);
        let both = advice(22_000, 0, 8, 650);
        assert!(
            both[0].contains("raise api.requests_per_second to at least 25 and api.max_in_flight to at least 16"),
            "{both:?}"
        );
    }

    #[test]
    fn what_was_never_purchased_counts_by_its_turns() {
        // 24 turns of 6 hours: 2,000 + 20,000 / 24.
        let first_pass = advice(22_000, 20_000, 16, 650);
        assert_eq!(
            first_pass,
            ["the first pass over 22000 targets takes 18m 20s at 20 requests per second, longer than the interval of \
              15m; later cycles may fit, as what turns out to have no purchases is asked less often: to know every \
              number sooner, raise api.requests_per_second to at least 25"]
        );
        let too_much = advice(100_000, 80_000, 64, 650);
        let expected = "a cycle cannot fit its interval: 100000 targets, 80000 of which have nothing purchased and are \
                        asked once in 6h, are 23334 requests a cycle, which take 19m 27s at 20 requests per second";
        assert!(too_much[0].starts_with(expected), "{too_much:?}");
        assert_eq!(too_much.len(), 1, "the first pass is the lesser evil");
    }

    #[test]
    fn a_cycle_may_take_the_whole_interval() {
        assert_eq!(advice(18_000, 0, 64, 650), [] as [&str; 0]);
        assert_eq!(advice(18_001, 0, 64, 650).len(), 1);
    }

    #[test]
    fn the_latency_is_that_of_half_of_the_last_requests() {
        let mut latency = Latency::default();
        assert_eq!(latency.typical(), TYPICAL_LATENCY);
        let mut counted = Histogram::default();
        let mut take = |seconds: f64, times: u32| {
            (0..times).for_each(|_| counted.observe(Duration::from_secs_f64(seconds)));
            latency.measure(counted);
            latency.typical().as_secs_f64()
        };
        assert!((take(10.0, 4) - 0.65).abs() < 1e-9, "four are too few");
        let typical = take(0.65, 96);
        assert!((0.5..1.0).contains(&typical), "{typical}");
        (0..40).for_each(|_| counted_hangs(&mut counted));
        latency.measure(counted);
        assert!(latency.typical() >= Duration::from_secs(10), "all of the last hung");
        let mut mixed = counted;
        (0..60).for_each(|_| mixed.observe(Duration::from_millis(20)));
        (0..40).for_each(|_| counted_hangs(&mut mixed));
        latency.measure(mixed);
        assert!(latency.typical() < Duration::from_millis(26), "{:?}", latency.typical());
    }

    fn counted_hangs(counted: &mut Histogram) {
        counted.observe(Duration::from_secs(30));
    }
}
