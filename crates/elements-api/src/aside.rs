//! Work that would hold up everything else if it were done where requests are answered.

use std::future::pending;

use tokio::task::spawn_blocking;

/// Does `work` on a thread where it may take its time. Where the runtime goes down before it is done, or it panics,
/// which must end the process, nobody waits for it any more.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => pending().await,
    }
}
