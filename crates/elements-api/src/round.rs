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
use crate::listing::{Listing, PAGE_SIZE};
use crate::model::{Answer, CustomerId, ListedCustomer};
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

impl Round {
    /// Begins a round, in which no request begins at `deadline` or later.
    pub fn begin(client: &Arc<Client>, deadline: Instant) -> Arc<Self> {
        Arc::new(Self { client: client.clone(), deadline, over: AtomicBool::new(false), trouble: Mutex::default() })
    }

    /// Waits until another request may be in flight; `None` once the round is over.
    pub async fn slot(&self) -> Option<Slot> {
        if self.is_over() { None } else { self.client.slot(self.deadline).await }
    }

    /// How many seats `customer` has purchased of `product`. While this waits to retry, others may use the slot.
    ///
    /// # Errors
    ///
    /// There is no answer; [`Error::reason`] sorts the causes.
    pub async fn overview(&self, customer: &CustomerId, product: ProductType, slot: Slot) -> Result<Answer, Error> {
        let path = format!(
            "partner/external/v3/general/customers/{customer}/avpt-products/type/{}/overview",
            product.number()
        );
        let response = match self.authorized(Operation::Overview, &self.url(&path), None, slot).await {
            Err(Error::Status { operation: Operation::Overview, status: 404, .. }) => return Ok(Answer::NotFound),
            outcome => outcome?,
        };
        wire::overview(&response.body, product).map_err(unusable(Operation::Overview, response.request_id))
    }

    /// Every customer that the credentials can see.
    ///
    /// # Errors
    ///
    /// A page failed or contradicts another: part of a listing is none.
    pub async fn customers(&self) -> Result<Vec<ListedCustomer>, Error> {
        let mut listing = Listing::default();
        loop {
            let page = listing.next_page();
            let mut url = self.url("partner/external/v3/general/customers/batch");
            url.query_pairs_mut()
                .append_pair("pageIndex", &page.to_string())
                .append_pair("pageSize", &PAGE_SIZE.to_string());
            let slot = self.slot().await.ok_or(Error::NotBegun)?;
            let response = self.authorized(Operation::Customers, &url, Some("{}"), slot).await?;
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

    /// Asks with the token; an answer of 401 gets one new token and one more try.
    async fn authorized(
        &self,
        operation: Operation,
        url: &Url,
        json: Option<&'static str>,
        mut slot: Slot,
    ) -> Result<Response, Error> {
        let token = self.token(None).await?;
        let outcome = self.ask(operation, url, json, &token, &mut slot).await;
        if !is_unauthorized(&outcome) || self.trouble().token_is_not_to_blame {
            return outcome;
        }
        let token = self.token(Some(&token)).await?;
        let outcome = self.ask(operation, url, json, &token, &mut slot).await;
        self.trouble().token_is_not_to_blame |= is_unauthorized(&outcome);
        outcome
    }

    async fn ask(
        &self,
        operation: Operation,
        url: &Url,
        json: Option<&'static str>,
        token: &Token,
        slot: &mut Slot,
    ) -> Result<Response, Error> {
        if operation == Operation::Customers && token.scope != Scope::LicensesAndCustomers {
            return Err(Error::ScopeMissing);
        }
        let request =
            || ready(Ok(Request { url: url.clone(), bearer: Some(token.secret.clone()), body: json.map(Body::Json) }));
        self.attempts(operation, request, Some(slot)).await
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
                tokens.hold(None);
                self.client.observer.token_expires(None);
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
        let response = self.attempts(Operation::Token, || self.token_request(scope), None).await?;
        let (token, expires) =
            Token::read(&response.body, scope, begun).map_err(unusable(Operation::Token, response.request_id))?;
        self.client.observer.token_expires(Some(expires));
        Ok(token)
    }

    /// A request for a token with a form of its own: an assertion is good for one request, and a secret may have changed
    /// since the last one.
    async fn token_request(&self, scope: Scope) -> Result<Request, Error> {
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
    ) -> Result<Response, Error> {
        let outcome = self.client.attempts(operation, request, self.deadline, slot).await;
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
