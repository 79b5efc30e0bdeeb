//! Signals that end the process.
//!
//! They are waited for on a thread of their own: whatever the others do, the process can be ended. As process 1 of a
//! container it would not hear them otherwise, since the kernel does nothing by itself with the signals of that one.

use std::io;
use std::process;
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of what was ended in the middle: whoever reads the output must not take it for the whole.
const ENDED: i32 = 1;

/// Ends the process at the first SIGTERM or SIGINT.
///
/// # Errors
///
/// The system refuses a handler or a thread.
pub(super) fn end_at_the_first() -> io::Result<()> {
    at_the_first(|_| process::exit(ENDED))
}

/// Calls `stop` with the name of the first SIGTERM or SIGINT, and ends the process at the second.
///
/// # Errors
///
/// As above.
pub(super) fn at_the_first(stop: impl FnOnce(&'static str) + Send + 'static) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _guard = runtime.enter();
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
    };
    let wait = move || {
        runtime.block_on(async {
            stop(signals.next().await);
            signals.next().await;
            process::exit(ENDED)
        })
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
