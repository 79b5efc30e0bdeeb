//! Reads the files that a configuration names, for a daemon that must not hang on them: regular files only, up to a
//! limit of size, and for ten seconds at most.
//!
//! A named pipe waits for a writer, `/dev/zero` never ends, and a mount whose server is gone does not answer at all.
//! None of them may hold up the caller or take all memory.
//!
//! ```
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("password");
//! # std::fs::write(&path, "hunter2\n").unwrap();
//! use bounded_file::{LARGEST_SECRET, read, without_margins};
//!
//! let bytes = read(&path, LARGEST_SECRET)?;
//! assert_eq!(without_margins(std::str::from_utf8(&bytes).unwrap()), "hunter2");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! It blocks its thread meanwhile, so async code calls it on one that may block. It writes nothing, and does not watch
//! files for changes.

#![warn(missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The largest configuration or certificate that is read, in bytes.
pub const LARGEST: u64 = 16 << 20;

/// The largest secret or password that is read, in bytes.
pub const LARGEST_SECRET: u64 = 64 << 10;

/// How long a read may take. A local disk needs a millisecond; what needs seconds does not answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Reads the regular file at `path`, which may have up to `largest` bytes.
///
/// # Errors
///
/// Those of the system; [`ErrorKind::FileTooLarge`]; [`ErrorKind::TimedOut`] if it takes more than ten seconds. A read
/// that was given up goes on in its thread until the system lets go of it. Until then, other reads of the same file fail
/// at once, save one every half a minute: a mount that is gone costs a few threads, however often it is tried, and one
/// that is back is noticed.
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

/// A path for a message: of one line, and without what a terminal obeys. It is never quoted.
///
/// ```
/// use std::path::Path;
///
/// assert_eq!(bounded_file::shown(Path::new("/it's/\x1b[31m\n")).to_string(), r"/it's/\u{1b}[31m\u{a}");
/// ```
pub fn shown(path: &Path) -> impl Display {
    let escaped = |c: char| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') || c.is_control();
    let mut shown = String::new();
    for c in path.to_string_lossy().chars() {
        if escaped(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// A file's text without the byte order mark and the white space at its ends, which editors and `echo` add and nobody
/// means.
pub fn without_margins(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text).trim()
}

/// The files whose read was given up and goes on. A file that was put right is read again, though the thread that
/// hangs at what was there before may never end.
static HUNG: Mutex<BTreeMap<PathBuf, Hung>> = Mutex::new(BTreeMap::new());

/// What is known of a file that did not answer.
#[derive(Debug, Clone, Copy)]
struct Hung {
    /// When the last read of it began.
    tried: Instant,
    /// How many reads of it go on.
    threads: usize,
}

/// How long a file that did not answer is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// How many threads may hang at one file.
const MOST_THREADS: usize = 4;

impl Hung {
    fn may_be_tried(self) -> bool {
        self.threads < MOST_THREADS && self.tried.elapsed() >= PAUSE
    }
}

fn within(
    limit: Duration,
    path: &Path,
    work: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
) -> io::Result<Vec<u8>> {
    let given_up = || io::Error::new(ErrorKind::TimedOut, "its disk or mount does not answer");
    let began = Instant::now();
    if let Some(known) = hung().get_mut(path) {
        if !known.may_be_tried() {
            return Err(given_up());
        }
        known.tried = began;
    }
    let (sender, receiver) = sync_channel(1);
    let file = path.to_owned();
    thread::Builder::new().name("file reader".to_owned()).spawn(move || {
        let outcome = work();
        // Under the lock, so that it ends either in time or as one that hangs, and never in between.
        let mut hung = hung();
        // Whoever gave it up does not take it any more.
        let in_time = sender.send(outcome).is_ok();
        match hung.get_mut(&file) {
            // The file answers again, whatever else still hangs at what was there before.
            Some(_) if in_time => _ = hung.remove(&file),
            Some(known) if known.threads > 1 => known.threads -= 1,
            Some(_) => _ = hung.remove(&file),
            None => {}
        }
    })?;
    receiver.recv_timeout(limit).unwrap_or_else(|_| {
        let mut hung = hung();
        receiver.try_recv().unwrap_or_else(|_| {
            hung.entry(path.to_owned()).or_insert(Hung { tried: began, threads: 0 }).threads += 1;
            Err(given_up())
        })
    })
}

fn hung() -> MutexGuard<'static, BTreeMap<PathBuf, Hung>> {
    // Each change to it is one step, which no panic can leave half done.
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

    fn hang(path: &'static Path) -> std::sync::mpsc::SyncSender<()> {
        let (answer, waiting) = sync_channel::<()>(0);
        let hanging = within(Duration::from_millis(20), path, move || {
            // It ends with an error once the other end is dropped.
            let _ = waiting.recv();
            Ok(Vec::new())
        });
        assert_eq!(hanging.expect_err("given up").kind(), ErrorKind::TimedOut);
        answer
    }

    /// As if the last try at it had been long ago.
    fn let_time_pass(path: &Path) {
        let earlier = Instant::now().checked_sub(PAUSE).expect("the machine runs for longer");
        hung().get_mut(path).expect("it hangs").tried = earlier;
    }

    #[test]
    fn a_disk_that_does_not_answer_is_given_up_and_not_asked_again_until_it_does() {
        let path = Path::new("a file on a mount that is gone");
        let answer = hang(path);
        let again = within(LIMIT, path, || unreachable!("no other thread is started"));
        assert_eq!(again.expect_err("still given up").kind(), ErrorKind::TimedOut);
        drop(answer);
        while hung().contains_key(path) {
            thread::yield_now();
        }
        assert_eq!(within(LIMIT, path, || Ok(b"back".to_vec())).expect("it answers"), b"back");
    }

    #[test]
    fn a_file_that_was_put_right_is_read_again_though_a_thread_still_hangs() {
        let path = Path::new("a link that led to a pipe");
        let _never = hang(path);
        let_time_pass(path);
        assert_eq!(within(LIMIT, path, || Ok(b"right".to_vec())).expect("it answers"), b"right");
        assert!(!hung().contains_key(path), "and from now on as any other");
    }

    #[test]
    fn a_file_that_never_answers_costs_few_threads() {
        let path = Path::new("a file that never answers");
        let mut never = vec![hang(path)];
        for _ in 1..MOST_THREADS {
            let_time_pass(path);
            never.push(hang(path));
        }
        let_time_pass(path);
        assert!(within(LIMIT, path, || unreachable!("no other thread is started")).is_err());
    }
}
