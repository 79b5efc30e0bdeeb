//! The commands: one function each.

mod args;
mod check;
mod demo;
mod entries;
mod lists;
mod logging;
mod output;
mod panics;
mod poll;
mod signals;

use std::future::Future;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use args::{Arguments, Command, CustomersOutput, LogFormat, LogLevel, Options, Output, PollOutput};

use elements_api::{Client, Round};
use exporter_web::ServerConfig;

use self::logging::Log;
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
    let log = logging::start(options.log_level, options.log_format);
    panics::log_and_remember();
    let (code, last_word) = match panics::unless_any(|| run(&options, command.as_ref(), &log)) {
        Ok(Outcome::Done) => (ExitCode::SUCCESS, None),
        Ok(Outcome::Failed) => (ExitCode::FAILURE, None),
        // Whoever reads the output has enough of it, as `head` has.
        Err(error) if is_broken_pipe(&error) => (ExitCode::SUCCESS, None),
        // It is for a person, and so no line of the log.
        Err(error) => (ExitCode::FAILURE, Some(format!("avepoint-exporter: {error:#}"))),
    };
    log.finish(last_word);
    code
}

fn run(options: &Options, command: Option<&Command>, log: &Log) -> Result<Outcome> {
    let source = Source::File(options.config_file.clone());
    if !matches!(command, None | Some(Command::Demo)) {
        signals::end_at_the_first()?;
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
    };
    let Some(app) = shutdown.run_until_cancelled(App::bind(app)).await.transpose()? else { return Ok(None) };
    info!(version = Build::THIS.version, revision = Build::THIS.revision, addresses = ?app.addresses(), "listening");
    Ok(Some(app))
}

/// Cancelled by SIGTERM, SIGINT or a panic, after which the daemon still answers what was asked, and saves what it knows.
/// A second signal ends it at once.
fn on_stop() -> io::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let stop = |stopping: CancellationToken, why| {
        info!("stopping: {why}");
        stopping.cancel();
    };
    let stopping = shutdown.clone();
    signals::at_the_first(move |signal| stop(stopping, signal))?;
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

/// More threads would answer nobody sooner. A machine with many cores would run into a limit of threads (systemd's
/// `TasksMax=`, a container's pids) with one for each.
const MOST_WORKERS: usize = 8;

/// Does the work of a command, which the first panic ends at once.
fn on_runtime(work: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    daemon_on_runtime(async {
        tokio::select! {
            biased;
            panic = panics::first() => Err(panic),
            outcome = work => outcome,
        }
    })
}

/// Does work that stops by itself at the first panic, in good order.
fn daemon_on_runtime(work: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let runtime = runtime::Builder::new_multi_thread().worker_threads(cores.min(MOST_WORKERS)).enable_all().build();
    let runtime = runtime.context("the runtime cannot be started")?;
    let outcome = panics::unless_any(|| runtime.block_on(work));
    // A thread may wait for a file on a disk that does not answer: the process ends all the same.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// A round of requests for a command that takes its time.
fn round(config: &Config) -> Result<Arc<Round>> {
    const NO_DEADLINE: Duration = Duration::from_hours(8760);
    Ok(Round::begin(&client(config)?, Instant::now() + NO_DEADLINE))
}

fn client(config: &Config) -> Result<Arc<Client>> {
    Ok(Arc::new(Client::new(config.api.clone(), Arc::new(()))?))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == ErrorKind::BrokenPipe))
}
