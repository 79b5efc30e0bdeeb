//! What `deploy/` holds is judged by the programs that take it, and every file, flag, key and port that it names exists.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "a test ends with what it did not expect"
)]

mod alertmanager;
mod compose;
mod configurations;
mod files;
mod grafana;
mod guide;
#[path = "../harness/mod.rs"]
mod harness;
mod image;
mod kubernetes;
mod operator;
mod rollout;
mod schema;
mod systemd;
