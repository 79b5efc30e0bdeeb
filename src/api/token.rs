//! The token in hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::error::{BadResponse, Error, OAuthError};
use super::wire;
use crate::secret::Secret;
use crate::stats::Operation;

const LICENSE_SCOPE: &str = "elements.license.read.all";
const BOTH_SCOPES: &str = "elements.license.read.all elements.customers.read.all";

/// A token is renewed this long before it expires, so that no request carries one that expires on its way; a short-lived
/// one is renewed after four fifths of its life.
const LONGEST_MARGIN: Duration = Duration::from_mins(5);

/// What a token is asked to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Licenses,
    LicensesAndCustomers,
}

impl Scope {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Licenses => LICENSE_SCOPE,
            Self::LicensesAndCustomers => BOTH_SCOPES,
        }
    }
}

/// One token. Its life is measured on the monotonic clock, from before it was asked for.
pub(super) struct Token {
    pub(super) secret: Secret,
    pub(super) scope: Scope,
    renew_at: Instant,
    usable_until: Instant,
    accepted: AtomicBool,
}

impl Token {
    /// Reads the token endpoint's answer to a request that began at `begun`; tells also when the token expires.
    pub(super) fn read(body: &[u8], scope: Scope, begun: Instant) -> Result<(Self, SystemTime), BadResponse> {
        let issued = wire::token(body)?;
        // Years from now is for ever, and does not overflow a clock.
        let lifetime = issued.lifetime.min(Duration::from_hours(8784));
        let token = Self {
            secret: issued.token,
            scope,
            renew_at: begun + lifetime.saturating_sub(LONGEST_MARGIN.min(lifetime / 5)),
            usable_until: begun + lifetime,
            accepted: AtomicBool::new(false),
        };
        Ok((token, SystemTime::now() + lifetime.saturating_sub(begun.elapsed())))
    }

    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.renew_at
    }

    pub(super) fn is_usable(&self) -> bool {
        Instant::now() < self.usable_until
    }

    /// The API took it at least once.
    pub(super) fn was_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn set_accepted(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }
}

/// What one cycle has learnt of its tokens: it asks the identity service no more than that takes.
#[derive(Default)]
pub(super) struct TokenTrouble {
    /// Why the last request for a token failed: the rest of the cycle does not ask again.
    pub(super) failure: Option<Error>,
    /// The token that took the place of one that the API refused.
    pub(super) replacement: Option<Arc<Token>>,
}

impl TokenTrouble {
    /// Whether a new token may help where `refused` was answered 401. It does not where `refused` was already the
    /// new one, and the API has never taken it.
    pub(super) fn may_replace(&self, refused: &Arc<Token>) -> bool {
        let again = self.replacement.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused));
        !again || refused.was_accepted()
    }
}

/// An answer of the token endpoint that is no token: OAuth 2.0's error, where it is one.
pub(super) fn refusal(status: u16, body: &[u8], request_id: Option<&String>) -> Option<Error> {
    if !matches!(status, 400 | 401) {
        return None;
    }
    let code = OAuthError::parse(&wire::token_error(body)?);
    Some(Error::TokenRefused { code, request_id: request_id.cloned() })
}

/// A token that does not allow listing customers is as good as an answer that says so.
pub(super) fn scope_missing() -> Error {
    Error::Status { operation: Operation::Customers, status: 403, retry_after: None, request_id: None }
}
