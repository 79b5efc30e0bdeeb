//! The HTTP server: who may connect and for how long, and which route answers what.
//!
//! It serves from the first moment, whatever the API does, and goes on while clients misbehave: see [`Server`].

mod activity;
pub(crate) mod body;
mod config;
mod connections;
pub(crate) mod guard;
mod http2;
mod limits;
mod listen;
mod passwords;
mod serve;
mod server;
pub mod settle;

use std::path::PathBuf;

pub use config::WebConfig;
pub use listen::{BindError, ListenAddress, ListenAddressError};
pub use server::Server;

use crate::pages::TelemetryPath;

/// Where to listen, and what to offer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// At least one, or nobody can ask.
    pub listen: Vec<ListenAddress>,
    pub telemetry_path: TelemetryPath,
    /// Whether `/-/reload` does anything.
    pub enable_lifecycle: bool,
    /// TLS, users and limits, in the format of Prometheus' exporter-toolkit. It is followed when it changes.
    pub config_file: Option<PathBuf>,
}
