//! What a client is made with.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::model::Account;
use crate::observer::Operation;
use crate::secret::Secret;

/// How to reach the API, as whom, and how gently.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What the vendor sees in `User-Agent`, such as `avepoint-exporter/1.0.0`.
    pub user_agent: &'static str,
    /// Where the API is, without a trailing slash in its path.
    pub base_url: Url,
    /// Where tokens are issued.
    pub token_url: Url,
    /// The id of the app registration.
    pub client_id: String,
    /// What proves to be that app.
    pub credential: Credential,
    /// PEM certificates that are trusted besides the system's roots.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take, from connecting to the last byte.
    pub timeout: Duration,
    /// How many requests may be in flight.
    pub max_in_flight: NonZeroUsize,
    /// How many requests may begin in a second, retries and requests for tokens included.
    pub requests_per_second: NonZeroU32,
    /// How often a request is repeated after its first attempt.
    pub max_retries: u32,
    /// Whether the token must also allow listing customers.
    pub discovery: bool,
}

impl Settings {
    /// The most that `requests_per_second` may be: more than the vendor takes from anybody, and enough for a spacing of
    /// whole nanoseconds.
    pub const MAX_REQUESTS_PER_SECOND: u64 = 100_000;

    /// The most that `max_in_flight` may be: each is a connection.
    pub const MAX_IN_FLIGHT: u64 = 10_000;

    /// Whose numbers the API gives with these settings.
    pub fn account(&self) -> Account {
        Account { base_url: self.base_url.clone(), client_id: self.client_id.clone() }
    }

    /// Who is asked, for messages: the host, and its port if that is not the usual one.
    pub(crate) fn host(&self, operation: Operation) -> String {
        let url = if operation == Operation::Token { &self.token_url } else { &self.base_url };
        let host = url.host_str().unwrap_or_default();
        url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

/// What proves the client's identity. Files are read again at every token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A secret that both sides know.
    Secret(SecretSource),
    /// A certificate that is registered with the vendor.
    Certificate(CertificateSource),
}

/// Where the client secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// Here.
    Inline(Secret),
    /// In this file; a byte order mark and white space at its ends are no part of the secret.
    File(PathBuf),
}

/// Where the certificate and its private key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// PKCS#12: both in one file. It is made by the operator: the vendor takes a `.cer` and hands out nothing.
    Pfx {
        /// The archive (`.pfx`), with both in it.
        pfx_file: PathBuf,
        /// The file of its password; `None` if that is empty.
        password_file: Option<PathBuf>,
    },
    /// PEM, as most tools write it.
    Pem {
        /// The certificate.
        cert_file: PathBuf,
        /// Its private key, without a passphrase.
        key_file: PathBuf,
    },
}

/// Whether a URL's host is this machine: `localhost`, `127.0.0.0/8` or `[::1]`. Only there may a secret travel over plain
/// HTTP.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // A parsed URL has its host in lower case.
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
