//! The real binary against the simulated API, through sockets, signals and files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "a test ends with what it did not expect"
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
mod harness;
mod image;
mod logs;
mod project;
mod prometheus;
mod reload;
mod restart;
mod seats;
mod secrets;
mod stop;
mod tls;
#[path = "../hostile/victim.rs"]
#[expect(dead_code, reason = "the hostile clients use the rest of it")]
mod victim;
mod web_config;
