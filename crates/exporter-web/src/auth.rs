//! Who may ask, and how often.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use tokio::sync::watch;

use crate::WebConfig;
use crate::origin::Origin;
use crate::passwords::{Login, Passwords};
use crate::rate_limit::Bucket;
use crate::turns::Busy;

/// Stands before the service, and acts on the web configuration as it is at each request.
#[derive(Debug)]
pub(crate) struct Guard {
    config: watch::Receiver<Arc<WebConfig>>,
    passwords: Passwords,
    bucket: Bucket,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
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

    /// The web configuration as it is now, and as it changes.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<WebConfig>> {
        self.config.clone()
    }

    /// Whether a request with these headers that comes from `origin` may be answered.
    pub(crate) async fn admit(&self, headers: &HeaderMap, origin: Origin) -> Result<(), Denial> {
        let config = self.config();
        // As in the exporter-toolkit, a request that is refused for its password counts all the same.
        if config.rate_limit.is_some_and(|limit| !self.bucket.take(limit)) {
            return Err(Denial::TooMany);
        }
        if config.users.is_empty() {
            return Ok(());
        }
        let login = login(headers).ok_or(Denial::Unauthorized)?;
        match self.passwords.check(&config.users, login, origin).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Denial::Unauthorized),
            Err(Busy) => Err(Denial::Busy),
        }
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

#[cfg(test)]
mod tests {
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
}
