//! The names of the files beside the state file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use super::format;

/// How many links may lead to a file, as on Linux.
const MAX_LINKS: usize = 40;

/// How many files that were set aside are kept: each is there to be looked at, but nothing may grow without bound.
const MAX_QUARANTINED: usize = 5;

const QUARANTINED: &str = ".aside-";

/// Where the links at `path` lead, whether or not there is a file yet: a rename to `path` itself would replace the
/// link, and leave the file that it meant as it was.
pub(super) fn follow_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.with_file_name(target),
            Err(_) => break,
        }
    }
    path
}

/// The folder of `path`, also where that is a name alone.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `path` with `suffix` after its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(suffix);
    path.with_file_name(name)
}

/// A free name for the file at `path`, which is of no use because of `why`. These names rise with time.
pub(super) fn quarantine(path: &Path, why: &str, now: SystemTime) -> PathBuf {
    let name = format!("{QUARANTINED}{}-{why}", format::stamp(now));
    let mut free = beside(path, &name);
    let mut count = 1;
    while free.symlink_metadata().is_ok() {
        count += 1;
        free = beside(path, &format!("{name}-{count}"));
    }
    free
}

/// Makes room for one more file to be set aside.
pub(super) fn forget_oldest_quarantined(path: &Path) -> io::Result<()> {
    let beginning = beside(path, QUARANTINED);
    let beginning = beginning.file_name().unwrap_or_default().as_encoded_bytes();
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(beginning) {
            kept.push(entry.path());
        }
    }
    kept.sort();
    let surplus = (kept.len() + 1).saturating_sub(MAX_QUARANTINED);
    kept.iter().take(surplus).try_for_each(fs::remove_file)
}
