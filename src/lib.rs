//! A Prometheus exporter for the user seats that AvePoint customers have purchased.
//!
//! The way of a number: [`elements_api`] asks the vendor, [`poll`] decides when, [`store`] knows what is known now,
//! [`metrics`] turns it into families and bytes, and [`pages`] answers with them, through [`exporter_web`]. [`app`] is the only place that wires these
//! together. `ARCHITECTURE.md` tells the rest.

pub mod app;
pub mod aside;
pub mod cli;
pub mod config;
pub mod metrics;
pub mod pages;
pub mod poll;
pub mod status;
pub mod store;
pub mod table;
