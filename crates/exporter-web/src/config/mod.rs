//! The web configuration file (`--web.config.file`): TLS, users, headers and a rate limit.
//!
//! It has the format of Prometheus' exporter-toolkit, as that project's `docs/web-configuration.md` defines it.

mod agreed;
mod client_certificates;
mod document;
mod follow;
mod http;
mod rate_limit;
mod tls;
mod users;

use std::path::Path;
use std::sync::Arc;

use ::http::header::{HeaderName, HeaderValue};

pub(crate) use agreed::Agreed;
pub(crate) use follow::ConfigFile;
pub(crate) use rate_limit::RateLimit;
pub(crate) use users::Users;

use checked_yaml::{Error, Problems, file as text, parse};
use tls::Tls;

use crate::settle::Files;

/// What a web configuration file says. The default is what holds without one: no TLS, and nobody has to sign in.
#[derive(Debug, Default)]
pub struct WebConfig {
    tls: Option<Tls>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) users: Users,
    pub(crate) rate_limit: Option<RateLimit>,
}

impl WebConfig {
    /// Reads, parses and validates the file at `path` and the files that it names.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, as far as they could be read.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_through(&mut Files::default(), path)
    }

    /// What is to be known at a glance, such as `TLS, 2 users`.
    pub fn summary(&self) -> String {
        let users = match self.users.len() {
            0 => None,
            1 => Some("1 user".to_owned()),
            users => Some(format!("{users} users")),
        };
        let parts = [
            self.tls.as_ref().map(|_| "TLS".to_owned()),
            self.verifies_clients().then(|| "client certificates verified".to_owned()),
            users,
            self.rate_limit.map(|limit| limit.to_string()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "neither TLS nor users".to_owned() } else { parts.join(", ") }
    }

    /// Whether whoever reaches the port may see everything.
    pub(crate) fn is_open(&self) -> bool {
        self.users.is_empty() && !self.verifies_clients()
    }

    /// How to speak TLS; `None`: connections are not encrypted.
    pub(crate) fn tls(&self) -> Option<&Arc<rustls::ServerConfig>> {
        self.tls.as_ref().map(|tls| &tls.config)
    }

    /// Whether a connection on which that was agreed, `None`: not on TLS, may go on under this configuration.
    pub(crate) fn admits(&self, agreed: Option<&Agreed>) -> bool {
        match (&self.tls, agreed) {
            (Some(tls), Some(agreed)) => agreed.suffices(tls),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    fn protection(&self) -> Protection {
        Protection {
            tls: self.tls.is_some(),
            verified_clients: self.verifies_clients(),
            named_clients: self.tls.as_ref().is_some_and(|tls| tls.names_clients),
            users: !self.users.is_empty(),
        }
    }

    fn verifies_clients(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.verifies_clients)
    }

    /// As [`load`](Self::load); `files` remembers what was read.
    fn load_through(files: &mut Files, path: &Path) -> Result<Self, Error> {
        let content = text::decode(files.read(path)).map_err(|problem| Error {
            file: path.to_owned(),
            problems: vec![problem],
            omitted: 0,
        })?;
        let mut problems = Problems::of(&content);
        let config = parse::<document::Document>(&content, &SECRETIVE, &mut problems).and_then(|document| {
            // An empty file is a valid one, by the format's documentation.
            let document = document.unwrap_or_default();
            let raw_http = document.http_server_config.unwrap_or_default();
            let http2 = http::http2(&raw_http, &mut problems);
            let headers = http::headers(&raw_http.headers.unwrap_or_default(), &mut problems);
            let users = users::users(document.basic_auth_users.unwrap_or_default(), &mut problems);
            let rate_limit = rate_limit::rate_limit(&document.rate_limit.unwrap_or_default(), &mut problems);
            let folder = path.parent().unwrap_or(Path::new(""));
            let raw_tls = document.tls_server_config.unwrap_or_default();
            let tls = tls::tls(&raw_tls, http2, &mut tls::Reading { folder, files, problems: &mut problems });
            Ok(Self { tls: tls?, headers: headers?, users: users?, rate_limit: rate_limit? })
        });
        problems.accept(path, config)
    }
}

/// What stands between a stranger and the numbers.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each of them is there or not, whatever the others are")]
struct Protection {
    tls: bool,
    verified_clients: bool,
    named_clients: bool,
    users: bool,
}

impl Protection {
    /// The keys of what is there now and would not be with `next`; `None` where nothing is lost.
    fn lost_with(self, next: Self) -> Option<String> {
        let lost = [
            ("tls_server_config", self.tls && !next.tls),
            ("client_auth_type: RequireAndVerifyClientCert", self.verified_clients && !next.verified_clients),
            ("client_allowed_sans", self.named_clients && !next.named_clients),
            ("basic_auth_users", self.users && !next.users),
        ];
        let keys: Vec<&str> = lost.into_iter().filter_map(|(key, is_lost)| is_lost.then_some(key)).collect();
        (!keys.is_empty()).then(|| keys.join(", "))
    }
}

/// The sections whose values may be secrets: one of those may have slipped to where a key belongs.
const SECRETIVE: [&str; 2] = ["tls_server_config", "basic_auth_users"];

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::path::PathBuf;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    /// A folder with a `web.yml` for TLS as `localhost`, and the certificate.
    pub(crate) fn tls() -> (TempDir, PathBuf, rustls::pki_types::CertificateDer<'static>) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(path("server.crt"), cert.pem()).unwrap();
        fs::write(path("server.key"), signing_key.serialize_pem()).unwrap();
        fs::write(path("web.yml"), "tls_server_config: {cert_file: server.crt, key_file: server.key}\n").unwrap();
        let config = path("web.yml");
        (folder, config, cert.der().clone())
    }
}
