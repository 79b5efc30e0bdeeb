//! Supervised tasks: as long as the daemon runs, all of them do.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// Whatever has not stopped by then is left behind: the process must end within 5 s.
const GRACE: Duration = Duration::from_secs(4);

/// A task ended by itself. Without it the others would go on serving old numbers for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {task} {problem}")]
pub struct TaskEnded {
    task: &'static str,
    problem: String,
}

/// Tasks that must all run until they are asked to stop.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Supervisor {
    /// Starts the task called `name`, which runs until it is asked to stop.
    pub(super) fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits for `shutdown`, or for a task that ends by itself; then asks the others to `stop`, and waits until they
    /// have.
    pub(super) async fn run(mut self, shutdown: CancellationToken, stop: CancellationToken) -> Result<(), TaskEnded> {
        let outcome = tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            Some(ended) = self.tasks.join_next_with_id() => Err(self.by_itself(ended)),
        };
        if let Err(ended) = &outcome {
            error!("{ended}");
        }
        stop.cancel();
        let stopped = timeout(GRACE, async {
            let mut panicked = Ok(());
            while let Some(ended) = self.tasks.join_next_with_id().await {
                if ended.is_err() {
                    panicked = Err(self.by_itself(ended));
                }
            }
            panicked
        });
        let panicked = stopped.await.unwrap_or_else(|_| {
            warn!("some tasks did not stop in time and are left behind");
            Ok(())
        });
        outcome.and(panicked)
    }

    fn by_itself(&self, ended: Result<(Id, ()), JoinError>) -> TaskEnded {
        let (id, problem) = match ended {
            Ok((id, ())) => (id, "ended by itself".to_owned()),
            Err(error) => (error.id(), format!("panicked: {}", reason(error))),
        };
        TaskEnded { task: self.names.get(&id).copied().unwrap_or("task"), problem }
    }
}

fn reason(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obedient(supervisor: &mut Supervisor, stop: &CancellationToken) -> CancellationToken {
        let (stop, stopped) = (stop.clone(), CancellationToken::new());
        let seen = stopped.clone();
        supervisor.start("obedient task", async move {
            stop.cancelled().await;
            seen.cancel();
        });
        stopped
    }

    #[tokio::test]
    async fn a_task_that_panics_stops_all_the_others_with_its_reason() {
        let (mut supervisor, stop) = (Supervisor::default(), CancellationToken::new());
        let stopped = obedient(&mut supervisor, &stop);
        supervisor.start("poller", async { panic!("out of {}", "cheese") });
        let ended = supervisor.run(CancellationToken::new(), stop).await.expect_err("a task panicked");
        assert_eq!(ended.to_string(), "the poller panicked: out of cheese");
        assert!(stopped.is_cancelled());
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_stops_all_the_others() {
        let (mut supervisor, stop) = (Supervisor::default(), CancellationToken::new());
        let stopped = obedient(&mut supervisor, &stop);
        supervisor.start("poller", async {});
        let ended = supervisor.run(CancellationToken::new(), stop).await.expect_err("a task ended");
        assert_eq!(ended.to_string(), "the poller ended by itself");
        assert!(stopped.is_cancelled());
    }

    #[tokio::test]
    async fn a_shutdown_stops_every_task() {
        let (mut supervisor, stop, shutdown) =
            (Supervisor::default(), CancellationToken::new(), CancellationToken::new());
        let stopped = obedient(&mut supervisor, &stop);
        shutdown.cancel();
        supervisor.run(shutdown, stop).await.expect("a clean stop");
        assert!(stopped.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_while_stopping_is_no_clean_stop() {
        let (mut supervisor, stop, shutdown) =
            (Supervisor::default(), CancellationToken::new(), CancellationToken::new());
        let stopping = stop.clone();
        supervisor.start("state keeper", async move {
            stopping.cancelled().await;
            panic!("no");
        });
        shutdown.cancel();
        assert!(supervisor.run(shutdown, stop).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_is_left_behind_in_time() {
        let (mut supervisor, shutdown) = (Supervisor::default(), CancellationToken::new());
        supervisor.start("stubborn task", std::future::pending());
        shutdown.cancel();
        let start = tokio::time::Instant::now();
        supervisor.run(shutdown, CancellationToken::new()).await.expect("a clean stop");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
