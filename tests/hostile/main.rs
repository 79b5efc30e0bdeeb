//! Clients that cost what they can, and the scrapes of others meanwhile. A test binary of its own: the others would
//! suffer beside it.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends with what it did not expect, and its helpers are called more often than they are read"
)]

mod descriptors;
mod frames;
mod handshakes;
#[path = "../harness/mod.rs"]
mod harness;
mod idle;
mod passwords;
mod senders;
mod stalled;
mod victim;
