//! What is answered: the metrics, the pages, the downloads, and how the exporter does.

mod downloads;
mod finding;
mod format;
mod found;
mod observer;
mod query;
mod readiness;
mod reload;
mod route;
mod routes;
mod status;
mod style;
mod subscriptions;
mod telemetry_path;

use std::sync::Arc;

pub(crate) use downloads::{SEAT_COLUMNS, seat_row};
pub(crate) use observer::WebObserver;
pub use reload::{NotReloaded, ReloadHandle, ReloadRequest, ReloadRequests};
pub use routes::Routes;
pub use telemetry_path::{TelemetryPath, TelemetryPathError, reserved};

use crate::metrics::exposition::Exposition;
use crate::status::Status;
use crate::store::Store;

/// What the routes answer from.
#[derive(Debug, Clone)]
pub struct Sources {
    pub exposition: Arc<Exposition>,
    pub store: Arc<Store>,
    pub status: Arc<Status>,
    pub reload: ReloadHandle,
}
