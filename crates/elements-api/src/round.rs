//! A round of requests: what the vendor is asked, and with which token.

use std::fmt;
use std::future::{pending, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::task::spawn_blocking;
use tokio::time::Instant;
use url::Url;

use crate::catalog::ProductType;
use crate::client::{Client, Slot};
use crate::credential::TokenForm;
use crate::error::{BadResponse, CredentialError, Error, OAuthError};
use crate::listing::{Customers, Listing, PAGE_SIZE};
use crate::model::{Answer, CustomerId, Reason};
use crate::observer::Operation;
use crate::token::{Scope, Token, TokenTrouble};
use crate::transport::{Body, Request, Response};
use crate::wire;

/// The requests of one cycle. They share its deadline and what it has learnt of the credentials: a token that was refused
/// is not asked for again in the same round.
pub struct Round {
    client: Arc<Client>,
    deadline: Instant,
    over: AtomicBool,
    trouble: Mutex<TokenTrouble>,
}

/// A request that is always late with its token is tried no more often than this.
const MOST_TRIES_WITH_OTHER_TOKENS: u32 = 2;

/// Whom a request is about, and what is in its body.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// `None`: it is about all.
    customer: Option<&'a CustomerId>,
    json: Option<&'static str>,
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
    /// `may_retry` decides whether what failed for a reason is worth a retry now: `false` leaves it at the failure.
    ///
    /// # Errors
    ///
    /// There is no answer; [`Error::reason`] sorts the causes.
    pub async fn overview(
        &self,
        customer: &CustomerId,
        product: ProductType,
        slot: Slot,
        may_retry: impl Fn(Reason) -> bool,
    ) -> Result<Answer, Error> {
        let path = format!(
            "partner/external/v3/general/customers/{customer}/avpt-products/type/{}/overview",
            product.number()
        );
        let asked = Asked { customer: Some(customer), json: None };
        let response = match self.authorized(Operation::Overview, &self.url(&path), asked, slot, may_retry).await {
            Err(Error::Status { operation: Operation::Overview, status: 404, .. }) => return Ok(Answer::NotFound),
            outcome => outcome?,
        };
        if response.status == 204 {
            return Ok(Answer::NotFound);
        }
        wire::overview(&response.body, product).map_err(unusable(Operation::Overview, response.request_id))
    }

    /// Every customer that the credentials can see.
    ///
    /// # Errors
    ///
    /// A page failed or contradicts another: part of a listing is none.
    pub async fn customers(&self) -> Result<Customers, Error> {
        let mut listing = Listing::default();
        loop {
            let page = listing.next_page();
            let mut url = self.url("partner/external/v3/general/customers/batch");
            url.query_pairs_mut()
                .append_pair("pageIndex", &page.to_string())
                .append_pair("pageSize", &PAGE_SIZE.to_string());
            let slot = self.slot().await.ok_or(Error::NotBegun)?;
            let asked = Asked { customer: None, json: Some("{}") };
            let response = self.authorized(Operation::Customers, &url, asked, slot, |_| true).await?;
            let complete = wire::customers_page(&response.body)
                .and_then(|page| listing.add(page))
                .map_err(unusable(Operation::Customers, response.request_id))?;
            if complete {
                return Ok(listing.into_customers());
            }
        }
    }

    /// Gets a token, and does nothing with it.
    ///
    /// # Errors
    ///
    /// The credentials are refused or cannot be read, or the identity service gives no answer.
    pub async fn sign_in(&self) -> Result<(), Error> {
        let _slot = self.slot().await.ok_or(Error::NotBegun)?;
        self.token(None).await.map(drop)
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.client.settings().base_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }

    /// Asks with the token. An answer of 401 gets one new token and one more try, where the token may be to blame: one
    /// target's 401 must neither cost a token each time nor keep the others from getting one.
    async fn authorized(
        &self,
        operation: Operation,
        url: &Url,
        asked: Asked<'_>,
        mut slot: Slot,
        may_retry: impl Fn(Reason) -> bool,
    ) -> Result<Response, Error> {
        let tokens = &self.client.tokens;
        let mut token = self.token(None).await?;
        for number in 0.. {
            let outcome = self.ask(operation, url, asked, &token, &mut slot, &may_retry).await;
            if !is_unauthorized(&outcome) {
                tokens.accepted(&token, asked.customer, &outcome);
                return outcome;
            }
            // A second token that was refused was new for this try, unless it was replaced meanwhile.
            let is_second = number > 0;
            if is_second && !self.was_replaced(&token) {
                tokens.refused_anyway(asked.customer);
                return outcome;
            }
            if number == MOST_TRIES_WITH_OTHER_TOKENS || !self.may_replace(&token, asked.customer) {
                return outcome;
            }
            token = self.token(Some(&token)).await?;
        }
        Err(Error::NotBegun)
    }

    /// Whether a 401 may be the fault of `token`: it is not the one in hand any more; or nobody in this round has asked
    /// for another because of a 401; or it was good for somebody, and this customer was not refused with a new one before.
    fn may_replace(&self, token: &Arc<Token>, customer: Option<&CustomerId>) -> bool {
        let tokens = &self.client.tokens;
        if self.was_replaced(token) {
            return true;
        }
        let mut trouble = self.trouble();
        let may = trouble.replaced.is_none() || (token.was_accepted() && !tokens.was_refused_anyway(customer));
        if may {
            trouble.replaced = Some(token.clone());
        }
        may
    }

    /// Whether there is another token than `token`, or somebody is asking for it.
    fn was_replaced(&self, token: &Arc<Token>) -> bool {
        let replaced = self.trouble().replaced.clone();
        replaced.is_some_and(|replaced| Arc::ptr_eq(&replaced, token))
            || self.client.tokens.usable(Some(token)).is_some()
    }

    async fn ask(
        &self,
        operation: Operation,
        url: &Url,
        asked: Asked<'_>,
        token: &Token,
        slot: &mut Slot,
        may_retry: impl Fn(Reason) -> bool,
    ) -> Result<Response, Error> {
        if operation == Operation::Customers && token.scope != Scope::LicensesAndCustomers {
            return Err(Error::ScopeMissing);
        }
        let request = || {
            ready(Ok(Request {
                url: url.clone(),
                bearer: Some(token.secret.clone()),
                body: asked.json.map(Body::Json),
            }))
        };
        self.attempts(operation, request, Some(slot), may_retry).await
    }

    /// The token in hand, or a new one: one request serves all who wait. A renewal holds up nobody who can still use
    /// the old token, and a token that cannot be renewed is used until it expires.
    async fn token(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, Error> {
        let tokens = &self.client.tokens;
        let _renewing = match tokens.usable(refused) {
            Some(token) if token.is_fresh() => return Ok(token),
            Some(token) => match tokens.renewing.try_lock() {
                Ok(renewing) => renewing,
                Err(_) => return Ok(token),
            },
            None => tokens.renewing.lock().await,
        };
        // Somebody else may have got one meanwhile.
        if let Some(token) = tokens.usable(refused).filter(|token| token.is_fresh()) {
            return Ok(token);
        }
        let known_failure = self.trouble().failure.clone();
        let issued = match known_failure {
            Some(failure) => Err(failure),
            None if self.is_over() => Err(Error::NotBegun),
            None => self.new_token().await,
        };
        issued.or_else(|error| {
            if error != Error::NotBegun {
                self.trouble().failure = Some(error.clone());
            }
            tokens.usable(refused).ok_or_else(|| {
                // One that was refused to somebody may be good for others.
                if refused.is_none() {
                    tokens.hold(None);
                    self.client.observer.token_expires(None);
                }
                error
            })
        })
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
        let response = self.attempts(Operation::Token, || self.token_request(scope), None, |_| true).await?;
        let (token, expires) =
            Token::read(&response.body, scope, begun).map_err(unusable(Operation::Token, response.request_id))?;
        self.client.observer.token_expires(Some(expires));
        Ok(token)
    }

    /// A request for a token with a form of its own: an assertion is good for one request, and a secret may have changed
    /// since the last one.
    async fn token_request(&self, scope: Scope) -> Result<Request, Error> {
        self.client.note_credentials().await;
        let settings = self.client.settings().clone();
        // Files may be on a slow disk, and opening a PKCS#12 archive is slow on purpose.
        let filled_in = spawn_blocking(move || TokenForm::fill_in(&settings, scope.as_str(), SystemTime::now())).await;
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
        may_retry: impl Fn(Reason) -> bool,
    ) -> Result<Response, Error> {
        let outcome = self.client.attempts(operation, request, self.deadline, slot, may_retry).await;
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

fn unusable(operation: Operation, request_id: Option<String>) -> impl FnOnce(BadResponse) -> Error {
    move |problem| Error::BadResponse { operation, problem, request_id }
}

fn is_unauthorized<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Status { status: 401, .. }))
}

fn is_invalid_scope<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::TokenRefused { code: OAuthError::InvalidScope, .. }))
}
