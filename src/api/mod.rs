//! Everything that speaks to the vendor's API.

mod settings;

pub use settings::{CertificateSource, Credential, SecretSource, Settings};
