//! A vendor that is scripted in memory, for tests on a paused clock (feature `testing`).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! use std::time::Duration;
//!
//! use elements_api::testing::{Reply, Vendor};
//! use elements_api::{Answer, CustomerId, ProductType, Round, Seats};
//! use tokio::time::Instant;
//!
//! let mut throttled = false;
//! let vendor = Vendor::new(move |what| match what {
//!     "token" => Reply::token(),
//!     _ if !std::mem::replace(&mut throttled, true) => Reply::status(429).retry_after(100),
//!     _ => Reply::seats("4", 7),
//! });
//! let round = Round::begin(&vendor.client(|_| {}), Instant::now() + Duration::from_secs(600));
//! let slot = round.slot().await.unwrap();
//! let answer = round.overview(&CustomerId::parse("a").unwrap(), ProductType::new(4).unwrap(), slot, |_| true).await;
//! assert_eq!(answer, Ok(Answer::Seats(Seats::new(7).unwrap())));
//! assert_eq!(vendor.whats(), ["a/4", "a/4"]);
//! assert!(vendor.asked()[2].at >= Duration::from_secs(100));
//! # }
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test ends with what it did not expect"
)]

use std::fmt;
use std::future::Future;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use url::Url;

use crate::secret::Secret;
use crate::transport::{LARGEST_BODY, Request, Response, SendError, Transport};
use crate::{Client, Credential, Observer, SecretSource, Settings};

/// What is answered to a request, and after how long.
#[derive(Debug, Clone)]
pub struct Reply {
    /// From the request to the complete answer.
    pub after: Duration,
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// This status with an empty JSON object, after 20 ms.
    pub fn status(status: u16) -> Self {
        Self { after: Duration::from_millis(20), status, retry_after: None, body: b"{}".to_vec() }
    }

    /// Status 200 with this body.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::status(200) }
    }

    /// A token that is good for an hour.
    pub fn token() -> Self {
        Self::token_named("t")
    }

    /// A token with this text that is good for an hour.
    pub fn token_named(token: &str) -> Self {
        Self::json(format!(r#"{{"access_token": "{token}", "expires_in": 3600, "token_type": "Bearer"}}"#))
    }

    /// The overview of `product` with so many `seats`.
    pub fn seats(product: &str, seats: u64) -> Self {
        Self::json(format!(r#"{{"productType": {product}, "purchasedUserSeat": {seats}}}"#))
    }

    /// More than is read of an answer.
    pub fn too_large() -> Self {
        Self::json(" ".repeat(LARGEST_BODY + 1))
    }

    /// The same with a `Retry-After`.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(Duration::from_secs(seconds)), ..self }
    }

    /// The same after another time; longer than the settings' `timeout`, it is never heard.
    #[must_use]
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

/// A request, as the script sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// When it was made, since the vendor was.
    pub at: Duration,
    /// `token`, `customers/{page}`, `subscriptions/{page}`, `tenants/{customer}/{platform}/{page}` or
    /// `{customer}/{product}`.
    pub what: String,
}

type Script = Box<dyn FnMut(&str, &str) -> Reply + Send>;

/// The vendor: it answers as its script says, and remembers what it was asked. Clones are the same vendor.
#[derive(Clone)]
pub struct Vendor {
    began: Instant,
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    in_flight: Arc<AtomicUsize>,
    most_in_flight: Arc<AtomicUsize>,
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Vendor {
    /// `script` gives the reply to what was asked, as [`Asked::what`] names it; tokens too.
    pub fn new(mut script: impl FnMut(&str) -> Reply + Send + 'static) -> Self {
        Self::seeing_tokens(move |what, _| script(what))
    }

    /// The same with a script that also sees the token of each request, which is empty where it has none.
    pub fn seeing_tokens(script: impl FnMut(&str, &str) -> Reply + Send + 'static) -> Self {
        Self {
            began: Instant::now(),
            script: Arc::new(Mutex::new(Box::new(script))),
            asked: Arc::default(),
            in_flight: Arc::default(),
            most_in_flight: Arc::default(),
        }
    }

    /// A client of this vendor, with [`settings`] as `adapt` changes them, that nobody observes.
    pub fn client(&self, adapt: impl FnOnce(&mut Settings)) -> Arc<Client> {
        self.observed_client(Arc::new(()), adapt)
    }

    /// The same, which `observer` observes.
    pub fn observed_client(&self, observer: Arc<dyn Observer>, adapt: impl FnOnce(&mut Settings)) -> Arc<Client> {
        let mut settings = settings();
        adapt(&mut settings);
        Arc::new(Client::with_transport(settings, Box::new(self.clone()), observer))
    }

    /// Everything that was asked, tokens too.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was asked, without tokens.
    pub fn whats(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).filter(|what| what != "token").collect()
    }

    /// How many tokens were asked for.
    pub fn tokens(&self) -> usize {
        self.asked().iter().filter(|asked| asked.what == "token").count()
    }

    /// The most requests that waited for their answer at one time.
    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::SeqCst)
    }
}

impl Transport for Vendor {
    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, SendError>> + Send + '_>> {
        let what = what(&request.url);
        let token = request.bearer.as_ref().map_or("", Secret::expose);
        let reply = (self.script.lock().unwrap_or_else(PoisonError::into_inner))(&what, token);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(Asked { at: self.began.elapsed(), what });
        let flight = Flight::begin(self);
        Box::pin(async move {
            sleep(reply.after).await;
            drop(flight);
            if reply.body.len() > LARGEST_BODY {
                return Err(SendError::TooLarge { status: reply.status, request_id: None });
            }
            Ok(Response {
                status: reply.status,
                request_id: None,
                retry_after: reply.retry_after,
                date: None,
                body: reply.body,
            })
        })
    }
}

/// Counts a request as on its way until it is answered or dropped.
struct Flight(Arc<AtomicUsize>);

impl Flight {
    fn begin(vendor: &Vendor) -> Self {
        let now = vendor.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        vendor.most_in_flight.fetch_max(now, Ordering::SeqCst);
        Self(vendor.in_flight.clone())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Settings that delay nothing: a test narrows what it is about.
pub fn settings() -> Settings {
    Settings {
        user_agent: "test",
        base_url: Url::parse("http://127.0.0.1/base").unwrap(),
        token_url: Url::parse("http://127.0.0.1/connect/token").unwrap(),
        client_id: "client".to_owned(),
        credential: Credential::Secret(SecretSource::Inline(Secret::new("hunter2"))),
        ca_file: None,
        timeout: Duration::from_secs(30),
        max_in_flight: NonZeroUsize::new(8).unwrap(),
        requests_per_second: NonZeroU32::new(1000).unwrap(),
        max_retries: 3,
        discovery: false,
    }
}

fn what(url: &Url) -> String {
    let path: Vec<_> = url.path().split('/').collect();
    match path.as_slice() {
        ["", "connect", "token"] => "token".to_owned(),
        ["", "base", "partner", "external", "v3", "general", "customers", "batch"] => {
            format!("customers/{}", page(url))
        }
        [.., "customers", "services", "batch"] => format!("subscriptions/{}", page(url)),
        [.., "customers", customer, "3rd-party-products", "type", platform, "tenants", "batch"] => {
            format!("tenants/{customer}/{platform}/{}", page(url))
        }
        [.., "customers", customer, "avpt-products", "type", product, "overview"] => format!("{customer}/{product}"),
        _ => panic!("nothing is asked at {url}"),
    }
}

fn page(url: &Url) -> String {
    url.query_pairs().find(|(name, _)| name == "pageIndex").expect("a page is asked for").1.into_owned()
}
