//! A client certificate and its private key, and the assertion that they sign (RFC 7523, section 2.2).

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as Pkcs12Error;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::credential_file::CredentialFile;
use crate::error::CredentialError;
use crate::secret::Secret;
use crate::{CertificateSource, Settings};

/// How long an assertion is good. It is made for one request, which takes no longer.
const ASSERTION_LIFETIME: Duration = Duration::from_mins(5);

/// What the files of a certificate and its key held at one moment.
#[derive(Hash)]
pub(crate) enum CertificateFiles {
    Pfx { archive: CredentialFile, password: Option<CredentialFile> },
    Pem { certificate: CredentialFile, key: CredentialFile },
}

impl CertificateFiles {
    /// # Errors
    ///
    /// A file cannot be read.
    pub(crate) fn read(source: &CertificateSource) -> Result<Self, CredentialError> {
        Ok(match source {
            CertificateSource::Pfx { pfx_file, password_file } => Self::Pfx {
                password: password_file.as_deref().map(CredentialFile::read_secret).transpose()?,
                archive: CredentialFile::read(pfx_file)?,
            },
            CertificateSource::Pem { cert_file, key_file } => {
                Self::Pem { certificate: CredentialFile::read(cert_file)?, key: CredentialFile::read(key_file)? }
            }
        })
    }

    /// The file that holds the certificate.
    const fn certificate_file(&self) -> &PathBuf {
        match self {
            Self::Pfx { archive: file, .. } | Self::Pem { certificate: file, .. } => &file.path,
        }
    }

    /// The file that holds the private key.
    const fn key_file(&self) -> &PathBuf {
        match self {
            Self::Pfx { archive: file, .. } | Self::Pem { key: file, .. } => &file.path,
        }
    }
}

/// What was loaded is sound: RSA, the key belongs to the certificate, and the certificate is in force.
pub(crate) struct ClientCertificate {
    certificate: Vec<u8>,
    key: PrivateKeyDer<'static>,
    pub(crate) expires: SystemTime,
}

impl ClientCertificate {
    /// # Errors
    ///
    /// A file is not what it should be, the password is wrong, the key is not RSA or belongs to
    /// another certificate, or the certificate is not in force at `now`.
    pub(crate) fn load(files: &CertificateFiles, now: SystemTime) -> Result<Self, CredentialError> {
        let file = files.certificate_file();
        let (certificates, key) = match files {
            CertificateFiles::Pfx { archive, password } => open_pfx(archive, password.as_ref())?,
            CertificateFiles::Pem { certificate, key } => open_pem(certificate, key)?,
        };
        let public_key = public_key(&key).ok_or_else(|| CredentialError::NotRsa { file: files.key_file().clone() })?;
        for certificate in certificates {
            let Ok((_, parsed)) = X509Certificate::from_der(&certificate) else {
                return Err(CredentialError::Malformed { file: file.clone(), expected: "an X.509 certificate" });
            };
            if *parsed.public_key().subject_public_key.data != *public_key {
                continue;
            }
            let moment = |time: x509_parser::time::ASN1Time| {
                UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
            };
            let (from, expires) = (moment(parsed.validity().not_before), moment(parsed.validity().not_after));
            if now > expires {
                return Err(CredentialError::Expired { file: file.clone(), since: expires });
            }
            if now < from {
                return Err(CredentialError::NotYetValid { file: file.clone(), from });
            }
            return Ok(Self { certificate, key, expires });
        }
        Err(CredentialError::KeyMismatch { certificate: file.clone(), key: files.key_file().clone() })
    }

    /// A fresh assertion that this client asks `settings.token_url` for a token.
    pub(crate) fn assertion(&self, settings: &Settings, now: SystemTime) -> Result<Secret, CredentialError> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            sub: &'a str,
            aud: &'a str,
            jti: String,
            iat: u64,
            nbf: u64,
            exp: u64,
        }
        // RFC 7515 defines the thumbprint as SHA-1. It names the certificate here; it secures nothing.
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.certificate);
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(hex::encode_upper(thumbprint));
        header.x5t = Some(URL_SAFE_NO_PAD.encode(thumbprint));
        let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = Claims {
            iss: &settings.client_id,
            sub: &settings.client_id,
            aud: settings.token_url.as_str(),
            jti: format!("{:032x}", rand::random::<u128>()),
            iat: issued.as_secs(),
            nbf: issued.as_secs(),
            exp: (issued + ASSERTION_LIFETIME).as_secs(),
        };
        EncodingKey::from_rsa_pem(self.key_as_pem().expose().as_bytes())
            .and_then(|key| jsonwebtoken::encode(&header, &claims, &key))
            .map(Secret::new)
            .map_err(|_| CredentialError::Unsignable)
    }

    /// jsonwebtoken takes PKCS#8 only as PEM.
    fn key_as_pem(&self) -> Secret {
        let label = if matches!(self.key, PrivateKeyDer::Pkcs1(_)) { "RSA PRIVATE KEY" } else { "PRIVATE KEY" };
        let key = STANDARD.encode(self.key.secret_der());
        Secret::new(format!("-----BEGIN {label}-----\n{key}\n-----END {label}-----\n"))
    }
}

type Opened = (Vec<Vec<u8>>, PrivateKeyDer<'static>);

fn open_pfx(file: &CredentialFile, password: Option<&CredentialFile>) -> Result<Opened, CredentialError> {
    let password = match password {
        Some(password) => password.line()?,
        None => Secret::new(""),
    };
    let malformed = |expected| CredentialError::Malformed { file: file.path.clone(), expected };
    let archive = Pkcs12Archive::from_pkcs12(&file.bytes, password.expose()).map_err(|error| match error {
        Pkcs12Error::MacError(_) => CredentialError::WrongPassword { file: file.path.clone() },
        Pkcs12Error::UnsupportedEncryptionScheme | Pkcs12Error::UnsupportedMacAlgorithm => {
            malformed("a PKCS#12 archive (.pfx) that is encrypted with AES, 3DES or RC2")
        }
        _ => malformed("a PKCS#12 archive (.pfx)"),
    })?;
    let key = archive.keys.first().ok_or_else(|| malformed("an archive with a private key"))?;
    let key = PrivateKeyDer::try_from(key.key.as_der().to_vec())
        .map_err(|_| CredentialError::NotRsa { file: file.path.clone() })?;
    Ok((archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect(), key))
}

fn open_pem(certificate: &CredentialFile, key: &CredentialFile) -> Result<Opened, CredentialError> {
    let expected = |file: &CredentialFile, expected| CredentialError::Malformed { file: file.path.clone(), expected };
    let certificates = CertificateDer::pem_slice_iter(&certificate.bytes)
        .map(|certificate| certificate.map(|der| der.to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| expected(certificate, "a PEM certificate"))?;
    if certificates.is_empty() {
        return Err(expected(certificate, "a PEM certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(&key.bytes)
        .map_err(|_| expected(key, "a PEM private key without a passphrase"))?;
    Ok((certificates, key))
}

/// The public half as PKCS#1, which is also what a certificate holds; `None` where the key is not RSA.
fn public_key(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    let pair = match key {
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return None,
    };
    Some(pair.ok()?.public_key().as_ref().to_vec())
}
