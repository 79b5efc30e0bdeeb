//! The files of the web configuration, and how changes of them are found.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::WebConfig;
use crate::yaml::{Error, file};

/// How often the files are looked at. They are compared by their contents: that sees every way of changing them, also
/// Kubernetes' swap of a symlink two folders above.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A digest of each file that was read, `None` where that failed. Their contents may be secrets.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Files(BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Files {
    pub(super) fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = file::read(path);
        let seen = bytes.as_ref().ok().map(|bytes| digest(&SHA256, bytes).as_ref().to_vec());
        self.0.insert(path.to_owned(), seen);
        bytes
    }

    /// The same files as they are now.
    fn again(&self) -> Self {
        let mut files = Self::default();
        for path in self.0.keys() {
            // Whatever keeps it from being read may have kept it before, and is remembered either way.
            let _ = files.read(path);
        }
        files
    }
}

/// A web configuration file, to be looked at again and again.
#[derive(Debug)]
pub(in crate::web) struct Watched {
    path: PathBuf,
    /// As they were when the file was loaded.
    files: Files,
    /// As they were at the last look, where that was another way.
    changing: Option<Files>,
}

impl Watched {
    /// Loads the file for the first time.
    pub(in crate::web) fn load(path: PathBuf) -> Result<(Self, WebConfig), Error> {
        let mut files = Files::default();
        let config = WebConfig::load_through(&mut files, &path)?;
        Ok((Self { path, files, changing: None }, config))
    }

    /// Hands each change that is right to `publish`, and warns of those that are not: what was before goes on.
    pub(in crate::web) async fn follow(mut self, mut publish: impl FnMut(WebConfig)) -> Infallible {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let looking = spawn_blocking(move || {
                let found = self.look();
                (self, found)
            });
            let (watched, found) = looking.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            self = watched;
            match found {
                None => {}
                Some(Ok(config)) => {
                    info!("web configuration reloaded: {}", config.summary());
                    publish(config);
                }
                Some(Err(error)) => {
                    warn!("the web configuration was not reloaded, and the one before goes on: {error}");
                }
            }
        }
    }

    /// Loads the file again if it or one of those that it names has changed; `None` if not.
    ///
    /// A file that is just being written may be read as an empty one, which would open the door to everybody. So a
    /// change counts at the second look that finds the same.
    fn look(&mut self) -> Option<Result<WebConfig, Error>> {
        let now = self.files.again();
        if now == self.files {
            self.changing = None;
            return None;
        }
        if self.changing.as_ref() != Some(&now) {
            self.changing = Some(now);
            return None;
        }
        self.changing = None;
        self.files = Files::default();
        Some(WebConfig::load_through(&mut self.files, &self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const OPEN: &str = "http_server_config: {http2: false}\n";
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
        let (mut watched, config) = Watched::load(path.clone()).expect("valid");
        assert_eq!(config.users.len(), 1);
        assert!(watched.look().is_none());
        fs::write(&path, "").expect("written");
        assert!(watched.look().is_none(), "it may be halfway written");
        fs::write(&path, OPEN).expect("written");
        assert!(watched.look().is_none(), "and this, too");
        assert!(watched.look().expect("a change").expect("valid").is_open());
        assert!(watched.look().is_none());
    }

    #[test]
    fn what_changes_and_changes_back_is_no_change() {
        let (_folder, path) = file();
        let (mut watched, _) = Watched::load(path.clone()).expect("valid");
        fs::write(&path, "").expect("written");
        assert!(watched.look().is_none());
        fs::write(&path, USER).expect("written");
        assert!(watched.look().is_none() && watched.look().is_none());
    }

    #[test]
    fn a_broken_file_is_told_once() {
        let (_folder, path) = file();
        let (mut watched, _) = Watched::load(path.clone()).expect("valid");
        fs::remove_file(&path).expect("removed");
        assert!(watched.look().is_none());
        assert!(watched.look().expect("a change").is_err());
        assert!(watched.look().is_none() && watched.look().is_none());
        fs::write(&path, USER).expect("written");
        assert!(watched.look().is_none());
        assert!(watched.look().expect("a change").is_ok());
    }
}
