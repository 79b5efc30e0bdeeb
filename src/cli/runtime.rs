//! The threads that work is done on, and the end of the process where the system gives too few of them.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::{self, Runtime};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Outcome, panics};

/// More threads would answer nobody sooner. A machine with many cores would run into a limit of threads (systemd's
/// `TasksMax=`, a container's pids) with one for each.
const MOST_WORKERS: usize = 8;

/// Besides the workers: the log, the signals, what may block, a file that is read, and a host that is looked up.
const OTHER_THREADS: usize = 5;

/// How long the start of a thread may take on a machine that is busy.
const START_LIMIT: Duration = Duration::from_secs(10);

pub(super) const TOO_FEW_THREADS: &str =
    "the system gives too few threads: raise its limit (`ulimit -u`, systemd's `TasksMax=`, a container's pids)";

/// Starts as many threads at once as are needed, since the runtime hangs where it gets too few, and says nothing.
///
/// # Errors
///
/// The system does not give them.
pub(super) fn has_threads() -> Result<()> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let _closed = gate.lock();
        (0..workers() + OTHER_THREADS)
            .try_for_each(|_| thread::Builder::new().spawn_scoped(scope, || drop(gate.lock())).map(drop))
            .context(TOO_FEW_THREADS)
    })
}

fn workers() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_WORKERS)
}

/// Does the work of a command, which the first panic ends at once.
pub(super) fn on_runtime(work: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    daemon_on_runtime(async {
        tokio::select! {
            biased;
            panic = panics::first() => Err(panic),
            outcome = work => outcome,
        }
    })
}

/// Does work that stops by itself at the first panic, in good order.
pub(super) fn daemon_on_runtime(work: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    let runtime = start()?;
    let outcome = panics::unless_any(|| {
        runtime.block_on(async {
            // The first of those that stay. Without one, all that may block would wait for ever.
            timeout(START_LIMIT, spawn_blocking(|| ())).await.context(TOO_FEW_THREADS)??;
            work.await
        })
    });
    // A thread may wait for a file on a disk that does not answer: the process ends all the same.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// On a thread of its own: a runtime that does not get all its workers panics, and waits for those that it got.
fn start() -> Result<Runtime> {
    let mut builder = runtime::Builder::new_multi_thread();
    // What may block waits for a thread that there is, where the system gives no more. So none ends.
    builder.worker_threads(workers()).thread_keep_alive(Duration::MAX).enable_all();
    let (started, is_started) = sync_channel(1);
    thread::Builder::new().spawn(move || started.send(builder.build())).context(TOO_FEW_THREADS)?;
    is_started.recv_timeout(START_LIMIT).context(TOO_FEW_THREADS)?.context("the runtime cannot be started")
}
