//! A round of requests: what the vendor is asked, and the token that it takes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;
use url::Url;

use super::client::{Client, Slot};
use super::credential::TokenForm;
use super::error::{CredentialError, Error, OAuthError};
use super::listing::{Listing, PAGE_SIZE};
use super::token::{Scope, Token, TokenTrouble, scope_missing};
use super::transport::{Body, Request, Response};
use super::wire;
use crate::model::{Answer, ListedCustomer, Target};
use crate::stats::Operation;

/// The requests of one cycle: they share its deadline, and what it has learnt of the credentials.
pub struct Round {
    client: Arc<Client>,
    deadline: Instant,
    trouble: Mutex<TokenTrouble>,
}

impl Round {
    /// Begins a round, in which no request begins at `deadline` or later.
    pub fn begin(client: &Arc<Client>, deadline: Instant) -> Arc<Self> {
        Arc::new(Self { client: client.clone(), deadline, trouble: Mutex::default() })
    }

    /// Waits until another request may be on its way; `None` once the round is over.
    pub async fn slot(&self) -> Option<Slot> {
        self.client.slot(self.deadline).await
    }

    /// How many seats `target` has purchased. The slot is free for others while this waits to try again.
    pub async fn overview(&self, target: &Target, slot: Slot) -> Result<Answer, Error> {
        let Target { customer, product } = target;
        let path = format!(
            "partner/external/v3/general/customers/{customer}/avpt-products/type/{}/overview",
            product.number()
        );
        let response = match self.authorized(Operation::Overview, &self.url(&path), None, slot).await {
            Err(Error::Status { operation: Operation::Overview, status: 404, .. }) => return Ok(Answer::NotFound),
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
        let mut token = self.token(None).await?;
        let mut tries_left = 2;
        loop {
            if operation == Operation::Customers && token.scope != Scope::LicensesAndCustomers {
                return Err(scope_missing());
            }
            let request =
                || Request { url: url.clone(), bearer: Some(token.secret.clone()), body: json.map(Body::Json) };
            let outcome = self.client.attempts(operation, request, self.deadline, Some(&mut slot)).await;
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
        let scope = if self.client.settings().discovery { Scope::LicensesAndCustomers } else { Scope::Licenses };
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
        let settings = self.client.settings().clone();
        // Files may be on a slow disk, and opening a PKCS#12 archive is slow on purpose.
        let filled_in =
            tokio::task::spawn_blocking(move || TokenForm::fill_in(&settings, scope.as_str(), SystemTime::now()));
        let form = filled_in.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        self.client.stats.client_certificate_expires(match &form {
            Ok(form) => form.certificate_expires,
            Err(CredentialError::Expired { since, .. }) => Some(*since),
            Err(_) => None,
        });
        let form = form?;
        let begun = Instant::now();
        let request = || Request {
            url: self.client.settings().token_url.clone(),
            bearer: None,
            body: Some(Body::Form(form.body.clone())),
        };
        let response = self.client.attempts(Operation::Token, request, self.deadline, None).await?;
        let (token, expires) = Token::read(&response.body, scope, begun).map_err(|problem| Error::BadResponse {
            operation: Operation::Token,
            problem,
            request_id: response.request_id,
        })?;
        self.client.stats.token_expires(Some(expires));
        Ok(token)
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
