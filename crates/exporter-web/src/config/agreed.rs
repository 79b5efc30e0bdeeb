//! What a connection was let in by, and whether that still holds.

use rustls::crypto::SupportedKxGroup;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier as _;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion, ServerConnection};

use super::tls::Tls;

/// What was agreed on with a client.
#[derive(Debug, Default)]
pub(crate) struct Agreed {
    version: Option<ProtocolVersion>,
    suite: Option<CipherSuite>,
    group: Option<NamedGroup>,
    /// Its own first; none where it was not asked, or showed none.
    certificates: Vec<CertificateDer<'static>>,
}

impl Agreed {
    /// After the handshake.
    pub(crate) fn on(connection: &ServerConnection) -> Self {
        let certificates = connection.peer_certificates().unwrap_or_default();
        Self {
            version: connection.protocol_version(),
            suite: connection.negotiated_cipher_suite().map(|suite| suite.suite()),
            group: connection.negotiated_key_exchange_group().map(SupportedKxGroup::name),
            certificates: certificates.iter().map(|certificate| certificate.clone().into_owned()).collect(),
        }
    }

    /// Whether `tls`, which may be of another time, could have agreed to it.
    pub(super) fn suffices(&self, tls: &Tls) -> bool {
        let provider = tls.config.crypto_provider();
        let version = tls.versions.iter().any(|version| Some(version.version) == self.version);
        let suite = provider.cipher_suites.iter().any(|suite| Some(suite.suite()) == self.suite);
        let group = provider.kx_groups.iter().any(|group| Some(group.name()) == self.group);
        let client = tls.clients.as_ref().is_none_or(|clients| match self.certificates.split_first() {
            Some((own, others)) => clients.verify_client_cert(own, others, UnixTime::now()).is_ok(),
            None => !clients.client_auth_mandatory(),
        });
        version && suite && group && client
    }
}
