//! A Prometheus exporter for the user seats that AvePoint customers have purchased.
//!
//! The way of a number: [`api`] asks the vendor, [`poller`] decides when, [`store`] knows what is known now,
//! [`metrics`] turns it into families, [`exposition`] into bytes, and [`web`] serves them. [`app`] is the only place
//! that wires these together. `ARCHITECTURE.md` tells the rest.

pub mod api;
pub mod app;
pub mod aside;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod exposition;
pub mod file;
pub mod metrics;
pub mod model;
pub mod object;
pub mod poller;
pub mod secret;
pub mod sim;
pub mod state;
pub mod stats;
pub mod store;
pub mod table;
pub mod web;
pub mod yaml;
