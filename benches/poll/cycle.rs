//! One cycle of the exporter, and what it cost.

use std::fs;
use std::time::Duration;

use procfs::process::Process;

use crate::shared::{Customers, Exporter, Result, Role, UNPACED, get};
use crate::{IN_FLIGHT, TIMEOUT};

/// What an exporter polls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Targets {
    pub(super) customers: u32,
    /// As `exporter.yaml` has them.
    pub(super) products: &'static str,
}

/// What the first cycle cost.
#[derive(Debug)]
pub(super) struct Cycle {
    pub(super) took: Duration,
    /// In user and kernel, since the process began.
    pub(super) cpu: Duration,
    /// The most that was resident, in bytes.
    pub(super) peak: u64,
    /// What is resident after it, and after a scrape, in bytes.
    pub(super) resident: u64,
    /// For overviews.
    pub(super) requests: u64,
    /// Those that had no answer in time.
    pub(super) stalled: u64,
    pub(super) retries: u64,
    /// Targets without an answer.
    pub(super) failures: u64,
}

impl Targets {
    /// How long an exporter takes from the start of its process to the first 200 on `/-/healthy`.
    pub(super) fn healthy_after(self, vendor: &Role) -> Result<Duration> {
        let (exporter, begun) = Exporter::start(vendor, self.customers())?;
        get(&exporter.address, "/-/healthy", "identity")?;
        Ok(begun.elapsed())
    }

    /// Lets an exporter poll every target once. Scrapes only after it, so that scrapes cost it nothing.
    pub(super) fn cycle(self, vendor: &Role) -> Result<Cycle> {
        let (mut exporter, _) = Exporter::start(vendor, self.customers())?;
        let line = exporter.logged("cycle ended")?;
        let (cpu, peak) = (cpu(&exporter.kernel)?, exporter.memory(|status| status.vmhwm)?);
        let seconds = line.split_once("duration_seconds=").and_then(|(_, rest)| rest.split(' ').next());
        let metrics = String::from_utf8(get(&exporter.address, "/metrics", "identity")?)?;
        let sum = |family: &str, label: &str| {
            let series = metrics.lines().filter(|line| line.starts_with(family) && line.contains(label));
            series.filter_map(value).sum()
        };
        Ok(Cycle {
            took: Duration::from_secs_f64(seconds.ok_or("no duration")?.parse()?),
            cpu,
            peak,
            resident: exporter.memory(|status| status.vmrss)?,
            requests: sum("avepoint_api_requests_total{", "operation=\"overview\""),
            stalled: sum("avepoint_api_requests_total{", "code=\"error\""),
            retries: sum("avepoint_api_retries_total{", ""),
            failures: sum("avepoint_poll_failures_total{", ""),
        })
    }

    const fn customers(self) -> Customers<'static> {
        let Self { customers: number, products } = self;
        Customers { number, products, interval: "1h", timeout: TIMEOUT, in_flight: IN_FLIGHT, pace: UNPACED, more: "" }
    }
}

/// How much CPU time a process has used, in user and kernel.
pub(super) fn cpu(process: &Process) -> Result<Duration> {
    let stat = process.stat()?;
    Ok(Duration::from_secs(stat.utime + stat.stime) / u32::try_from(procfs::ticks_per_second())?)
}

pub(super) fn binary_size() -> Result<u64> {
    Ok(fs::metadata(env!("CARGO_BIN_EXE_avepoint-exporter"))?.len())
}

/// The value of a counter's line.
fn value(line: &str) -> Option<u64> {
    line.rsplit(' ').next()?.parse().ok()
}
