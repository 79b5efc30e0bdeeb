//! A vendor that is scripted in memory, for tests on a paused clock.

use std::fmt;
use std::future::Future;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use url::Url;

use super::transport::{Request, Response, SendError, Transport};
use super::{Client, Credential, SecretSource, Settings};
use crate::secret::Secret;

/// What a request is answered, and after how long.
#[derive(Debug, Clone)]
pub struct Reply {
    pub after: Duration,
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: String,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { after: Duration::from_millis(20), status, retry_after: None, body: "{}".to_owned() }
    }

    pub fn json(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::status(200) }
    }

    pub fn token() -> Self {
        Self::json(r#"{"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}"#)
    }

    pub fn seats(product: &str, seats: u64) -> Self {
        Self::json(format!(r#"{{"productType": {product}, "purchasedUserSeat": {seats}}}"#))
    }

    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(Duration::from_secs(seconds)), ..self }
    }

    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

/// A request as the script sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Since the vendor was made.
    pub at: Duration,
    /// `token`, `customers/{page}` or `{customer}/{product}`.
    pub what: String,
}

type Script = Box<dyn FnMut(&str) -> Reply + Send>;

/// The vendor: it answers as its script says, and remembers what it was asked.
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
    /// `script` tells the reply to what was asked; a token is granted without asking it unless it says otherwise.
    pub fn new(script: impl FnMut(&str) -> Reply + Send + 'static) -> Self {
        Self {
            began: Instant::now(),
            script: Arc::new(Mutex::new(Box::new(script))),
            asked: Arc::default(),
            in_flight: Arc::default(),
            most_in_flight: Arc::default(),
        }
    }

    pub fn client(&self, adapt: impl FnOnce(&mut Settings)) -> Arc<Client> {
        let mut settings = settings();
        adapt(&mut settings);
        Arc::new(Client::with_transport(settings, Box::new(self.clone()), Arc::new(())))
    }

    /// Everything that was asked, tokens too.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What was asked besides tokens.
    pub fn whats(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).filter(|what| what != "token").collect()
    }

    pub fn tokens(&self) -> usize {
        self.asked().iter().filter(|asked| asked.what == "token").count()
    }

    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::SeqCst)
    }
}

impl Transport for Vendor {
    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, SendError>> + Send + '_>> {
        let what = what(&request.url);
        let reply = (self.script.lock().unwrap())(&what);
        self.asked.lock().unwrap().push(Asked { at: self.began.elapsed(), what });
        let flight = Flight::begin(self);
        Box::pin(async move {
            sleep(reply.after).await;
            drop(flight);
            Ok(Response {
                status: reply.status,
                request_id: None,
                retry_after: reply.retry_after,
                date: None,
                body: reply.body.into_bytes(),
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

/// Settings that hold nobody up: tests narrow what they are about.
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
            let page = url.query_pairs().find(|(name, _)| name == "pageIndex");
            format!("customers/{}", page.expect("a page is asked for").1)
        }
        [.., "customers", customer, "avpt-products", "type", product, "overview"] => format!("{customer}/{product}"),
        _ => panic!("nothing is asked at {url}"),
    }
}
