//! The routes, as plain functions from request to response.

use std::time::SystemTime;

use hyper::body::Body as _;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use super::body::Chunks;
use super::page::page;
use super::readiness::readiness;
use super::{Parts, TelemetryPath};
use crate::exposition::{Encoding, Format, Rendered};

/// Everything that can be asked.
#[derive(Debug)]
pub(super) struct Routes {
    parts: Parts,
    telemetry_path: TelemetryPath,
    enable_lifecycle: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Metrics,
    Page,
    Healthy,
    Ready,
    Reload,
    Other,
}

impl Route {
    const ALL: [Self; 6] = [Self::Metrics, Self::Page, Self::Healthy, Self::Ready, Self::Reload, Self::Other];

    /// The `handler` label of `avepoint_exporter_http_requests_total`, and so part of the public interface. The
    /// metrics have one name wherever they are.
    const fn handler(self) -> &'static str {
        match self {
            Self::Metrics => "/metrics",
            Self::Page => "/",
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
            Self::Reload => "/-/reload",
            Self::Other => "other",
        }
    }

    /// The methods that it answers, as `Allow` has them. `None`: there is nothing that any method could do.
    const fn allow(self) -> Option<&'static str> {
        match self {
            Self::Metrics | Self::Page | Self::Healthy | Self::Ready => Some("GET, HEAD"),
            Self::Reload => Some("POST, PUT"),
            Self::Other => None,
        }
    }
}

impl Routes {
    pub(super) fn new(parts: Parts, telemetry_path: TelemetryPath, enable_lifecycle: bool) -> Self {
        for route in Route::ALL {
            parts.stats.http_handler(route.handler());
        }
        Self { parts, telemetry_path, enable_lifecycle }
    }

    /// The answer to a request, whose body nobody reads.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Response<Chunks> {
        let route = self.route(request.uri().path());
        let mut response = match route.allow() {
            Some(allow) if !allow.split(", ").any(|method| method == request.method().as_str()) => {
                let response = text(StatusCode::METHOD_NOT_ALLOWED, format!("This path answers {allow}.\n"));
                with(response, ALLOW, allow)
            }
            _ => self.respond(route, request.headers()).await,
        };
        let length = response.body().size_hint().exact().unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, length.into());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if request.method() == Method::HEAD {
            *response.body_mut() = Chunks::default();
        }
        self.parts.stats.http_request(route.handler(), response.status().as_u16());
        response
    }

    fn route(&self, path: &str) -> Route {
        match path {
            "/" => Route::Page,
            "/-/healthy" => Route::Healthy,
            "/-/ready" => Route::Ready,
            "/-/reload" => Route::Reload,
            path if path == self.telemetry_path.as_str() => Route::Metrics,
            _ => Route::Other,
        }
    }

    async fn respond(&self, route: Route, headers: &HeaderMap) -> Response<Chunks> {
        match route {
            Route::Metrics => self.metrics(headers).await,
            Route::Page => self.page(),
            Route::Healthy => text(StatusCode::OK, "The exporter runs.\n".to_owned()),
            Route::Ready => match readiness(&self.parts.store, SystemTime::now()) {
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

    fn page(&self) -> Response<Chunks> {
        match page(&self.parts.store, self.telemetry_path.as_str(), SystemTime::now()) {
            Ok(html) => {
                let response = Response::new(Chunks::from(html));
                let response = with(response, CONTENT_TYPE, "text/html; charset=utf-8");
                let response = with(response, REFERRER_POLICY, "no-referrer");
                with(response, CONTENT_SECURITY_POLICY, PAGE_MAY)
            }
            Err(error) => {
                tracing::error!(%error, "cannot render the page");
                text(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown; the log says why.\n".to_owned())
            }
        }
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

/// The page loads nothing, sends nothing, and is shown in no frame.
const PAGE_MAY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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
pub(super) mod tests;
