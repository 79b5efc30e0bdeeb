//! How a request to reload reaches whoever loads the configuration.

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// So many may wait for the next reload. A connection that waits for this exporter makes room for nobody, and a reload
/// waits for as long as its disk does.
pub(super) const MOST_WAITING: usize = 8;

type Outcome = Result<(), String>;

/// Asks for the configuration to be loaded again.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<oneshot::Sender<Outcome>>);

/// Why the previous configuration stays in effect.
#[derive(Debug)]
pub enum NotReloaded {
    /// Too many wait for a reload already.
    Busy,
    /// The reason in words.
    Refused(String),
}

/// Where requests to reload arrive.
#[derive(Debug)]
pub struct ReloadRequests(mpsc::Receiver<oneshot::Sender<Outcome>>);

/// The wish for a reload of all who asked before it begins. They share its outcome.
#[derive(Debug)]
pub struct ReloadRequest(Vec<oneshot::Sender<Outcome>>);

impl ReloadHandle {
    /// A handle, and where its requests arrive.
    pub fn new() -> (Self, ReloadRequests) {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        (Self(sender), ReloadRequests(receiver))
    }

    /// # Errors
    ///
    /// The configuration was not loaded.
    pub async fn reload(&self) -> Result<(), NotReloaded> {
        let stopping = || NotReloaded::Refused("the exporter is stopping".to_owned());
        let (answer, answered) = oneshot::channel();
        self.0.try_send(answer).map_err(|error| match error {
            TrySendError::Full(_) => NotReloaded::Busy,
            TrySendError::Closed(_) => stopping(),
        })?;
        answered.await.map_err(|_| stopping())?.map_err(NotReloaded::Refused)
    }
}

impl ReloadRequests {
    /// The next request; `None` where nobody can ask any more. Nothing is lost where this is dropped while it waits.
    pub async fn recv(&mut self) -> Option<ReloadRequest> {
        let mut asking = vec![self.0.recv().await?];
        while let Ok(another) = self.0.try_recv() {
            asking.push(another);
        }
        Some(ReloadRequest(asking))
    }
}

impl ReloadRequest {
    /// Tells everybody what came of it, or why it could not be done.
    pub fn answer(self, outcome: &Result<(), String>) {
        for asking in self.0 {
            // Whoever asked may have gone meanwhile.
            let _ = asking.send(outcome.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_before_a_reload_begins_shares_it_and_few_may_wait() {
        let (handle, mut requests) = ReloadHandle::new();
        let mut asking = JoinSet::new();
        for round in 1..=2 {
            for _ in 0..MOST_WAITING {
                let handle = handle.clone();
                asking.spawn(async move { handle.reload().await });
            }
            tokio::task::yield_now().await;
            assert!(matches!(handle.reload().await, Err(NotReloaded::Busy)));
            let begun = requests.recv().await.expect("a request");
            assert!(timeout(Duration::from_secs(1), requests.recv()).await.is_err(), "it is one reload");
            begun.answer(&if round == 1 { Ok(()) } else { Err("no".to_owned()) });
            while let Some(outcome) = asking.join_next().await {
                assert!(if round == 1 {
                    outcome.is_ok_and(|outcome| outcome.is_ok())
                } else {
                    matches!(outcome, Ok(Err(NotReloaded::Refused(reason))) if reason == "no")
                });
            }
        }
    }
}
