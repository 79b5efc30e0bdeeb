//! Why there is no client, and why credentials are of no use.

use std::path::PathBuf;
use std::time::SystemTime;

use bounded_file::shown;

use crate::excerpt::Excerpt;
use crate::wall_clock;

/// Why a client could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The file of additional authorities cannot be used.
    #[error("api.ca_file {}: {problem}", shown(.file))]
    CaFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A variable of the environment names a proxy, and its value, which may hold a password, cannot be one.
    #[error(
        "the variable {variable} is not the address of a proxy: expected http:// or https://, a host and a port, such as \
         http://proxy.example.com:3128"
    )]
    Proxy {
        /// The variable.
        variable: &'static str,
    },
    /// The system has no certificate authorities, most likely.
    #[error("cannot set up HTTPS: {0}; install the system's CA certificates (package ca-certificates)")]
    Client(Excerpt),
}

/// Why no token could even be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read.
    #[error("cannot read {}: {problem}", shown(.file))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// The file of the client secret is empty.
    #[error("{} is empty: it must hold the client secret", shown(.file))]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A file holds something else.
    #[error("{} must hold {expected}", shown(.file))]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What it must hold.
        expected: &'static str,
    },
    /// The archive's password is another one.
    #[error("the password does not open {}; see api.certificate.password_file", shown(.file))]
    WrongPassword {
        /// The archive.
        file: PathBuf,
    },
    /// The vendor takes no other keys.
    #[error("the private key in {} is not an RSA key of 2048 bits or more, which the vendor requires", shown(.file))]
    NotRsa {
        /// The file of the key.
        file: PathBuf,
    },
    /// Certificate and key are not a pair.
    #[error("the private key in {} does not belong to the certificate in {}", shown(.key), shown(.certificate))]
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The certificate's time is over.
    #[error("the certificate in {} expired at {}: renew it", shown(.file), wall_clock::shown(*.since))]
    Expired {
        /// The file of the certificate.
        file: PathBuf,
        /// When it expired.
        since: SystemTime,
    },
    /// The certificate's time has not begun.
    #[error(
        "the certificate in {} is not valid before {}: is this machine's clock right?",
        shown(.file),
        wall_clock::shown(*.from)
    )]
    NotYetValid {
        /// The file of the certificate.
        file: PathBuf,
        /// When it begins.
        from: SystemTime,
    },
    /// The cryptography failed.
    #[error("the private key could not sign the client's assertion")]
    Unsignable,
}

impl CredentialError {
    /// Whether the files are in order and only the time is not.
    pub const fn may_pass_with_time(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }
}

/// The error codes of an OAuth 2.0 token endpoint (RFC 6749, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthError {
    /// The client is unknown, or its secret or certificate is wrong or has expired.
    InvalidClient,
    /// A permission was asked for that the app registration does not have.
    InvalidScope,
    /// The request was malformed.
    InvalidRequest,
    /// The grant is not valid.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// The service does not know this grant.
    UnsupportedGrantType,
    /// A code that the standard does not know. It is not repeated: it may hold anything.
    Other,
}

impl OAuthError {
    pub(crate) fn parse(code: &str) -> Self {
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
