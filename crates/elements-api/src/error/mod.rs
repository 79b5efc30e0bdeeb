//! Why there is no answer, no token, or no client.

mod credential;

use std::time::Duration;

pub use credential::{CredentialError, OAuthError, SetupError};

use crate::excerpt::Excerpt;
use crate::model::Reason;
use crate::observer::Operation;

/// A request without an answer. Its text is for a person; [`reason`](Error::reason) is for a label.
///
/// No variant holds a secret, a token or a body that may hold one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The credential could not be read or used.
    #[error("{0}")]
    Credential(#[from] CredentialError),

    /// The identity service answered with OAuth 2.0's error (RFC 6749, section 5.2).
    #[error("the identity service refused the credentials: {code}{}{}", Remedy(code), RequestId(.request_id))]
    TokenRefused {
        /// Which error.
        code: OAuthError,
        /// The vendor's name for the request.
        request_id: Option<String>,
    },

    /// An answer with an HTTP status that is no success.
    #[error("{} answered {status}: {}{}", what(*.operation), meaning(*.operation, *.status), RequestId(.request_id))]
    Status {
        /// What was asked.
        operation: Operation,
        /// From 400 to 599.
        status: u16,
        /// How long the vendor asks to wait.
        retry_after: Option<Duration>,
        /// The vendor's name for the request.
        request_id: Option<String>,
    },

    /// No complete answer came in time.
    #[error("{} gave no complete answer within {}", what(*.operation), humantime::format_duration(*.after))]
    Timeout {
        /// What was asked.
        operation: Operation,
        /// The limit.
        after: Duration,
    },

    /// There was no connection, or it broke.
    #[error("{} could not be reached at {host}: {problem}", what(*.operation))]
    Network {
        /// What was asked.
        operation: Operation,
        /// The host, and its port if that is not the usual one.
        host: String,
        /// What was wrong with the connection.
        problem: NetworkProblem,
    },

    /// An answer came that cannot be used.
    #[error("{} gave an unusable answer: {problem}{}", what(*.operation), RequestId(.request_id))]
    BadResponse {
        /// What was asked.
        operation: Operation,
        /// Why it cannot be used.
        problem: BadResponse,
        /// The vendor's name for the request.
        request_id: Option<String>,
    },

    /// The identity service grants no more than the licences.
    #[error("the token does not allow listing customers; grant the app registration elements.customers.read.all")]
    ScopeMissing,

    /// The round's time was over before the request began: it was neither made nor failed.
    #[error("the cycle ended before the request began")]
    NotBegun,
}

impl Error {
    /// Why a target has no answer, as a label value. An identity service that refuses a token is `auth`; one that cannot
    /// be reached or is overloaded says nothing of the credentials, and is what any other host would be.
    /// [`Error::NotBegun`] is no failure and has no reason.
    pub const fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Status { status: 408, .. } | Self::Timeout { .. } => Reason::Timeout,
            Self::Status { status: 429, .. } => Reason::Throttled,
            Self::Credential(_)
            | Self::TokenRefused { .. }
            | Self::Status { status: 401, .. }
            | Self::Status { status: 400..=499, operation: Operation::Token, .. } => Reason::Auth,
            Self::ScopeMissing | Self::Status { status: 403, .. } => Reason::Forbidden,
            Self::Status { status: 400..=499, .. } => Reason::BadRequest,
            Self::Status { status: 500..=599, .. } => Reason::ServerError,
            Self::Network { .. } => Reason::Network,
            Self::Status { .. } | Self::BadResponse { .. } => Reason::BadResponse,
            Self::NotBegun => return None,
        })
    }

    /// Whether it is the credentials that are wrong, and not this one request.
    pub const fn refuses_credentials(&self) -> bool {
        matches!(
            self,
            Self::TokenRefused { .. }
                | Self::Credential(_)
                | Self::Status { operation: Operation::Token, status: 400..=403, .. }
        )
    }

    /// How long the vendor asks to wait (RFC 9110, section 10.2.3).
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The vendor's name for the request, which its support asks for.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::TokenRefused { request_id, .. }
            | Self::Status { request_id, .. }
            | Self::BadResponse { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// The same error, whichever request met it: to tell whether two targets fail alike.
    #[must_use]
    pub fn without_request_id(mut self) -> Self {
        if let Self::TokenRefused { request_id, .. }
        | Self::Status { request_id, .. }
        | Self::BadResponse { request_id, .. } = &mut self
        {
            *request_id = None;
        }
        self
    }
}

/// What was wrong with the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkProblem {
    /// The server's certificate leads to no authority that is trusted here.
    #[error(
        "the TLS certificate is not trusted: no known authority signed it; if your company's own did, name that in \
         api.ca_file"
    )]
    UnknownAuthority,
    /// The server's certificate is refused for another cause.
    #[error("the TLS certificate is not trusted: {0}")]
    Untrusted(Excerpt),
    /// Anything else: no such host, no route, refused, reset.
    #[error("{0}")]
    Other(Excerpt),
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    /// Its body is too large.
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// It leads elsewhere, with this status.
    #[error("a redirect (status {0}), which is never followed, since it would carry the token elsewhere")]
    Redirect(u16),
    /// It has a status that is neither 200 nor a redirect or an error.
    #[error("status {0}, which the vendor does not document")]
    UnexpectedStatus(u16),
    /// It is not the JSON that the vendor documents.
    #[error("not the documented JSON at line {line} column {column}: expected {expected}")]
    Unreadable {
        /// Where reading stopped, counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// It is about another product.
    #[error("it is about product type {found}, but {asked} was asked for")]
    OtherProduct {
        /// The number in the request.
        asked: u32,
        /// The number in the answer.
        found: u64,
    },
    /// The pages of a listing contradict each other or the documentation.
    #[error("{0}")]
    Listing(Excerpt),
}

/// How the text names what was asked.
const fn what(operation: Operation) -> &'static str {
    match operation {
        Operation::Token => "the identity service",
        Operation::Overview => "the product overview",
        Operation::Customers => "the customer list",
        Operation::Subscriptions => "the list of subscriptions",
        Operation::Tenants => "the list of tenants",
    }
}

/// What a status means, and what would help.
const fn meaning(operation: Operation, status: u16) -> &'static str {
    match (status, operation) {
        (401, _) => "the token was not accepted",
        (403, Operation::Customers) => "not permitted; grant the app registration elements.customers.read.all",
        (403, _) => {
            "not permitted; grant the app registration elements.license.read.all, or, if other customers are answered, \
             include this one in its customer scope"
        }
        (404, Operation::Overview) => "no such customer, or no such product of this customer",
        (404, _) => "not found; check api.environment, api.base_url and api.token_url",
        (408, _) => "the server gave up waiting for the request",
        (429, _) => "too many requests; lower api.requests_per_second",
        (503, _) => "under maintenance or overloaded",
        (500..=599, _) => "an error on the vendor's side",
        _ => "the request was not understood",
    }
}

/// What would help, after the error code.
struct Remedy<'a>(&'a OAuthError);

impl std::fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            OAuthError::InvalidClient => {
                " (the client id, secret or certificate is wrong or has expired: renew it in the app registration)"
            }
            OAuthError::InvalidScope => {
                " (grant the app registration elements.license.read.all, and for discovery elements.customers.read.all)"
            }
            _ => "",
        })
    }
}

struct RequestId<'a>(&'a Option<String>);

impl std::fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(id) => write!(f, " (request-id {id})"),
            None => Ok(()),
        }
    }
}
