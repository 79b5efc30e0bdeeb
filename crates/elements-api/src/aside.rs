//! Work that would hold up everything else if it were done where requests are answered.

use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

/// Does `work` on a thread where it may take its time. Its panic is the caller's; where the runtime goes down before
/// it is done, nobody waits for it any more.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => std::future::pending().await,
    }
}
