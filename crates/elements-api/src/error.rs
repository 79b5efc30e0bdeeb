//! What can go wrong between asking and knowing.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::model::Reason;
use crate::observer::Operation;

/// A request without an answer. Its text is for a person; [`reason`](Error::reason) is for a label.
///
/// No variant holds a secret, a token or a body that may hold one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Credential(#[from] CredentialError),

    /// OAuth 2.0's error answer (RFC 6749, section 5.2).
    #[error("the identity service refused the credentials: {code}{}{}", Refused(code), RequestId(.request_id))]
    TokenRefused { code: OAuthError, request_id: Option<String> },

    #[error("{} answered {status}: {}{}", what(*.operation), meaning(*.operation, *.status), RequestId(.request_id))]
    Status { operation: Operation, status: u16, retry_after: Option<Duration>, request_id: Option<String> },

    #[error("{} gave no complete answer within {}", what(*.operation), humantime::format_duration(*.after))]
    Timeout { operation: Operation, after: Duration },

    #[error("{} could not be reached: {problem}", what(*.operation))]
    Network { operation: Operation, problem: NetworkProblem },

    #[error("{} gave an answer that is no answer: {problem}{}", what(*.operation), RequestId(.request_id))]
    BadResponse { operation: Operation, problem: BadResponse, request_id: Option<String> },

    #[error("the token does not allow listing customers; grant the app registration elements.customers.read.all")]
    ScopeMissing,

    /// The cycle's time was over before the request began: neither asked nor failed.
    #[error("the cycle ended before the request began")]
    NotBegun,
}

impl Error {
    /// Why a target has no answer, as a label value. An identity service that gives no token is `auth`; one that is not
    /// there is what it is for every other host, and no trouble of the credentials. [`Error::NotBegun`] is no failure
    /// and has none.
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

    /// How long the vendor asks to wait (RFC 9110, section 10.2.3).
    pub const fn retry_after(&self) -> Option<Duration> {
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

    /// The same trouble, whichever request met it.
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

/// Why no client could be made at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    #[error("api.ca_file {}: {problem}", .file.display())]
    CaFile { file: PathBuf, problem: String },
    #[error("no HTTPS client can be made: {0}; install the system's CA certificates (package ca-certificates)")]
    Client(String),
}

/// Why no token could even be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("cannot read {}: {problem}", .file.display())]
    Unreadable { file: PathBuf, problem: String },
    #[error("{} is empty: it must hold the client secret", .file.display())]
    Empty { file: PathBuf },
    #[error("{} must hold {expected}", .file.display())]
    Malformed { file: PathBuf, expected: &'static str },
    #[error("the password does not open {}; see api.certificate.password_file", .file.display())]
    WrongPassword { file: PathBuf },
    #[error("the private key in {} is not an RSA key of 2048 bits or more, which the vendor asks for", .file.display())]
    NotRsa { file: PathBuf },
    #[error("the private key in {} does not belong to the certificate in {}", .key.display(), .certificate.display())]
    KeyMismatch { certificate: PathBuf, key: PathBuf },
    #[error("the certificate in {} expired at {}: renew it", .file.display(), humantime::format_rfc3339_seconds(*.since))]
    Expired { file: PathBuf, since: SystemTime },
    #[error(
        "the certificate in {} is not valid before {}: is this machine's clock right?",
        .file.display(),
        humantime::format_rfc3339_seconds(*.from)
    )]
    NotYetValid { file: PathBuf, from: SystemTime },
    #[error("the private key could not sign the client's assertion")]
    Unsignable,
}

impl CredentialError {
    /// Whether the files are in order, and only the time is not.
    pub const fn may_pass_with_time(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }
}

/// The error codes of an OAuth 2.0 token endpoint (RFC 6749, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthError {
    InvalidClient,
    InvalidScope,
    InvalidRequest,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    /// A code that the standard does not know. It is not repeated: it may hold anything.
    Other,
}

impl OAuthError {
    pub fn parse(code: &str) -> Self {
        match code {
            "invalid_client" => Self::InvalidClient,
            "invalid_scope" => Self::InvalidScope,
            "invalid_request" => Self::InvalidRequest,
            "invalid_grant" => Self::InvalidGrant,
            "unauthorized_client" => Self::UnauthorizedClient,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            _ => Self::Other,
        }
    }
}

impl std::fmt::Display for OAuthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::Other => "an unknown error code",
        })
    }
}

/// What was wrong with the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkProblem {
    #[error(
        "the TLS certificate is not trusted: no known authority has signed it; where a company's own has, name that in \
         api.ca_file"
    )]
    UnknownAuthority,
    #[error("the TLS certificate is not trusted: {0}")]
    Untrusted(String),
    #[error("{0}")]
    Other(String),
}

/// Why an answer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    #[error("it is larger than 1 MiB")]
    TooLarge,
    #[error("a redirect (status {0}), which is never followed, since it would carry the token elsewhere")]
    Redirect(u16),
    #[error("status {0}, which the vendor does not document")]
    UnexpectedStatus(u16),
    #[error("not the documented JSON, at line {line} column {column}: {expected}")]
    Unreadable { line: usize, column: usize, expected: &'static str },
    #[error("it speaks of product type {found}, but {asked} was asked for")]
    OtherProduct { asked: u32, found: u64 },
    #[error("{0}")]
    Listing(String),
}

/// How the text names what was asked.
const fn what(operation: Operation) -> &'static str {
    match operation {
        Operation::Token => "the identity service",
        Operation::Overview => "the product overview",
        Operation::Customers => "the customer list",
    }
}

/// What a status means here, and what would help.
const fn meaning(operation: Operation, status: u16) -> &'static str {
    match (status, operation) {
        (401, _) => "the token was not accepted",
        (403, Operation::Customers) => "not permitted; grant the app registration elements.customers.read.all",
        (403, _) => "not permitted; grant the app registration elements.license.read.all",
        (404, Operation::Overview) => "no such customer, or no such product of this customer",
        (404, _) => "not found; check api.environment, api.base_url and api.token_url",
        (408, _) => "it waited too long for the request",
        (429, _) => "too many requests; lower api.requests_per_second",
        (503, _) => "under maintenance or overloaded",
        (500..=599, _) => "an error on the vendor's side",
        _ => "the request was not understood",
    }
}

struct Refused<'a>(&'a OAuthError);

impl std::fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            OAuthError::InvalidClient => {
                " (the client id or the secret or certificate is wrong, or has expired: renew it in the app registration)"
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
