//! Reading files that people and mounts put there: regular ones, with a limit of size and of time.
//!
//! A named pipe waits for a writer, `/dev/zero` never ends, and a mount whose server has gone does not answer at all.
//! None of them may hold up whoever asks, or take the memory of everything else.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The largest configuration or certificate that is read, in bytes.
pub const LARGEST: u64 = 16 << 20;

/// The largest secret or password that is read, in bytes.
pub const LARGEST_SECRET: u64 = 64 << 10;

/// How long a file may take. A local disk needs a millisecond; whatever needs seconds does not answer.
const LIMIT: Duration = Duration::from_secs(10);

/// All bytes of the regular file at `path`, of which there may be `largest`.
///
/// # Errors
///
/// Those of the system; [`ErrorKind::FileTooLarge`]; [`ErrorKind::TimedOut`] where it is not read within ten seconds.
/// A reading that was given up goes on in its thread until the system lets go of it, and until then every other try at
/// the same file fails at once: a mount that is gone costs one thread, however often it is looked at.
pub fn read(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let file = path.to_owned();
    within(LIMIT, path, move || read_regular(&file, largest))
}

fn read_regular(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    // Before it is opened, since that alone would wait for the other end of a pipe.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        let shown = if largest < 1 << 20 { format!("{} KiB", largest >> 10) } else { format!("{} MiB", largest >> 20) };
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {shown}")));
    }
    Ok(bytes)
}

/// The files whose reading was given up, and goes on.
static HUNG: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn within(
    limit: Duration,
    path: &Path,
    work: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
) -> io::Result<Vec<u8>> {
    let given_up = || io::Error::new(ErrorKind::TimedOut, "its disk or mount does not answer");
    if hung().contains(path) {
        return Err(given_up());
    }
    let (sender, receiver) = sync_channel(1);
    let file = path.to_owned();
    thread::Builder::new().name("file reader".to_owned()).spawn(move || {
        let outcome = work();
        // Under the lock, so that it ends either in time or among those that hang, and not between the two.
        let mut hung = hung();
        hung.remove(&file);
        // Whoever gave it up does not take it any more.
        let _ = sender.send(outcome);
    })?;
    receiver.recv_timeout(limit).unwrap_or_else(|_| {
        let mut hung = hung();
        receiver.try_recv().unwrap_or_else(|_| {
            hung.insert(path.to_owned());
            Err(given_up())
        })
    })
}

fn hung() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // Each change to it is one step, which a panic elsewhere cannot have left half done.
    HUNG.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: impl AsRef<Path>, largest: u64) -> io::Error {
        read(path.as_ref(), largest).expect_err("refused")
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (size, fits) in [(0, true), (1 << 10, true), ((1 << 10) + 1, false)] {
            fs::write(&path, vec![b'x'; size]).unwrap();
            assert_eq!(read(&path, 1 << 10).map(|bytes| bytes.len()).ok(), fits.then_some(size));
        }
        let too_large = refusal(&path, 1 << 10);
        assert_eq!(
            (too_large.kind(), too_large.to_string().as_str()),
            (ErrorKind::FileTooLarge, "it is larger than 1 KiB")
        );
        assert_eq!(refusal(folder.path().join("missing"), 1).kind(), ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            assert_eq!(refusal(path, 1).to_string(), "it is not a regular file");
        }
    }

    #[test]
    fn a_disk_that_does_not_answer_is_given_up_and_costs_one_thread_until_it_does() {
        let path = Path::new("a file on a mount that is gone");
        let (answer, waiting) = sync_channel::<()>(0);
        let hanging = within(Duration::from_millis(20), path, move || {
            // It ends with an error once the other end is dropped.
            let _ = waiting.recv();
            Ok(Vec::new())
        });
        assert_eq!(hanging.expect_err("given up").kind(), ErrorKind::TimedOut);
        let again = within(LIMIT, path, || unreachable!("no other thread is started"));
        assert_eq!(again.expect_err("still given up").kind(), ErrorKind::TimedOut);
        drop(answer);
        while hung().contains(path) {
            thread::yield_now();
        }
        assert_eq!(within(LIMIT, path, || Ok(b"back".to_vec())).expect("it answers"), b"back");
    }
}
