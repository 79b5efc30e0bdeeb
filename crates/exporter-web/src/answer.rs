//! What holds for every response, whatever the service makes of a request.

use std::fmt;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body as _;
use tokio::sync::watch;

use crate::auth::{Denial, Guard};
use crate::config::Agreed;
use crate::date::date;
use crate::origin::Origin;
use crate::{Body, Observer, Service, WebConfig, plain_text};

/// A [`Service`] as its clients see it.
///
/// The [`Server`](crate::Server) makes one of its own; this is for the tests of a service, which need no socket:
///
/// ```
/// use exporter_web::http::{Request, Response, StatusCode};
/// use exporter_web::{Body, Handler, Service};
///
/// struct Up;
///
/// impl Service for Up {
///     async fn respond(&self, _: &Request<()>) -> Response<Body> {
///         Response::new(Body::from("up 1\n"))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let response = Handler::new(Up, ()).answer(&Request::new(())).await;
/// assert_eq!(response.status(), StatusCode::OK);
/// assert_eq!(response.headers()["content-length"], "5");
/// # });
/// ```
pub struct Handler<S> {
    service: S,
    observer: Box<dyn Observer>,
    guard: Guard,
    challenge: HeaderValue,
}

impl<S: Service> Handler<S> {
    /// Answers everybody, as without a web configuration.
    pub fn new(service: S, observer: impl Observer) -> Self {
        // The last value stays to be seen when its sender has gone.
        Self::guarded(service, Box::new(observer), watch::channel(Arc::default()).1, "")
    }

    /// Answers whom `config` lets in, as it is at each request.
    pub(crate) fn guarded(
        service: S,
        observer: Box<dyn Observer>,
        config: watch::Receiver<Arc<WebConfig>>,
        realm: &str,
    ) -> Self {
        Self { service, observer, guard: Guard::new(config), challenge: challenge(realm) }
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        self.observer.as_ref()
    }

    /// The web configuration as it is now.
    pub(crate) fn config(&self) -> Arc<WebConfig> {
        self.guard.config()
    }

    /// Waits until the web configuration no longer admits a connection on which that was agreed.
    pub(crate) async fn no_longer_admits(&self, agreed: Option<&Agreed>) {
        let mut config = self.guard.changes();
        if config.wait_for(|config| !config.admits(agreed)).await.is_err() {
            // Nobody changes it any more.
            pending::<()>().await;
        }
    }

    /// The response to `request`, with all that a client on this machine gets.
    pub async fn answer(&self, request: &Request<()>) -> Response<Body> {
        self.answer_to(IpAddr::from(Ipv4Addr::LOCALHOST).into(), request).await
    }

    /// The response to `request` of a client at `origin`.
    pub(crate) async fn answer_to(&self, origin: Origin, request: &Request<()>) -> Response<Body> {
        let is_public = self.service.is_public(request.uri().path());
        let admitted = if is_public { Ok(()) } else { self.guard.admit(request.headers(), origin).await };
        let response = match admitted {
            Ok(()) => self.service.respond(request).await,
            Err(denial) => self.deny(denial),
        };
        self.finish(request, response)
    }

    /// The response to `request` with all that every response has.
    pub(crate) fn finish(&self, request: &Request<()>, mut response: Response<Body>) -> Response<Body> {
        let length = response.body().size_hint().exact();
        let headers = response.headers_mut();
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        headers.insert(DATE, date(SystemTime::now()));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.config().headers {
            // What a page allows itself is stricter than what suits every exporter.
            headers.entry(name).or_insert_with(|| value.clone());
        }
        if request.method() == Method::HEAD {
            *response.body_mut() = Body::default();
        }
        self.observer.answered(request, response.status());
        response
    }

    fn deny(&self, denial: Denial) -> Response<Body> {
        match denial {
            Denial::TooMany => plain_text(StatusCode::TOO_MANY_REQUESTS, "More requests than rate_limit allows.\n"),
            Denial::Unauthorized => {
                let response = plain_text(StatusCode::UNAUTHORIZED, "Sign in with a user and password.\n");
                with(response, WWW_AUTHENTICATE, self.challenge.clone())
            }
            Denial::Busy => {
                let response = plain_text(StatusCode::SERVICE_UNAVAILABLE, "Too many passwords wait to be checked.\n");
                with(response, RETRY_AFTER, HeaderValue::from_static("1"))
            }
        }
    }
}

impl<S> fmt::Debug for Handler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("guard", &self.guard).finish_non_exhaustive()
    }
}

fn with(mut response: Response<Body>, name: HeaderName, value: HeaderValue) -> Response<Body> {
    response.headers_mut().insert(name, value);
    response
}

/// RFC 7617 requires the realm; clients that know of `charset` send passwords as UTF-8.
fn challenge(realm: &str) -> HeaderValue {
    let plain = |c: &char| (c.is_ascii_graphic() || *c == ' ') && !matches!(c, '"' | '\\');
    let realm: String = realm.chars().filter(plain).collect();
    // Visible ASCII fits into a header. Were it otherwise, a realm without a name would do.
    HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
        .unwrap_or(HeaderValue::from_static("Basic realm=\"\", charset=\"UTF-8\""))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use http_body_util::BodyExt as _;

    use super::*;

    /// `/public` for everybody, anything else with a header of its own.
    struct Pages;

    impl Service for Pages {
        async fn respond(&self, request: &Request<()>) -> Response<Body> {
            let response = plain_text(StatusCode::OK, request.uri().path().to_owned());
            with(response, http::header::X_FRAME_OPTIONS, HeaderValue::from_static("deny"))
        }

        fn is_public(&self, path: &str) -> bool {
            path == "/public"
        }
    }

    type Seen = Arc<Mutex<Vec<(String, u16)>>>;

    struct Counted(Seen);

    impl Observer for Counted {
        fn answered(&self, request: &Request<()>, status: StatusCode) {
            self.0.lock().unwrap().push((request.uri().path().to_owned(), status.as_u16()));
        }
    }

    fn handler(config: &str) -> (Handler<Pages>, Seen) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        std::fs::write(&path, config).unwrap();
        let config = watch::channel(Arc::new(WebConfig::load(&path).unwrap())).1;
        let seen = Seen::default();
        (Handler::guarded(Pages, Box::new(Counted(seen.clone())), config, "an \"exporter\"\n"), seen)
    }

    async fn ask(handler: &Handler<Pages>, method: Method, path: &str, login: &str) -> (Response<()>, String) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Basic {}", STANDARD.encode(login)));
        let (head, body) = handler.answer(&request.body(()).unwrap()).await.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (Response::from_parts(head, ()), body)
    }

    #[tokio::test]
    async fn every_response_has_the_same_headers_and_head_no_body() {
        let (handler, seen) = handler(
            "http_server_config: {headers: {X-Frame-Options: sameorigin, Strict-Transport-Security: max-age=1}}\n",
        );
        let (got, body) = ask(&handler, Method::GET, "/x", "").await;
        let (head, no_body) = ask(&handler, Method::HEAD, "/x", "").await;
        assert_eq!((body.as_str(), no_body.as_str()), ("/x", ""));
        assert_eq!(got.headers(), head.headers());
        for (name, value) in [
            ("content-length", "2"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("strict-transport-security", "max-age=1"),
            ("x-frame-options", "deny"),
        ] {
            assert_eq!(got.headers()[name], value, "{name}");
        }
        assert_eq!(*seen.lock().unwrap(), [("/x".to_owned(), 200), ("/x".to_owned(), 200)]);
    }

    #[tokio::test]
    async fn who_has_no_password_is_asked_for_it_and_public_paths_ask_nobody() {
        let hash = bcrypt::hash("wonderland", 4).unwrap();
        let (handler, seen) = handler(&format!("basic_auth_users: {{alice: {hash}}}\n"));
        let (refused, body) = ask(&handler, Method::GET, "/x", "alice:rabbit").await;
        assert_eq!(
            (refused.status(), body.as_str()),
            (StatusCode::UNAUTHORIZED, "Sign in with a user and password.\n")
        );
        assert_eq!(refused.headers()["www-authenticate"], "Basic realm=\"an exporter\", charset=\"UTF-8\"");
        assert_eq!(refused.headers()["content-length"], "34");
        assert_eq!(ask(&handler, Method::GET, "/public", "").await.0.status(), StatusCode::OK);
        assert_eq!(ask(&handler, Method::GET, "/x", "alice:wonderland").await.0.status(), StatusCode::OK);
        let seen: Vec<_> = seen.lock().unwrap().iter().map(|(_, status)| *status).collect();
        assert_eq!(seen, [401, 200, 200]);
    }

    #[tokio::test(start_paused = true)]
    async fn more_requests_than_the_limit_are_refused_and_public_ones_do_not_count() {
        let (handler, _) = handler("rate_limit: {interval: 1h, burst: 1}\n");
        for _ in 0..2 {
            assert_eq!(ask(&handler, Method::GET, "/public", "").await.0.status(), StatusCode::OK);
        }
        assert_eq!(ask(&handler, Method::GET, "/x", "").await.0.status(), StatusCode::OK);
        let (refused, body) = ask(&handler, Method::GET, "/x", "").await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(body, "More requests than rate_limit allows.\n");
    }
}
