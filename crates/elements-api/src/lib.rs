//! A client of AvePoint's Elements API that a long-running program can leave running.
//!
//! It asks how many user seats a customer has purchased of a product ([`Round::overview`]), which customers the
//! credentials can see ([`Round::customers`]), what they have subscribed to until when ([`Round::subscriptions`]), and how
//! many seats their tenants have ([`Round::tenants`]). It gets and renews the token, by client secret or certificate, keeps to
//! one pace and one limit of requests in flight, honours `Retry-After`, retries what may succeed later, and reads answers
//! strictly: a number that the vendor did not give is never made up. No error, and no `Debug` output, holds a secret.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use elements_api::{Answer, Client, CustomerId, ProductType, Round, Settings};
//! use tokio::time::Instant;
//!
//! async fn seats(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
//!     // `()` observes nothing; an `Observer` counts requests, retries and expiries.
//!     let client = Arc::new(Client::new(settings, Arc::new(()))?);
//!     let round = Round::begin(&client, Instant::now() + Duration::from_secs(600));
//!     let fly = ProductType::from_name("Fly")?;
//!     let customer = CustomerId::parse("11111111-2222-4333-8444-555555555555").ok_or("no customer id")?;
//!     if let Some(slot) = round.slot().await {
//!         match round.overview(&customer, fly, slot, |_| true).await? {
//!             Answer::Seats(seats) => println!("{seats} seats of {}", fly.label()),
//!             Answer::NotApplicable => println!("{} does not count seats", fly.label()),
//!             Answer::NotFound => println!("no such customer, or no {} there", fly.label()),
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! It does not decide when to ask or what to do with the answers, reads no configuration (its messages name the keys of
//! the exporter's `exporter.yaml`, since those are what a user can change), and knows nothing of Prometheus.
//!
//! With the feature `testing`, `testing::Vendor` stands in for the vendor, in memory and on a paused clock.
//!
//! Source of all that is said of the API: AvePoint's public documentation of the Elements API (state of July 2026).

#![warn(missing_docs)]

mod catalog;
mod certificate;
mod client;
mod credential;
mod credential_file;
mod error;
mod excerpt;
mod listing;
mod model;
mod object;
mod observer;
mod pace;
mod proxy;
mod resolver;
mod retry;
mod round;
mod secret;
mod settings;
mod subscription;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod token;
mod transport;
mod wall_clock;
mod wire;

pub use catalog::{CATALOG, Product, ProductType, UnknownProduct};
pub use client::{Client, Slot};
pub use credential::check_credential;
pub use error::{BadResponse, CredentialError, Error, NetworkProblem, OAuthError, SetupError};
pub use excerpt::Excerpt;
pub use listing::{CustomerListing, LostRows};
pub use model::{Account, Answer, CustomerId, ListedCustomer, Reason, Seats};
pub use object::Object;
pub use observer::{Code, Observer, Operation};
pub use retry::GivesWay;
pub use round::Round;
pub use secret::Secret;
pub use settings::{CertificateSource, Credential, SecretSource, Settings, is_loopback};
pub use subscription::{
    Platform, SubscribedCustomer, Subscription, SubscriptionListing, Tenant, TenantListing, UnreadableValue,
};
