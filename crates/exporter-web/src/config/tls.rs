//! The section `tls_server_config`.

use std::path::Path;
use std::sync::Arc;

use checked_yaml::value::{flag, quoted, text};
use checked_yaml::{Field, Key, Problems, Refused, file};
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::client_certificates::{Clients, Policy};
use super::document;
use crate::settle::Files;

/// How to speak TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// `None`: no client is asked for a certificate.
    pub(super) clients: Option<Arc<Clients>>,
    /// Whether nobody gets in without a certificate from one of the configured authorities.
    pub(crate) verifies_clients: bool,
    /// Whether a certificate must hold one of the configured names.
    pub(crate) names_clients: bool,
}

/// Where the section's files are, what was read of them, and what is wrong.
pub(crate) struct Reading<'r, 't> {
    pub(crate) folder: &'r Path,
    pub(crate) files: &'r mut Files,
    pub(crate) problems: &'r mut Problems<'t>,
}

/// `None` where the section is not there, or empty.
pub(crate) fn tls(
    raw: &document::Tls,
    http2: Result<bool, Refused>,
    reading: &mut Reading<'_, '_>,
) -> Result<Option<Tls>, Refused> {
    if *raw == document::Tls::default() {
        return http2.map(|_| None);
    }
    let identity = identity(raw, reading);
    let authorities = reading.pem("client_ca", &raw.client_ca, "client_ca_file", &raw.client_ca_file);
    let authorities = authorities.and_then(|pem| pem.map(|pem| Ok((reading.authorities(&pem)?, pem.key))).transpose());
    let problems = &mut *reading.problems;
    let policy = problems.read(&key("client_auth_type"), &raw.client_auth_type, policy);
    let names = allowed_names(&raw.client_allowed_sans, problems);
    let versions = versions(raw, problems);
    let suites = problems.read_each(&key("cipher_suites"), &raw.cipher_suites, suite);
    let groups = problems.read_each(&key("curve_preferences"), &raw.curve_preferences, group);
    let own_order = problems.read(&key("prefer_server_cipher_suites"), &raw.prefer_server_cipher_suites, flag);

    let policy = policy?.unwrap_or(Policy::NoClientCert);
    let (authorities, names) = (authorities?, names?);
    let names_clients = !names.is_empty();
    let fits = fitting(policy, authorities.as_ref().map(|(_, key)| key), names_clients, problems);
    let (versions, provider) = (versions?, provider(&suites?, groups?));
    let ((), (certificates, private_key), http2) = (fits?, identity?, http2?);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| problems.add(&section(), format!("these settings leave nothing to offer: {error}")))?;
    let clients = match policy {
        Policy::NoClientCert => None,
        _ => Some(Arc::new(
            Clients::new(
                policy,
                authorities.map_or_else(RootCertStore::empty, |(authorities, _)| authorities),
                names,
                provider,
            )
            .map_err(|error| problems.add(&section(), format!("client certificates cannot be verified: {error}")))?,
        )),
    };
    let builder = match &clients {
        Some(clients) => builder.with_client_cert_verifier(clients.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(certificates, private_key)
        .map_err(|error| problems.add(&section(), mismatch(&error)))?;
    config.ignore_client_order = own_order?.unwrap_or(true);
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    let verifies_clients = policy.verifies() && policy.is_mandatory();
    Ok(Some(Tls { config: config.into(), versions, clients, verifies_clients, names_clients }))
}

fn section() -> Key {
    Key::of("tls_server_config")
}

fn key(name: &str) -> Key {
    section().then(name)
}

/// PEM text, and the key that it came from.
struct Pem {
    key: Key,
    bytes: Vec<u8>,
}

impl Reading<'_, '_> {
    /// What stands in the file, or in the configuration itself.
    fn pem(&mut self, name: &str, inline: &Field, file_name: &str, path: &Field) -> Result<Option<Pem>, Refused> {
        if inline.is_given() && path.is_given() {
            return Err(self
                .problems
                .add(&key(name), format!("{name} and {file_name} are both there; keep one of them")));
        }
        let (folder, files) = (self.folder, &mut *self.files);
        let inline = self.problems.read(&key(name), inline, |field| text(field).map(|pem| pem.as_bytes().to_vec()));
        let read = self.problems.read(&key(file_name), path, |field| {
            let path = file::path(field, folder)?;
            files.read(&path).map_err(|error| file::unreadable(&path, &error))
        });
        Ok(match (inline?, read?) {
            (Some(bytes), _) => Some(Pem { key: key(name), bytes }),
            (_, Some(bytes)) => Some(Pem { key: key(file_name), bytes }),
            (None, None) => None,
        })
    }

    fn required(&mut self, name: &str, inline: &Field, file_name: &str, path: &Field) -> Result<Pem, Refused> {
        let found = self.pem(name, inline, file_name, path)?;
        found.ok_or_else(|| self.problems.add(&section(), format!("TLS needs {file_name} or {name}")))
    }

    fn certificates(&mut self, pem: &Pem) -> Result<Vec<CertificateDer<'static>>, Refused> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.bytes).collect();
        let found = certificates.ok().filter(|certificates| !certificates.is_empty());
        found.ok_or_else(|| self.problems.add(&pem.key, "expected a PEM certificate (BEGIN CERTIFICATE)"))
    }

    fn authorities(&mut self, pem: &Pem) -> Result<RootCertStore, Refused> {
        let mut authorities = RootCertStore::empty();
        for certificate in self.certificates(pem)? {
            authorities.add(certificate).map_err(|error| {
                self.problems.add(&pem.key, format!("holds a certificate that cannot be read: {error}"))
            })?;
        }
        Ok(authorities)
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(raw: &document::Tls, reading: &mut Reading<'_, '_>) -> Result<Identity, Refused> {
    let certificates = reading.required("cert", &raw.cert, "cert_file", &raw.cert_file);
    let certificates = certificates.and_then(|pem| reading.certificates(&pem));
    let private_key = reading.required("key", &raw.key, "key_file", &raw.key_file).and_then(|pem| {
        PrivateKeyDer::from_pem_slice(&pem.bytes)
            .map_err(|_| reading.problems.add(&pem.key, "expected a PEM private key without a passphrase"))
    });
    Ok((certificates?, private_key?))
}

fn mismatch(error: &Error) -> String {
    match error {
        Error::InconsistentKeys(_) => "the private key belongs to another certificate".to_owned(),
        _ => format!("the certificate or its key cannot be used: {error}"),
    }
}

fn policy(field: &Field) -> Result<Policy, String> {
    let name = text(field)?;
    // Files from before the format's documentation named it as Go does have it this way.
    let name = if name == "RequireClientCert" { "RequireAnyClientCert" } else { name };
    one_of(name, &Policy::ALL)
}

fn allowed_names(field: &Field, problems: &mut Problems<'_>) -> Result<Vec<String>, Refused> {
    let key = key("client_allowed_sans");
    let names = problems.read_each(&key, field, |field| text(field).map(str::to_owned))?;
    if field.is_given() && names.is_empty() {
        return Err(problems.add(&key, "is empty, which would refuse everybody: name somebody, or take it out"));
    }
    Ok(names)
}

/// Settings that could not do what they promise are refused, as the format's documentation has it.
fn fitting(policy: Policy, authorities: Option<&Key>, names: bool, problems: &mut Problems<'_>) -> Result<(), Refused> {
    if policy.verifies() && authorities.is_none() {
        return Err(problems.add(&key("client_auth_type"), "needs client_ca_file or client_ca to verify with"));
    }
    if let (Some(does_nothing), Some(key)) = (unverified(policy), authorities) {
        return Err(problems.add(key, does_nothing));
    }
    if names && !policy.is_mandatory() {
        return Err(problems.add(
            &key("client_allowed_sans"),
            "needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert: the others let in clients without a certificate",
        ));
    }
    Ok(())
}

/// What to say of authorities by which nobody is verified, though whoever names some counts on it.
fn unverified(policy: Policy) -> Option<&'static str> {
    match policy {
        Policy::NoClientCert => Some("does nothing without client_auth_type: RequireAndVerifyClientCert"),
        Policy::RequestClientCert => Some(
            "does nothing with client_auth_type RequestClientCert, which verifies nobody: write VerifyClientCertIfGiven",
        ),
        Policy::RequireAnyClientCert => Some(
            "does nothing with client_auth_type RequireAnyClientCert, which verifies nobody: write RequireAndVerifyClientCert",
        ),
        Policy::VerifyClientCertIfGiven | Policy::RequireAndVerifyClientCert => None,
    }
}

/// By rising number.
const VERSIONS: [(&str, &SupportedProtocolVersion); 2] = [("TLS12", &TLS12), ("TLS13", &TLS13)];

fn versions(
    raw: &document::Tls,
    problems: &mut Problems<'_>,
) -> Result<Vec<&'static SupportedProtocolVersion>, Refused> {
    let least = problems.read(&key("min_version"), &raw.min_version, version);
    let most = problems.read(&key("max_version"), &raw.max_version, version);
    let (least, most) = (least?.unwrap_or(0), most?.unwrap_or(VERSIONS.len() - 1));
    if least > most {
        return Err(problems.add(&key("min_version"), "is above max_version"));
    }
    Ok(VERSIONS[least..=most].iter().map(|(_, version)| *version).collect())
}

fn version(field: &Field) -> Result<usize, String> {
    match text(field)? {
        old @ ("TLS10" | "TLS11") => Err(format!("{old} is not offered, as RFC 8996 has it: write TLS12 or TLS13")),
        name => one_of(name, &std::array::from_fn::<_, { VERSIONS.len() }, _>(|index| (VERSIONS[index].0, index))),
    }
}

fn suite(field: &Field) -> Result<SupportedCipherSuite, String> {
    let known: Vec<_> = aws_lc_rs::ALL_CIPHER_SUITES.iter().map(|suite| (suite_name(*suite), *suite)).collect();
    let known: Vec<_> = known.iter().map(|(name, suite)| (name.as_str(), *suite)).collect();
    one_of(text(field)?, &known)
}

/// The name by IANA, which Go uses, too.
fn suite_name(suite: SupportedCipherSuite) -> String {
    suite.suite().as_str().unwrap_or_default().replace("TLS13_", "TLS_")
}

type Group = &'static dyn SupportedKxGroup;

fn group(field: &Field) -> Result<Group, String> {
    let known: [(&str, Group); 5] = [
        ("X25519MLKEM768", kx_group::X25519MLKEM768),
        ("SecP256r1MLKEM768", kx_group::SECP256R1MLKEM768),
        ("X25519", kx_group::X25519),
        ("CurveP256", kx_group::SECP256R1),
        ("CurveP384", kx_group::SECP384R1),
    ];
    one_of(text(field)?, &known)
}

fn one_of<T: Copy>(name: &str, known: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, found)) = known.iter().find(|(known, _)| *known == name) {
        return Ok(*found);
    }
    let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(format!("{} is not offered; expected one of {}", quoted(name), known.join(", ")))
}

/// Suites are chosen for TLS 1.2 alone, as in Go: those of TLS 1.3 are all sound.
fn provider(suites: &[SupportedCipherSuite], groups: Vec<Group>) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    if !suites.is_empty() {
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(suites.iter().filter(|suite| suite.tls13().is_none()));
    }
    if !groups.is_empty() {
        provider.kx_groups = groups;
    }
    provider.into()
}
