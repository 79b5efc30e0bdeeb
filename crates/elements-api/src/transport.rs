//! One request out, one answer in: HTTP, TLS, proxies, and the limits that hold for every answer.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderMap};
use reqwest::{Certificate, Client, Method, redirect, retry, tls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};
use url::{Origin, Url};

use crate::error::NetworkProblem;
use crate::excerpt::Excerpt;
use crate::proxy::{Proxy, proxy_to};
use crate::resolver::Resolver;
use crate::retry::parse_retry_after;
use crate::secret::Secret;
use crate::settings::is_loopback;
use crate::{Settings, SetupError};

/// No answer of this API needs more bytes, and no more are read.
pub(crate) const LARGEST_BODY: usize = 1 << 20;

/// Sends one request. A test puts a scripted vendor in its place.
pub(crate) trait Transport: Send + Sync {
    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, SendError>> + Send + '_>>;
}

/// One request: the token goes into `Authorization`, and a form or JSON into the body.
pub(crate) struct Request {
    pub(crate) url: Url,
    pub(crate) bearer: Option<Secret>,
    pub(crate) body: Option<Body>,
}

pub(crate) enum Body {
    Form(Secret),
    Json(String),
}

/// A complete answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) date: Option<SystemTime>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no complete answer.
pub(crate) enum SendError {
    Network(NetworkProblem),
    /// The status came, but the body is larger than is read.
    TooLarge {
        status: u16,
        request_id: Option<String>,
    },
}

/// Names the file of the system's roots, which is read without a limit below: a pipe would hold up everything.
const SYSTEM_ROOTS: &str = "SSL_CERT_FILE";

const JSON: &str = "application/json";

/// The transport of the real daemon.
pub(crate) struct Http {
    api: Reach,
    identity: Reach,
    identity_origin: Origin,
}

/// How one of the hosts is reached.
struct Reach {
    client: Client,
    /// The name of the proxy on the way.
    through: Option<String>,
    connect_timeout: Duration,
}

impl Http {
    /// # Errors
    ///
    /// `ca_file` cannot be read as PEM certificates, the system has no roots, or a variable names a proxy that is none.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SetupError> {
        let roots = match &settings.ca_file {
            Some(file) => roots(file).map_err(|problem| SetupError::CaFile { file: file.clone(), problem })?,
            None => Vec::new(),
        };
        if let Some(file) = std::env::var_os(SYSTEM_ROOTS) {
            let problem =
                |error| SetupError::Client(Excerpt::of(format_args!("the file that {SYSTEM_ROOTS} names: {error}")));
            bounded_file::read(Path::new(&file), bounded_file::LARGEST).map_err(problem)?;
        }
        Ok(Self {
            api: Reach::new(&settings.base_url, &roots, settings)?,
            identity: Reach::new(&settings.token_url, &roots, settings)?,
            identity_origin: settings.token_url.origin(),
        })
    }

    async fn exchange(&self, request: Request) -> Result<Response, SendError> {
        let Request { url, bearer, body } = request;
        let reach = if url.origin() == self.identity_origin { &self.identity } else { &self.api };
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut builder = reach.client.request(method, url).header(header::ACCEPT, JSON);
        if let Some(token) = bearer {
            builder = builder.bearer_auth(token.expose());
        }
        builder = match body {
            Some(Body::Form(form)) => {
                builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.expose().to_owned())
            }
            Some(Body::Json(json)) => builder.header(header::CONTENT_TYPE, JSON).body(json),
            // The vendor asks for it with every request of the API, also where there is no body.
            None => builder.header(header::CONTENT_TYPE, JSON),
        };
        let mut answer = builder.send().await.map_err(|error| reach.network(error))?;
        let date = text(answer.headers(), "date").and_then(|date| httpdate::parse_http_date(date).ok());
        let mut response = Response {
            status: answer.status().as_u16(),
            request_id: request_id(answer.headers()),
            // A date to wait for is one on the vendor's clock.
            retry_after: text(answer.headers(), "retry-after")
                .and_then(|value| parse_retry_after(value, date.unwrap_or_else(SystemTime::now))),
            date,
            body: Vec::new(),
        };
        while let Some(chunk) = answer.chunk().await.map_err(|error| reach.network(error))? {
            if response.body.len() + chunk.len() > LARGEST_BODY {
                return Err(SendError::TooLarge { status: response.status, request_id: response.request_id });
            }
            response.body.extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

impl Transport for Http {
    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, SendError>> + Send + '_>> {
        Box::pin(self.exchange(request))
    }
}

/// The certificates of a `ca_file`.
fn roots(path: &Path) -> Result<Vec<Certificate>, String> {
    let pem = bounded_file::read(path, bounded_file::LARGEST).map_err(|error| error.to_string())?;
    let roots: Option<Vec<_>> = CertificateDer::pem_slice_iter(&pem)
        .map(|root| {
            let root = root.ok()?;
            // The client would refuse it, too, but could not tell that it is from this file.
            RootCertStore::empty().add(root.clone()).ok()?;
            Certificate::from_der(&root).ok()
        })
        .collect();
    match roots {
        None => Err("a certificate in it cannot be read".to_owned()),
        Some(roots) if roots.is_empty() => Err("it holds no PEM certificate".to_owned()),
        Some(roots) => Ok(roots),
    }
}

impl Reach {
    fn new(url: &Url, roots: &[Certificate], settings: &Settings) -> Result<Self, SetupError> {
        // What hangs before the request is sent is a trouble of the network: that is noticed before the time is over.
        let connect_timeout = settings.timeout.mul_f64(0.9);
        // Nothing of this machine is reached through another.
        let proxy = if is_loopback(url) { None } else { proxy_to(url, &|name| std::env::var_os(name))? };
        let (proxy, through) = proxy.map(|Proxy { proxy, name }| (proxy, name)).unzip();
        let client = client(url, roots, proxy, (settings, connect_timeout))?;
        Ok(Self { client, through, connect_timeout })
    }

    fn network(&self, error: reqwest::Error) -> SendError {
        let problem = if error.is_connect() && error.is_timeout() {
            NetworkProblem::Other(Excerpt::of(format!(
                "no connection within {}",
                humantime::format_duration(self.connect_timeout)
            )))
        } else {
            network(error)
        };
        SendError::Network(match (problem, &self.through) {
            (NetworkProblem::Other(problem), Some(proxy)) => {
                NetworkProblem::Other(Excerpt::of(format!("{problem} (a proxy is configured: {proxy})")))
            }
            (problem, _) => problem,
        })
    }
}

fn client(
    url: &Url,
    roots: &[Certificate],
    proxy: Option<reqwest::Proxy>,
    (settings, connect_timeout): (&Settings, Duration),
) -> Result<Client, SetupError> {
    let builder = Client::builder()
        .user_agent(settings.user_agent)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .http1_only()
        .dns_resolver(Resolver)
        .tls_version_min(tls::Version::TLS_1_2)
        .connect_timeout(connect_timeout)
        // The environment has been read.
        .no_proxy()
        .pool_max_idle_per_host(settings.max_in_flight.get());
    let builder = if url.scheme() == "http" {
        // Nothing will be encrypted, and so the system needs no roots.
        builder.tls_certs_only([])
    } else {
        builder.tls_certs_merge(roots.iter().cloned())
    };
    let builder = match proxy {
        Some(proxy) => builder.proxy(proxy),
        None => builder,
    };
    builder.build().map_err(|error| SetupError::Client(Excerpt::of(in_full(&error))))
}

/// Only plain characters, and not many: it goes into logs.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let plain = |id: &&str| !id.is_empty() && id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic());
    text(headers, "request-id").filter(plain).map(str::to_owned)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn network(error: reqwest::Error) -> NetworkProblem {
    let error = error.without_url();
    let mut source: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(cause) = source {
        if let Some(rustls::Error::InvalidCertificate(problem)) = tls_error(cause) {
            return match problem {
                // The latter is an authority with the name of one that is known.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => NetworkProblem::UnknownAuthority,
                other => NetworkProblem::Untrusted(Excerpt::of(other)),
            };
        }
        source = cause.source();
    }
    // The outermost says no more than that sending failed.
    NetworkProblem::Other(Excerpt::of(in_full(error.source().unwrap_or(&error))))
}

/// A TLS error travels inside I/O errors, which do not name what is in them as their source.
fn tls_error<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => tls_error(inner),
        None => cause.downcast_ref(),
    }
}

/// The error and its causes, in one line, each said once.
fn in_full(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// The head of what is sent for a request with this body.
    async fn sent(body: Option<Body>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let server = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                connection.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            String::from_utf8(head).unwrap().to_lowercase()
        });
        let settings = Settings { base_url: url.clone(), ..crate::testing::settings() };
        let sent = Http::new(&settings).unwrap().exchange(Request { url, bearer: None, body }).await;
        assert!(sent.is_ok());
        server.join().unwrap()
    }

    #[tokio::test]
    async fn every_request_says_what_kind_of_text_it_is_even_without_any() {
        for (body, method, content_type) in [
            (None, "get", "application/json"),
            (Some(Body::Json("{}".to_owned())), "post", "application/json"),
            (Some(Body::Form(Secret::new("a=b"))), "post", "application/x-www-form-urlencoded"),
        ] {
            let head = sent(body).await;
            assert!(head.starts_with(method), "{head}");
            let types: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("content-type: ")).collect();
            assert_eq!(types, [content_type]);
        }
    }
}
