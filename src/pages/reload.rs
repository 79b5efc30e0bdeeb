//! How a request to reload reaches whoever loads the configuration.

use tokio::sync::{mpsc, oneshot};

/// A request to load the configuration again, to be answered with why it could not be done.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// Asks for the configuration to be loaded again.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<ReloadRequest>);

impl ReloadHandle {
    /// A handle, and where its requests arrive.
    pub fn new() -> (Self, mpsc::Receiver<ReloadRequest>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    /// # Errors
    ///
    /// The reason in words for which the previous configuration stays in effect.
    pub async fn reload(&self) -> Result<(), String> {
        let stopping = || "the exporter is stopping".to_owned();
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.map_err(|_| stopping())?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }
}
