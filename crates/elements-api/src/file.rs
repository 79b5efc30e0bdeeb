//! The credential's files.

use std::path::Path;

use super::error::CredentialError;
use crate::secret::{Secret, without_line_break};
use bounded_file::{LARGEST_SECRET, read};

pub(super) fn read_file(file: &Path, largest: u64) -> Result<Vec<u8>, CredentialError> {
    read(file, largest).map_err(|error| CredentialError::Unreadable { file: file.into(), problem: error.to_string() })
}

/// The one line of text that the file holds.
pub(super) fn read_line(file: &Path) -> Result<Secret, CredentialError> {
    let text = String::from_utf8(read_file(file, LARGEST_SECRET)?)
        .map_err(|_| CredentialError::Malformed { file: file.into(), expected: "text in UTF-8" })?;
    Ok(Secret::new(without_line_break(&text)))
}
