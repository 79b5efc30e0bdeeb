//! Logs go to stderr, one event a line.

use std::io::stderr;
use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use super::args::{LogFormat, LogLevel};

/// Sends every event of this crate at `level` and above to stderr, and warnings of the libraries: what they say below
/// that may repeat requests, and with them secrets.
pub(super) fn start(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let filter = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), level)
        // It tells every failed handshake, which is told with its target already.
        .with_target("rustls_platform_verifier", LevelFilter::OFF)
        .with_default(level.min(LevelFilter::WARN));
    let layer = match format {
        LogFormat::Logfmt => tracing_logfmt::builder().layer().with_writer(stderr).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(stderr).boxed(),
    };
    registry().with(layer.with_filter(filter)).init();
    log_panics();
}

/// A panic is logged like everything else; whoever waits for the task ends the process.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {message}");
    }));
}
