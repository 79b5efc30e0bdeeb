//! `process_*`, as every Prometheus client has them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;

use super::family::{self, count};

/// What the kernel says of this process, asked at most once a second: scrapes are many, and `/proc` is slow.
#[derive(Debug)]
pub(super) struct Process {
    collector: ProcessCollector,
    last: Mutex<Option<(Instant, Arc<[MetricFamily]>)>>,
}

const PAUSE: Duration = Duration::from_secs(1);

impl Process {
    pub(super) fn new() -> Self {
        Self { collector: ProcessCollector::for_self(), last: Mutex::default() }
    }

    pub(super) fn families(&self) -> Arc<[MetricFamily]> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, families)) if at.elapsed() < PAUSE => families.clone(),
            _ => last.insert((Instant::now(), self.ask())).1.clone(),
        }
    }

    fn ask(&self) -> Arc<[MetricFamily]> {
        // The crate's own CPU family counts whole seconds, in which a rate cannot be seen.
        let own = family::PROCESS_CPU.name;
        let others = self.collector.collect().into_iter().filter(|family| family.name() != own);
        others.chain([family::PROCESS_CPU.single(cpu_seconds())]).collect()
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = procfs::process::Process::myself().and_then(|myself| myself.stat()).ok()?;
    Some(count(stat.utime + stat.stime) / count(procfs::ticks_per_second()))
}
