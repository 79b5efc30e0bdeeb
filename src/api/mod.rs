//! Everything that speaks to the vendor's API, and nothing of Prometheus.
//!
//! Source: AvePoint's public documentation of the Elements API (state of July 2026).

mod certificate;
mod client;
#[cfg(test)]
mod client_tests;
mod credential;
mod error;
mod file;
mod listing;
mod pace;
mod retry;
mod round;
mod settings;
#[cfg(test)]
pub(crate) mod testing;
mod token;
mod transport;
mod wire;

pub use client::{Client, Slot};
pub use credential::check_credential;
pub use error::{BadResponse, CredentialError, Error, NetworkProblem, OAuthError, SetupError};
pub use round::Round;
pub use settings::{CertificateSource, Credential, SecretSource, Settings};
pub use transport::is_loopback;
