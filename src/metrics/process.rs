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
    last: Mutex<Option<(Instant, ProcessReading)>>,
}

/// What the kernel said at one moment. Another one's is never the same: CPU time passes.
#[derive(Debug, Clone)]
pub(super) struct ProcessReading(pub(super) Arc<[MetricFamily]>);

impl PartialEq for ProcessReading {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

const PAUSE: Duration = Duration::from_secs(1);

impl Process {
    pub(super) fn new() -> Self {
        Self { collector: ProcessCollector::for_self(), last: Mutex::default() }
    }

    pub(super) fn read(&self) -> ProcessReading {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, reading)) if at.elapsed() < PAUSE => reading.clone(),
            _ => last.insert((Instant::now(), self.ask())).1.clone(),
        }
    }

    fn ask(&self) -> ProcessReading {
        // The crate's own CPU family counts whole seconds, in which a rate cannot be seen.
        let own = family::PROCESS_CPU.name;
        let others = self.collector.collect().into_iter().filter(|family| family.name() != own);
        ProcessReading(others.chain([family::PROCESS_CPU.single(cpu_seconds())]).collect())
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = procfs::process::Process::myself().and_then(|myself| myself.stat()).ok()?;
    Some(count(stat.utime + stat.stime) / count(procfs::ticks_per_second()))
}
