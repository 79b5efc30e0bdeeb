//! When to ask, and for what.

mod selection;

pub use selection::{ConfiguredCustomer, Discovery, Selection};

use std::time::Duration;

/// How often to poll, and how long an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Between the starts of two cycles.
    pub interval: Duration,
    /// How long a number is shown after it was answered. At least two intervals.
    pub stale_after: Duration,
    /// When to ask again for a product that the customer does not have. At least one interval.
    pub absent_interval: Duration,
}
mod schedule;
mod sweep;
