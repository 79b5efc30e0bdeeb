//! Logs go to stderr, one event a line.

use std::io::{self, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, SystemTime};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, registry};

use super::args::{LogFormat, LogLevel};
use crate::rfc3339;
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

/// Writes lines in `format`.
fn layer<W>(format: LogFormat, to: W, clock: fn() -> SystemTime) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    match format {
        LogFormat::Logfmt => tracing_logfmt::builder()
            .with_timestamp(false)
            .layer()
            .map_event_format(|format| Timed { format, clock: Timestamp(clock) })
            .with_writer(to)
            .boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_timer(Timestamp(clock)).with_writer(to).boxed(),
    }
}

/// When a line was written. The libraries' own clocks panic past the year 9999, and one that panics while a panic is logged
/// aborts the process.
struct Timestamp(fn() -> SystemTime);

impl FormatTime for Timestamp {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{}", rfc3339::micros((self.0)()))
    }
}

/// A line of logfmt that begins with its time.
struct Timed<F> {
    format: F,
    clock: Timestamp,
}

impl<S, N, F> FormatEvent<S, N> for Timed<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        to.write_str("ts=")?;
        self.clock.format_time(&mut to)?;
        to.write_char(' ')?;
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        to.write_str(&without_escaped_apostrophes(&line))
    }
}

/// The library escapes what no reader of logfmt asks for, and a search for a message does not find it then.
fn without_escaped_apostrophes(line: &str) -> String {
    let (mut plain, mut characters) = (String::with_capacity(line.len()), line.chars());
    while let Some(character) = characters.next() {
        match (character, characters.as_str().chars().next()) {
            ('\\', Some('\'')) => {}
            ('\\', Some(next)) => {
                plain.extend([character, next]);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    plain
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
    let layer = layer(format, stderr, SystemTime::now);
    registry().with(layer.with_filter(filter)).init();
    Log { writer, lines_dropped }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Mutex;
    use std::time::UNIX_EPOCH;

    use super::*;

    fn line(format: LogFormat, clock: fn() -> SystemTime) -> String {
        let (mut lines, log) = io::pipe().unwrap();
        let log = registry().with(layer(format, Mutex::new(log), clock));
        tracing::subscriber::with_default(log, || tracing::warn!(answer = 42, "what a clock"));
        let mut line = String::new();
        lines.read_to_string(&mut line).unwrap();
        line
    }

    #[test]
    fn a_line_is_written_whatever_the_clock_says() {
        let clocks: [(fn() -> SystemTime, _); 3] = [
            (|| UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789), "2023-11-14T22:13:20.123456Z"),
            (|| UNIX_EPOCH + Duration::from_secs(1 << 40), "9999-12-31T23:59:59.000000Z"),
            (|| UNIX_EPOCH - Duration::from_secs(1 << 40), "1970-01-01T00:00:00.000000Z"),
        ];
        for (clock, time) in clocks {
            let logfmt = line(LogFormat::Logfmt, clock);
            assert!(logfmt.starts_with(&format!("ts={time} level=warn ")), "{logfmt}");
            let json = line(LogFormat::Json, clock);
            assert!(json.starts_with(&format!("{{\"timestamp\":\"{time}\",\"level\":\"WARN\"")), "{json}");
        }
    }

    #[test]
    fn an_apostrophe_stands_in_the_log_as_in_the_message() {
        for (written, plain) in [(r#"a="x\'s y""#, r#"a="x's y""#), (r"\\'", r"\\'"), (r"\\\'\n\", r"\\'\n\")] {
            assert_eq!(without_escaped_apostrophes(written), plain);
        }
    }
}
