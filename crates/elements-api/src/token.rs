//! The token in hand.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::error::{BadResponse, Error, OAuthError};
use crate::model::CustomerId;
use crate::secret::Secret;
use crate::wire;

const LICENSE_SCOPE: &str = "elements.license.read.all";
const BOTH_SCOPES: &str = "elements.license.read.all elements.customers.read.all";

/// A token is renewed this long before it expires, so that no request carries one that expires on its way; a short-lived
/// one is renewed after four fifths of its life.
const LONGEST_MARGIN: Duration = Duration::from_mins(5);

/// What a token is asked to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Licenses,
    LicensesAndCustomers,
}

impl Scope {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Licenses => LICENSE_SCOPE,
            Self::LicensesAndCustomers => BOTH_SCOPES,
        }
    }
}

/// One token. Its life is measured on the monotonic clock, from before it was asked for.
pub(crate) struct Token {
    pub(crate) secret: Secret,
    pub(crate) scope: Scope,
    renew_at: Instant,
    usable_until: Instant,
    /// The API has answered somebody who had it.
    accepted: AtomicBool,
}

impl Token {
    /// Reads the token endpoint's answer to a request that began at `begun`; also returns when the token expires.
    pub(crate) fn read(body: &[u8], scope: Scope, begun: Instant) -> Result<(Self, SystemTime), BadResponse> {
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

    pub(crate) fn is_fresh(&self) -> bool {
        Instant::now() < self.renew_at
    }

    pub(crate) fn was_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn is_usable(&self) -> bool {
        Instant::now() < self.usable_until
    }
}

/// The token that all requests share, and the right to get the next one.
#[derive(Default)]
pub(crate) struct Tokens {
    in_hand: Mutex<Option<Arc<Token>>>,
    /// Held by the one request for a token that may be in flight.
    pub(crate) renewing: tokio::sync::Mutex<()>,
    /// The identity service did not even grant the licence scope: next time, that one alone is asked for first.
    pub(crate) without_any_scope: AtomicBool,
    /// Who was answered 401 with a token that was issued for that very try; `None` is the listing. It is not the token,
    /// then, until they are answered otherwise.
    refused_anyway: Mutex<HashSet<Option<CustomerId>>>,
}

impl Tokens {
    /// The token in hand, unless it has expired or is the one that was `refused`.
    pub(crate) fn usable(&self, refused: Option<&Arc<Token>>) -> Option<Arc<Token>> {
        let in_hand = self.lock().clone()?;
        let was_refused = refused.is_some_and(|refused| Arc::ptr_eq(&in_hand, refused));
        (in_hand.is_usable() && !was_refused).then_some(in_hand)
    }

    /// Something other than a 401 came of asking for `customer` with `token`.
    pub(crate) fn accepted<T>(&self, token: &Token, customer: Option<&CustomerId>, outcome: &Result<T, Error>) {
        // What else comes may come from a proxy that has not looked at the token.
        if matches!(outcome, Ok(_) | Err(Error::Status { status: 403 | 404, .. })) {
            token.accepted.store(true, Ordering::Relaxed);
            self.lock_refused().remove(&customer.cloned());
        }
    }

    pub(crate) fn refused_anyway(&self, customer: Option<&CustomerId>) {
        self.lock_refused().insert(customer.cloned());
    }

    pub(crate) fn was_refused_anyway(&self, customer: Option<&CustomerId>) -> bool {
        self.lock_refused().contains(&customer.cloned())
    }

    fn lock_refused(&self) -> MutexGuard<'_, HashSet<Option<CustomerId>>> {
        // Each call changes one entry: a panic elsewhere cannot have spoilt it.
        self.refused_anyway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hold(&self, token: Option<Arc<Token>>) {
        *self.lock() = token;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Token>>> {
        // One pointer, written whole: a panic elsewhere cannot have spoilt it.
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one round has learnt of its tokens, so that it does not ask the identity service in vain.
#[derive(Default)]
pub(crate) struct TokenTrouble {
    /// Why the last request for a token failed: the rest of the round does not ask again.
    pub(crate) failure: Option<Error>,
    /// The last token that another was asked for because of a 401.
    pub(crate) replaced: Option<Arc<Token>>,
}

/// An answer of the token endpoint that is no token: OAuth 2.0's error, where it is one.
pub(crate) fn token_refused(status: u16, body: &[u8], request_id: Option<&String>) -> Option<Error> {
    if !matches!(status, 400 | 401) {
        return None;
    }
    let code = OAuthError::parse(&wire::token_error(body)?);
    Some(Error::TokenRefused { code, request_id: request_id.cloned() })
}
