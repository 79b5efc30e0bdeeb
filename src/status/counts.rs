//! Plain counters, which know nothing of Prometheus.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use elements_api::{Code, Operation, Reason};

/// What this process has counted since it started.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// How long requests took, in cumulative buckets as Prometheus counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram {
    /// `buckets[i]` counts what took at most `BOUNDS[i]` seconds.
    pub buckets: [u64; Self::BOUNDS.len()],
    pub count: u64,
    pub sum: Duration,
}

impl Histogram {
    /// Upper bounds in seconds: from an answer out of a cache to the default timeout and past it.
    pub const BOUNDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

    pub(crate) fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        for (bucket, bound) in self.buckets.iter_mut().zip(Self::BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
    }
}

impl Default for Counts {
    /// Every series that an alert may stand on is there from the start, at 0: Prometheus cannot see a counter
    /// increase that was not there before.
    fn default() -> Self {
        let codes = [Code::Status(200), Code::Status(429)];
        let requests = Operation::ALL.iter().flat_map(|operation| codes.map(|code| ((*operation, code), 0)));
        let reasons: BTreeMap<_, _> = Reason::ALL.iter().map(|reason| (*reason, 0)).collect();
        Self {
            api_requests: requests.collect(),
            api_durations: Operation::ALL.iter().map(|operation| (*operation, Histogram::default())).collect(),
            api_retries: reasons.clone(),
            token_expiry: None,
            client_certificate_expiry: None,
            poll_failures: reasons,
            poll_cycles: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_the_codes_200_and_429_start_at_zero() {
        let counts = Counts::default();
        assert_eq!(counts.api_requests.len(), 2 * Operation::ALL.len());
        assert_eq!(counts.api_retries.len(), Reason::ALL.len());
        assert_eq!(counts.poll_failures.len(), Reason::ALL.len());
        assert!(counts.poll_failures.values().all(|count| *count == 0));
    }
}
