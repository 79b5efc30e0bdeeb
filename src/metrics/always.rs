//! The families that change at any time. They are small.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{self, CATALOGUE, Family, count, flag, timestamp};
use super::process::Process;
use crate::status::{Build, Counts, Stats};
use crate::store::{Cycle, DiscoveryStatus, ReloadStatus, Settings, Snapshot, Store};

/// What changes at any time: counters, the last cycle, discovery, the configuration, the build, the process.
pub struct Always {
    store: Arc<Store>,
    stats: Arc<Stats>,
    build: Build,
    process: Option<Process>,
}

impl Always {
    /// With `process_*` of this process.
    pub fn new(store: Arc<Store>, stats: Arc<Stats>) -> Self {
        Self { store, stats, build: Build::THIS, process: Some(Process::new()) }
    }

    #[cfg(test)]
    pub(crate) fn reproducible(store: Arc<Store>, stats: Arc<Stats>) -> Self {
        let build = Build { version: "1.2.3", revision: "0123456", rustversion: "1.88.0" };
        Self { store, stats, build, process: None }
    }

    /// What is the case now. The requests to this exporter stand apart, since every scrape is one.
    pub fn now(&self) -> (Moment, Requests) {
        let mut counts = self.stats.counts();
        let requests = Requests(std::mem::take(&mut counts.http_requests));
        let status = self.store.look(Status::of);
        let process = self.process.as_ref().map(Process::families);
        (Moment { counts, status, build: self.build, process }, requests)
    }
}

impl fmt::Debug for Always {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Always").field("build", &self.build).finish_non_exhaustive()
    }
}

/// All but the requests to this exporter, at one moment. Equal moments have equal families.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    counts: Counts,
    status: Status,
    build: Build,
    process: Option<Arc<[MetricFamily]>>,
}

/// The requests to this exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests(BTreeMap<(&'static str, u16), u64>);

impl Collector for Moment {
    fn desc(&self) -> Vec<&Desc> {
        let families = self.collect();
        let own = |listed: &&Family| families.iter().any(|family| family.name() == listed.name);
        CATALOGUE.iter().filter(own).filter_map(Family::desc).collect()
    }

    /// Families that do not apply have no samples.
    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = polling(&self.counts, &self.status);
        families.extend(api(&self.counts, &self.status));
        families.extend(exporter(&self.counts, &self.status, self.build));
        families.extend(self.process.iter().flat_map(|families| families.iter().cloned()));
        families
    }
}

impl Collector for Requests {
    fn desc(&self) -> Vec<&Desc> {
        family::HTTP_REQUESTS.desc().into_iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let sample = |((handler, code), n): (&(&str, u16), &u64)| {
            family::HTTP_REQUESTS.sample(&[handler, &code.to_string()], count(*n))
        };
        vec![family::HTTP_REQUESTS.of(self.0.iter().map(sample).collect())]
    }
}

/// What the store knows besides targets.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Status {
    settings: Settings,
    cycle: Option<Cycle>,
    api_up: Option<bool>,
    discovery: Option<DiscoveryStatus>,
    reload: ReloadStatus,
}

impl Status {
    const fn of(known: &Snapshot) -> Self {
        let Snapshot { settings, cycle, api_up, discovery, reload, .. } = *known;
        Self { settings, cycle, api_up, discovery, reload }
    }
}

fn polling(counts: &Counts, status: &Status) -> Vec<MetricFamily> {
    let failures =
        counts.poll_failures.iter().map(|(reason, n)| family::POLL_FAILURES.sample(&[reason.as_str()], count(*n)));
    let Settings { interval, freshness } = status.settings;
    vec![
        family::POLL_FAILURES.of(failures.collect()),
        family::POLL_CYCLES.single(Some(count(counts.poll_cycles))),
        family::CYCLE_DURATION.single(status.cycle.map(|cycle| cycle.duration.as_secs_f64())),
        family::CYCLE_COMPLETED.single(status.cycle.map(|cycle| timestamp(cycle.completed))),
        family::POLL_INTERVAL.single(Some(interval.as_secs_f64())),
        family::POLL_STALE_AFTER.single(Some(freshness.stale_after.as_secs_f64())),
    ]
}

fn api(counts: &Counts, status: &Status) -> Vec<MetricFamily> {
    let requests = counts
        .api_requests
        .iter()
        .map(|((operation, code), n)| family::API_REQUESTS.sample(&[operation.as_str(), &code.to_string()], count(*n)));
    let durations = counts
        .api_durations
        .iter()
        .map(|(operation, taken)| family::API_REQUEST_DURATION.distribution(&[operation.as_str()], taken));
    let retries =
        counts.api_retries.iter().map(|(reason, n)| family::API_RETRIES.sample(&[reason.as_str()], count(*n)));
    let discovery = status.discovery.unwrap_or_default();
    let discovered = discovery.customers.map(|customers| count(customers as u64));
    vec![
        family::API_UP.single(status.api_up.map(flag)),
        family::API_REQUESTS.of(requests.collect()),
        family::API_REQUEST_DURATION.of(durations.collect()),
        family::API_RETRIES.of(retries.collect()),
        family::API_TOKEN_EXPIRY.single(counts.token_expiry.map(timestamp)),
        family::API_CERTIFICATE_EXPIRY.single(counts.client_certificate_expiry.map(timestamp)),
        family::DISCOVERY_SUCCESS.single(discovery.success.map(flag)),
        family::DISCOVERY_LAST_SUCCESS.single(discovery.last_success.map(timestamp)),
        family::DISCOVERY_CUSTOMERS.single(discovered),
    ]
}

fn exporter(counts: &Counts, status: &Status, build: Build) -> Vec<MetricFamily> {
    let Build { version, revision, rustversion } = build;
    vec![
        family::RELOAD_SUCCESSFUL.single(Some(flag(status.reload.successful))),
        family::RELOAD_LAST_SUCCESS.single(Some(timestamp(status.reload.last_success))),
        family::BUILD_INFO.of(vec![family::BUILD_INFO.sample(&[version, revision, rustversion], 1.0)]),
        family::LOG_LINES_DROPPED.single(Some(count(counts.log_lines_dropped))),
    ]
}
