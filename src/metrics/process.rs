//! `process_*`, as every Prometheus client has them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;

use super::family::{self, count};

/// What the kernel says of this process, asked at most once a second: scrapes are many, and `/proc` is slow.
#[derive(Debug)]
pub(super) struct Process {
    collector: ProcessCollector,
    last: Mutex<Option<(Instant, Vec<MetricFamily>)>>,
}

const PAUSE: Duration = Duration::from_secs(1);

impl Process {
    pub(super) fn new() -> Self {
        Self { collector: ProcessCollector::for_self(), last: Mutex::default() }
    }

    fn ask(&self) -> Vec<MetricFamily> {
        // The crate's own CPU family counts whole seconds, in which a rate cannot be seen.
        let own = family::PROCESS_CPU.name;
        let others = self.collector.collect().into_iter().filter(|family| family.name() != own);
        others.chain([family::PROCESS_CPU.single(cpu_seconds())]).collect()
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.collector.desc().into_iter().filter(|desc| desc.fq_name != family::PROCESS_CPU.name).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, families)) if at.elapsed() < PAUSE => families.clone(),
            _ => last.insert((Instant::now(), self.ask())).1.clone(),
        }
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = procfs::process::Process::myself().and_then(|myself| myself.stat()).ok()?;
    Some(count(stat.utime + stat.stime) / count(procfs::ticks_per_second()))
}
