//! The real binary against the simulated API, through sockets, signals and files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "a test ends with what it did not expect"
)]

mod api;
mod commands;
mod credentials;
mod daemon;
mod demo;
mod discovery;
#[path = "../harness/mod.rs"]
mod harness;
mod logs;
mod prometheus;
mod reload;
mod restart;
mod seats;
mod secrets;
mod stop;
mod tls;
#[path = "../hostile/victim.rs"]
#[allow(dead_code, reason = "the hostile clients use the rest of it")]
mod victim;
mod web_config;
