//! Keys, certificates and the files that hold them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, RsaKeySize, SanType, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::{Folder, printed, tool};

/// A client's certificate with its private key.
pub struct Identity {
    key: KeyPair,
    certificate: Certificate,
}

/// The end of the certificates that are in force: 2099-12-31, in seconds since 1970.
pub const EXPIRY: f64 = 4_102_358_400.0;

impl Identity {
    /// RSA, and in force.
    pub fn new() -> Self {
        Self::with(rsa(), 2020, 2099)
    }

    /// RSA, and expired on 2021-12-31.
    pub fn expired() -> Self {
        Self::with(rsa(), 2020, 2021)
    }

    /// In force, with a key of elliptic curves.
    pub fn elliptic() -> Self {
        Self::with(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), 2020, 2099)
    }

    /// RSA, in force, and for so much longer.
    pub fn expiring_in(left: Duration) -> Self {
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + left;
        let mut params = CertificateParams::default();
        params.not_after = date_time_ymd(1970, 1, 1) + end;
        Self::of(rsa(), &params)
    }

    pub fn with(key: KeyPair, first_year: i32, last_year: i32) -> Self {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(first_year, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        Self::of(key, &params)
    }

    fn of(key: KeyPair, params: &CertificateParams) -> Self {
        let certificate = params.self_signed(&key).unwrap();
        Self { key, certificate }
    }

    pub fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    pub fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// PKCS#8.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Writes `app.crt` and `app.key`.
    pub fn write_pem(&self, folder: &Folder) {
        folder.write("app.crt", self.certificate_pem());
        folder.write("app.key", self.key_pem());
    }

    /// Writes `app.pfx` under `password`, encrypted as `openssl pkcs12 -export` does it with these arguments.
    pub fn write_pfx(&self, folder: &Folder, password: &str, encryption: &[&str]) {
        self.write_pem(folder);
        let password = format!("pass:{password}");
        let arguments = ["pkcs12", "-export", "-in", "app.crt", "-inkey", "app.key", "-out", "app.pfx"];
        openssl(folder, &[&arguments, encryption, &["-passout", &password]].concat());
    }
}

pub fn rsa() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

/// Runs `openssl` in the folder: the files are then not all written by the libraries that read them.
pub fn openssl(folder: &Folder, arguments: &[&str]) {
    let mut command = tool("openssl", "openssl, and openssl-provider-legacy where there is one");
    printed(command.current_dir(folder.file("")).args(arguments));
}

/// A certificate authority, such as a company has for itself.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `names`: DNS names, addresses, e-mail addresses (with an `@`) and URIs (with a scheme).
    pub fn identity(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) if name.contains("://") => SanType::URI((*name).try_into().unwrap()),
                Err(_) if name.contains('@') => SanType::Rfc822Name((*name).try_into().unwrap()),
                Err(_) => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { key, certificate }
    }

    /// What a server needs that is known as `names`.
    pub fn server(&self, names: &[&str], versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let Identity { key, certificate } = self.identity(names);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }
}
