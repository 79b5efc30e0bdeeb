//! What proves the client's identity, read afresh for every token request.

use std::hash::{BuildHasher as _, RandomState};
use std::time::SystemTime;

use bounded_file::LARGEST;
use url::form_urlencoded;

use crate::certificate::ClientCertificate;
use crate::credential_file::{read_file, read_line};
use crate::error::CredentialError;
use crate::secret::Secret;
use crate::{CertificateSource, Credential, SecretSource, Settings};

/// The form that asks for a token, and when the certificate in it expires.
pub(crate) struct TokenForm {
    pub(crate) body: Secret,
    pub(crate) certificate_expires: Option<SystemTime>,
}

impl TokenForm {
    /// Reads the credential's files, which may take a moment.
    ///
    /// # Errors
    ///
    /// A file cannot be used; see [`CredentialError`].
    pub(crate) fn fill_in(settings: &Settings, scope: &str, now: SystemTime) -> Result<Self, CredentialError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &settings.client_id)
            .append_pair("scope", scope);
        let mut certificate_expires = None;
        match &settings.credential {
            Credential::Secret(SecretSource::Inline(secret)) => {
                form.append_pair("client_secret", secret.expose());
            }
            Credential::Secret(SecretSource::File(file)) => {
                let secret = read_line(file)?;
                if secret.expose().is_empty() {
                    return Err(CredentialError::Empty { file: file.clone() });
                }
                form.append_pair("client_secret", secret.expose());
            }
            Credential::Certificate(source) => {
                let certificate = ClientCertificate::load(source, now)?;
                form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                    .append_pair("client_assertion", certificate.assertion(settings, now)?.expose());
                certificate_expires = Some(certificate.expires);
            }
        }
        Ok(Self { body: Secret::new(form.finish()), certificate_expires })
    }
}

/// A digest of the bytes of all files of `credential`, to tell whether one has changed. It says nothing of the bytes to
/// whoever does not have `key`, which is random.
pub(crate) fn fingerprint(credential: &Credential, key: &RandomState) -> u64 {
    let files = match credential {
        Credential::Secret(SecretSource::Inline(_)) => Vec::new(),
        Credential::Secret(SecretSource::File(file)) => vec![file],
        Credential::Certificate(CertificateSource::Pfx { pfx_file, password_file }) => {
            [pfx_file].into_iter().chain(password_file).collect()
        }
        Credential::Certificate(CertificateSource::Pem { cert_file, key_file }) => vec![cert_file, key_file],
    };
    let contents: Vec<_> = files.into_iter().map(|file| read_file(file, LARGEST).ok()).collect();
    key.hash_one(&contents)
}

/// Checks, without a network, that the credential's files can be used as they are at `now`.
///
/// # Errors
///
/// A file cannot be used, or its certificate is not valid at `now`.
pub fn check_credential(settings: &Settings, now: SystemTime) -> Result<(), CredentialError> {
    TokenForm::fill_in(settings, "", now).map(drop)
}
