//! The dashboards: how they are made, what the documents say of them, and what every query of theirs finds in a real
//! Prometheus.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "a test ends with what it did not expect"
)]

mod board;
mod choices;
mod documents;
mod examples;
#[path = "../harness/mod.rs"]
mod harness;
mod history;
mod links;
mod live;
mod metrics;
mod moved;
mod scene;
mod structure;
