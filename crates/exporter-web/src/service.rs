//! What an exporter brings: responses, and somebody who wants to know.

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response, StatusCode};

use crate::Body;

/// Makes the response to each request.
///
/// What holds for every response is no business of the service: the server refuses who may not ask, sets
/// `Content-Length`, `Cache-Control: no-store`, `X-Content-Type-Options: nosniff` and the headers of the web
/// configuration, and sends no body where `HEAD` was asked. A service that treats `HEAD` like `GET` does right.
///
/// # Panics
///
/// A panic in a service ends the connection that it was answering, or over HTTP/2 the request, and nothing else: the
/// client sees it break off. An exporter that should rather end as a whole installs a hook with
/// [`std::panic::set_hook`].
pub trait Service: Send + Sync + 'static {
    /// The response to `request`, which has no body: nobody reads what a client sends after the head.
    fn respond(&self, request: &Request<()>) -> impl Future<Output = Response<Body>> + Send;

    /// Whether `path` is answered to anybody at any time: without a password, and without regard to the rate limit. It
    /// is meant for the probes of an orchestrator, and `false` unless the service says otherwise.
    fn is_public(&self, path: &str) -> bool {
        let _ = path;
        false
    }
}

impl<S: Service> Service for Arc<S> {
    fn respond(&self, request: &Request<()>) -> impl Future<Output = Response<Body>> + Send {
        self.as_ref().respond(request)
    }

    fn is_public(&self, path: &str) -> bool {
        self.as_ref().is_public(path)
    }
}

/// Learns what an exporter may want to count, show or log. Nothing of it need be implemented; `()` lets it all go by.
///
/// The methods are called where requests are answered, so they must not block.
pub trait Observer: Send + Sync + 'static {
    /// `request` was answered with `status`, by the service or because the client may not ask. What is no HTTP, or has
    /// too large a head, never becomes a request.
    fn answered(&self, request: &Request<()>, status: StatusCode) {
        let _ = (request, status);
    }

    /// From now on whoever asks for what is not public needs a password. It comes once when the server is bound and
    /// again with each configuration that demands one: the counters of refusals (401) can start at 0, so that Prometheus
    /// sees the first of them as an increase.
    fn password_demanded(&self) {}

    /// The web configuration file has changed, and is in force (`true`) or was rejected (`false`), in which case the
    /// previous one stays in effect. The crate logs either.
    fn config_reloaded(&self, successful: bool) {
        let _ = successful;
    }

    /// The server listens beyond this machine and demands neither passwords nor certificates: whoever reaches the port
    /// sees everything. Only the exporter knows how bad that is, so it may log a warning in its own words. It comes
    /// once when the server is bound and again with each such configuration.
    fn exposed(&self) {}
}

impl Observer for () {}

impl<O: Observer> Observer for Arc<O> {
    fn answered(&self, request: &Request<()>, status: StatusCode) {
        self.as_ref().answered(request, status);
    }

    fn password_demanded(&self) {
        self.as_ref().password_demanded();
    }

    fn config_reloaded(&self, successful: bool) {
        self.as_ref().config_reloaded(successful);
    }

    fn exposed(&self) {
        self.as_ref().exposed();
    }
}
