//! Everything that speaks to the vendor's API, and nothing of Prometheus.
//!
//! Source: AvePoint's public documentation of the Elements API (state of July 2026).

mod aside;
mod catalog;
mod certificate;
mod client;
#[cfg(test)]
mod client_tests;
mod credential;
mod error;
mod file;
mod listing;
mod model;
mod object;
mod observer;
mod pace;
mod retry;
mod round;
mod secret;
mod settings;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod token;
mod transport;
mod wire;

pub use catalog::{CATALOG, Product, ProductType, UnknownProduct};
pub use client::{Client, Slot};
pub use credential::check_credential;
pub use error::{BadResponse, CredentialError, Error, NetworkProblem, OAuthError, SetupError};
pub use model::{Account, Answer, CustomerId, ListedCustomer, Reason, Seats};
pub use object::Object;
pub use observer::{Code, Observer, Operation};
pub use round::Round;
pub use secret::Secret;
pub use settings::{CertificateSource, Credential, SecretSource, Settings};
pub use transport::is_loopback;
