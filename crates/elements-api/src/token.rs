//! The token in hand.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use std::{mem, ptr};

use tokio::time::Instant;

use crate::error::{BadResponse, Error, OAuthError};
use crate::model::CustomerId;
use crate::secret::Secret;
use crate::wall_clock;
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
        };
        Ok((token, wall_clock::from_now(lifetime.saturating_sub(begun.elapsed()))))
    }

    pub(crate) fn is_fresh(&self) -> bool {
        Instant::now() < self.renew_at
    }

    pub(crate) fn is_usable(&self) -> bool {
        Instant::now() < self.usable_until
    }
}

/// Whom a request is about: a customer, or `None` for all of them.
pub(crate) type About = Option<CustomerId>;

/// The token that all requests share, what is known of it, and the right to get the next one.
#[derive(Default)]
pub(crate) struct Tokens {
    known: Mutex<Known>,
    /// Held by the one request for a token that may be in flight.
    pub(crate) renewing: tokio::sync::Mutex<()>,
    /// The identity service did not even grant the licence scope: next time, that one alone is asked for first.
    pub(crate) without_any_scope: AtomicBool,
}

/// An answer of 401 does not tell whether the token is to blame or the customer: the answers to others do.
#[derive(Default)]
struct Known {
    in_hand: Option<Arc<Token>>,
    /// Whether anybody was accepted since this was last the reason for a new token.
    accepted: bool,
    /// Who was refused in the end, and with which token.
    suspects: HashMap<About, Weak<Token>>,
    /// Who was refused with a token that others were accepted with, or got a new one, and was not accepted since. They get
    /// no more.
    to_blame: HashSet<About>,
}

impl Tokens {
    /// The token in hand, unless it has expired.
    pub(crate) fn usable(&self) -> Option<Arc<Token>> {
        self.lock().in_hand.clone().filter(|token| token.is_usable())
    }

    pub(crate) fn hold(&self, token: Option<Arc<Token>>) {
        self.lock().in_hand = token;
    }

    /// A request with `token` was accepted.
    pub(crate) fn accepted(&self, token: &Arc<Token>, about: &About) {
        let mut known = self.lock();
        let Known { accepted, suspects, to_blame, .. } = &mut *known;
        *accepted = true;
        to_blame.extend(
            suspects.extract_if(|_, with| ptr::eq(with.as_ptr(), Arc::as_ptr(token))).map(|(refused, _)| refused),
        );
        suspects.remove(about);
        to_blame.remove(about);
    }

    /// A request was refused with `token`, and will not be tried with another one.
    pub(crate) fn refused(&self, token: &Arc<Token>, about: &About) {
        self.lock().suspects.insert(about.clone(), Arc::downgrade(token));
    }

    /// Whether a new token may help where the one in hand was refused: the API accepts tokens, and nothing is known
    /// against those whom the request is about.
    pub(crate) fn may_have_been_revoked(&self, about: &About) -> bool {
        let mut known = self.lock();
        !known.to_blame.contains(about) && mem::take(&mut known.accepted)
    }

    /// The token in hand was issued because the one before was refused for a request about these.
    pub(crate) fn renewed_for(&self, about: &About) {
        self.lock().to_blame.insert(about.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Whatever a panic leaves half done costs a request for a token, or a try.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one round has learnt of its tokens, so that it does not ask the identity service in vain.
#[derive(Default)]
pub(crate) struct TokenTrouble {
    /// Why the last request for a token failed: the rest of the round does not ask again.
    pub(crate) failure: Option<Error>,
    /// A token was renewed because it was refused, which each round does once whatever is known.
    pub(crate) renewed: bool,
}

/// An answer of the token endpoint that is no token: OAuth 2.0's error, where it is one.
pub(crate) fn token_refused(status: u16, body: &[u8], request_id: Option<&String>) -> Option<Error> {
    if !matches!(status, 400 | 401) {
        return None;
    }
    let code = OAuthError::parse(&wire::token_error(body)?);
    Some(Error::TokenRefused { code, request_id: request_id.cloned() })
}
