//! The key `state_file`.

use std::fs;
use std::path::{Path, PathBuf};

use checked_yaml::file::shown;
use checked_yaml::{Field, Key, Problems, Refused, file};
use elements_api::{CertificateSource, Credential, SecretSource, Settings};

use crate::store::saved::folder_of;

/// The files that the state must not be written over.
#[derive(Clone, Copy)]
pub(super) struct Others<'o> {
    pub(super) configuration: &'o Path,
    pub(super) api: Option<&'o Settings>,
    pub(super) expected_seats: Option<&'o Path>,
}

pub(super) fn path(
    field: &Field,
    folder: &Path,
    others: Others<'_>,
    problems: &mut Problems<'_>,
) -> Result<Option<PathBuf>, Refused> {
    problems.read(&Key::of("state_file"), field, |field| {
        let path = file::path(field, folder)?;
        usable(&path, others).map(|()| path)
    })
}

fn usable(path: &Path, others: Others<'_>) -> Result<(), String> {
    if path.exists() && !path.is_file() {
        return Err(format!("{} is not a regular file; name a file that may be replaced", shown(path)));
    }
    let parent = folder_of(path);
    if !parent.is_dir() {
        return Err(format!("there is no folder {}; create it, or name another file", shown(parent)));
    }
    let own = identity(path);
    match others.named().into_iter().find(|(_, other)| identity(other) == own) {
        Some((name, _)) => Err(format!("{} is {name}, which would be overwritten; name another file", shown(path))),
        None => Ok(()),
    }
}

impl<'o> Others<'o> {
    fn named(self) -> Vec<(&'static str, &'o Path)> {
        let mut named = vec![("the configuration file", self.configuration)];
        named.extend(self.expected_seats.map(|path| ("expected_seats_file", path)));
        let Some(api) = self.api else { return named };
        named.extend(api.ca_file.as_deref().map(|path| ("api.ca_file", path)));
        match &api.credential {
            Credential::Secret(SecretSource::Inline(_)) => {}
            Credential::Secret(SecretSource::File(path)) => named.push(("api.client_secret_file", path)),
            Credential::Certificate(CertificateSource::Pfx { pfx_file, password_file }) => {
                named.push(("api.certificate.pfx_file", pfx_file));
                named.extend(password_file.as_deref().map(|path| ("api.certificate.password_file", path)));
            }
            Credential::Certificate(CertificateSource::Pem { cert_file, key_file }) => {
                named.push(("api.certificate.cert_file", cert_file));
                named.push(("api.certificate.key_file", key_file));
            }
        }
        named
    }
}

/// One path for all that lead to the same file, which need not exist.
fn identity(path: &Path) -> PathBuf {
    let by_folder = || Some(fs::canonicalize(folder_of(path)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(by_folder).unwrap_or_else(|| path.to_owned())
}
