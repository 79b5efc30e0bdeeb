//! The files that a credential is read from.

use std::path::{Path, PathBuf};

use bounded_file::{LARGEST_SECRET, without_margins};

use crate::error::CredentialError;
use crate::secret::Secret;

/// What a file of the credential held at one moment.
#[derive(Hash)]
pub(crate) struct CredentialFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

impl CredentialFile {
    /// Reads a certificate or a key.
    pub(crate) fn read(path: &Path) -> Result<Self, CredentialError> {
        Self::read_up_to(path, bounded_file::LARGEST)
    }

    /// Reads a secret or a password.
    pub(crate) fn read_secret(path: &Path) -> Result<Self, CredentialError> {
        Self::read_up_to(path, LARGEST_SECRET)
    }

    fn read_up_to(path: &Path, largest: u64) -> Result<Self, CredentialError> {
        match bounded_file::read(path, largest) {
            Ok(bytes) => Ok(Self { path: path.into(), bytes }),
            Err(error) => Err(CredentialError::Unreadable { file: path.into(), problem: error.to_string() }),
        }
    }

    /// The one line of text that it holds.
    pub(crate) fn line(&self) -> Result<Secret, CredentialError> {
        let text = str::from_utf8(&self.bytes)
            .map_err(|_| CredentialError::Malformed { file: self.path.clone(), expected: "text in UTF-8" })?;
        Ok(Secret::new(without_margins(text)))
    }
}
