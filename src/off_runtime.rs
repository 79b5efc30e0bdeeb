//! Work that would hold up everything else if it were done where requests are answered.

use std::future::pending;

use tokio::task::spawn_blocking;

/// Runs `work` on a thread where it may block. It never resolves if `work` panics, which ends the process, or if the
/// runtime shuts down first.
pub async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => pending().await,
    }
}
