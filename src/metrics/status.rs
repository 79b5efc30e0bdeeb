//! The families that change at any time. They are small.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use elements_api::Code;
use prometheus::proto::MetricFamily;

use super::family::{self, Family, count, flag, timestamp};
use super::process::{Process, ProcessReading};
use crate::status::{Build, CycleTargets, HttpRequests, ListingStatus, Status, StatusSnapshot};
use crate::store::Store;

/// What changes at any time: counters, the last cycle, discovery, the configuration, the build, the process.
pub struct StatusFamilies {
    store: Arc<Store>,
    status: Arc<Status>,
    build: Build,
    process: Option<Process>,
    now: fn() -> SystemTime,
}

impl StatusFamilies {
    /// With `process_*` of this process.
    pub fn new(store: Arc<Store>, status: Arc<Status>) -> Self {
        Self { store, status, build: Build::THIS, process: Some(Process::new()), now: SystemTime::now }
    }

    #[cfg(test)]
    pub(super) fn reproducible(store: Arc<Store>, status: Arc<Status>) -> Self {
        let build = Build { version: "1.2.3", revision: "0123456", rustversion: "1.88.0" };
        Self { store, status, build, process: None, now: || SystemTime::UNIX_EPOCH }
    }

    /// What is so now. The counts of requests to this exporter are separate: every scrape changes them.
    pub fn read(&self) -> (Readings, RequestCounts) {
        let status = self.status.snapshot();
        let (stale_after, listed) = self.store.look(|known| {
            let listed = known.listing.as_ref().map(|listing| listing.len());
            (known.freshness.stale_after, listed)
        });
        let readings = Readings {
            held_until: status.held_until((self.now)()),
            log_lines_dropped: self.status.log_lines_dropped(),
            status,
            stale_after,
            listed,
            build: self.build,
            process: self.process.as_ref().map(Process::read),
        };
        (readings, RequestCounts(self.status.http_requests()))
    }
}

impl fmt::Debug for StatusFamilies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusFamilies").field("build", &self.build).finish_non_exhaustive()
    }
}

/// All but the requests to this exporter, at one moment. Equal readings have equal families.
#[derive(Debug, Clone, PartialEq)]
pub struct Readings {
    status: Arc<StatusSnapshot>,
    /// Where it is not over.
    held_until: Option<SystemTime>,
    log_lines_dropped: u64,
    stale_after: Duration,
    /// How many customers the last listing had.
    listed: Option<usize>,
    build: Build,
    process: Option<ProcessReading>,
}

/// The requests to this exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCounts(HttpRequests);

impl Readings {
    /// Families that do not apply have no samples.
    pub fn families(&self) -> Vec<MetricFamily> {
        let mut families = self.polling();
        families.extend(self.api());
        families.extend(self.exporter());
        families.extend(self.process.iter().flat_map(|process| process.0.iter().cloned()));
        families
    }

    fn polling(&self) -> Vec<MetricFamily> {
        let StatusSnapshot { counts, cycle, interval, .. } = &*self.status;
        let failures =
            counts.poll_failures.iter().map(|(reason, n)| family::POLL_FAILURES.sample(&[reason.as_str()], count(*n)));
        let targets = cycle.map(|cycle| cycle.targets).map(|CycleTargets { answered, failed, left }| {
            let sample = |(result, targets)| family::CYCLE_TARGETS.sample(&[result], count(targets as u64));
            [("answered", answered), ("failed", failed), ("left", left)].map(sample)
        });
        vec![
            family::CYCLE_TARGETS.of(targets.into_iter().flatten().collect()),
            family::POLL_FAILURES.of(failures.collect()),
            family::POLL_CYCLES.single(Some(count(counts.poll_cycles))),
            family::CYCLE_DURATION.single(cycle.map(|cycle| cycle.duration.as_secs_f64())),
            family::CYCLE_COMPLETED.single(cycle.map(|cycle| timestamp(cycle.completed))),
            family::POLL_INTERVAL.single(Some(interval.as_secs_f64())),
            family::POLL_STALE_AFTER.single(Some(self.stale_after.as_secs_f64())),
        ]
    }

    fn api(&self) -> Vec<MetricFamily> {
        let StatusSnapshot { counts, api_up, discovery, subscriptions, .. } = &*self.status;
        let requests = counts
            .api_requests
            .iter()
            .map(|((operation, code), n)| family::API_REQUESTS.sample(&[operation.as_str(), &label(*code)], count(*n)));
        let durations = counts
            .api_durations
            .iter()
            .map(|(operation, taken)| family::API_REQUEST_DURATION.distribution(&[operation.as_str()], taken));
        let retries =
            counts.api_retries.iter().map(|(reason, n)| family::API_RETRIES.sample(&[reason.as_str()], count(*n)));
        let discovery = discovery.as_ref();
        let discovered = discovery.and(self.listed).map(|customers| count(customers as u64));
        let subscriptions = subscriptions.as_ref();
        vec![
            family::API_UP.single(api_up.map(flag)),
            family::API_HOLD_UNTIL.single(self.held_until.map(timestamp)),
            family::API_REQUESTS.of(requests.collect()),
            family::API_REQUEST_DURATION.of(durations.collect()),
            family::API_RETRIES.of(retries.collect()),
            family::API_TOKEN_EXPIRY.single(counts.token_expiry.map(timestamp)),
            family::API_CERTIFICATE_EXPIRY.single(counts.client_certificate_expiry.map(timestamp)),
            family::DISCOVERY_SUCCESS.single(discovery.and_then(ListingStatus::success).map(flag)),
            family::DISCOVERY_LAST_SUCCESS
                .single(discovery.and_then(|discovery| discovery.last_success).map(timestamp)),
            family::DISCOVERY_CUSTOMERS.single(discovered),
            family::SUBSCRIPTIONS_SUCCESS.single(subscriptions.and_then(ListingStatus::success).map(flag)),
            family::SUBSCRIPTIONS_LAST_SUCCESS
                .single(subscriptions.and_then(|listed| listed.last_success).map(timestamp)),
        ]
    }

    fn exporter(&self) -> Vec<MetricFamily> {
        let reload = &self.status.reload;
        let Build { version, revision, rustversion } = self.build;
        vec![
            family::RELOAD_SUCCESSFUL.single(Some(flag(reload.is_successful()))),
            family::RELOAD_LAST_SUCCESS.single(Some(timestamp(reload.last_success))),
            family::BUILD_INFO.of(vec![family::BUILD_INFO.sample(&[version, revision, rustversion], 1.0)]),
            family::LOG_LINES_DROPPED.single(Some(count(self.log_lines_dropped))),
        ]
    }
}

impl RequestCounts {
    pub const FAMILY: &Family = &family::HTTP_REQUESTS;

    /// The values of the labels, and the value.
    pub fn samples(&self) -> impl Iterator<Item = ([Cow<'static, str>; 2], f64)> {
        self.0.iter().map(|((handler, code), n)| ([(*handler).into(), code.to_string().into()], count(*n)))
    }
}

fn label(code: Code) -> String {
    match code {
        Code::Status(status) => status.to_string(),
        Code::Error => "error".to_owned(),
    }
}
