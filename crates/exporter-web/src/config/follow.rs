//! How changes of the web configuration's files are found.

use std::convert::Infallible;
use std::future::pending;
use std::path::PathBuf;

use checked_yaml::Error;
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::{Protection, WebConfig};
use crate::settle::{Files, Settling, looks};

/// A web configuration file that is followed as it changes.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    files: Settling<Files>,
    /// What the configuration that is in force demands.
    protection: Protection,
}

/// Why a changed web configuration is not put in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    #[error(transparent)]
    Invalid(#[from] Error),
    /// It may be what is left of a file that is just being written, or of one whose writer gave up.
    #[error(
        "{}: without {lost} it would protect less than before; if that is intended, restart the exporter",
        bounded_file::shown(.file)
    )]
    ProtectsLess { file: PathBuf, lost: String },
}

impl ConfigFile {
    /// Loads the file for the first time.
    pub(crate) fn load(path: PathBuf) -> Result<(Self, WebConfig), Error> {
        let mut files = Files::default();
        let config = WebConfig::load_through(&mut files, &path)?;
        Ok((Self { path, files: Settling::new(files), protection: config.protection() }, config))
    }

    /// Hands each change to `publish`; of one that is wrong it warns, and hands on `None`: what was before stays in effect.
    pub(crate) async fn follow(mut self, mut publish: impl FnMut(Option<WebConfig>)) -> Infallible {
        let mut looks = looks();
        loop {
            looks.tick().await;
            let looking = spawn_blocking(move || {
                let found = self.look();
                (self, found)
            });
            let found = match looking.await {
                Ok((file, found)) => {
                    self = file;
                    found
                }
                Err(error) => {
                    error!("the web configuration file is no longer followed: {error}");
                    return pending().await;
                }
            };
            match found {
                None => {}
                Some(Ok(config)) => {
                    info!("web configuration reloaded: {}", config.summary());
                    publish(Some(config));
                }
                Some(Err(error)) => {
                    warn!("the web configuration was not reloaded, and the previous one stays in effect: {error}");
                    publish(None);
                }
            }
        }
    }

    /// Loads the file again if it or one of those that it names has changed; `None` if not.
    ///
    /// One that gives up any protection is rejected: how long a writer takes is not known, and an empty file would let
    /// everybody in.
    fn look(&mut self) -> Option<Result<WebConfig, Rejected>> {
        let now = self.files.known().again();
        let seen = self.files.look(now)?.clone();
        self.load_as(&seen)
    }

    /// Loads the file, which two looks found to be like `seen`; `None` where it has changed since.
    fn load_as(&mut self, seen: &Files) -> Option<Result<WebConfig, Rejected>> {
        let mut files = Files::default();
        let loaded = WebConfig::load_through(&mut files, &self.path);
        if !files.agrees_with(seen) {
            return None;
        }
        self.files = Settling::new(files);
        Some(loaded.map_err(Rejected::from).and_then(|config| self.accept(config)))
    }

    fn accept(&mut self, config: WebConfig) -> Result<WebConfig, Rejected> {
        let protection = config.protection();
        if let Some(lost) = self.protection.lost_with(protection) {
            return Err(Rejected::ProtectsLess { file: self.path.clone(), lost });
        }
        self.protection = protection;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const OPEN: &str = "http_server_config: {http2: false}\n";
    const LIMITED: &str = "rate_limit: {interval: 1s, burst: 9}\n";
    const USER: &str = "basic_auth_users: {u: $2b$04$abcdefghijklmnopqrstuu5iIoxXgNbSqrGh0UAx02Fu.9cCEUKvq}\n";

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("web.yml");
        fs::write(&path, USER).expect("written");
        (folder, path)
    }

    #[test]
    fn a_change_counts_at_the_second_look_that_finds_it() {
        let (_folder, path) = file();
        let (mut file, config) = ConfigFile::load(path.clone()).expect("valid");
        assert_eq!(config.users.len(), 1);
        assert!(file.look().is_none());
        fs::write(&path, "").expect("written");
        assert!(file.look().is_none(), "it may be halfway written");
        fs::write(&path, format!("{USER}{LIMITED}")).expect("written");
        assert!(file.look().is_none(), "and this, too");
        assert!(file.look().expect("a change").expect("valid").rate_limit.is_some());
        assert!(file.look().is_none());
    }

    #[test]
    fn what_is_loaded_is_what_two_looks_found() {
        let (_folder, path) = file();
        let (mut file, _) = ConfigFile::load(path.clone()).expect("valid");
        let with_limit = format!("{USER}{LIMITED}");
        fs::write(&path, &with_limit).expect("written");
        let seen = file.files.known().again();
        fs::write(&path, USER.repeat(2)).expect("written");
        assert!(file.load_as(&seen).is_none(), "it has changed since");
        fs::write(&path, &with_limit).expect("written");
        assert!(file.look().is_none());
        assert!(file.look().expect("a change").is_ok());
    }

    #[test]
    fn no_change_lets_everybody_in() {
        let (_folder, path) = file();
        let (mut file, _) = ConfigFile::load(path.clone()).expect("valid");
        for open in ["", OPEN] {
            fs::write(&path, open).expect("written");
            assert!(file.look().is_none());
            let refusal = file.look().expect("a change").expect_err("refused").to_string();
            assert!(refusal.contains("without basic_auth_users it would protect less"), "{refusal}");
            assert!(file.look().is_none() && file.look().is_none(), "it is reported once");
        }
        fs::write(&path, USER).expect("written");
        assert!(file.look().is_none());
        assert!(file.look().expect("a change").is_ok());
    }

    #[test]
    fn protection_may_be_added_and_then_stays() {
        let (_folder, path) = file();
        fs::write(&path, OPEN).expect("written");
        let (mut file, _) = ConfigFile::load(path.clone()).expect("valid");
        for (text, is_fine) in [("", true), (USER, true), (OPEN, false)] {
            fs::write(&path, text).expect("written");
            assert!(file.look().is_none());
            assert_eq!(file.look().expect("a change").is_ok(), is_fine, "{text}");
        }
    }

    #[test]
    fn what_changes_and_changes_back_is_no_change() {
        let (_folder, path) = file();
        let (mut file, _) = ConfigFile::load(path.clone()).expect("valid");
        fs::write(&path, "").expect("written");
        assert!(file.look().is_none());
        fs::write(&path, USER).expect("written");
        assert!(file.look().is_none() && file.look().is_none());
    }

    #[test]
    fn a_broken_file_is_reported_once() {
        let (_folder, path) = file();
        let (mut file, _) = ConfigFile::load(path.clone()).expect("valid");
        fs::remove_file(&path).expect("removed");
        assert!(file.look().is_none());
        assert!(file.look().expect("a change").is_err());
        assert!(file.look().is_none() && file.look().is_none());
        fs::write(&path, USER).expect("written");
        assert!(file.look().is_none());
        assert!(file.look().expect("a change").is_ok());
    }
}
