//! The parts of the daemon: as long as it runs, all of them do.

use std::any::Any;
use std::future::Future;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// Whatever has not stopped by then is left behind: the process must end within 5 s.
const GRACE: Duration = Duration::from_secs(4);

/// A part ended by itself. Without it the others would go on serving old numbers for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {part} {problem}")]
pub struct PartEnded {
    part: &'static str,
    problem: String,
}

/// Tasks that must all run until they are told to stop.
#[derive(Debug, Default)]
pub(super) struct Parts {
    tasks: JoinSet<(&'static str, Result<(), JoinError>)>,
}

impl Parts {
    /// Starts `part`, which runs until it is told to stop.
    pub(super) fn start(&mut self, part: &'static str, run: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(run);
        self.tasks.spawn(async move { (part, task.await) });
    }

    /// Waits for `shutdown`, or for a part that ends by itself; tells the parts to `stop`, and waits until they have.
    pub(super) async fn run(mut self, shutdown: CancellationToken, stop: CancellationToken) -> Result<(), PartEnded> {
        let outcome = tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            Some(ended) = self.tasks.join_next() => Err(by_itself(ended)),
        };
        if let Err(ended) = &outcome {
            error!("{ended}");
        }
        stop.cancel();
        let stopped = timeout(GRACE, async {
            let mut panicked = None;
            while let Some(ended) = self.tasks.join_next().await {
                if !matches!(ended, Ok((_, Ok(())))) {
                    panicked = Some(by_itself(ended));
                }
            }
            panicked
        });
        match stopped.await {
            Ok(None) => outcome,
            Ok(Some(panicked)) => outcome.and(Err(panicked)),
            Err(_) => {
                warn!("some parts did not stop in time and are left behind");
                outcome
            }
        }
    }
}

fn by_itself(ended: Result<(&'static str, Result<(), JoinError>), JoinError>) -> PartEnded {
    match ended {
        Ok((part, Ok(()))) => PartEnded { part, problem: "ended by itself".to_owned() },
        Ok((part, Err(error))) => PartEnded { part, problem: format!("panicked: {}", message(error)) },
        Err(error) => PartEnded { part: "supervisor", problem: format!("panicked: {}", message(error)) },
    }
}

fn message(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    text(payload.as_ref()).unwrap_or("it left no message").to_owned()
}

fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obedient(parts: &mut Parts, stop: &CancellationToken) -> CancellationToken {
        let (stop, stopped) = (stop.clone(), CancellationToken::new());
        let seen = stopped.clone();
        parts.start("obedient part", async move {
            stop.cancelled().await;
            seen.cancel();
        });
        stopped
    }

    #[tokio::test]
    async fn a_part_that_panics_stops_all_the_others_with_its_reason() {
        let (mut parts, stop) = (Parts::default(), CancellationToken::new());
        let stopped = obedient(&mut parts, &stop);
        parts.start("poller", async { panic!("out of {}", "cheese") });
        let ended = parts.run(CancellationToken::new(), stop).await.expect_err("a part panicked");
        assert_eq!(ended.to_string(), "the poller panicked: out of cheese");
        assert!(stopped.is_cancelled());
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_stops_all_the_others() {
        let (mut parts, stop) = (Parts::default(), CancellationToken::new());
        let stopped = obedient(&mut parts, &stop);
        parts.start("poller", async {});
        let ended = parts.run(CancellationToken::new(), stop).await.expect_err("a part ended");
        assert_eq!(ended.to_string(), "the poller ended by itself");
        assert!(stopped.is_cancelled());
    }

    #[tokio::test]
    async fn a_shutdown_stops_every_part() {
        let (mut parts, stop, shutdown) = (Parts::default(), CancellationToken::new(), CancellationToken::new());
        let stopped = obedient(&mut parts, &stop);
        shutdown.cancel();
        parts.run(shutdown, stop).await.expect("a clean stop");
        assert!(stopped.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_while_stopping_is_no_clean_stop() {
        let (mut parts, stop, shutdown) = (Parts::default(), CancellationToken::new(), CancellationToken::new());
        let told = stop.clone();
        parts.start("state keeper", async move {
            told.cancelled().await;
            panic!("no");
        });
        shutdown.cancel();
        assert!(parts.run(shutdown, stop).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_does_not_stop_is_left_behind_in_time() {
        let (mut parts, shutdown) = (Parts::default(), CancellationToken::new());
        parts.start("stubborn part", std::future::pending());
        shutdown.cancel();
        let start = tokio::time::Instant::now();
        parts.run(shutdown, CancellationToken::new()).await.expect("a clean stop");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
