//! The files that auto-reload follows: the configuration, and those that it names.

use std::path::PathBuf;

use exporter_web::settle::{Files, Settling};

use super::Source;
use crate::config::Config;

/// A configuration file that is followed as it changes. It keeps digests alone: texts may hold secrets.
#[derive(Debug)]
pub(super) struct Followed {
    path: PathBuf,
    /// What the last look found.
    text: Files,
    /// What that text names: to find it out takes longer than to read.
    named: Vec<PathBuf>,
    /// What the configuration was last loaded from, or refused for.
    files: Settling<Files>,
}

impl Followed {
    /// Begins with what the files of `source` hold now; `None` where it has none.
    pub(super) fn new(source: &Source) -> Option<Self> {
        let Source::File(path) = source else { return None };
        let (text, files) = (Files::default(), Settling::new(Files::default()));
        let mut followed = Self { path: path.clone(), text, named: Vec::new(), files };
        followed.files = Settling::new(followed.read().unwrap_or_default());
        Some(followed)
    }

    /// Whether anything has changed since the last change that was found, or the beginning, and has settled.
    ///
    /// A configuration that cannot be read just now is none to be loaded. A file that it names and that is not there may
    /// be what it is refused for, and counts as any other change when it appears.
    pub(super) fn has_changed(&mut self) -> bool {
        let Some(settled) = self.read().and_then(|files| self.files.look(files)).cloned() else { return false };
        self.files = Settling::new(settled);
        true
    }

    fn read(&mut self) -> Option<Files> {
        let mut files = Files::default();
        let text = files.read(&self.path).ok()?;
        if files != self.text {
            self.named = Config::named_files(&self.path, text);
            self.text = files.clone();
        }
        for path in &self.named {
            // That it cannot be read is remembered, too.
            let _ = files.read(path);
        }
        Some(files)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn settles(followed: &mut Followed) -> bool {
        assert!(!followed.has_changed(), "it may be halfway written");
        followed.has_changed()
    }

    #[test]
    fn a_named_file_that_appears_changes_or_goes_is_a_change_though_the_configuration_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exporter.yaml");
        let files = ["secret", "ca.pem", "app.pfx", "app.pass", "app.crt", "app.key"];
        let text = "api: {client_secret_file: secret, ca_file: ca.pem, certificate: {pfx_file: app.pfx, password_file: \
                    app.pass, cert_file: app.crt, key_file: app.key}, timeout: never}\n";
        fs::write(&path, "products: [Fly]\n").unwrap();
        let mut followed = Followed::new(&Source::File(path.clone())).unwrap();
        assert!(!settles(&mut followed));
        fs::write(&path, text).unwrap();
        assert!(settles(&mut followed), "the configuration itself");
        for file in files.map(|name| folder.path().join(name)) {
            for content in ["first", "second"] {
                fs::write(&file, content).unwrap();
                assert!(settles(&mut followed), "{} is {content}", file.display());
                assert!(!settles(&mut followed), "it is tried once");
            }
            fs::remove_file(&file).unwrap();
            assert!(settles(&mut followed), "{} is gone", file.display());
        }
        fs::remove_file(&path).unwrap();
        assert!(!settles(&mut followed), "what cannot be read is not loaded");
    }

    #[test]
    fn nothing_of_the_files_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exporter.yaml");
        fs::write(&path, "api: {client_secret: hunter2}\n").unwrap();
        let shown = format!("{:?}", Followed::new(&Source::File(path)));
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"), "{shown}");
    }
}
