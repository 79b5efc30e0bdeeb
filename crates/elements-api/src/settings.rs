//! What the client needs to be told.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::model::Account;
use crate::secret::Secret;

/// How to reach the API, as whom, and how gently.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What the vendor sees in `User-Agent`, such as `avepoint-exporter/1.0.0`.
    pub user_agent: &'static str,
    /// Without a trailing slash in its path.
    pub base_url: Url,
    pub token_url: Url,
    pub client_id: String,
    pub credential: Credential,
    /// PEM certificates that are trusted besides the system's roots.
    pub ca_file: Option<PathBuf>,
    /// Of one request, from connecting to the last byte.
    pub timeout: Duration,
    pub max_in_flight: NonZeroUsize,
    /// Of all requests together, retries included.
    pub requests_per_second: NonZeroU32,
    /// After the first try of a request.
    pub max_retries: u32,
    /// Whether the token must also allow listing customers.
    pub discovery: bool,
}

impl Settings {
    /// More than the vendor takes from anybody, and little enough to count with.
    pub const MAX_REQUESTS_PER_SECOND: u64 = 100_000;

    /// Whose numbers the API tells with these settings.
    pub fn account(&self) -> Account {
        Account { base_url: self.base_url.clone(), client_id: self.client_id.clone() }
    }
}

/// What proves the client's identity. Files are read again at every token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Secret(SecretSource),
    Certificate(CertificateSource),
}

/// Where the client secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    Inline(Secret),
    /// A trailing line break is not part of the secret.
    File(PathBuf),
}

/// Where the certificate and its private key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// PKCS#12: both in one file. It is made by the operator: the vendor takes a `.cer` and hands out nothing.
    Pfx {
        pfx_file: PathBuf,
        password_file: Option<PathBuf>,
    },
    Pem {
        cert_file: PathBuf,
        key_file: PathBuf,
    },
}
