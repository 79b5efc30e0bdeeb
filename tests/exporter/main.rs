//! The real binary through sockets, signals and files, and everything that is shipped with it in the real programs that
//! take it.
//!
//! It is one binary, since each more would link all of this again. The runner takes tests in the order of their names:
//! beside a test run those of its own module, and [`harness::MACHINE`] keeps apart what does not bear that.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends with what it did not expect, and its helpers are called more often than they are read"
)]

mod alerts;
mod api;
mod browser;
mod commands;
mod credentials;
mod daemon;
mod dashboards;
mod demo;
mod deploy;
mod discovery;
mod docs;
mod end_to_end;
mod expected;
mod harness;
mod image;
mod logs;
mod project;
mod prometheus;
mod purchases;
mod reload;
mod restart;
mod seats;
mod secrets;
mod service;
mod stop;
mod tls;
mod web_config;
