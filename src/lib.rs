//! A Prometheus exporter for the user seats that AvePoint customers have purchased.
//!
//! The way of a number: [`elements_api`] asks the vendor, [`poll`] decides when, [`store`] holds what is known now,
//! [`metrics`] turns it into families and bytes, [`pages`] answers with them, and [`exporter_web`] serves the answers.
//! [`status`] holds how the exporter itself does. [`app`] is the only place that wires these together.
//! `ARCHITECTURE.md` has the rest.

pub mod app;
pub mod cli;
pub mod config;
pub mod metrics;
pub mod names;
pub mod off_runtime;
pub mod pages;
pub mod poll;
pub mod rfc3339;
pub mod status;
pub mod store;
pub mod table;
#[cfg(test)]
mod testing;
