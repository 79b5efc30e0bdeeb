//! What proves the client's identity, read afresh for every token request.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use url::form_urlencoded;

use crate::certificate::{CertificateFiles, ClientCertificate};
use crate::credential_file::CredentialFile;
use crate::error::CredentialError;
use crate::secret::Secret;
use crate::{Credential, SecretSource, Settings};

/// What the credential is at one moment. All its files are read before any is used, so that what a request was filled in
/// with can be compared with what they hold later.
#[derive(Hash)]
pub(crate) enum Proof {
    Secret(Secret),
    SecretFile(CredentialFile),
    Certificate(CertificateFiles),
}

impl Proof {
    /// Reads the credential's files, which may take a moment.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub(crate) fn read(credential: &Credential) -> Result<Self, CredentialError> {
        Ok(match credential {
            Credential::Secret(SecretSource::Inline(secret)) => Self::Secret(secret.clone()),
            Credential::Secret(SecretSource::File(file)) => Self::SecretFile(CredentialFile::read_secret(file)?),
            Credential::Certificate(source) => Self::Certificate(CertificateFiles::read(source)?),
        })
    }
}

/// What the last request for a token was filled in with: a hash with a random key, and nothing of the contents.
#[derive(Default)]
pub(crate) struct UsedProof {
    key: RandomState,
    last: Mutex<Fingerprint>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fingerprint {
    #[default]
    NothingAsked,
    Unreadable,
    Of(u64),
}

impl UsedProof {
    /// Reads the credential to use it.
    ///
    /// # Errors
    ///
    /// As [`Proof::read`].
    pub(crate) fn read(&self, credential: &Credential) -> Result<Proof, CredentialError> {
        let proof = Proof::read(credential);
        *self.last() = self.fingerprint(proof.as_ref().ok());
        proof
    }

    /// Whether the credential can be read, and is not what was last used.
    pub(crate) fn differs_from(&self, credential: &Credential) -> bool {
        if *self.last() == Fingerprint::NothingAsked {
            return false;
        }
        let Ok(proof) = Proof::read(credential) else { return false };
        // Compared after the reading: it may have been used meanwhile.
        *self.last() != self.fingerprint(Some(&proof))
    }

    fn fingerprint(&self, proof: Option<&Proof>) -> Fingerprint {
        proof.map_or(Fingerprint::Unreadable, |proof| Fingerprint::Of(self.key.hash_one(proof)))
    }

    fn last(&self) -> MutexGuard<'_, Fingerprint> {
        // One value, written whole: a panic elsewhere cannot have spoilt it.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The form that asks for a token, and when the certificate in it expires.
pub(crate) struct TokenForm {
    pub(crate) body: Secret,
    pub(crate) certificate_expires: Option<SystemTime>,
}

impl TokenForm {
    /// Opening a PKCS#12 archive takes a moment.
    ///
    /// # Errors
    ///
    /// A file cannot be used; see [`CredentialError`].
    pub(crate) fn fill_in(
        settings: &Settings,
        proof: &Proof,
        scope: &str,
        now: SystemTime,
    ) -> Result<Self, CredentialError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &settings.client_id)
            .append_pair("scope", scope);
        let mut certificate_expires = None;
        match proof {
            Proof::Secret(secret) => {
                form.append_pair("client_secret", secret.expose());
            }
            Proof::SecretFile(file) => {
                let secret = file.line()?;
                if secret.expose().is_empty() {
                    return Err(CredentialError::Empty { file: file.path.clone() });
                }
                form.append_pair("client_secret", secret.expose());
            }
            Proof::Certificate(files) => {
                let certificate = ClientCertificate::load(files, now)?;
                form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                    .append_pair("client_assertion", certificate.assertion(settings, now)?.expose());
                certificate_expires = Some(certificate.expires);
            }
        }
        Ok(Self { body: Secret::new(form.finish()), certificate_expires })
    }
}

/// Checks, without a network, that the credential's files can be used as they are at `now`, and says when its certificate
/// expires, if it is one.
///
/// # Errors
///
/// A file cannot be used, or its certificate is not valid at `now`.
pub fn check_credential(settings: &Settings, now: SystemTime) -> Result<Option<SystemTime>, CredentialError> {
    let proof = Proof::read(&settings.credential)?;
    TokenForm::fill_in(settings, &proof, "", now).map(|form| form.certificate_expires)
}
