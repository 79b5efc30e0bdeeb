//! Clients that cost what they can, and the scrapes of others meanwhile.

mod descriptors;
mod idle;
mod senders;
mod stalled;
mod victim;

pub use victim::{Victim, crowd};
