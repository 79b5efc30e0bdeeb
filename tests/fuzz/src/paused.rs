//! Futures that wait for nobody outside of this process.

use tokio::runtime::{Builder, Runtime};

/// Runs a future to its end on this thread, on a clock that goes on only where everything waits for it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    thread_local!(static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap());
    RUNTIME.with(|runtime| runtime.block_on(future))
}
