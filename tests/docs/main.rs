//! Every promise of the documents that can be run, is run: commands, options, configurations, tables, links.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends with what it did not expect"
)]

mod commands;
mod configurations;
mod demo;
#[path = "../harness/mod.rs"]
mod harness;
mod references;
mod tables;
mod vendor;
