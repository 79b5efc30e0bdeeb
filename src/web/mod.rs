//! The HTTP server: who may connect and for how long, and which route answers what.
//!
//! It serves from the first moment, whatever the API does, and goes on while clients misbehave: see [`Server`].

mod activity;
mod body;
mod config;
mod connections;
mod guard;
mod http2;
mod limits;
mod listen;
mod page;
mod passwords;
mod path;
mod readiness;
mod reload;
mod routes;
mod seats;
mod serve;
mod server;
pub mod settle;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

pub use config::WebConfig;
pub use listen::{BindError, ListenAddress, ListenAddressError};
pub use path::{TelemetryPath, TelemetryPathError, reserved};
pub use reload::{ReloadHandle, ReloadRequest};
pub use server::Server;

use crate::metrics::exposition::Exposition;
use crate::status::Stats;
use crate::store::Store;

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

/// What the routes answer from.
#[derive(Debug, Clone)]
pub struct Parts {
    pub exposition: Arc<Exposition>,
    pub store: Arc<Store>,
    pub stats: Arc<Stats>,
    pub reload: ReloadHandle,
}
