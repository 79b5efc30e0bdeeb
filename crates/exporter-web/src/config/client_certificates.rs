//! Who must show a certificate, and which.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What is asked of a client, in the words of Go's `tls.ClientAuthType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    NoClientCert,
    RequestClientCert,
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

impl Policy {
    pub(crate) const ALL: [(&'static str, Self); 5] = [
        ("NoClientCert", Self::NoClientCert),
        ("RequestClientCert", Self::RequestClientCert),
        ("RequireAnyClientCert", Self::RequireAnyClientCert),
        ("VerifyClientCertIfGiven", Self::VerifyClientCertIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerifyClientCert),
    ];

    /// Whether nobody gets in without a certificate.
    pub(crate) fn is_mandatory(self) -> bool {
        matches!(self, Self::RequireAnyClientCert | Self::RequireAndVerifyClientCert)
    }

    /// Whether a certificate must come from one of the configured authorities.
    pub(crate) fn verifies(self) -> bool {
        matches!(self, Self::VerifyClientCertIfGiven | Self::RequireAndVerifyClientCert)
    }
}

/// Judges the certificates of clients. That a client holds the key of its certificate is always checked.
#[derive(Debug)]
pub(crate) struct Clients {
    policy: Policy,
    /// `None`: whoever signed it, a certificate will do.
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    /// Of which a certificate must hold one; any will do where there are none.
    allowed_names: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl Clients {
    /// # Errors
    ///
    /// The reason for which nobody could be verified by `authorities`.
    pub(crate) fn new(
        policy: Policy,
        authorities: RootCertStore,
        allowed_names: Vec<String>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let authorities = policy
            .verifies()
            .then(|| WebPkiClientVerifier::builder_with_provider(authorities.into(), provider.clone()).build())
            .transpose()
            .map_err(|error| error.to_string())?;
        Ok(Self { policy, authorities, allowed_names, provider })
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.policy.is_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.as_ref().map_or(&[], |authorities| authorities.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(authorities) = &self.authorities {
            authorities.verify_client_cert(end_entity, intermediates, now)?;
        }
        if self.allowed_names.is_empty() || names(end_entity).iter().any(|name| self.allowed_names.contains(name)) {
            return Ok(ClientCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.authorities.is_none() {
            return holds_key(message, cert, dss, &self.provider);
        }
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.authorities.is_none() {
            let Ok((_, certificate)) = X509Certificate::from_der(cert) else {
                return Err(CertificateError::BadEncoding.into());
            };
            let key = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
            return verify_tls13_signature_with_raw_key(
                message,
                &key,
                dss,
                &self.provider.signature_verification_algorithms,
            );
        }
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether the client signed `message` with the key of its certificate, of which nothing else matters: webpki, which judges
/// certificates that must come from somebody, reads none of version 1.
fn holds_key(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    provider: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    let bad_encoding = || Error::from(CertificateError::BadEncoding);
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| bad_encoding())?;
    let key = certificate.public_key();
    // RFC 5280, 4.1: a sequence, of which the algorithm is the first part.
    let (_, parts) = Any::from_der(key.raw).map_err(|_| bad_encoding())?;
    let (_, algorithm) = Any::from_der(parts.data).map_err(|_| bad_encoding())?;
    let schemes = provider.signature_verification_algorithms.mapping;
    let candidates = schemes.iter().find(|(scheme, _)| *scheme == dss.scheme).map_or(&[][..], |(_, found)| found);
    let is_signed = candidates.iter().any(|candidate| {
        candidate.public_key_alg_id().as_ref() == algorithm.data
            && candidate.verify_signature(&key.subject_public_key.data, message, dss.signature()).is_ok()
    });
    if is_signed { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
}

/// The names that a certificate is made out to: DNS names, addresses, e-mail addresses and URIs (RFC 5280, 4.2.1.6).
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    names.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match *name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some(name.to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()?;
            // As Go writes it, by which operators have it in their files.
            Some(address.to_canonical().to_string())
        }
        _ => None,
    }
}
