//! The commands: one function each.

mod args;
mod check;
mod demo;
mod entries;
mod hold;
mod lists;
mod logging;
mod manual;
mod output;
mod panics;
mod poll;
mod runtime;
mod signals;

use std::env;
use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use args::{Arguments, Command, CustomersOutput, LogFormat, LogLevel, Options, Output, PollOutput};

use elements_api::{Client, Round};
use exporter_web::ServerConfig;

use self::hold::{Hold, LONGEST_HOLD};
use self::logging::Log;
use self::runtime::{TOO_FEW_THREADS, daemon_on_runtime, on_runtime};
use crate::app::{self, App, Source};
use crate::config::Config;
use crate::status::Build;

/// What a command has come to, where it could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// It did its work, and found something wrong.
    Failed,
}

/// Parses the command line, runs the command, and returns the process's exit code: 0 done or stopped by a signal, 1
/// failed, 2 misused.
pub fn main() -> ExitCode {
    let Arguments { options, command } = Arguments::parse();
    panics::log_and_remember();
    let log = match start_log(&options) {
        Ok(log) => log,
        Err(error) => {
            logging::say(&last_word(&error));
            return ExitCode::FAILURE;
        }
    };
    let (code, word) = match panics::unless_any(|| run(&options, command.as_ref(), &log)) {
        Ok(Outcome::Done) => (ExitCode::SUCCESS, None),
        Ok(Outcome::Failed) => (ExitCode::FAILURE, None),
        // Whoever reads the output has enough of it, as `head` has.
        Err(error) if is_broken_pipe(&error) => (ExitCode::SUCCESS, None),
        Err(error) => (ExitCode::FAILURE, Some(last_word(&error))),
    };
    log.finish(word.as_deref());
    code
}

/// The log, where the system gives a thread for it and for all else.
fn start_log(options: &Options) -> Result<Log> {
    panics::unless_any(|| {
        runtime::has_threads()?;
        Ok(logging::start(options.log_level, options.log_format))
    })
}

/// Why the process fails. It is for a person, and so no line of the log.
fn last_word(error: &anyhow::Error) -> String {
    format!("avepoint-exporter: {error:#}")
}

fn run(options: &Options, command: Option<&Command>, log: &Log) -> Result<Outcome> {
    let source = Source::File(options.config_file.clone());
    if !matches!(command, None | Some(Command::Demo)) {
        signals::end_at_the_first().context(TOO_FEW_THREADS)?;
    }
    match command {
        None => daemon_on_runtime(serve(options, source, log)),
        Some(Command::Check { live: false }) => check::offline(&source, options),
        Some(Command::Check { live: true }) => on_runtime(check::live(&source, options)),
        Some(Command::Poll { output }) => on_runtime(poll::run(&source, *output)),
        Some(Command::Customers { output }) => on_runtime(lists::customers(&source, *output)),
        Some(Command::Subscriptions { output }) => on_runtime(lists::subscriptions(&source, *output)),
        Some(Command::Tenants { output }) => on_runtime(lists::tenants(&source, *output)),
        Some(Command::Products { output }) => lists::products(*output),
        Some(Command::Demo) => daemon_on_runtime(demo::run(options, log)),
        Some(Command::Completions { shell }) => manual::completions(*shell),
        Some(Command::Man { folder }) => manual::pages(folder),
    }
}

/// Where the daemon listens by default: on every interface, as exporters do.
pub const DEFAULT_ADDRESS: &str = ":10878";

/// Runs the daemon until a signal stops it.
async fn serve(options: &Options, source: Source, log: &Log) -> Result<Outcome> {
    let (shutdown, reload) = (on_stop()?, on_hang_up()?);
    let Some(app) = bind(options, source, DEFAULT_ADDRESS, log, &shutdown).await? else { return Ok(Outcome::Done) };
    app.run(shutdown, reload).await?;
    Ok(Outcome::Done)
}

/// The daemon, with its sockets bound; `None` where it was stopped meanwhile.
async fn bind(
    options: &Options,
    source: Source,
    default_address: &str,
    log: &Log,
    shutdown: &CancellationToken,
) -> Result<Option<App>> {
    let listen = if options.listen.is_empty() { vec![default_address.parse()?] } else { options.listen.clone() };
    let web = ServerConfig {
        listen,
        config_file: options.web_config_file.clone(),
        realm: env!("CARGO_PKG_NAME").to_owned(),
        ..ServerConfig::default()
    };
    let app = app::Launch {
        source,
        auto_reload: options.auto_reload,
        web,
        telemetry_path: options.telemetry_path.clone(),
        enable_lifecycle: options.enable_lifecycle,
        log_lines_dropped: Some(log.lines_dropped()),
        notify_socket: env::var_os("NOTIFY_SOCKET"),
    };
    let Some(app) = shutdown.run_until_cancelled(App::bind(app)).await.transpose()? else { return Ok(None) };
    info!(version = Build::THIS.version, revision = Build::THIS.revision, addresses = ?app.addresses(), "listening");
    Ok(Some(app))
}

/// Cancelled by SIGTERM, SIGINT or a panic, after which the daemon still answers what was asked, and saves what it knows.
/// A second signal ends it at once.
fn on_stop() -> Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let stop = |stopping: CancellationToken, why| {
        info!("stopping: {why}");
        stopping.cancel();
    };
    let stopping = shutdown.clone();
    signals::at_the_first(move |signal| stop(stopping, signal)).context(TOO_FEW_THREADS)?;
    let stopping = shutdown.clone();
    tokio::spawn(async move {
        panics::first().await;
        stop(stopping, "panic");
    });
    Ok(shutdown)
}

/// Gets a message for each SIGHUP.
fn on_hang_up() -> io::Result<mpsc::Receiver<()>> {
    let mut hang_up = signal(SignalKind::hangup())?;
    let (wish, wishes) = mpsc::channel(1);
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            // A wish that waits already serves this one, too.
            let _ = wish.try_send(());
        }
    });
    Ok(wishes)
}

/// A round of requests for a command that takes its time, and what it says of a hold.
fn round(config: &Config) -> Result<(Arc<Round>, Arc<Hold>)> {
    const NO_DEADLINE: Duration = Duration::from_hours(8760);
    let (client, hold) = client(config)?;
    Ok((Round::begin(&client, Instant::now() + NO_DEADLINE), hold))
}

fn client(config: &Config) -> Result<(Arc<Client>, Arc<Hold>)> {
    let hold = Arc::<Hold>::default();
    let client = Client::new(config.api.clone(), hold.clone())?.with_holds_up_to(LONGEST_HOLD);
    Ok((Arc::new(client), hold))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == ErrorKind::BrokenPipe))
}
