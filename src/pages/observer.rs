//! What the web server reports, as the exporter shows it.

use std::sync::Arc;

use exporter_web::Observer;
use exporter_web::http::{Request, StatusCode};
use tracing::warn;

use super::route::Route;
use super::{Sources, TelemetryPath};
use crate::status::Status;

/// Counts requests by route and status, and notes whether the web configuration is in force.
#[derive(Debug)]
pub(crate) struct WebObserver {
    status: Arc<Status>,
    telemetry_path: TelemetryPath,
}

impl WebObserver {
    /// Starts the counters of usual answers at 0.
    pub(crate) fn new(sources: &Sources, telemetry_path: TelemetryPath) -> Self {
        for route in Route::ALL {
            let usual = if route == Route::Other { StatusCode::NOT_FOUND } else { StatusCode::OK };
            sources.status.http_handler(route.handler(), usual.as_u16());
        }
        Self { status: sources.status.clone(), telemetry_path }
    }
}

impl Observer for WebObserver {
    fn answered(&self, request: &Request<()>, status: StatusCode) {
        let route = Route::of(request.uri().path(), &self.telemetry_path);
        self.status.http_request(route.handler(), status.as_u16());
    }

    fn password_demanded(&self) {
        for route in Route::ALL.into_iter().filter(|route| !route.is_public()) {
            self.status.http_handler(route.handler(), StatusCode::UNAUTHORIZED.as_u16());
        }
    }

    fn config_reloaded(&self, successful: bool) {
        self.status.web_reloaded(successful);
    }

    fn exposed(&self) {
        warn!(
            "listening beyond this machine without a password: whoever reaches the port sees all customers and seats"
        );
    }
}
