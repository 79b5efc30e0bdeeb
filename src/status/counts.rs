//! Plain counters that any part may count in. They know nothing of Prometheus.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use elements_api::{Code, Observer, Operation, Reason};
use tracing_appender::non_blocking::ErrorCounter;

/// Counts the lines of the log that nobody took: those that had no place in its queue, and those that could not be
/// written.
#[derive(Debug, Clone)]
pub struct LinesDropped {
    queue_full: ErrorCounter,
    unwritten: Arc<AtomicU64>,
}

impl LinesDropped {
    /// The sum of both counters.
    pub const fn new(queue_full: ErrorCounter, unwritten: Arc<AtomicU64>) -> Self {
        Self { queue_full, unwritten }
    }

    fn get(&self) -> u64 {
        self.queue_full.dropped_lines() as u64 + self.unwritten.load(Ordering::Relaxed)
    }
}

/// What this process has counted since it started.
#[derive(Debug)]
pub struct Stats {
    counts: Mutex<Counts>,
    /// The log counts for itself.
    log_lines_dropped: Option<LinesDropped>,
}

/// A copy of every counter at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// Attempts at the API, by what was asked and what came of it.
    pub api_requests: BTreeMap<(Operation, Code), u64>,
    pub api_durations: BTreeMap<Operation, Histogram>,
    pub api_retries: BTreeMap<Reason, u64>,
    /// Of the token in hand.
    pub token_expiry: Option<SystemTime>,
    /// Of the certificate that the last token was asked for with.
    pub client_certificate_expiry: Option<SystemTime>,
    /// Targets that ended a cycle without an answer.
    pub poll_failures: BTreeMap<Reason, u64>,
    pub poll_cycles: u64,
    /// Requests to this exporter, by route and status.
    pub http_requests: BTreeMap<(&'static str, u16), u64>,
    /// Lines of the log that nobody took in time.
    pub log_lines_dropped: u64,
}

/// How long requests took, in cumulative buckets as Prometheus counts them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Histogram {
    /// `buckets[i]` counts what took at most `BOUNDS[i]` seconds.
    pub buckets: [u64; Self::BOUNDS.len()],
    pub count: u64,
    pub sum_seconds: f64,
}

impl Histogram {
    /// Upper bounds in seconds: from an answer out of a cache to the default timeout and past it.
    pub const BOUNDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

    fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        for (bucket, bound) in self.buckets.iter_mut().zip(Self::BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum_seconds += seconds;
    }
}

impl Default for Stats {
    /// Without a log.
    fn default() -> Self {
        Self::new(None)
    }
}

impl Stats {
    /// Every series that an alert may stand on is there from the start, at 0: Prometheus cannot see a counter
    /// increase that was not there before.
    pub fn new(log_lines_dropped: Option<LinesDropped>) -> Self {
        let codes = [Code::Status(200), Code::Status(429)];
        let requests = Operation::ALL.iter().flat_map(|operation| codes.map(|code| ((*operation, code), 0)));
        let reasons: BTreeMap<_, _> = Reason::ALL.iter().map(|reason| (*reason, 0)).collect();
        let counts = Mutex::new(Counts {
            api_requests: requests.collect(),
            api_durations: Operation::ALL.iter().map(|operation| (*operation, Histogram::default())).collect(),
            api_retries: reasons.clone(),
            token_expiry: None,
            client_certificate_expiry: None,
            poll_failures: reasons,
            poll_cycles: 0,
            http_requests: BTreeMap::new(),
            log_lines_dropped: 0,
        });
        Self { counts, log_lines_dropped }
    }

    pub fn counts(&self) -> Counts {
        let log_lines_dropped = self.log_lines_dropped.as_ref().map_or(0, LinesDropped::get);
        Counts { log_lines_dropped, ..self.lock().clone() }
    }

    /// A target has ended a cycle without an answer.
    pub fn poll_failure(&self, reason: Reason) {
        *self.lock().poll_failures.entry(reason).or_default() += 1;
    }

    /// A cycle has ended.
    pub fn poll_cycle(&self) {
        self.lock().poll_cycles += 1;
    }

    /// `handler` may answer requests with `status`: that counter starts at 0, so that its first increase is seen.
    pub fn http_handler(&self, handler: &'static str, status: u16) {
        self.lock().http_requests.entry((handler, status)).or_default();
    }

    /// This exporter has answered a request.
    pub fn http_request(&self, handler: &'static str, status: u16) {
        *self.lock().http_requests.entry((handler, status)).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Each method leaves the counts whole, so a panic elsewhere while they were locked spoils nothing.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Stats {
    fn request(&self, operation: Operation, code: Code, duration: Duration) {
        let mut counts = self.lock();
        *counts.api_requests.entry((operation, code)).or_default() += 1;
        counts.api_durations.entry(operation).or_default().observe(duration);
    }

    fn retry(&self, reason: Reason) {
        *self.lock().api_retries.entry(reason).or_default() += 1;
    }

    fn token_expires(&self, at: Option<SystemTime>) {
        self.lock().token_expiry = at;
    }

    fn certificate_expires(&self, at: Option<SystemTime>) {
        self.lock().client_certificate_expiry = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_the_codes_200_and_429_start_at_zero() {
        let counts = Stats::default().counts();
        assert_eq!(counts.api_requests.len(), 6);
        assert_eq!(counts.api_retries.len(), Reason::ALL.len());
        assert_eq!(counts.poll_failures.len(), Reason::ALL.len());
        assert!(counts.poll_failures.values().all(|count| *count == 0));
    }

    #[test]
    fn buckets_are_cumulative_and_bounds_are_inclusive() {
        let stats = Stats::default();
        stats.request(Operation::Overview, Code::Status(200), Duration::from_millis(100));
        stats.request(Operation::Overview, Code::Error, Duration::from_hours(1));
        let histogram = stats.counts().api_durations[&Operation::Overview];
        assert_eq!(histogram.buckets, [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(histogram.count, 2);
        assert!((histogram.sum_seconds - 3600.1).abs() < 1e-9);
    }
}
