//! The lines of the log that nobody took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_appender::non_blocking::ErrorCounter;

/// Counts the lines that found no place in the log's queue, and those that could not be written.
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

    pub(super) fn get(&self) -> u64 {
        self.queue_full.dropped_lines() as u64 + self.unwritten.load(Ordering::Relaxed)
    }
}
