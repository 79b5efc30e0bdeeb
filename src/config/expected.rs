//! The key `expected_seats_file`.

use std::path::{Path, PathBuf};

use checked_yaml::{Field, Key, Problems, Refused, file};

/// What is in the file is no matter of the configuration: it may come later, and be broken for a while.
pub(super) fn path(field: &Field, folder: &Path, problems: &mut Problems<'_>) -> Result<Option<PathBuf>, Refused> {
    problems.read(&Key::of("expected_seats_file"), field, |field| file::path(field, folder))
}
