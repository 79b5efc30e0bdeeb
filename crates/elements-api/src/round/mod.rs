//! A round of requests: what the vendor is asked, and with which token.

mod listings;

use std::future::{pending, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};

use tokio::task::spawn_blocking;
use tokio::time::Instant;
use url::Url;

use crate::catalog::ProductType;
use crate::client::{Client, Slot};
use crate::error::{BadResponse, CredentialError, Error, OAuthError};
use crate::model::{Answer, CustomerId, Reason};
use crate::observer::Operation;
use crate::retry::GivesWay;
use crate::token::{About, Scope, Token, TokenTrouble};
use crate::transport::{Body, Request, Response};
use crate::wire;

/// Where all that is about customers is.
const CUSTOMERS: &str = "partner/external/v3/general/customers";

/// How many tokens are tried after the one in hand was refused: one that others have got meanwhile, and one of its own.
const MOST_OTHER_TOKENS: usize = 2;

/// The requests of one cycle. They share its deadline and what it has learnt of the credentials: a token that could not be
/// had is not asked for again in the same round.
pub struct Round {
    client: Arc<Client>,
    deadline: Instant,
    over: AtomicBool,
    trouble: Mutex<TokenTrouble>,
}

/// A request of the API, save its token.
struct Call<'a> {
    operation: Operation,
    url: Url,
    json: Option<String>,
    about: About,
    way: &'a dyn GivesWay,
}

impl Round {
    /// Begins a round, in which no request begins at `deadline` or later.
    pub fn begin(client: &Arc<Client>, deadline: Instant) -> Arc<Self> {
        Arc::new(Self { client: client.clone(), deadline, over: AtomicBool::new(false), trouble: Mutex::default() })
    }

    /// How many requests may be in flight.
    pub fn slots(&self) -> usize {
        self.client.settings().max_in_flight.get()
    }

    /// Whether requests are made again at all.
    pub fn retries(&self) -> bool {
        self.client.settings().max_retries > 0
    }

    /// Waits until another request may be in flight; `None` once the round is over.
    pub async fn slot(&self) -> Option<Slot> {
        if self.is_over() { None } else { self.client.slot(self.deadline).await }
    }

    /// How many seats `customer` has purchased of `product`. While this waits to retry, others may use the slot.
    ///
    /// `way` says when it gives way to others.
    ///
    /// # Errors
    ///
    /// There is no answer; [`Error::reason`] sorts the causes.
    pub async fn overview(
        &self,
        customer: &CustomerId,
        product: ProductType,
        slot: Slot,
        way: impl GivesWay,
    ) -> Result<Answer, Error> {
        let path = format!("{CUSTOMERS}/{customer}/avpt-products/type/{}/overview", product.number());
        let call = Call {
            operation: Operation::Overview,
            url: self.url(&path),
            json: None,
            about: Some(customer.clone()),
            way: &way,
        };
        let response = match self.authorized(&call, slot).await {
            Err(Error::Status { operation: Operation::Overview, status: 404, .. }) => return Ok(Answer::NotFound),
            outcome => outcome?,
        };
        if response.status == 204 {
            return Ok(Answer::NotFound);
        }
        wire::overview(&response.body, product).map_err(unusable(Operation::Overview, response.request_id))
    }

    /// Gets a token, and does nothing with it.
    ///
    /// # Errors
    ///
    /// The credentials are refused or cannot be read, or the identity service gives no answer.
    pub async fn sign_in(&self) -> Result<(), Error> {
        let _slot = self.slot().await.ok_or(Error::NotBegun)?;
        self.token().await.map(drop)
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.client.settings().base_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }

    /// Asks with the token in hand, and after a 401 with another one where that may help.
    async fn authorized(&self, call: &Call<'_>, mut slot: Slot) -> Result<Response, Error> {
        let mut token = self.token().await?;
        let mut outcome = self.ask(call, &token, &mut slot).await;
        for _ in 0..MOST_OTHER_TOKENS {
            if !is_unauthorized(&outcome) {
                break;
            }
            let Some(another) = self.token_after(&token, &call.about).await? else { break };
            token = another;
            outcome = self.ask(call, &token, &mut slot).await;
        }
        if is_unauthorized(&outcome) {
            self.client.tokens.refused(&token, &call.about);
        }
        outcome
    }

    async fn ask(&self, call: &Call<'_>, token: &Arc<Token>, slot: &mut Slot) -> Result<Response, Error> {
        let Call { operation, url, json, about, way } = call;
        if *operation == Operation::Customers && token.scope != Scope::LicensesAndCustomers {
            return Err(Error::ScopeMissing);
        }
        let request = || {
            ready(Ok(Request {
                url: url.clone(),
                bearer: Some(token.secret.clone()),
                body: json.clone().map(Body::Json),
            }))
        };
        let outcome = self.attempts(*operation, request, Some(slot), *way).await;
        if accepts_the_token(&outcome) {
            self.client.tokens.accepted(token, about);
        }
        outcome
    }

    /// The token in hand, or a new one: one request serves all who wait. A renewal holds up nobody who can still use
    /// the old token, and a token that cannot be renewed is used until it expires.
    async fn token(&self) -> Result<Arc<Token>, Error> {
        let tokens = &self.client.tokens;
        let _renewing = match tokens.usable() {
            Some(token) if token.is_fresh() => return Ok(token),
            Some(token) => match tokens.renewing.try_lock() {
                Ok(renewing) => renewing,
                Err(_) => return Ok(token),
            },
            None => tokens.renewing.lock().await,
        };
        // Somebody else may have got one meanwhile.
        if let Some(token) = tokens.usable().filter(|token| token.is_fresh()) {
            return Ok(token);
        }
        self.renew().await.or_else(|error| {
            tokens.usable().ok_or_else(|| {
                tokens.hold(None);
                self.client.observer.token_expires(None);
                error
            })
        })
    }

    /// Another token than the one that was `refused`; `None` where that would not help. If it cannot be renewed, it stays
    /// in hand: for others it may be good.
    async fn token_after(&self, refused: &Arc<Token>, about: &About) -> Result<Option<Arc<Token>>, Error> {
        let tokens = &self.client.tokens;
        // Many may be refused with one token: all wait for the first, and take what it got.
        let _renewing = tokens.renewing.lock().await;
        if let Some(in_hand) = tokens.usable() {
            if !Arc::ptr_eq(&in_hand, refused) {
                return Ok(Some(in_hand));
            }
            let is_first = !mem::replace(&mut self.trouble().renewed, true);
            if !is_first && !tokens.may_have_been_revoked(about) {
                return Ok(None);
            }
        }
        let token = self.renew().await?;
        tokens.renewed_for(about);
        Ok(Some(token))
    }

    /// A new token, unless the round has already failed to get one. Only who holds the right to renew may call this.
    async fn renew(&self) -> Result<Arc<Token>, Error> {
        if let Some(failure) = self.trouble().failure.clone() {
            return Err(failure);
        }
        if self.is_over() {
            return Err(Error::NotBegun);
        }
        let issued = self.new_token().await;
        if let Err(error) = &issued
            && *error != Error::NotBegun
        {
            self.trouble().failure = Some(error.clone());
        }
        issued
    }

    /// A token for both scopes if discovery needs them, or for the licences alone if no more is granted.
    async fn new_token(&self) -> Result<Arc<Token>, Error> {
        let tokens = &self.client.tokens;
        let both = self.client.settings().discovery && !tokens.without_any_scope.load(Ordering::Relaxed);
        let mut outcome = self.request_token(if both { Scope::LicensesAndCustomers } else { Scope::Licenses }).await;
        if both && is_invalid_scope(&outcome) {
            outcome = self.request_token(Scope::Licenses).await;
        }
        tokens.without_any_scope.store(is_invalid_scope(&outcome), Ordering::Relaxed);
        let token = Arc::new(outcome?);
        tokens.hold(Some(token.clone()));
        Ok(token)
    }

    async fn request_token(&self, scope: Scope) -> Result<Token, Error> {
        let begun = Instant::now();
        let response = self.attempts(Operation::Token, || self.token_request(scope), None, &always).await?;
        let (token, expires) =
            Token::read(&response.body, scope, begun).map_err(unusable(Operation::Token, response.request_id))?;
        self.client.observer.token_expires(Some(expires));
        Ok(token)
    }

    /// A request for a token with a form of its own: an assertion is good for one request, and a secret may have changed
    /// since the last one.
    async fn token_request(&self, scope: Scope) -> Result<Request, Error> {
        let client = self.client.clone();
        // Files may be on a slow disk, and opening a PKCS#12 archive is slow on purpose.
        let filled_in = spawn_blocking(move || client.fill_in_form(scope)).await;
        // It has no result only if the runtime shuts down or if it panicked, and the process ends at either.
        let Ok(form) = filled_in else { return pending().await };
        self.client.observer.certificate_expires(match &form {
            Ok(form) => form.certificate_expires,
            Err(CredentialError::Expired { since, .. }) => Some(*since),
            Err(_) => None,
        });
        let url = self.client.settings().token_url.clone();
        Ok(Request { url, bearer: None, body: Some(Body::Form(form?.body)) })
    }

    /// Once one request could not begin in time, none can.
    async fn attempts<F: Future<Output = Result<Request, Error>>>(
        &self,
        operation: Operation,
        request: impl Fn() -> F,
        slot: Option<&mut Slot>,
        way: &dyn GivesWay,
    ) -> Result<Response, Error> {
        let outcome = self.client.attempts(operation, request, self.deadline, slot, way).await;
        if matches!(outcome, Err(Error::NotBegun)) {
            self.over.store(true, Ordering::Relaxed);
        }
        outcome
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }

    fn trouble(&self) -> MutexGuard<'_, TokenTrouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Round").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// What is asked for once in a while may always be asked for again.
const fn always(_: Reason) -> bool {
    true
}

fn unusable(operation: Operation, request_id: Option<String>) -> impl FnOnce(BadResponse) -> Error {
    move |problem| Error::BadResponse { operation, problem, request_id }
}

fn is_unauthorized<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Status { status: 401, .. }))
}

/// Whether the answer tells that the token is good: an overloaded server, or none that can be reached, does not look at it.
fn accepts_the_token<T>(outcome: &Result<T, Error>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(Error::Status { status, .. }) => matches!(status, 400..=499) && !matches!(status, 401 | 408 | 429),
        Err(_) => false,
    }
}

fn is_invalid_scope<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::TokenRefused { code: OAuthError::InvalidScope, .. }))
}
