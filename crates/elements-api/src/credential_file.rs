//! The files that a credential is read from.

use std::path::Path;

use bounded_file::{LARGEST_SECRET, without_line_break};

use crate::error::CredentialError;
use crate::secret::Secret;

/// All bytes of `file`, of which there may be `largest`.
pub(crate) fn read_file(file: &Path, largest: u64) -> Result<Vec<u8>, CredentialError> {
    bounded_file::read(file, largest)
        .map_err(|error| CredentialError::Unreadable { file: file.into(), problem: error.to_string() })
}

/// The one line of text that `file` holds.
pub(crate) fn read_line(file: &Path) -> Result<Secret, CredentialError> {
    let text = String::from_utf8(read_file(file, LARGEST_SECRET)?)
        .map_err(|_| CredentialError::Malformed { file: file.into(), expected: "text in UTF-8" })?;
    Ok(Secret::new(without_line_break(&text)))
}
