//! The families that change at any time. They are small.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{self, CATALOGUE, count, flag, timestamp};
use super::process::Process;
use crate::stats::{Code, Counts, Stats};
use crate::store::{Snapshot, Store};

/// What changes at any time: counters, the last cycle, discovery, the configuration, the build, the process.
pub struct Always {
    store: Arc<Store>,
    stats: Arc<Stats>,
    build: Build,
    process: Option<Process>,
}

/// What this binary was built from.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    pub version: &'static str,
    /// The git revision, or `unknown`.
    pub revision: &'static str,
    /// Of the compiler.
    pub rustversion: &'static str,
}

impl Build {
    pub const THIS: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
        revision: env!("AVEPOINT_EXPORTER_REVISION"),
        rustversion: env!("AVEPOINT_EXPORTER_RUSTVERSION"),
    };
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

    /// Families that do not apply have no samples.
    fn own(&self) -> Vec<MetricFamily> {
        let mut families = of_stats(&self.stats.counts());
        families.extend(self.store.look(of_status));
        let Build { version, revision, rustversion } = self.build;
        families.push(family::BUILD_INFO.of(vec![family::BUILD_INFO.sample(&[version, revision, rustversion], 1.0)]));
        families
    }
}

impl Collector for Always {
    fn desc(&self) -> Vec<&Desc> {
        let descs: HashMap<_, _> = CATALOGUE.iter().map(|family| (family.name, family.desc())).collect();
        let own = self.own().into_iter().filter_map(|family| *descs.get(family.name())?);
        own.chain(self.process.iter().flat_map(Collector::desc)).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.own();
        families.extend(self.process.iter().flat_map(Collector::collect));
        families
    }
}

impl fmt::Debug for Always {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Always").field("build", &self.build).finish_non_exhaustive()
    }
}

fn of_stats(counts: &Counts) -> Vec<MetricFamily> {
    let Counts {
        api_requests,
        api_durations,
        api_retries,
        token_expiry,
        client_certificate_expiry,
        poll_failures,
        poll_cycles,
        http_requests,
    } = counts;
    let failures = poll_failures.iter().map(|(reason, n)| family::POLL_FAILURES.sample(&[reason.as_str()], count(*n)));
    let retries = api_retries.iter().map(|(reason, n)| family::API_RETRIES.sample(&[reason.as_str()], count(*n)));
    let requests = api_requests
        .iter()
        .map(|((operation, code), n)| family::API_REQUESTS.sample(&[operation.as_str(), &label(*code)], count(*n)));
    let durations = api_durations
        .iter()
        .map(|(operation, taken)| family::API_REQUEST_DURATION.distribution(&[operation.as_str()], taken));
    let http = http_requests
        .iter()
        .map(|((handler, code), n)| family::HTTP_REQUESTS.sample(&[handler, &code.to_string()], count(*n)));
    vec![
        family::POLL_FAILURES.of(failures.collect()),
        family::POLL_CYCLES.single(Some(count(*poll_cycles))),
        family::API_REQUESTS.of(requests.collect()),
        family::API_REQUEST_DURATION.of(durations.collect()),
        family::API_RETRIES.of(retries.collect()),
        family::API_TOKEN_EXPIRY.single(token_expiry.map(timestamp)),
        family::API_CERTIFICATE_EXPIRY.single(client_certificate_expiry.map(timestamp)),
        family::HTTP_REQUESTS.of(http.collect()),
    ]
}

fn of_status(known: &Snapshot) -> Vec<MetricFamily> {
    let Snapshot { settings, cycle, api_up, discovery, reload, .. } = known;
    let discovered = discovery.and_then(|discovery| discovery.customers);
    vec![
        family::CYCLE_DURATION.single(cycle.map(|cycle| cycle.duration.as_secs_f64())),
        family::CYCLE_COMPLETED.single(cycle.map(|cycle| timestamp(cycle.completed))),
        family::POLL_INTERVAL.single(Some(settings.interval.as_secs_f64())),
        family::POLL_STALE_AFTER.single(Some(settings.freshness.stale_after.as_secs_f64())),
        family::API_UP.single(api_up.map(flag)),
        family::DISCOVERY_SUCCESS.single(discovery.and_then(|discovery| discovery.success).map(flag)),
        family::DISCOVERY_LAST_SUCCESS.single(discovery.and_then(|discovery| discovery.last_success).map(timestamp)),
        family::DISCOVERY_CUSTOMERS.single(discovered.map(|customers| count(customers as u64))),
        family::RELOAD_SUCCESSFUL.single(Some(flag(reload.successful))),
        family::RELOAD_LAST_SUCCESS.single(Some(timestamp(reload.last_success))),
    ]
}

fn label(code: Code) -> String {
    match code {
        Code::Status(status) => status.to_string(),
        Code::Error => "error".to_owned(),
    }
}
