//! Who may ask, and how often.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use tokio::sync::watch;
use tokio::time::Instant;

use super::config::{RateLimit, WebConfig};
use super::passwords::{Busy, Login, Passwords};

/// Stands before the routes, and acts on the web configuration as it is at each request.
#[derive(Debug)]
pub(crate) struct Guard {
    config: watch::Receiver<Arc<WebConfig>>,
    passwords: Passwords,
    bucket: Bucket,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// More requests than the rate limit allows.
    TooMany,
    /// No user, or a wrong password.
    Unauthorized,
    /// More passwords wait to be checked than can be soon.
    Busy,
}

impl Guard {
    pub(crate) fn new(config: watch::Receiver<Arc<WebConfig>>) -> Self {
        Self { config, passwords: Passwords::default(), bucket: Bucket::default() }
    }

    /// The web configuration as it is now.
    pub(crate) fn config(&self) -> Arc<WebConfig> {
        self.config.borrow().clone()
    }

    /// Whether a request with these headers may be answered.
    pub(crate) async fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let config = self.config();
        // As in the exporter-toolkit, who is refused for his password has used up a request all the same.
        if config.rate_limit.is_some_and(|limit| !self.bucket.take(limit)) {
            return Err(Refusal::TooMany);
        }
        if config.users.is_empty() {
            return Ok(());
        }
        let login = login(headers).ok_or(Refusal::Unauthorized)?;
        match self.passwords.check(&config.users, login).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Unauthorized),
            Err(Busy) => Err(Refusal::Busy),
        }
    }
}

/// Nobody has to sign in.
impl Default for Guard {
    fn default() -> Self {
        // The last value stays to be seen when its sender has gone.
        Self::new(watch::channel(Arc::default()).1)
    }
}

/// The user and password of `Authorization: Basic` (RFC 7617).
fn login(headers: &HeaderMap) -> Option<Login> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, credentials) = value.split_at_checked("Basic ".len())?;
    let decoded = STANDARD.decode(credentials.trim_ascii()).ok().filter(|_| scheme.eq_ignore_ascii_case(b"Basic "))?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(Login { user: decoded[..colon].to_vec(), password: decoded[colon + 1..].to_vec() })
}

/// A token bucket, kept as the moment at which it would be full again.
#[derive(Debug, Default)]
struct Bucket {
    full: Mutex<Option<Instant>>,
}

impl Bucket {
    /// Takes one token. `false`: there is none.
    fn take(&self, RateLimit { interval, burst }: RateLimit) -> bool {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // The limit may have been another one before.
        let missing =
            full.map_or_else(Default::default, |full| full.saturating_duration_since(now)).min(interval * burst);
        let has_token = missing <= interval * (burst - 1);
        if has_token {
            *full = Some(now + missing + interval);
        }
        has_token
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn with(authorization: &str) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        let Login { user, password } = login(&headers)?;
        Some((String::from_utf8(user).unwrap(), String::from_utf8(password).unwrap()))
    }

    #[test]
    fn a_login_is_read_as_the_rfc_writes_it() {
        let aladdin = Some(("Aladdin".to_owned(), "open sesame".to_owned()));
        assert_eq!(with("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), aladdin);
        assert_eq!(with("bASIC  QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), aladdin);
        assert_eq!(with("Basic dTphOmI="), Some(("u".to_owned(), "a:b".to_owned())), "a password may hold a colon");
        assert_eq!(with("Basic Og=="), Some((String::new(), String::new())));
        for other in ["Basic", "Basic ", "Basic !", "Basic QWxhZGRpbg==", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "é"] {
            assert_eq!(with(other), None, "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_holds_a_burst_and_gets_one_more_each_interval() {
        let limit = RateLimit { interval: Duration::from_secs(2), burst: 3 };
        let bucket = Bucket::default();
        let taken = || (0..10).filter(|_| bucket.take(limit)).count();
        assert_eq!(taken(), 3);
        tokio::time::advance(Duration::from_millis(1999)).await;
        assert_eq!(taken(), 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(taken(), 1);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(taken(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_lifted_holds_back_nobody() {
        let bucket = Bucket::default();
        assert!(bucket.take(RateLimit { interval: Duration::from_hours(24), burst: 1 }));
        assert!(!bucket.take(RateLimit { interval: Duration::from_secs(1), burst: 1 }));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!bucket.take(RateLimit { interval: Duration::from_secs(1), burst: 1 }), "as it holds now");
    }
}
