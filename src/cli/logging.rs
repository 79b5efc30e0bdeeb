//! Logs go to stderr, one event a line.

use std::io::{self, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use super::args::{LogFormat, LogLevel};
use crate::status::LinesDropped;

/// The log of this process. Nothing waits for its reader: lines that it does not take in time are dropped and counted.
pub(super) struct Log {
    writer: WorkerGuard,
    lines_dropped: LinesDropped,
}

/// So many lines wait for a reader who stands still. At the usual length they are less than 2 MB.
const MOST_WAITING: usize = 8192;

/// How long the end of the process waits for a reader.
const LAST_WAIT: Duration = Duration::from_millis(500);

impl Log {
    pub(super) fn lines_dropped(&self) -> LinesDropped {
        self.lines_dropped.clone()
    }

    /// Writes what still waits, and then `last_word`; gives both up where nobody reads.
    pub(super) fn finish(self, last_word: Option<&str>) {
        let (done, is_done) = channel();
        let word = last_word.map(str::to_owned);
        let finishing = thread::Builder::new().spawn(move || {
            drop(self.writer);
            let () = word.as_deref().map_or((), say);
            let _ = done.send(());
        });
        match finishing {
            Ok(_) => _ = is_done.recv_timeout(LAST_WAIT),
            // That there is no thread may be what it has to say.
            Err(_) => last_word.map_or((), say),
        }
    }
}

/// Writes to stderr past the log, which need not be there.
pub(super) fn say(word: &str) {
    // Where it fails, there is nobody left to tell.
    let _ = writeln!(stderr(), "{word}");
}

/// stderr, and how many lines it did not take: a full disk behind it, or a pipe that nobody reads any more.
struct Counting(Arc<AtomicU64>);

impl Write for Counting {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Lines come whole. One that is lost is no reason to lose the next.
        if stderr().write_all(line).is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}

/// The crates of this workspace that log.
const OURS: [&str; 2] = [env!("CARGO_CRATE_NAME"), "exporter_web"];

/// Sends every event of these crates at `level` and above to stderr, and warnings of the libraries: what they say below
/// that may repeat requests, and with them secrets.
pub(super) fn start(level: LogLevel, format: LogFormat) -> Log {
    let unwritten = Arc::new(AtomicU64::new(0));
    let (stderr, writer) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MOST_WAITING)
        .thread_name("log")
        .finish(Counting(unwritten.clone()));
    let lines_dropped = LinesDropped::new(stderr.error_counter(), unwritten);
    let level = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let filter = OURS
        .into_iter()
        .fold(Targets::new(), |targets, krate| targets.with_target(krate, level))
        // It logs every failed handshake, which is logged with its target already.
        .with_target("rustls_platform_verifier", LevelFilter::OFF)
        // It warns of what a client does wrong, as often as the client does it.
        .with_target("h2", level.min(LevelFilter::ERROR))
        .with_default(level.min(LevelFilter::WARN));
    let layer = match format {
        LogFormat::Logfmt => tracing_logfmt::builder().layer().with_writer(stderr).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(stderr).boxed(),
    };
    registry().with(layer.with_filter(filter)).init();
    Log { writer, lines_dropped }
}
