//! Where inputs that are files lie while they are read.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

/// A folder of this thread, with one file that each input replaces.
pub(crate) struct Place {
    folder: TempDir,
    name: &'static str,
}

impl Place {
    pub(crate) fn of(name: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), name }
    }

    /// The file, which holds `input` now.
    pub(crate) fn holding(&self, input: &[u8]) -> PathBuf {
        let path = self.beside(self.name);
        fs::write(&path, input).unwrap();
        path
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
