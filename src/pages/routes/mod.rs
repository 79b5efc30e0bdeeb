//! The routes, as plain functions from request to response.

use std::sync::Arc;
use std::time::SystemTime;

use hyper::body::Body as _;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{Mutex, Semaphore};

use super::downloads::download;
use super::page::{PAGE_MAY, page};
use super::readiness::Readiness;
use super::{Parts, TelemetryPath};
use crate::aside::aside;
use crate::metrics::exposition::{Encoding, Format, Rendered};
use crate::table::Form;
use crate::web::WebConfig;
use crate::web::body::Chunks;
use crate::web::guard::{Guard, Refusal};

/// Everything that can be asked.
#[derive(Debug)]
pub(crate) struct Routes {
    parts: Parts,
    telemetry_path: TelemetryPath,
    enable_lifecycle: bool,
    /// For pages and downloads, which are large and made for one client each.
    places: Arc<Semaphore>,
    /// Whoever holds it makes a page.
    pages: Arc<Mutex<()>>,
    readiness: Readiness,
    guard: Guard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Metrics,
    Page,
    Healthy,
    Ready,
    Reload,
    SeatsCsv,
    SeatsJson,
    Other,
}

impl Route {
    const ALL: [Self; 8] = [
        Self::Metrics,
        Self::Page,
        Self::SeatsCsv,
        Self::SeatsJson,
        Self::Healthy,
        Self::Ready,
        Self::Reload,
        Self::Other,
    ];

    /// The `handler` label of `avepoint_exporter_http_requests_total`, and so part of the public interface. The
    /// metrics have one name wherever they are.
    const fn handler(self) -> &'static str {
        match self {
            Self::Metrics => "/metrics",
            Self::Page => "/",
            Self::SeatsCsv => "/seats.csv",
            Self::SeatsJson => "/seats.json",
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
            Self::Reload => "/-/reload",
            Self::Other => "other",
        }
    }

    /// The methods that it answers, as `Allow` has them. `None`: there is nothing that any method could do.
    const fn allow(self) -> Option<&'static str> {
        match self {
            Self::Metrics | Self::Page | Self::SeatsCsv | Self::SeatsJson | Self::Healthy | Self::Ready => {
                Some("GET, HEAD")
            }
            Self::Reload => Some("POST, PUT"),
            Self::Other => None,
        }
    }

    /// Whether nobody is kept out. Probes have no password, and tell nothing that needs one.
    const fn is_open(self) -> bool {
        matches!(self, Self::Healthy | Self::Ready)
    }
}

impl Routes {
    pub(crate) fn new(parts: Parts, telemetry_path: TelemetryPath, enable_lifecycle: bool) -> Self {
        for route in Route::ALL {
            let usual = if route == Route::Other { StatusCode::NOT_FOUND } else { StatusCode::OK };
            parts.status.http_handler(route.handler(), usual.as_u16());
        }
        Self {
            parts,
            telemetry_path,
            enable_lifecycle,
            pages: Arc::default(),
            places: Arc::new(Semaphore::new(PLACES)),
            readiness: Readiness::default(),
            guard: Guard::default(),
        }
    }

    /// The same with `guard` before them.
    pub(crate) fn guarded(self, guard: Guard) -> Self {
        let guarded = Self { guard, ..self };
        guarded.count_refusals();
        guarded
    }

    /// Starts the counters of refused passwords, where one is asked for now.
    pub(crate) fn count_refusals(&self) {
        if self.config().users.is_empty() {
            return;
        }
        for route in Route::ALL.into_iter().filter(|route| !route.is_open()) {
            self.parts.status.http_handler(route.handler(), StatusCode::UNAUTHORIZED.as_u16());
        }
    }

    /// The web configuration as it is now.
    pub(crate) fn config(&self) -> Arc<WebConfig> {
        self.guard.config()
    }

    /// The answer to a request, whose body nobody reads.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Response<Chunks> {
        let route = self.route(request.uri().path());
        let admitted = if route.is_open() { Ok(()) } else { self.guard.admit(request.headers()).await };
        let mut response = match (admitted, route.allow()) {
            (Err(refusal), _) => refuse(refusal),
            (Ok(()), Some(allow)) if !allow.split(", ").any(|method| method == request.method().as_str()) => {
                let response = text(StatusCode::METHOD_NOT_ALLOWED, format!("This path answers {allow}.\n"));
                with(response, ALLOW, allow)
            }
            _ => self.respond(route, request.uri().query(), request.headers()).await,
        };
        let length = response.body().size_hint().exact();
        let headers = response.headers_mut();
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.config().headers {
            // What the page allows itself is stricter than what suits every exporter.
            headers.entry(name).or_insert_with(|| value.clone());
        }
        if request.method() == Method::HEAD {
            *response.body_mut() = Chunks::default();
        }
        self.parts.status.http_request(route.handler(), response.status().as_u16());
        response
    }

    fn route(&self, path: &str) -> Route {
        match path {
            "/" => Route::Page,
            "/seats.csv" => Route::SeatsCsv,
            "/seats.json" => Route::SeatsJson,
            "/-/healthy" => Route::Healthy,
            "/-/ready" => Route::Ready,
            "/-/reload" => Route::Reload,
            path if path == self.telemetry_path.as_str() => Route::Metrics,
            _ => Route::Other,
        }
    }

    async fn respond(&self, route: Route, query: Option<&str>, headers: &HeaderMap) -> Response<Chunks> {
        match route {
            Route::Metrics => self.metrics(headers).await,
            Route::Page => self.page(query.unwrap_or_default()).await,
            Route::SeatsCsv => {
                self.seats(Form::Csv, "text/csv; charset=utf-8; header=present", "attachment; filename=\"seats.csv\"")
            }
            Route::SeatsJson => self.seats(Form::Json, "application/json", "attachment; filename=\"seats.json\""),
            Route::Healthy => text(StatusCode::OK, "The exporter runs.\n".to_owned()),
            Route::Ready => match self.readiness.ask(&self.parts.store, &self.parts.status) {
                Ok(()) => text(StatusCode::OK, "The exporter is ready.\n".to_owned()),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("Not ready: {reason}.\n")),
            },
            Route::Reload => self.reload().await,
            Route::Other => {
                let telemetry_path = &self.telemetry_path;
                text(StatusCode::NOT_FOUND, format!("Nothing is here. The metrics are at {telemetry_path}.\n"))
            }
        }
    }

    async fn metrics(&self, headers: &HeaderMap) -> Response<Chunks> {
        let values = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        let format = Format::accepted(values(ACCEPT));
        let encoding = Encoding::accepted(values(ACCEPT_ENCODING));
        let Rendered { chunks, format, encoding } = self.parts.exposition.render(format, encoding).await;
        let mut response = Response::new(Chunks::new(chunks));
        if encoding == Encoding::Gzip {
            response = with(response, CONTENT_ENCODING, "gzip");
        }
        response = with(response, VARY, "Accept, Accept-Encoding");
        with(response, CONTENT_TYPE, format.content_type())
    }

    async fn page(&self, query: &str) -> Response<Chunks> {
        let Ok(place) = self.places.clone().try_acquire_owned() else { return no_place() };
        let (store, status) = (self.parts.store.clone(), self.parts.status.clone());
        let (telemetry_path, query) = (self.telemetry_path.clone(), query.to_owned());
        // One at a time: visitors in a hurry must leave the scrapes their share of the machine.
        let turn = self.pages.clone().lock_owned().await;
        let made = aside(move || {
            let made = page(&store, &status, telemetry_path.as_str(), &query, SystemTime::now());
            // The turn ends here and not with the request, whose client may leave meanwhile.
            drop(turn);
            made
        });
        match made.await {
            Ok(html) => {
                let response = Response::new(Chunks::from(html).in_place(place));
                let response = with(response, CONTENT_TYPE, "text/html; charset=utf-8");
                let mut response = with(response, REFERRER_POLICY, "no-referrer");
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, PAGE_MAY.clone());
                response
            }
            Err(error) => {
                tracing::error!(%error, "cannot render the page");
                text(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown; the log says why.\n".to_owned())
            }
        }
    }

    fn seats(&self, form: Form, content_type: &'static str, attachment: &'static str) -> Response<Chunks> {
        let Ok(place) = self.places.clone().try_acquire_owned() else { return no_place() };
        let pieces = download(self.parts.store.snapshot(), form, SystemTime::now());
        let response = Response::new(Chunks::made(pieces).in_place(place));
        let response = with(response, CONTENT_TYPE, content_type);
        with(response, CONTENT_DISPOSITION, attachment)
    }

    async fn reload(&self) -> Response<Chunks> {
        if !self.enable_lifecycle {
            let help = "Start the exporter with --web.enable-lifecycle to reload it this way.\n";
            return text(StatusCode::FORBIDDEN, help.to_owned());
        }
        match self.parts.reload.reload().await {
            Ok(()) => text(StatusCode::OK, "The configuration was reloaded.\n".to_owned()),
            Err(reason) => {
                let message = format!("The configuration was not reloaded, and the one before goes on: {reason}\n");
                text(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
        }
    }
}

/// So many clients may wait for a page or a download, or take one, at a time: more than people are, and few enough that
/// neither memory nor the scrapes suffer.
const PLACES: usize = 32;

fn no_place() -> Response<Chunks> {
    let response = text(StatusCode::SERVICE_UNAVAILABLE, "Too many clients look at once.\n".to_owned());
    with(response, RETRY_AFTER, "1")
}

/// RFC 7617 requires the realm; clients that know of `charset` send passwords as UTF-8.
const CHALLENGE: &str = "Basic realm=\"avepoint-exporter\", charset=\"UTF-8\"";

fn refuse(refusal: Refusal) -> Response<Chunks> {
    let refused = |status, help: &str| text(status, format!("{help}\n"));
    match refusal {
        Refusal::TooMany => refused(StatusCode::TOO_MANY_REQUESTS, "More requests than rate_limit allows."),
        Refusal::Unauthorized => {
            let response = refused(StatusCode::UNAUTHORIZED, "Sign in with a user and password.");
            with(response, WWW_AUTHENTICATE, CHALLENGE)
        }
        Refusal::Busy => {
            let response = refused(StatusCode::SERVICE_UNAVAILABLE, "Too many passwords wait to be checked.");
            with(response, RETRY_AFTER, "1")
        }
    }
}

fn text(status: StatusCode, text: String) -> Response<Chunks> {
    let mut response = Response::new(Chunks::from(text));
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, "text/plain; charset=utf-8")
}

fn with(mut response: Response<Chunks>, name: HeaderName, value: &'static str) -> Response<Chunks> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
pub(crate) mod tests;
