//! How a change of a file is found by looking at it again and again, and when it counts.
//!
//! The web configuration file is followed in this way, and an exporter may follow its own configuration so:
//!
//! ```no_run
//! use std::path::Path;
//!
//! use exporter_web::settle::{Files, Settling, looks};
//!
//! # async fn follow(reload: impl Fn()) {
//! let read = || {
//!     let mut files = Files::default();
//!     let _ = files.read(Path::new("exporter.yaml"));
//!     files
//! };
//! let mut settling = Settling::new(read());
//! let mut looks = looks();
//! loop {
//!     looks.tick().await;
//!     if let Some(files) = settling.look(read()).cloned() {
//!         reload();
//!         settling = Settling::new(files);
//!     }
//! }
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bounded_file::LARGEST;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often to look. Files are compared by their contents: that sees every way of changing them, also Kubernetes' swap
/// of a symlink two folders above.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// When to look: at once, and then every 500 ms.
pub fn looks() -> Interval {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// What a look found: a digest of each file that was read, `None` where that failed. Its `Debug` shows neither contents
/// nor paths: both may be secrets.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Files {
    /// Reads one more file, within the limits of [`bounded_file`], and remembers what it held.
    ///
    /// # Errors
    ///
    /// It cannot be read, which is remembered, too.
    pub fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = bounded_file::read(path, LARGEST);
        let seen = bytes.as_ref().ok().map(|bytes| digest(&SHA256, bytes).as_ref().to_vec());
        self.0.insert(path.to_owned(), seen);
        bytes
    }

    /// Whether what both hold is the same in both.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        self.0.iter().all(|(path, seen)| other.0.get(path).is_none_or(|other| other == seen))
    }

    /// The same files as they are now.
    pub(crate) fn again(&self) -> Self {
        let mut files = Self::default();
        for path in self.0.keys() {
            // Whatever keeps it from being read may have kept it before, and is remembered either way.
            let _ = files.read(path);
        }
        files
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files", self.0.len())
    }
}

/// What is known, and what is seen instead of it. Its `Debug` shows neither.
///
/// A file that is just being written may be read cut off, and be valid all the same. So a change counts at the second
/// look in a row that finds the same.
pub struct Settling<T> {
    known: T,
    /// What the last look found, where that was something else.
    changing: Option<T>,
}

impl<T: PartialEq> Settling<T> {
    /// Begins with what is known.
    pub fn new(known: T) -> Self {
        Self { known, changing: None }
    }

    /// What was known at the beginning.
    pub fn known(&self) -> &T {
        &self.known
    }

    /// Takes what a look found. Returns a change that two looks in a row have found, then and at every later look.
    pub fn look(&mut self, now: T) -> Option<&T> {
        let has_settled = self.changing.as_ref() == Some(&now);
        self.changing = (now != self.known).then_some(now);
        self.changing.as_ref().filter(|_| has_settled)
    }
}

/// What is followed may be the text of a configuration, with a secret in it.
impl<T> fmt::Debug for Settling<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settling").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_file_is_shown() {
        let mut files = Files::default();
        files.read(Path::new("hunter2")).unwrap_err();
        assert_eq!(format!("{files:?} {:?}", Settling::new("hunter2")), "1 files Settling { .. }");
    }

    #[test]
    fn a_change_counts_when_two_looks_in_a_row_have_found_it() {
        let mut settling = Settling::new("old");
        let looks = ["old", "ne", "new", "old", "new", "new", "", "new", "", ""];
        let settled: Vec<_> = looks.map(|now| settling.look(now).copied()).into();
        assert_eq!(settled, [None, None, None, None, None, Some("new"), None, None, None, Some("")]);
        assert_eq!(Settling::new("").look(""), None, "what is known is no change");
    }
}
