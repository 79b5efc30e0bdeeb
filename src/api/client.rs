//! The client: every request goes through here, at the pace and with the token that all of them share.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use url::Url;

use super::credential::TokenForm;
use super::error::{BadResponse, Error, OAuthError};
use super::listing::{Listing, PAGE_SIZE};
use super::pace::Pace;
use super::token::{Scope, Token, TokenTrouble, refusal, scope_missing};
use super::transport::{Body, Http, Request, Response, SendError, Transport};
use super::wire;
use super::{Settings, SetupError, retry};
use crate::model::{Answer, ListedCustomer, Reason, Target};
use crate::stats::{Code, Operation, Stats};

/// A client of the vendor's API. It is shared: its limits hold for all requests together.
pub struct Client {
    settings: Settings,
    transport: Box<dyn Transport>,
    pace: Pace,
    slots: Arc<Semaphore>,
    token: tokio::sync::Mutex<Option<Arc<Token>>>,
    clock_skew_seconds: Mutex<Option<i64>>,
    stats: Arc<Stats>,
}

impl Client {
    /// # Errors
    ///
    /// `settings.ca_file` cannot be used, or the system has no CA certificates.
    pub fn new(settings: Settings, stats: Arc<Stats>) -> Result<Self, SetupError> {
        let transport = Http::new(&settings)?;
        Ok(Self::with_transport(settings, Box::new(transport), stats))
    }

    pub(crate) fn with_transport(settings: Settings, transport: Box<dyn Transport>, stats: Arc<Stats>) -> Self {
        Self {
            pace: Pace::new(settings.requests_per_second.get()),
            slots: Arc::new(Semaphore::new(settings.max_in_flight.get())),
            settings,
            transport,
            token: tokio::sync::Mutex::default(),
            clock_skew_seconds: Mutex::default(),
            stats,
        }
    }

    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Goes on leaving the vendor alone for as long as it asked `before` to.
    pub fn keep_hold_of(&self, before: &Self) {
        self.pace.hold(before.pace.held_until());
    }

    /// By how many seconds the vendor's clock is ahead of this machine's, as the last answer's `Date` had it.
    pub fn clock_skew_seconds(&self) -> Option<i64> {
        *self.clock_skew()
    }

    /// Begins a round of requests, none of which begins at `deadline` or later.
    pub fn round(self: &Arc<Self>, deadline: Instant) -> Arc<Round> {
        Arc::new(Round { client: self.clone(), deadline, trouble: Mutex::default() })
    }

    fn clock_skew(&self) -> MutexGuard<'_, Option<i64>> {
        self.clock_skew_seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_clock(&self, date: SystemTime) {
        let now = SystemTime::now();
        let ahead = date.duration_since(now).map(|skew| skew.as_secs().cast_signed());
        let skew = ahead.unwrap_or_else(|behind| -behind.duration().as_secs().cast_signed());
        *self.clock_skew() = Some(skew);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The right to have one request on its way.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    fn give_back(&mut self) {
        self.permit = None;
    }

    /// `false`: none came free before `deadline`.
    async fn take(&mut self, deadline: Instant) -> bool {
        let permit = timeout_at(deadline, self.slots.clone().acquire_owned()).await;
        self.permit = permit.ok().and_then(Result::ok);
        self.permit.is_some()
    }
}

/// The requests of one cycle: they share its deadline, and what it has learnt of the credentials.
pub struct Round {
    client: Arc<Client>,
    deadline: Instant,
    trouble: Mutex<TokenTrouble>,
}

impl Round {
    /// Waits until another request may be on its way; `None` once the round is over.
    pub async fn slot(&self) -> Option<Slot> {
        let mut slot = Slot { slots: self.client.slots.clone(), permit: None };
        slot.take(self.deadline).await.then_some(slot)
    }

    /// How many seats `target` has purchased. The slot is free for others while this waits to try again.
    pub async fn overview(&self, target: &Target, slot: Slot) -> Result<Answer, Error> {
        let Target { customer, product } = target;
        let path = format!(
            "partner/external/v3/general/customers/{customer}/avpt-products/type/{}/overview",
            product.number()
        );
        let response = match self.authorized(Operation::Overview, &self.url(&path), None, slot).await {
            Err(Error::Status { status: 404, .. }) => return Ok(Answer::NotFound),
            outcome => outcome?,
        };
        wire::overview(&response.body, *product).map_err(|problem| Error::BadResponse {
            operation: Operation::Overview,
            problem,
            request_id: response.request_id,
        })
    }

    /// Every customer that the credentials can see: all pages, or an error.
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
            let complete = wire::customers_page(&response.body).and_then(|page| listing.add(page));
            let complete = complete.map_err(|problem| Error::BadResponse {
                operation: Operation::Customers,
                problem,
                request_id: response.request_id,
            })?;
            if complete {
                return Ok(listing.into_customers());
            }
        }
    }

    /// Whether the credentials get a token at all.
    pub async fn sign_in(&self) -> Result<(), Error> {
        let _slot = self.slot().await.ok_or(Error::NotBegun)?;
        self.token(None).await.map(drop)
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.client.settings.base_url.clone();
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
        let mut token = self.token(None).await?;
        let mut tries_left = 2;
        loop {
            if operation == Operation::Customers && token.scope != Scope::LicensesAndCustomers {
                return Err(scope_missing());
            }
            let request =
                || Request { url: url.clone(), bearer: Some(token.secret.clone()), body: json.map(Body::Json) };
            let outcome = self.attempts(operation, request, Some(&mut slot)).await;
            tries_left -= 1;
            match outcome {
                Err(Error::Status { status: 401, .. }) if tries_left > 0 && self.trouble().may_replace(&token) => {
                    token = self.token(Some(&token)).await?;
                }
                Err(Error::Status { status: 401, .. }) => return outcome,
                Ok(_) | Err(Error::Status { .. }) => {
                    token.set_accepted();
                    return outcome;
                }
                Err(_) => return outcome,
            }
        }
    }

    /// The token in hand, or a new one: one request serves all who wait. A token that can no longer be renewed is
    /// used until it expires.
    async fn token(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, Error> {
        let mut in_hand = self.client.token.lock().await;
        let usable = in_hand
            .clone()
            .filter(|token| token.is_usable() && !refused.is_some_and(|refused| Arc::ptr_eq(token, refused)));
        if let Some(token) = usable.as_ref().filter(|token| token.is_fresh()) {
            return Ok(token.clone());
        }
        if let Some(failure) = self.trouble().failure.clone() {
            return usable.ok_or(failure);
        }
        let scope = if self.client.settings.discovery { Scope::LicensesAndCustomers } else { Scope::Licenses };
        let issued = match self.request_token(scope).await {
            Err(Error::TokenRefused { code: OAuthError::InvalidScope, .. }) if scope != Scope::Licenses => {
                tracing::warn!(
                    "the app registration lacks elements.customers.read.all: customers cannot be discovered"
                );
                self.request_token(Scope::Licenses).await
            }
            outcome => outcome,
        };
        match issued {
            Ok(token) => {
                let token = Arc::new(token);
                *in_hand = Some(token.clone());
                if refused.is_some() {
                    self.trouble().replacement = Some(token.clone());
                }
                Ok(token)
            }
            Err(error) => {
                if error != Error::NotBegun {
                    self.trouble().failure = Some(error.clone());
                }
                if usable.is_none() {
                    *in_hand = None;
                    self.client.stats.token_expires(None);
                }
                usable.ok_or(error)
            }
        }
    }

    async fn request_token(&self, scope: Scope) -> Result<Token, Error> {
        let settings = self.client.settings.clone();
        // Files may be on a slow disk, and opening a PKCS#12 archive is slow on purpose.
        let filled_in =
            tokio::task::spawn_blocking(move || TokenForm::fill_in(&settings, scope.as_str(), SystemTime::now()));
        let form = match filled_in.await {
            Ok(form) => form?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        self.client.stats.client_certificate_expires(form.certificate_expires);
        let begun = Instant::now();
        let request = || Request {
            url: self.client.settings.token_url.clone(),
            bearer: None,
            body: Some(Body::Form(form.body.clone())),
        };
        let response = self.attempts(Operation::Token, request, None).await?;
        let (token, expires) = Token::read(&response.body, scope, begun).map_err(|problem| Error::BadResponse {
            operation: Operation::Token,
            problem,
            request_id: response.request_id,
        })?;
        self.client.stats.token_expires(Some(expires));
        Ok(token)
    }

    /// Tries, and tries again what may succeed later. Whoever lends the slot gets it used by others during the waits.
    async fn attempts(
        &self,
        operation: Operation,
        request: impl Fn() -> Request,
        mut slot: Option<&mut Slot>,
    ) -> Result<Response, Error> {
        let mut outcome = self.attempt(operation, request()).await;
        for number in 0.. {
            let Some((error, reason)) = worth_a_retry(&outcome) else { break };
            let again = Instant::now() + retry::delay(number, error);
            if reason == Reason::Throttled {
                self.client.pace.hold(again);
            }
            if number >= self.client.settings.max_retries || again >= self.deadline {
                break;
            }
            slot.as_deref_mut().map(Slot::give_back);
            sleep_until(again).await;
            if let Some(slot) = slot.as_deref_mut()
                && !slot.take(self.deadline).await
            {
                break;
            }
            let next = self.attempt(operation, request()).await;
            if matches!(next, Err(Error::NotBegun)) {
                break;
            }
            self.client.stats.api_retry(reason);
            outcome = next;
        }
        outcome
    }

    /// Asks once, in its turn.
    async fn attempt(&self, operation: Operation, request: Request) -> Result<Response, Error> {
        if !self.client.pace.turn(self.deadline).await {
            return Err(Error::NotBegun);
        }
        let begun = Instant::now();
        let limit = self.client.settings.timeout;
        let outcome = timeout(limit, self.client.transport.send(request)).await;
        let code = match &outcome {
            Ok(Ok(Response { status, .. }) | Err(SendError::TooLarge { status, .. })) => Code::Status(*status),
            Ok(Err(SendError::Network(_))) | Err(_) => Code::Error,
        };
        self.client.stats.api_request(operation, code, begun.elapsed());
        match outcome {
            Ok(Ok(response)) => {
                response.date.inspect(|date| self.client.note_clock(*date));
                complete(operation, response)
            }
            Ok(Err(SendError::Network(problem))) => Err(Error::Network { operation, problem }),
            Ok(Err(SendError::TooLarge { request_id, .. })) => {
                Err(Error::BadResponse { operation, problem: BadResponse::TooLarge, request_id })
            }
            Err(_) => Err(Error::Timeout { operation, after: limit }),
        }
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

fn worth_a_retry<T>(outcome: &Result<T, Error>) -> Option<(&Error, Reason)> {
    let error = outcome.as_ref().err().filter(|error| retry::may_succeed_later(error))?;
    Some((error, error.reason()?))
}

/// Sorts a complete answer: only a 200 is one that can be read on.
fn complete(operation: Operation, response: Response) -> Result<Response, Error> {
    let Response { status, request_id, retry_after, body, .. } = &response;
    if operation == Operation::Token
        && let Some(refused) = refusal(*status, body, request_id.as_ref())
    {
        return Err(refused);
    }
    let bad = |problem| Error::BadResponse { operation, problem, request_id: request_id.clone() };
    match *status {
        200 => Ok(response),
        300..=399 => Err(bad(BadResponse::Redirect(*status))),
        400..=599 => {
            Err(Error::Status { operation, status: *status, retry_after: *retry_after, request_id: request_id.clone() })
        }
        other => Err(bad(BadResponse::UnexpectedStatus(other))),
    }
}
