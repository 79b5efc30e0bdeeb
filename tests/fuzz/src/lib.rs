//! What must hold of everything that strangers write: one function per kind of input, which panics where it does not, and
//! says whether the input was accepted.
//!
//! `make fuzz` hands them to libFuzzer, which looks for inputs that reach what none has reached before; `tests/corpus.rs`
//! hands them what it found. Each kind has a folder in `corpus`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a panic is how a fault is told"
)]

mod answers;
mod expected_seats;
mod exporter_yaml;
mod http;
mod message;
mod paused;
mod place;
mod state_file;
mod web_yaml;

pub use answers::answers;
pub use expected_seats::expected_seats;
pub use exporter_yaml::exporter_yaml;
pub use http::{http1, http2};
pub use state_file::state_file;
pub use web_yaml::web_yaml;
