//! What the state file asks of its file system, and what is done where that cannot do it.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::io::Errno;

use super::paths::folder_of;

/// The calls that some file systems refuse for good. A test puts others in their place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls {
    pub(super) lock: fn(&File) -> Result<(), TryLockError>,
    pub(super) rename: fn(&Path, &Path) -> io::Result<()>,
    pub(super) sync_folder: fn(&Path) -> io::Result<()>,
}

impl Calls {
    pub(super) const SYSTEM: Self = Self {
        lock: File::try_lock,
        rename: |from, to| fs::rename(from, to),
        sync_folder: |folder| File::open(folder)?.sync_all(),
    };
}

/// A file system, as far as it is known.
#[derive(Debug)]
pub(super) struct Disk {
    calls: Calls,
    /// What it was found unable to do, and somebody was told of.
    told: HashSet<Inability>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
enum Inability {
    #[error("its file system has no locks: make sure that no other exporter uses the same state_file")]
    Lock,
    #[error(
        "it is mounted by itself, and cannot be replaced as a whole: it is written in place, and an end in the middle \
         of that damages it; mount its folder instead"
    )]
    Replace,
    #[error("its file system does not sync folders: after a power cut, what was saved before may be back")]
    SyncFolder,
}

impl Disk {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls, told: HashSet::new() }
    }

    /// Takes the lock on `lock`, as far as there are any here, for the state file at `path`.
    pub(super) fn lock(&mut self, lock: &File, path: &Path) -> Result<(), TryLockError> {
        match (self.calls.lock)(lock) {
            Err(TryLockError::Error(problem)) if is(&problem, &[Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS]) => {
                self.tell(Inability::Lock, path);
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Puts the file at `new` in the place of the state file at `path`.
    pub(super) fn replace(&mut self, path: &Path, new: &Path) -> io::Result<()> {
        match (self.calls.rename)(new, path) {
            Err(problem) if is_mounted(&problem) => {
                self.tell(Inability::Replace, path);
                let mut to = OpenOptions::new().write(true).truncate(true).open(path)?;
                io::copy(&mut File::open(new)?, &mut to)?;
                to.sync_all()?;
                return fs::remove_file(new);
            }
            outcome => outcome?,
        }
        // Without this, a power cut could bring back the file from before.
        match (self.calls.sync_folder)(folder_of(path)) {
            Err(problem) if cannot_sync(&problem) => self.tell(Inability::SyncFolder, path),
            outcome => outcome?,
        }
        Ok(())
    }

    /// Keeps the state file at `path` as `aside`, and leaves nothing to be read in its place.
    pub(super) fn set_aside(&mut self, path: &Path, aside: &Path) -> io::Result<()> {
        match (self.calls.rename)(path, aside) {
            Err(problem) if is_mounted(&problem) => {
                self.tell(Inability::Replace, path);
                fs::copy(path, aside)?;
                OpenOptions::new().write(true).truncate(true).open(path).map(drop)
            }
            outcome => outcome,
        }
    }

    /// It is the same at every save, and so worth a word at the first one alone.
    fn tell(&mut self, inability: Inability, path: &Path) {
        if self.told.insert(inability) {
            tracing::warn!("the state file {}: {inability}", bounded_file::shown(path));
        }
    }
}

fn is(problem: &io::Error, any: &[Errno]) -> bool {
    Errno::from_io_error(problem).is_some_and(|errno| any.contains(&errno))
}

/// A mounted file cannot be renamed, and another one cannot take its name.
fn is_mounted(problem: &io::Error) -> bool {
    is(problem, &[Errno::BUSY, Errno::XDEV])
}

/// Seen of SMB, FUSE and WSL; a folder that may be written but not read cannot be opened for it.
fn cannot_sync(problem: &io::Error) -> bool {
    is(problem, &[Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS]) || problem.kind() == ErrorKind::PermissionDenied
}
