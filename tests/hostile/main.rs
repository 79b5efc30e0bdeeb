//! Clients that cost what they can, and the scrapes of others meanwhile. A test binary of its own: the others would
//! suffer beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    unreachable_pub,
    reason = "a test ends with what it did not expect"
)]

mod descriptors;
#[path = "../exporter/harness/mod.rs"]
#[expect(dead_code, reason = "it serves the tests of the exporter, which need the rest of it")]
mod harness;
mod idle;
mod senders;
mod stalled;
mod victim;
