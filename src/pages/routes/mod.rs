//! The routes, as plain functions from request to response.

use std::sync::Arc;

use bytes::Bytes;
use exporter_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, VARY,
};
use exporter_web::http::{Request, Response, StatusCode};
use exporter_web::{Body, Service, plain_text};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::readiness::Readiness;
use super::route::Route;
use super::style::PAGE_MAY;
use super::{Sources, TelemetryPath, downloads, status, subscriptions};
use crate::metrics::exposition::{Encoding, Format, Rendered};
use crate::off_runtime::off_runtime;
use crate::pages::{NotReloaded, ReloadHandle};
use crate::status::Status;
use crate::store::{Now, Snapshot, Store};
use crate::table::Form;

/// Everything that can be asked.
#[derive(Debug)]
pub struct Routes {
    sources: Sources,
    telemetry_path: TelemetryPath,
    enable_lifecycle: bool,
    pages: Places,
    downloads: Places,
    /// Whoever holds it makes a page.
    rendering: Arc<Mutex<()>>,
    readiness: Readiness,
}

impl Routes {
    pub fn new(sources: Sources, telemetry_path: TelemetryPath, enable_lifecycle: bool) -> Self {
        Self {
            sources,
            telemetry_path,
            enable_lifecycle,
            pages: Places::new(MOST_PAGES),
            downloads: Places::new(MOST_DOWNLOADS),
            rendering: Arc::default(),
            readiness: Readiness::default(),
        }
    }
}

impl Service for Routes {
    async fn respond(&self, request: &Request<()>) -> Response<Body> {
        let (sources, telemetry_path) = (&self.sources, &self.telemetry_path);
        let route = Route::of(request.uri().path(), telemetry_path);
        if let Some(allow) = route.allow()
            && !allow.split(", ").any(|method| method == request.method().as_str())
        {
            return wrong_method(allow);
        }
        let query = request.uri().query().unwrap_or_default();
        match route {
            Route::Metrics => metrics(sources, request.headers()).await,
            Route::Page => self.page(status::page, query).await,
            Route::Subscriptions => self.page(subscriptions::page, query).await,
            Route::SeatsCsv => self.download(downloads::seats, query, Form::Csv, "attachment; filename=\"seats.csv\""),
            Route::SeatsJson => {
                self.download(downloads::seats, query, Form::Json, "attachment; filename=\"seats.json\"")
            }
            Route::SubscriptionsCsv => {
                let attachment = "attachment; filename=\"subscriptions.csv\"";
                self.download(downloads::subscriptions, query, Form::Csv, attachment)
            }
            Route::SubscriptionsJson => {
                let attachment = "attachment; filename=\"subscriptions.json\"";
                self.download(downloads::subscriptions, query, Form::Json, attachment)
            }
            Route::Healthy => plain_text(StatusCode::OK, "The exporter runs.\n"),
            Route::Ready => match self.readiness.ask(&sources.store, &sources.status) {
                Ok(()) => plain_text(StatusCode::OK, "The exporter is ready.\n"),
                Err(reason) => plain_text(StatusCode::SERVICE_UNAVAILABLE, format!("Not ready: {reason}.\n")),
            },
            Route::Reload if !self.enable_lifecycle => lifecycle_disabled(),
            Route::Reload => reload(&sources.reload).await,
            Route::Other => not_found(telemetry_path),
        }
    }

    fn is_public(&self, path: &str) -> bool {
        Route::of(path, &self.telemetry_path).is_public()
    }
}

/// What makes a page of what is known, for the query of a URL.
type Render = fn(&Store, &Status, &str, &str, Now) -> askama::Result<String>;

impl Routes {
    async fn page(&self, render: Render, query: &str) -> Response<Body> {
        let Some(permit) = self.pages.permit() else { return too_many() };
        let (Sources { store, status, .. }, telemetry_path) = (self.sources.clone(), self.telemetry_path.clone());
        let query = query.to_owned();
        // One at a time: visitors in a hurry must leave the scrapes their share of the machine.
        let rendering = self.rendering.clone().lock_owned().await;
        let made = off_runtime(move || {
            let made = render(&store, &status, telemetry_path.as_str(), &query, Now::read());
            // The next page waits for this, and not for the request, whose client may leave meanwhile.
            drop(rendering);
            made
        });
        match made.await {
            Ok(html) => {
                let response = Response::new(Body::from(html).holding(permit));
                let response = with(response, CONTENT_TYPE, "text/html; charset=utf-8");
                let mut response = with(response, REFERRER_POLICY, "no-referrer");
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, PAGE_MAY.clone());
                response
            }
            Err(error) => {
                tracing::error!(%error, "cannot render the page");
                plain_text(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown; the log says why.\n")
            }
        }
    }

    fn download<I: Iterator<Item = Bytes> + Send + 'static>(
        &self,
        make: impl FnOnce(Snapshot, &str, Form, Now) -> I,
        query: &str,
        form: Form,
        attachment: &'static str,
    ) -> Response<Body> {
        let Some(permit) = self.downloads.permit() else { return too_many() };
        let chunks = make(self.sources.store.snapshot(), query, form, Now::read());
        let response = Response::new(Body::lazy(chunks).holding(permit));
        let content_type = match form {
            Form::Csv => "text/csv; charset=utf-8; header=present",
            Form::Json => "application/json",
        };
        let response = with(response, CONTENT_TYPE, content_type);
        with(response, CONTENT_DISPOSITION, attachment)
    }
}

async fn metrics(sources: &Sources, headers: &HeaderMap) -> Response<Body> {
    let values = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let format = Format::accepted(values(ACCEPT));
    let encoding = Encoding::accepted(values(ACCEPT_ENCODING));
    let rendered = sources.exposition.render(format, encoding).await;
    let Rendered { format, encoding, .. } = rendered;
    let mut response = Response::new(Body::shared(
        rendered.length() as u64,
        rendered.segments().map(|segment| segment.map_err(|_| exporter_web::Withdrawn)),
    ));
    if encoding == Encoding::Gzip {
        response = with(response, CONTENT_ENCODING, "gzip");
    }
    response = with(response, VARY, "Accept, Accept-Encoding");
    with(response, CONTENT_TYPE, format.content_type())
}

async fn reload(handle: &ReloadHandle) -> Response<Body> {
    match handle.reload().await {
        Ok(()) => plain_text(StatusCode::OK, "The configuration was reloaded.\n"),
        Err(NotReloaded::Busy) => busy("Too many wait for a reload already, which takes long.\n"),
        Err(NotReloaded::Refused(reason)) => {
            let message =
                format!("The configuration was not reloaded, and the previous one stays in effect: {reason}\n");
            plain_text(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }
}

fn lifecycle_disabled() -> Response<Body> {
    plain_text(StatusCode::FORBIDDEN, "Start the exporter with --web.enable-lifecycle to reload it this way.\n")
}

fn wrong_method(allow: &'static str) -> Response<Body> {
    with(plain_text(StatusCode::METHOD_NOT_ALLOWED, format!("This path answers {allow}.\n")), ALLOW, allow)
}

fn not_found(telemetry_path: &TelemetryPath) -> Response<Body> {
    plain_text(StatusCode::NOT_FOUND, format!("Nothing is here. The metrics are at {telemetry_path}.\n"))
}

/// So many clients may wait for a page, or take one, at a time: more than people are, and few enough that neither memory
/// nor the scrapes suffer.
const MOST_PAGES: usize = 24;

/// So many clients may take a download at a time. They are apart from those of pages, since a download can be made to
/// last.
const MOST_DOWNLOADS: usize = 8;

/// Places for what is large and made for one client each.
#[derive(Debug)]
struct Places(Arc<Semaphore>);

impl Places {
    fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// To be held until the response is sent. `None`: there are too many.
    fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}

fn too_many() -> Response<Body> {
    busy("Too many clients are looking at once.\n")
}

fn busy(text: &'static str) -> Response<Body> {
    with(plain_text(StatusCode::SERVICE_UNAVAILABLE, text), RETRY_AFTER, "1")
}

fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
pub(crate) mod tests;
